//! A Modelfile out of what is known of a model.

use std::fmt::Write as _;

use super::Modelfile;
use super::syntax::unquoted;

impl Modelfile {
    /// The file's text, of which [`parse`](Self::parse) makes the same again; an error names the
    /// text that no quotes can hold.
    pub fn text(&self) -> Result<String, String> {
        let mut text = String::new();
        let mut line = |words: &str, value: &str| match quoted(value) {
            Some(value) => {
                let _ = writeln!(text, "{words} {value}");
                Ok(())
            }
            None => {
                Err(format!("a text for `{words}` holds both kinds of quotes at the end of a line"))
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

/// The value as it stands in a file: plain where that is possible, else between the first quotes
/// that hold it.
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

/// Whether `text` is read to its end and no further, and is `value` then.
fn holds(text: &str, value: &str) -> bool {
    let ends = text.match_indices(['\n', '\r']).map(|(at, _)| at);
    let early = ends.clone().any(|end| unquoted(text[..end].trim()).is_some());
    !early && unquoted(text) == Some(value)
}
