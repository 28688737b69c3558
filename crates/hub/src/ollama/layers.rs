//! What Ollama keeps of a model besides its weights: the system prompt, parameters, what was said
//! before, licenses. The template is left aside, since the tokenizer brings one of its own.

use std::io::Read;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{OllamaModel, READ};
use crate::ollama::error::OllamaError;
use crate::{HubError, Overrides, Reporter, Result, Turn};

/// More is no description of a model.
const MAX_BYTES: u64 = 4 << 20;

#[derive(Deserialize)]
struct Said {
    role: String,
    content: String,
}

/// What the model does in a way of its own. Parameters that have no effect here are told to the
/// reporter, and left out.
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
                    .map_err(|error| bad(format!("makes no sense: {error}")))?;
                let turn = |Said { role, content }| Turn { role, content };
                found.messages.extend(said.into_iter().map(turn));
            }
            "params" => {
                let values: Map<String, Value> = serde_json::from_str(&text(path, &bad)?)
                    .map_err(|error| bad(format!("makes no sense: {error}")))?;
                for (name, value) in values {
                    if found.parameters.set_json(&name, &value).is_err() {
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
    String::from_utf8(bytes).map_err(|_| bad("is no UTF-8 text".to_owned()))
}
