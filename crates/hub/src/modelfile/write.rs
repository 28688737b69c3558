//! Writes a Modelfile.

use std::fmt::Write as _;

use super::Modelfile;
use super::syntax::unquoted;

impl Modelfile {
    /// Returns the text of the file, from which [`parse`](Self::parse) makes the same Modelfile.
    /// The error names a text that no quotes can enclose.
    pub fn text(&self) -> Result<String, String> {
        let mut text = String::new();
        let mut line = |words: &str, value: &str| match quoted(value) {
            Some(value) => {
                let _ = writeln!(text, "{words} {value}");
                Ok(())
            }
            None => {
                Err(format!("a text for `{words}` has both kinds of quotes at the end of a line"))
            }
        };
        line("FROM", &self.from)?;
        let overrides = &self.overrides;
        if let Some(system) = &overrides.system {
            line("SYSTEM", system)?;
        }
        for (name, value) in overrides.parameters.named() {
            line(&format!("PARAMETER {name}"), &value)?;
        }
        for turn in &overrides.messages {
            line(&format!("MESSAGE {}", turn.role), &turn.content)?;
        }
        for license in &overrides.license {
            line("LICENSE", license)?;
        }
        Ok(text)
    }
}

/// Returns the value as written in a file: plain if possible, otherwise in the first quotes that
/// can enclose it.
fn quoted(value: &str) -> Option<String> {
    let plain = !value.is_empty()
        && !value.contains(['\n', '\r'])
        && value.trim() == value
        && !value.starts_with('"');
    if plain {
        return Some(value.to_owned());
    }
    ["\"\"\"", "\""].into_iter().find_map(|quotes| {
        let text = format!("{quotes}{value}{quotes}");
        holds(&text, value).then_some(text)
    })
}

/// Returns `true` if `text` is read to its end and no further, and gives `value`.
fn holds(text: &str, value: &str) -> bool {
    let ends = text.match_indices(['\n', '\r']).map(|(at, _)| at);
    let early = ends.clone().any(|end| unquoted(text[..end].trim()).is_some());
    !early && unquoted(text) == Some(value)
}
