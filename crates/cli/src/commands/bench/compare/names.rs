//! The pair of names: the model in Ollama and ours.

use mlxk_hub::{Alias, Pair};

use crate::Context;
use crate::args::{CompareArgs, Peer};
use crate::exit::UsageError;

/// The pair that is compared where nobody names another one.
const DEFAULT: &str = "qwen2.5-coder:1.5b";

/// What the model is called on either side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Names {
    /// In Ollama; `None` where no peer needs it and nobody says.
    pub(super) ollama: Option<String>,
    /// Here.
    pub(super) ours: String,
}

/// The names by the flags; the pair table fills either side.
pub(super) fn of(args: &CompareArgs, context: &Context) -> anyhow::Result<Names> {
    if let Some(shape) = &args.synthetic {
        return Ok(Names { ollama: None, ours: shape.clone() });
    }
    let pairs = &context.settings.pairs;
    let ours_of = |ollama: &str| {
        let alias = Alias::of_ollama(ollama).map(|alias| alias.name.to_owned());
        pairs.repo(ollama).map(ToString::to_string).or(alias)
    };
    let ollama_of = |ours: &str| {
        let alias = Alias::find(ours).map(|alias| alias.ollama.to_owned());
        let is_it = |pair: &&Pair| pair.repo.to_string().eq_ignore_ascii_case(ours);
        let pair = pairs.iter().find(is_it).map(|pair| pair.ollama.clone());
        // Our name may be written as Ollama's.
        let same = pairs.repo(ours).map(|_| ours.to_owned());
        pair.or(alias).or(same)
    };
    match (&args.model, &args.mlx_model) {
        (Some(ollama), Some(ours)) => {
            Ok(Names { ollama: Some(ollama.clone()), ours: ours.clone() })
        }
        (Some(ollama), None) => match ours_of(ollama) {
            Some(ours) => Ok(Names { ollama: Some(ollama.clone()), ours }),
            None => Err(UsageError(format!(
                "The pair table has no MLX model for `{ollama}`; name it with `--mlx-model`"
            ))
            .into()),
        },
        (None, Some(ours)) => {
            let ollama = ollama_of(ours);
            let needed = |peer: &Peer| matches!(peer, Peer::Ollama | Peer::Openai(_));
            if ollama.is_none() && args.vs.iter().any(needed) {
                return Err(UsageError(format!(
                    "The pair table does not say what `{ours}` is called elsewhere; name it with \
                     `--model`"
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
