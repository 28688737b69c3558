//! A model of Ollama's that cannot be taken over.

use std::path::PathBuf;

use crate::explain::{Explain, Explained, impl_error, ticked};

/// Failures of using a model in Ollama's own store.
#[derive(Debug)]
#[allow(missing_docs, reason = "the messages below say what the fields are")]
pub enum OllamaError {
    /// No such model in any of the `stores`, which have the `known` ones. `name` may be empty.
    NotFound { name: String, known: Vec<String>, stores: Vec<PathBuf> },
    /// The name has no tag, and none of its `tags` is `latest`.
    SeveralTags { name: String, tags: Vec<String> },
    /// The model cannot be imported.
    Unusable { name: String, problem: String },
    /// The model's files are not what its manifest says.
    Damaged { name: String, problem: String },
}

impl_error!(OllamaError);

impl Explain for OllamaError {
    fn explain(&self) -> Explained {
        match self {
            Self::NotFound { name, known, stores } => {
                let message = match name.as_str() {
                    "" => "`ollama:` needs the name of a model".to_owned(),
                    name => format!("Model `{name}` not found in Ollama's store"),
                };
                Explained::new("model_not_found", message).hint(if known.is_empty() {
                    let stores: Vec<_> =
                        stores.iter().map(|store| store.display().to_string()).collect();
                    format!(
                        "Ollama has no models in {}; if they are elsewhere, set `OLLAMA_MODELS`",
                        ticked(&stores)
                    )
                } else {
                    format!("Ollama has {}", ticked(known))
                })
            }
            Self::SeveralTags { name, tags } => Explained::new(
                "ambiguous_match",
                format!("Ollama has {} models called `{name}`: {}", tags.len(), ticked(tags)),
            )
            .hint(format!("Add the tag, as in `ollama:{}`", tags[0])),
            Self::Unusable { name, problem } => Explained::new(
                "execution_error",
                format!("Ollama's model `{name}` is unusable: {problem}"),
            )
            .hint("Try another tag, or download an MLX checkpoint with `mlxk pull org/NAME`"),
            Self::Damaged { name, problem } => Explained::new(
                "execution_error",
                format!("Ollama's model `{name}` is damaged: {problem}"),
            )
            .hint(format!("Download it again with `ollama pull {name}`")),
        }
    }
}
