//! Writes a grammar for the library, in its dialect of Lark.

use std::fmt::Write as _;

use serde_json::Value;

/// Rules of a grammar.
pub(super) struct Rules<'a> {
    text: String,
    /// Number of rules without a name of their own.
    count: usize,
    /// Texts and ids of the vocabulary's special tokens, longest first. They differ from text with the same bytes.
    special: &'a [(String, u32)],
}

/// Most bytes of a grammar. The tools of large agents take some 200 kB.
const MAX_BYTES: usize = 4 << 20;

/// White space between the parts of a JSON text.
pub(super) const SPACE: &str = "SPACE?";

impl<'a> Rules<'a> {
    pub(super) fn new(special: &'a [(String, u32)]) -> Self {
        let text = "SPACE: /[ ]|\\n[ \\t]{0,24}/\n".to_owned();
        Self { text, count: 0, special }
    }

    /// Fails if the rules are too large together. Definitions are a part of every parameter that refers to them.
    pub(super) fn check_size(&self) -> Result<(), String> {
        if self.text.len() > MAX_BYTES {
            return Err("the schemas are too large together; use fewer or smaller tools".to_owned());
        }
        Ok(())
    }

    /// Returns the expression of a text: quoted, with special tokens by their ids.
    pub(super) fn text(&self, text: &str) -> String {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let mut special = self.special.iter();
            let special = special.find(|(special, _)| rest.starts_with(special.as_str()));
            if let Some((special, id)) = special {
                parts.extend(quoted(&std::mem::take(&mut plain)));
                parts.push(format!("<[{id}]>"));
                rest = &rest[special.len()..];
            } else {
                plain.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
        parts.extend(quoted(&plain));
        if parts.is_empty() { "\"\"".to_owned() } else { parts.join(" ") }
    }

    /// Adds a rule, and returns its name.
    pub(super) fn rule(&mut self, body: &str) -> String {
        let name = self.reserve();
        self.define(&name, body);
        name
    }

    /// Adds a rule for a JSON value of a rewritten schema, and returns its name.
    pub(super) fn json(&mut self, schema: &Value) -> String {
        self.rule(&format!("%json {schema}"))
    }

    /// Adds a rule for a text that matches `pattern` up to the first `end`, which it includes.
    pub(super) fn until(&mut self, pattern: &str, end: &str) -> String {
        let end = quoted(end).unwrap_or_else(|| "\"\"".to_owned());
        let name = self.reserve();
        let pattern = pattern.replace('/', "\\/");
        let _ = writeln!(self.text, "{name}[suffix={end}]: /{pattern}/");
        name
    }

    /// Returns a name for a rule that is defined later.
    pub(super) fn reserve(&mut self) -> String {
        self.count += 1;
        format!("r{}", self.count)
    }

    pub(super) fn define(&mut self, name: &str, body: &str) {
        let _ = writeln!(self.text, "{name}: {body}");
    }

    /// Returns the grammar of everything that matches `start`.
    pub(super) fn finish(mut self, start: &str) -> String {
        let _ = writeln!(self.text, "start: {start}");
        self.text
    }
}

/// Returns a text in quotes, or `None` if it is empty.
fn quoted(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| Value::from(text).to_string())
}

/// Returns the expression of one of several alternatives.
pub(super) fn one_of(all: &[String]) -> String {
    match all {
        [only] => only.clone(),
        all => format!("( {} )", all.join(" | ")),
    }
}
