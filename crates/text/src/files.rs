//! Reading the JSON files of a checkpoint folder.

use std::io::ErrorKind;
use std::path::Path;

use serde::de::DeserializeOwned;

use crate::TextError;

/// The text of `path`; `None` where there is no such file.
pub(crate) fn read_optional(path: &Path) -> Result<Option<String>, TextError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(TextError::Read { path: path.to_owned(), source }),
    }
}

/// `path` as JSON; the type's default where there is no such file.
pub(crate) fn json_or_default<T: DeserializeOwned + Default>(path: &Path) -> Result<T, TextError> {
    match read_optional(path)? {
        None => Ok(T::default()),
        Some(text) => serde_json::from_str(&text)
            .map_err(|source| TextError::Json { path: path.to_owned(), source }),
    }
}
