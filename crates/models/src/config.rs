//! Typed, bounded access to `config.json`, an untrusted file that sizes allocations.

use mlxk_format::config_number;
use serde_json::Value;

use crate::error::ModelError;

/// Bounds that no real model reaches. They keep products of sizes far from overflow.
pub(crate) mod limit {
    pub(crate) const LAYERS: usize = 1 << 12;
    pub(crate) const HEADS: usize = 1 << 12;
    pub(crate) const EXPERTS: usize = 1 << 12;
    pub(crate) const HEAD_DIM: usize = 1 << 10;
    pub(crate) const WIDTH: usize = 1 << 20;
    pub(crate) const VOCAB: usize = 1 << 24;
    pub(crate) const POSITIONS: usize = 1 << 31;
}

/// An object of `config.json`, with the path that leads to it.
#[derive(Clone)]
pub(crate) struct Config<'a> {
    object: &'a Value,
    prefix: String,
}

impl<'a> Config<'a> {
    /// Wraps the root object of the file.
    pub(crate) fn new(object: &'a Value) -> Self {
        Self { object, prefix: String::new() }
    }

    /// Returns the value of `key`. As in Python, null counts as absent.
    pub(crate) fn get(&self, key: &str) -> Option<&'a Value> {
        self.object.get(key).filter(|value| !value.is_null())
    }

    /// Returns `true` if the value of `key` is null.
    pub(crate) fn is_null(&self, key: &str) -> bool {
        self.object.get(key).is_some_and(Value::is_null)
    }

    /// Returns the object under `key`.
    pub(crate) fn child(&self, key: &str) -> Result<Option<Self>, ModelError> {
        match self.get(key) {
            None => Ok(None),
            Some(object) if object.is_object() => {
                Ok(Some(Self { object, prefix: format!("{}{key}.", self.prefix) }))
            }
            Some(_) => Err(self.bad(key, "an object")),
        }
    }

    /// Returns the first key whose value is an object.
    pub(crate) fn first_object(&self) -> Option<&'a str> {
        let mut members = self.object.as_object()?.iter();
        members.find(|(_, value)| value.is_object()).map(|(key, _)| key.as_str())
    }

    /// Returns a size from 1 to `max`, which must be there.
    pub(crate) fn size(&self, key: &str, max: usize) -> Result<usize, ModelError> {
        self.optional_size(key, max)?.ok_or_else(|| self.missing(key))
    }

    /// Returns a size from 1 to `max`, if the key is there.
    pub(crate) fn optional_size(&self, key: &str, max: usize) -> Result<Option<usize>, ModelError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let integer = config_number(value).filter(|number| number.fract() == 0.0);
        match integer {
            Some(number) if (1.0..=max as f64).contains(&number) => Ok(Some(number as usize)),
            _ => Err(self.bad(key, format!("an integer from 1 to {max}"))),
        }
    }

    /// Returns a size from 1 to `max`, or `default` if the key is absent. The default may not exceed `max` either: a
    /// model with few experts has to say how many a token takes.
    pub(crate) fn size_or(
        &self,
        key: &str,
        default: usize,
        max: usize,
    ) -> Result<usize, ModelError> {
        match self.optional_size(key, max)? {
            None if default > max => Err(self.bad(key, format!("an integer from 1 to {max}"))),
            size => Ok(size.unwrap_or(default)),
        }
    }

    /// Returns an integer from 0 to `max`, or `default` if the key is absent.
    pub(crate) fn count_or(
        &self,
        key: &str,
        default: usize,
        max: usize,
    ) -> Result<usize, ModelError> {
        if self.get(key).and_then(Value::as_u64) == Some(0) {
            return Ok(0);
        }
        Ok(self.optional_size(key, max)?.unwrap_or(default))
    }

    /// Returns a finite number above zero, which must be there.
    pub(crate) fn positive(&self, key: &str) -> Result<f64, ModelError> {
        self.optional_positive(key)?.ok_or_else(|| self.missing(key))
    }

    /// Returns a finite number above zero, if the key is there.
    pub(crate) fn optional_positive(&self, key: &str) -> Result<Option<f64>, ModelError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        match config_number(value) {
            Some(number) if number > 0.0 && number.is_finite() => Ok(Some(number)),
            _ => Err(self.bad(key, "a number above 0")),
        }
    }

    /// Returns a finite number above zero, or `default` if the key is absent.
    pub(crate) fn positive_or(&self, key: &str, default: f64) -> Result<f64, ModelError> {
        Ok(self.optional_positive(key)?.unwrap_or(default))
    }

    /// Returns a finite number, or `default` if the key is absent.
    pub(crate) fn number_or(&self, key: &str, default: f64) -> Result<f64, ModelError> {
        let Some(value) = self.get(key) else { return Ok(default) };
        config_number(value)
            .filter(|number| number.is_finite())
            .ok_or_else(|| self.bad(key, "a number"))
    }

    /// Returns a list of `len` finite numbers above zero, which must be there.
    pub(crate) fn positive_list(&self, key: &str, len: usize) -> Result<Vec<f64>, ModelError> {
        let numbers = self.get(key).and_then(Value::as_array).and_then(|values| {
            let numbers: Option<Vec<f64>> = values
                .iter()
                .map(|value| config_number(value).filter(|x| *x > 0.0 && x.is_finite()))
                .collect();
            numbers.filter(|numbers| numbers.len() == len)
        });
        numbers.ok_or_else(|| self.bad(key, format!("a list of {len} numbers above 0")))
    }

    /// Returns a list of `len` integers from 0 to `max`, if the key is there.
    pub(crate) fn optional_counts(
        &self,
        key: &str,
        len: usize,
        max: usize,
    ) -> Result<Option<Vec<usize>>, ModelError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let counts = value.as_array().filter(|values| values.len() == len).and_then(|values| {
            let fits = |number: &u64| *number <= max as u64;
            let counts = values.iter().map(|value| value.as_u64().filter(fits));
            counts.map(|count| count.map(|count| count as usize)).collect()
        });
        counts
            .map(Some)
            .ok_or_else(|| self.bad(key, format!("a list of {len} integers from 0 to {max}")))
    }

    /// Returns the number of dimensions of a head that are rotated, by `partial_rotary_factor`.
    pub(crate) fn rotary_dims(&self, head_dim: usize) -> Result<usize, ModelError> {
        self.part_of_head("partial_rotary_factor", head_dim, 1.0)
    }

    /// Returns the number of dimensions of a head that are rotated, by the factor `key`.
    pub(crate) fn part_of_head(
        &self,
        key: &str,
        head_dim: usize,
        default: f64,
    ) -> Result<usize, ModelError> {
        let factor = self.positive_or(key, default)?;
        let dims = (head_dim as f64 * factor) as usize;
        if factor > 1.0 || dims < 2 || !dims.is_multiple_of(2) {
            return Err(self.bad(key, "an even part of a head"));
        }
        Ok(dims)
    }

    /// Returns a boolean, if the key is there.
    pub(crate) fn flag(&self, key: &str) -> Result<Option<bool>, ModelError> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(_) => Err(self.bad(key, "true or false")),
        }
    }

    /// Returns a boolean, or `default` if the key is absent.
    pub(crate) fn flag_or(&self, key: &str, default: bool) -> Result<bool, ModelError> {
        Ok(self.flag(key)?.unwrap_or(default))
    }

    /// Returns a string, if the key is there.
    pub(crate) fn text(&self, key: &str) -> Result<Option<&'a str>, ModelError> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.bad(key, "a string")),
        }
    }

    /// Refuses every value of `key` but `only`, which an absent key stands for.
    pub(crate) fn require(&self, key: &str, only: &'static str) -> Result<(), ModelError> {
        match self.text(key)? {
            Some(found) if found != only => Err(self.unsupported(key, found, only)),
            _ => Ok(()),
        }
    }

    /// Returns the error for an absent `key`.
    pub(crate) fn missing(&self, key: &str) -> ModelError {
        ModelError::MissingKey { key: format!("{}{key}", self.prefix) }
    }

    /// Returns the error for an invalid value of `key`.
    pub(crate) fn bad(&self, key: &str, expected: impl Into<String>) -> ModelError {
        let found = self.get(key).map_or_else(|| "absent".to_owned(), shorten);
        ModelError::BadValue {
            key: format!("{}{key}", self.prefix),
            found,
            expected: expected.into(),
        }
    }

    /// Returns the error for a value of `key` that is not supported.
    pub(crate) fn unsupported(
        &self,
        key: &str,
        found: &str,
        supported: &'static str,
    ) -> ModelError {
        let found = found.chars().take(60).collect();
        ModelError::Unsupported { key: format!("{}{key}", self.prefix), found, supported }
    }
}

/// Returns the value as JSON, shortened to a line.
fn shorten(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        None => text,
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}
