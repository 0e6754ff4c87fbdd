//! The messages of long operations (pull, import), one JSON object each.

use serde::Serialize;
use serde_json::Value;

use super::is_default;
use crate::json::FromJson;

/// One line of progress.
#[derive(Clone, Debug, Default, PartialEq, Serialize, FromJson)]
#[serde(default, rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct Message {
    #[serde(skip_serializing_if = "is_default")]
    pub status: String,
    /// Present, though perhaps empty, wherever an id is part of a transfer.
    #[serde(skip_serializing_if = "is_default")]
    pub progress_detail: Option<Detail>,
    /// The bar as text, for clients that cannot draw.
    #[serde(skip_serializing_if = "is_default")]
    pub progress: String,
    #[serde(skip_serializing_if = "is_default")]
    pub id: String,
    #[serde(skip_serializing_if = "is_default")]
    pub error_detail: Option<ErrorDetail>,
    #[serde(skip_serializing_if = "is_default")]
    pub error: String,
    #[serde(skip_serializing_if = "is_default")]
    pub aux: Option<Value>,
}

/// How far a transfer is, in bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, FromJson)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Detail {
    #[serde(skip_serializing_if = "is_default")]
    pub current: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub total: i64,
}

/// Why an operation ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, FromJson)]
#[serde(default)]
#[allow(missing_docs)]
pub struct ErrorDetail {
    #[serde(skip_serializing_if = "is_default")]
    pub code: i64,
    pub message: String,
}

impl Message {
    /// Makes a message of a status alone.
    pub fn status(status: impl Into<String>) -> Message {
        Message { status: status.into(), ..Message::default() }
    }

    /// Makes a message of a status with an id (of a tag or a layer).
    pub fn of(id: impl Into<String>, status: impl Into<String>) -> Message {
        Message { id: id.into(), status: status.into(), ..Message::default() }
    }

    /// Makes a message of a step of a layer: with an empty detail.
    pub fn step(id: &str, status: &str) -> Message {
        let detail = Some(Detail::default());
        Message { progress_detail: detail, ..Message::of(id, status) }
    }

    /// Makes a message of a layer's transfer, with its bar.
    pub fn transfer(
        id: &str,
        status: &str,
        current: u64,
        total: u64,
    ) -> Message {
        let current = i64::try_from(current).unwrap_or(i64::MAX);
        let total = i64::try_from(total).unwrap_or(i64::MAX);
        Message {
            progress_detail: Some(Detail { current, total }),
            progress: bar(current, total),
            ..Message::of(id, status)
        }
    }

    /// Makes the message that ends a failed operation.
    pub fn error(text: impl Into<String>) -> Message {
        let text = text.into();
        Message {
            error_detail: Some(ErrorDetail { code: 0, message: text.clone() }),
            error: text,
            ..Message::default()
        }
    }
}

/// Draws the bar of 50 places that Docker sends: `[==>   ]  1kB/2kB`.
pub fn bar(current: i64, total: i64) -> String {
    let size =
        |n: i64| crate::units::human_size(u64::try_from(n).unwrap_or_default());
    if total <= 0 || current > total {
        return format!("{:>8}", size(current));
    }
    let half = (current as f64 / total as f64 * 100.0) as usize / 2;
    let half = half.min(50);
    let pad = " ".repeat(50 - half);
    let figures = format!("{:>8}/{}", size(current), size(total));
    format!("[{}>{pad}] {figures}", "=".repeat(half))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_is_dockers() {
        assert_eq!(
            bar(14351, 1088882),
            "[>                                                  ]  \
             14.35kB/1.089MB"
        );
        assert_eq!(
            bar(32768, 1088882),
            "[=>                                                 ]  \
             32.77kB/1.089MB"
        );
        assert_eq!(
            bar(1088882, 1088882),
            "[==================================================>]  \
             1.089MB/1.089MB"
        );
    }

    #[test]
    fn messages_print_as_dockers() {
        let text = |m: &Message| serde_json::to_string(m).unwrap();
        assert_eq!(
            text(&Message::step("a5778ec800fe", "Pull complete")),
            r#"{"status":"Pull complete","progressDetail":{},"id":"a5778ec800fe"}"#
        );
        assert_eq!(
            text(&Message::of("latest", "Pulling from library/busybox")),
            r#"{"status":"Pulling from library/busybox","id":"latest"}"#
        );
        assert_eq!(
            text(&Message::error("boom")),
            r#"{"errorDetail":{"message":"boom"},"error":"boom"}"#
        );
    }
}
