//! `#[derive(FromJson)]`: reads a struct or a plain enum out of JSON by a
//! table of its fields. What it means stands in `skiff::json`, which also
//! holds the code; made here is little more than the table.
//!
//! It understands those of serde's attributes that skiff's types have, so
//! that a name stands once for both directions.

use proc_macro::{Delimiter, Group, TokenStream, TokenTree};

/// Derives `skiff::json::FromJson`; see there.
#[proc_macro_derive(FromJson, attributes(serde))]
pub fn from_json(item: TokenStream) -> TokenStream {
    let made = match Item::parse(item) {
        Ok(item) => item.implementation(),
        Err(why) => format!("::core::compile_error!({why:?});"),
    };
    made.parse().expect("it was written as Rust")
}

/// What the attributes `#[serde(…)]` of one place say.
#[derive(Default)]
struct Attributes {
    /// Every key with its value's text, unquoted; empty if it has none.
    words: Vec<(String, String)>,
    /// `#[default]`.
    is_default: bool,
}

/// A field or a variant.
struct Member {
    name: String,
    attributes: Attributes,
    /// The first word of its type; empty for a variant.
    kind: String,
}

struct Item {
    is_enum: bool,
    name: String,
    attributes: Attributes,
    members: Vec<Member>,
}

impl Attributes {
    /// Takes the attributes that `tokens` begins with.
    fn take(tokens: &mut &[TokenTree]) -> Attributes {
        let mut found = Attributes::default();
        while let [TokenTree::Punct(sign), TokenTree::Group(group), rest @ ..] =
            *tokens
            && sign.as_char() == '#'
        {
            found.read(group);
            *tokens = rest;
        }
        found
    }

    fn read(&mut self, group: &Group) {
        let inner: Vec<TokenTree> = group.stream().into_iter().collect();
        match &inner[..] {
            [TokenTree::Ident(name)] if name.to_string() == "default" => {
                self.is_default = true;
            }
            [TokenTree::Ident(name), TokenTree::Group(list)]
                if name.to_string() == "serde" =>
            {
                let list: Vec<TokenTree> = list.stream().into_iter().collect();
                for word in list.split(|token| is(token, ',')) {
                    let Some(TokenTree::Ident(key)) = word.first() else {
                        continue;
                    };
                    let value = word.get(2).map(TokenTree::to_string);
                    let value = value.unwrap_or_default();
                    let value = value.trim_matches('"').to_string();
                    self.words.push((key.to_string(), value));
                }
            }
            _ => {}
        }
    }

    fn get(&self, key: &str) -> Option<&str> {
        let mut words = self.words.iter();
        words.find(|(k, _)| k == key).map(|(_, value)| value.as_str())
    }

    /// Refuses what would be read in another way than serde writes it.
    fn check(&self, known: &[&str]) -> Result<(), String> {
        match self.words.iter().find(|(k, _)| !known.contains(&k.as_str())) {
            Some((key, _)) => Err(format!("FromJson knows no `{key}` here")),
            None => Ok(()),
        }
    }
}

impl Item {
    fn parse(item: TokenStream) -> Result<Item, String> {
        let tokens: Vec<TokenTree> = item.into_iter().collect();
        let mut tokens = &tokens[..];
        let attributes = Attributes::take(&mut tokens);
        attributes.check(&["default", "rename_all"])?;
        skip_visibility(&mut tokens);
        let [
            TokenTree::Ident(word),
            TokenTree::Ident(name),
            TokenTree::Group(body),
        ] = tokens
        else {
            return Err("FromJson is for plain structs and enums".into());
        };
        if body.delimiter() != Delimiter::Brace {
            return Err("FromJson is for named fields".into());
        }
        let is_enum = word.to_string() == "enum";
        let name = name.to_string();
        let members = members(body.stream(), is_enum)?;
        Ok(Item { is_enum, name, attributes, members })
    }

    /// The name of a member on the wire.
    fn wire(&self, member: &Member) -> String {
        if let Some(name) = member.attributes.get("rename") {
            return name.to_string();
        }
        let snake = match self.is_enum {
            true => snake_case(&member.name),
            false => member.name.clone(),
        };
        match self.attributes.get("rename_all") {
            None => member.name.clone(),
            Some("lowercase") => snake.replace('_', ""),
            Some("PascalCase") => capitals(&snake, true),
            Some("camelCase") => capitals(&snake, false),
            _ => snake,
        }
    }

    fn implementation(&self) -> String {
        let name = &self.name;
        let (zero, fill) = match self.is_enum {
            true => self.of_enum(),
            false => self.of_struct(),
        };
        format!(
            "impl crate::json::FromJson for {name} {{
                fn kind() -> &'static str {{ {name:?} }}
                fn zero() -> Self {{ {zero} }}
                fn fill(&mut self, value: crate::json::Value)
                    -> crate::json::Result<()> {{ {fill} }}
            }}"
        )
    }

    /// A table, sorted by the names, and the places in the same order.
    fn of_struct(&self) -> (String, String) {
        let all_optional = self.attributes.get("default").is_some();
        let mut zero = String::new();
        let mut table = Vec::new();
        for member in &self.members {
            let (name, attributes) = (&member.name, &member.attributes);
            zero += &format!("{name}: crate::json::FromJson::zero(),");
            if attributes.get("skip").is_some() {
                continue;
            }
            let rule = if let Some(how) = attributes.get("deserialize_with") {
                format!("From({how})")
            } else if all_optional
                || member.kind == "Option"
                || attributes.get("default").is_some()
            {
                "Optional".to_string()
            } else {
                "Required".to_string()
            };
            table.push((self.wire(member), rule, name));
        }
        table.sort();
        let (mut fields, mut places) = (String::new(), String::new());
        for (wire, rule, name) in &table {
            fields += &format!("({wire:?}, crate::json::Rule::{rule}),");
            places += &format!("&mut self.{name},");
        }
        let name = &self.name;
        let zero = format!("Self {{ {zero} }}");
        let fill = format!(
            "static TABLE: &[(&str, crate::json::Rule)] = &[{fields}];
            crate::json::fields({name:?}, TABLE, &mut [{places}], value)"
        );
        (zero, fill)
    }

    fn of_enum(&self) -> (String, String) {
        let chosen = self.members.iter().find(|m| m.attributes.is_default);
        let chosen = chosen.or(self.members.first());
        let zero = chosen.map(|m| m.name.as_str()).unwrap_or_default();
        let (mut names, mut arms) = (String::new(), String::new());
        for (number, member) in self.members.iter().enumerate() {
            let name = &member.name;
            names += &format!("{:?},", self.wire(member));
            match number + 1 == self.members.len() {
                true => arms += &format!("_ => Self::{name},"),
                false => arms += &format!("{number} => Self::{name},"),
            }
        }
        let fill = format!(
            "let name = crate::json::variant({:?}, &[{names}], value)?;
            *self = match name {{ {arms} }};
            Ok(())",
            self.name
        );
        (format!("Self::{zero}"), fill)
    }
}

/// The fields of a struct or the variants of an enum.
fn members(body: TokenStream, is_enum: bool) -> Result<Vec<Member>, String> {
    let tokens: Vec<TokenTree> = body.into_iter().collect();
    let mut tokens = &tokens[..];
    let mut members = Vec::new();
    while !tokens.is_empty() {
        let attributes = Attributes::take(&mut tokens);
        attributes.check(&[
            "default",
            "deserialize_with",
            "rename",
            "skip",
            "skip_serializing_if",
        ])?;
        skip_visibility(&mut tokens);
        let Some((TokenTree::Ident(name), rest)) = tokens.split_first() else {
            return Err("FromJson met something without a name".into());
        };
        let end = end_of_member(rest);
        let kind = match (&rest[..end], is_enum) {
            ([], true) => String::new(),
            ([_, kind, ..], false) => kind.to_string(),
            _ => return Err("FromJson is for variants without fields".into()),
        };
        members.push(Member { name: name.to_string(), attributes, kind });
        tokens = rest.get(end + 1..).unwrap_or_default();
    }
    Ok(members)
}

/// Where the comma stands that ends a member: outside of `<…>`.
fn end_of_member(tokens: &[TokenTree]) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate() {
        if is(token, '<') {
            depth += 1;
        } else if is(token, '>') {
            depth -= 1;
        } else if is(token, ',') && depth == 0 {
            return at;
        }
    }
    tokens.len()
}

fn skip_visibility(tokens: &mut &[TokenTree]) {
    if let Some((TokenTree::Ident(word), rest)) = tokens.split_first()
        && word.to_string() == "pub"
    {
        *tokens = match rest.split_first() {
            Some((TokenTree::Group(_), rest)) => rest,
            _ => rest,
        };
    }
}

fn is(token: &TokenTree, sign: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == sign)
}

fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

/// `boot_id` as `BootId` or `bootId`.
fn capitals(snake: &str, first: bool) -> String {
    let mut name = String::new();
    let mut raise = first;
    for letter in snake.chars() {
        match letter {
            '_' => raise = true,
            letter if raise => {
                name.push(letter.to_ascii_uppercase());
                raise = false;
            }
            letter => name.push(letter),
        }
    }
    name
}
