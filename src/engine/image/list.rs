//! `GET /images/json`.

use std::collections::BTreeMap;

use crate::api::image::Summary;
use crate::engine::{Engine, Filters, Result};
use crate::oci::{Digest, Reference};
use crate::time::Timestamp;

/// Which images are listed.
#[derive(Clone, Debug, Default)]
pub struct ImageListOptions {
    /// Also those that only serve other images.
    pub all: bool,
    /// With the size that they share with others.
    pub shared_size: bool,
    /// Only those that pass.
    pub filters: Filters,
}

/// The keys that Docker knows.
const FILTERS: &[&str] =
    &["before", "dangling", "label", "reference", "since", "until"];

impl Engine {
    /// Lists images, the latest first.
    pub fn images(&self, options: &ImageListOptions) -> Result<Vec<Summary>> {
        let filters = &options.filters;
        filters.validate(FILTERS)?;
        let dangling = filters.boolean("dangling")?;
        let created = |key: &str| -> Result<Vec<Timestamp>> {
            let names = filters.get(key).iter();
            names.map(|name| Ok(self.image(name)?.created)).collect()
        };
        let mut before = created("before")?;
        let since = created("since")?;
        for text in filters.get("until") {
            let now = Timestamp::now();
            before.push(crate::time::parse_since(text, now).ok_or_else(
                || {
                    crate::engine::Error::Invalid(format!(
                        "invalid filter 'until={text}'"
                    ))
                },
            )?);
        }
        let all = self.store.images();
        let uses = self.image_uses();
        let mut rows = Vec::new();
        for image in &all {
            let config = image.config.config.as_ref();
            let labels = config.and_then(|c| c.labels.clone());
            if !filters.labels_match(&labels.clone().unwrap_or_default())
                || before.iter().any(|bound| image.created >= *bound)
                || since.iter().any(|bound| image.created <= *bound)
            {
                continue;
            }
            let references = self.store.references(&image.id);
            let wanted = |name: &Reference| {
                filters.any("reference", |pattern| matches(pattern, name))
            };
            let show = |list: &[Reference]| -> Vec<String> {
                let passing = list.iter().filter(|name| wanted(name));
                passing.map(Reference::familiar).collect()
            };
            let tags = show(&references.tags);
            let digests = show(&references.digests);
            let is_dangling = references.tags.is_empty();
            let passes = dangling.is_none_or(|wanted| wanted == is_dangling)
                && (!filters.has("reference")
                    || !tags.is_empty()
                    || !digests.is_empty());
            if !passes {
                continue;
            }
            rows.push(Summary {
                containers: uses.get(&image.id).copied().unwrap_or(0),
                created: image.created.seconds.max(0),
                id: image.id.to_string(),
                labels,
                parent_id: String::new(),
                repo_digests: digests,
                repo_tags: tags,
                shared_size: match options.shared_size {
                    true => {
                        let bytes = self.store.shared_size(&image.id);
                        i64::try_from(bytes).unwrap_or(i64::MAX)
                    }
                    false => -1,
                },
                size: i64::try_from(image.size).unwrap_or(i64::MAX),
                virtual_size: 0,
            });
        }
        rows.sort_by(|a, b| b.created.cmp(&a.created).then(a.id.cmp(&b.id)));
        Ok(rows)
    }

    /// Counts the containers of each image.
    fn image_uses(&self) -> BTreeMap<Digest, i64> {
        let mut uses = BTreeMap::new();
        for container in self.containers.all() {
            let image = container.snapshot().record.image;
            *uses.entry(image).or_default() += 1;
        }
        uses
    }
}

/// Matches a name against a `reference` filter: a shell pattern for the
/// name alone or for the name with its tag.
fn matches(pattern: &str, name: &Reference) -> bool {
    glob(pattern.as_bytes(), name.familiar().as_bytes())
        || glob(pattern.as_bytes(), name.familiar_name().as_bytes())
}

/// Matches as Go's `path.Match` does, without character classes: `*` and
/// `?` stop at a slash.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(b'?') if text[t] != b'/' => (p, t) = (p + 1, t + 1),
            Some(byte) if *byte == text[t] => (p, t) = (p + 1, t + 1),
            _ => match star {
                Some((at, from)) if text[from] != b'/' => {
                    star = Some((at, from + 1));
                    (p, t) = (at + 1, from + 1);
                }
                _ => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reference_patterns_are_shell_patterns() {
        let name = Reference::parse("my/app:v1").unwrap();
        for (pattern, wanted) in [
            ("my/app", true),
            ("my/app:v1", true),
            ("my/*", true),
            ("*/app", true),
            ("my/app:v?", true),
            ("my*", false),
            ("app", false),
            ("my/app:v2", false),
            ("m*/a*p:*1", true),
        ] {
            assert_eq!(matches(pattern, &name), wanted, "{pattern}");
        }
    }
}
