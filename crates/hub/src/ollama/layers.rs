//! The settings that Ollama keeps with a model: system prompt, parameters, first messages,
//! licenses. The template is ignored, because the tokenizer has its own.

use std::io::Read;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{OllamaModel, READ};
use crate::derived::{Overrides, Taken, Turn};
use crate::error::{HubError, Result};
use crate::ollama::error::OllamaError;
use crate::reporter::Reporter;

/// Limit of a text layer.
const MAX_BYTES: u64 = 4 << 20;

#[derive(Deserialize)]
struct Said {
    role: String,
    content: String,
}

/// Returns the settings of the model. Parameters that have no effect here are reported and left
/// out.
pub(crate) fn overrides(model: &OllamaModel, reporter: &dyn Reporter) -> Result<Overrides> {
    let mut found = Overrides::default();
    let mut left_out = Vec::new();
    for (kind, path) in &model.layers {
        let bad = |problem: String| {
            HubError::Ollama(OllamaError::Unusable {
                name: model.name.clone(),
                problem: format!("its layer `{kind}` {problem}"),
            })
        };
        match kind.as_str() {
            "system" => found.system = Some(text(path, &bad)?),
            "license" => found.license.push(text(path, &bad)?),
            "messages" => {
                let said: Vec<Said> = serde_json::from_str(&text(path, &bad)?)
                    .map_err(|error| bad(format!("is malformed: {error}")))?;
                let turn = |Said { role, content }| Turn { role, content };
                found.messages.extend(said.into_iter().map(turn));
            }
            "params" => {
                let values: Map<String, Value> = serde_json::from_str(&text(path, &bad)?)
                    .map_err(|error| bad(format!("is malformed: {error}")))?;
                for (name, value) in values {
                    if found.parameters.set_json(&name, &value) != Ok(Taken::Set) {
                        left_out.push(format!("`{name}`"));
                    }
                }
            }
            _ => {}
        }
    }
    if !left_out.is_empty() {
        reporter.note(&format!(
            "Parameters of {} that have no effect here: {}",
            model.name,
            left_out.join(", ")
        ));
    }
    Ok(found)
}

fn text(path: &Path, bad: &dyn Fn(String) -> HubError) -> Result<String> {
    let mut bytes = Vec::new();
    let file =
        fs_err::File::open(path).map_err(|_| bad(format!("is missing: `{}`", path.display())))?;
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(HubError::io(READ))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(bad("is too long".to_owned()));
    }
    String::from_utf8(mlxk_format::without_mark(&bytes).to_vec())
        .map_err(|_| bad("is not UTF-8 text".to_owned()))
}
