//! Reads `null` as the type's empty value.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

/// Deserializes a value, `null` giving its default.
pub(super) fn default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// Deserializes the keys of an object whose values mean nothing
/// (`{"80/tcp": {}}`, also with `null` values).
pub(super) fn keys<'de, D>(
    deserializer: D,
) -> Result<Option<BTreeMap<String, super::config::Empty>>, D::Error>
where
    D: Deserializer<'de>,
{
    let map: Option<BTreeMap<String, serde::de::IgnoredAny>> =
        Option::deserialize(deserializer)?;
    Ok(map.map(|map| {
        map.into_keys().map(|key| (key, super::config::Empty {})).collect()
    }))
}
