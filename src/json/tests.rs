//! Reading, by types of every form.

use std::collections::BTreeMap;

use serde::Serialize;

use super::*;

fn words(value: Value) -> Value {
    match value {
        Value::String(_) => Value::Array(vec![value]),
        other => other,
    }
}

#[derive(Debug, Default, PartialEq, Serialize, FromJson)]
#[serde(default, rename_all = "PascalCase")]
struct Outer {
    name: String,
    #[serde(rename = "Type")]
    kind: Kind,
    inner: Inner,
    list: Option<Vec<Inner>>,
    map: BTreeMap<String, String>,
    #[serde(deserialize_with = "words")]
    args: Vec<String>,
    pair: Option<(u16, u16)>,
    size: [u32; 2],
    level: u8,
    ratio: f64,
    on: bool,
}

#[derive(Debug, Default, PartialEq, Serialize, FromJson)]
struct Inner {
    count: i64,
    #[serde(default)]
    boot_id: String,
    note: Option<Box<bool>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, FromJson)]
#[serde(rename_all = "snake_case")]
enum Kind {
    ReadOnly,
    #[default]
    ReadWrite,
    #[serde(rename = "x-none")]
    Nothing,
}

fn outer(text: &str) -> Outer {
    from_slice(text.as_bytes()).unwrap()
}

fn refusal(text: &str) -> String {
    from_slice::<Outer>(text.as_bytes()).unwrap_err().to_string()
}

#[test]
fn what_is_written_reads_back_the_same() {
    let written = Outer {
        name: "n".into(),
        kind: Kind::ReadOnly,
        inner: Inner { count: -3, boot_id: "b".into(), note: None },
        list: Some(vec![Inner {
            note: Some(Box::new(true)),
            ..Inner::default()
        }]),
        map: [("k".into(), "v".into())].into(),
        args: vec!["a".into()],
        pair: Some((1, 2)),
        size: [3, 4],
        level: 255,
        ratio: 0.5,
        on: true,
    };
    let text = serde_json::to_string(&written).unwrap();
    assert_eq!(outer(&text), written, "{text}");
}

#[test]
fn null_and_absence_are_the_zero_value() {
    let text = r#"{"Name":null,"Type":null,"Inner":null,"List":null,
        "Map":null,"Args":null,"Pair":null,"Size":null,"Level":null,
        "Ratio":null,"On":null,"New":[1,{"a":null}]}"#;
    assert_eq!(outer(text), Outer::default());
    assert_eq!(outer("{}"), Outer::default());
    assert_eq!(outer("null"), Outer::default());
}

#[test]
fn null_in_a_list_or_a_map_is_an_empty_entry() {
    let read = outer(r#"{"Map":{"a":null,"b":"c"},"Args":[null,"x"]}"#);
    assert_eq!(read.map["a"], "");
    assert_eq!(read.map["b"], "c");
    assert_eq!(read.args, ["", "x"]);
}

#[test]
fn a_name_is_found_in_any_case_and_the_exact_one_wins() {
    assert_eq!(outer(r#"{"nAME":"a"}"#).name, "a");
    assert_eq!(outer(r#"{"NAME":"a","Name":"b","name":"c"}"#).name, "b");
    assert_eq!(outer(r#"{"kind":"read_only"}"#).kind, Kind::ReadWrite);
    assert_eq!(outer(r#"{"type":"x-none"}"#).kind, Kind::Nothing);
}

#[test]
fn arrays_are_cut_and_filled_up() {
    assert_eq!(outer(r#"{"Size":[1,2,3]}"#).size, [1, 2]);
    assert_eq!(outer(r#"{"Size":[1],"Pair":[7]}"#).size, [1, 0]);
    assert_eq!(outer(r#"{"Pair":[7]}"#).pair, Some((7, 0)));
    assert_eq!(outer(r#"{"Args":"one"}"#).args, ["one"]);
}

#[test]
fn a_missing_required_field_is_an_error() {
    assert_eq!(refusal(r#"{"Inner":{}}"#), "missing field `count`");
    assert_eq!(refusal(r#"{"Inner":{"count":null}}"#), "missing field `count`");
    assert_eq!(outer(r#"{"Inner":{"count":1}}"#).inner.count, 1);
}

#[test]
fn type_errors_are_gos() {
    for (text, words) in [
        (
            r#"{"Name":5}"#,
            "number into Go struct field Outer.Name of type string",
        ),
        (
            r#"{"Name":true}"#,
            "bool into Go struct field Outer.Name of type string",
        ),
        (r#"{"On":"a"}"#, "string into Go struct field Outer.On of type bool"),
        (
            r#"{"Map":[1]}"#,
            "array into Go struct field Outer.Map of type map[string]string",
        ),
        (
            r#"{"Map":{"a":1}}"#,
            "number into Go struct field Outer.Map of type string",
        ),
        (
            r#"{"Args":{}}"#,
            "object into Go struct field Outer.Args of type []string",
        ),
        (
            r#"{"Args":[5]}"#,
            "number into Go struct field Outer.Args of type string",
        ),
        (
            r#"{"Level":256}"#,
            "number 256 into Go struct field Outer.Level of type uint8",
        ),
        (
            r#"{"Level":-1}"#,
            "number -1 into Go struct field Outer.Level of type uint8",
        ),
        (
            r#"{"Level":1.5}"#,
            "number 1.5 into Go struct field Outer.Level of type uint8",
        ),
        (
            r#"{"Inner":5}"#,
            "number into Go struct field Outer.Inner of type Inner",
        ),
        (
            r#"{"Inner":{"count":"x"}}"#,
            "string into Go struct field Inner.Inner.count of type int64",
        ),
        (
            r#"{"List":[{"count":[]}]}"#,
            "array into Go struct field Inner.List.count of type int64",
        ),
        ("[1]", "array into Go value of type Outer"),
    ] {
        assert_eq!(refusal(text), format!("json: cannot unmarshal {words}"));
    }
    assert_eq!(refusal(r#"{"Type":"z"}"#), "unknown variant `z` of Kind");
}

#[test]
fn what_is_no_json_is_refused_in_gos_words() {
    for (text, words) in [
        ("", "unexpected end of JSON input"),
        ("{\"a\"", "unexpected EOF"),
        ("x", "invalid character 'x' looking for beginning of value"),
        ("{\"a\":}", "invalid character '}' looking for beginning of value"),
        (
            "{a}",
            "invalid character 'a' looking for beginning of object key string",
        ),
        (
            "{\"a\":1,}",
            "invalid character '}' looking for beginning of object key string",
        ),
        ("{\"a\" 1}", "invalid character '1' after object key"),
        ("{\"a\":1 2}", "invalid character '2' after object key:value pair"),
        ("[1\n2]", "invalid character '2' after array element"),
        ("[\"\t\"]", "invalid character '\\t' in string literal"),
        ("[\"\\x\"]", "invalid character 'x' in string escape code"),
        ("[-]", "invalid character ']' in numeric literal"),
        ("{} {}", "unexpected content after JSON"),
    ] {
        assert_eq!(refusal(text), words, "{text:?}");
    }
}

#[test]
fn depth_is_bounded() {
    let text = "[".repeat(100_000);
    assert!(from_slice::<Value>(text.as_bytes()).is_err());
    let text = format!("{}{}", "[".repeat(120), "]".repeat(120));
    assert!(from_slice::<Value>(text.as_bytes()).is_ok());
}
