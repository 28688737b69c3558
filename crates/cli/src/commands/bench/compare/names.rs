//! The names of the model in Ollama and here.

use mlxk_hub::Alias;

use crate::Context;
use crate::args::{CompareArgs, Peer};
use crate::exit::UsageError;
use crate::models::{names, resolve};

/// Default model, by its name in Ollama.
const DEFAULT: &str = "qwen2.5-coder:1.5b";

/// The names of the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Names {
    /// Name in Ollama; `None` if unknown and not needed.
    pub(super) ollama: Option<String>,
    /// Name here.
    pub(super) ours: String,
}

/// Takes the names from the options, and missing ones from the pairs that are known.
pub(super) fn of(args: &CompareArgs, context: &Context) -> anyhow::Result<Names> {
    if let Some(shape) = &args.synthetic {
        return Ok(Names { ollama: None, ours: shape.clone() });
    }
    let ours_of = |ollama: &str| names::of_ollama(ollama, context);
    let ollama_of = |ours: &str| names::in_ollama(ours, context);
    match (&args.model, &args.mlx_model) {
        (Some(ollama), Some(ours)) => {
            let named = without_tag(ollama, args, context).and_then(|names| names.ollama);
            Ok(Names { ollama: named.or_else(|| Some(ollama.clone())), ours: ours.clone() })
        }
        (Some(ollama), None) => match without_tag(ollama, args, context) {
            Some(names) => Ok(names),
            None => match ours_of(ollama).or_else(|| here(ollama, context)) {
                Some(ours) => Ok(Names { ollama: Some(ollama.clone()), ours }),
                None => Err(UsageError(format!(
                    "No MLX model is known for the Ollama name `{ollama}`; pass one with \
                     `--mlx-model`, or see the known names with `mlxk search --ollama`"
                ))
                .into()),
            },
        },
        (None, Some(ours)) => {
            let ollama = ollama_of(ours);
            let needed = |peer: &Peer| matches!(peer, Peer::Ollama | Peer::Openai(_));
            if ollama.is_none() && args.vs.iter().any(needed) {
                return Err(UsageError(format!(
                    "No Ollama name is known for `{ours}`; pass it with `--model`"
                ))
                .into());
            }
            Ok(Names { ollama, ours: ours.clone() })
        }
        (None, None) => {
            let ours = ours_of(DEFAULT).unwrap_or_default();
            Ok(Names { ollama: Some(DEFAULT.to_owned()), ours })
        }
    }
}

/// Returns our name of the model that a name without a tag means in the other commands: one on this machine, or the
/// starter model.
fn here(name: &str, context: &Context) -> Option<String> {
    let starter = || Alias::find(name).map(|alias| alias.name.to_owned());
    resolve::name_here(name, context).or_else(starter)
}

/// Returns the names of the model that a name without a tag means in the other commands, if Ollama has a name for it:
/// one on this machine, or the starter model. A running server has names of its own.
fn without_tag(name: &str, args: &CompareArgs, context: &Context) -> Option<Names> {
    if name.contains(':') || args.vs.iter().any(|peer| matches!(peer, Peer::Openai(_))) {
        return None;
    }
    let ours = here(name, context)?;
    let ollama = names::in_ollama(&ours, context)?;
    Some(Names { ollama: Some(ollama), ours })
}
