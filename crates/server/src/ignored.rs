//! Fields of a request that the server does not know: ignored, and reported to the client.

use std::sync::{Arc, Mutex, PoisonError};

use axum::http::HeaderValue;
use serde_ignored::Path;

/// Response header with the names of the fields that had no effect.
pub(crate) const HEADER: &str = "x-mlxk-ignored";

/// Names that are kept of one request. A body may have thousands of unknown fields.
pub(crate) const MAX_NAMES: usize = 32;
/// Length of a name in the header.
const MAX_NAME: usize = 64;
/// Length of the header.
const MAX_HEADER: usize = 512;
/// Stands at the end of the header if it does not name all fields.
const MORE: &str = "...";

/// The ignored fields of one request, filled by what reads its body. Clones share the names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ignored(Arc<Mutex<Vec<String>>>);

impl Ignored {
    /// Adds the path of a field, such as `stream_options.x`.
    pub(crate) fn add(&self, name: String) {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if names.len() <= MAX_NAMES {
            names.push(name);
        }
    }

    /// Returns the names as a list, or `None` if nothing was ignored.
    pub(crate) fn text(&self) -> Option<String> {
        let names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Some(list(&names)).filter(|text| !text.is_empty())
    }

    /// Returns the names as the value of the header, or `None` if nothing was ignored.
    pub(crate) fn header(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(&self.text()?).ok()
    }
}

/// Joins names for a header or a log line. They come from the client, so length and characters are bounded.
fn list(names: &[String]) -> String {
    let mut text = String::new();
    for (index, name) in names.iter().enumerate() {
        let name = shown(name);
        if index == MAX_NAMES || text.len() + name.len() + MORE.len() + 4 > MAX_HEADER {
            text.push_str(", ");
            text.push_str(MORE);
            break;
        }
        if index > 0 {
            text.push_str(", ");
        }
        text.push_str(&name);
    }
    text
}

/// Returns a name with at most [`MAX_NAME`] characters, all of which a header may hold.
pub(crate) fn shown(name: &str) -> String {
    let plain = |c: char| {
        let is_plain = c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '[' | ']');
        if is_plain { c } else { '?' }
    };
    name.chars().take(MAX_NAME).map(plain).collect()
}

/// Writes the path of a field as error messages do: `messages[0].x`.
pub(crate) fn path(path: &Path<'_>) -> String {
    match path {
        Path::Root => String::new(),
        Path::Seq { parent, index } => format!("{}[{index}]", self::path(parent)),
        Path::Map { parent, key } => {
            let parent = self::path(parent);
            if parent.is_empty() { key.clone() } else { format!("{parent}.{key}") }
        }
        Path::Some { parent }
        | Path::NewtypeStruct { parent }
        | Path::NewtypeVariant { parent } => self::path(parent),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_bounded() {
        let ignored = Ignored::default();
        assert!(ignored.header().is_none());
        ignored.add("frobnicate".into());
        ignored.add("a\r\nset-cookie: b, ü".into());
        let header = ignored.header().unwrap();
        assert_eq!(header, "frobnicate, a??set-cookie??b???");
        for index in 0..1000 {
            ignored.add(format!("{index}{}", "x".repeat(10_000)));
        }
        let header = ignored.header().unwrap();
        let text = header.to_str().unwrap();
        assert!(text.len() <= MAX_HEADER && text.ends_with(", ..."), "{text}");
        assert!(text.split(", ").all(|name| name.len() <= MAX_NAME), "{text}");
        let many = Ignored::default();
        (0..100).for_each(|index| many.add(index.to_string()));
        let header = many.header().unwrap();
        assert_eq!(header.to_str().unwrap().split(", ").count(), MAX_NAMES + 1);
    }
}
