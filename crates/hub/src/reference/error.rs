//! A model reference that leads nowhere, or to several places.

use std::path::PathBuf;

use crate::aliases::Alias;
use crate::explain::{Explain, Explained, did_you_mean, impl_error, ticked};
use crate::pairs::base_name;

/// Failures of reading a model reference and of finding the model on this machine.
#[derive(Debug)]
#[allow(missing_docs, reason = "the messages below say what the fields are")]
pub enum ReferenceError {
    /// The text does not have the form of a reference. `problem` completes "Model name `x` …".
    Malformed { reference: String, problem: String, hint: Option<String> },
    /// No usable model of that name on this machine.
    NotFound(Box<NotFound>),
    /// Neither this machine nor the hub has the model.
    Nowhere { name: String, suggestion: String, similar: Vec<String> },
    /// This machine does not have the model, and the hub did not answer.
    Unreached(Box<Unreached>),
    /// The model has to be imported first. `from` is the reference that imports it.
    NotImported { name: String, from: String },
    /// Several models match.
    Ambiguous { name: String, candidates: Vec<String> },
    /// Several snapshots match the start of a hash.
    AmbiguousRevision { name: String, revision: String, candidates: Vec<String> },
    /// The model is not from a repository. `what` is its kind, such as "imported model".
    NoRevisions { what: &'static str, name: String, revision: String },
    /// A name in Ollama's style that is not in the pair table. `similar` ones are.
    UnknownPair { name: String, similar: Vec<String>, in_ollama: bool },
    /// A name of Ollama's library whose model does not run yet.
    NotYet { name: String, repo: String, model_type: &'static str },
    /// A quantization in a repository of GGUF files on the hub. `checkpoint` is the MLX checkpoint of
    /// the same model, if it is known.
    GgufRepo { name: String, repo: String, checkpoint: Option<String> },
    /// The path does not exist, or is something else. `problem` completes "`path` …".
    BadPath { path: PathBuf, problem: &'static str },
}

/// The problem of a path that leads nowhere.
pub(crate) const MISSING: &str = "does not exist";

/// A model that is not on this machine, with all that helps to get it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotFound {
    /// Name that the user wrote.
    pub name: String,
    /// The Hugging Face cache.
    pub cache: PathBuf,
    /// `true` if the cache has an incomplete copy.
    pub broken: bool,
    /// Local models with similar names.
    pub similar: Vec<String>,
    /// The repository to download.
    pub suggestion: String,
    /// The model's name in Ollama, if Ollama has it.
    pub in_ollama: Option<String>,
    /// `true` if the working directory has a folder or a GGUF file of that name.
    pub path_here: bool,
}

/// A model that is not on this machine, while the hub does not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreached {
    /// Name that the user wrote.
    pub name: String,
    /// The repository to download.
    pub suggestion: String,
    /// Local models with similar names.
    pub similar: Vec<String>,
    /// The model's name in Ollama, if Ollama has it.
    pub in_ollama: Option<String>,
    /// Word for programs.
    pub kind: &'static str,
    /// Reason why the hub did not answer.
    pub reason: String,
    /// Advice on that.
    pub hint: String,
    /// `true` if the cache has an incomplete copy.
    pub broken: bool,
}

impl_error!(ReferenceError);

impl ReferenceError {
    /// Returns the error for a name that means several models.
    pub(crate) fn ambiguous(name: &str, candidates: impl Iterator<Item = String>) -> Self {
        Self::Ambiguous { name: name.to_owned(), candidates: candidates.collect() }
    }

    /// Returns the full names that an ambiguous one may stand for.
    pub(crate) fn candidates(&self) -> Option<Vec<String>> {
        match self {
            Self::Ambiguous { candidates, .. } | Self::AmbiguousRevision { candidates, .. } => {
                Some(candidates.clone())
            }
            _ => None,
        }
    }
}

impl Explain for ReferenceError {
    fn explain(&self) -> Explained {
        match self {
            Self::Malformed { reference, problem, hint } => Explained {
                kind: "ValidationError",
                message: match reference.trim() {
                    "" => format!("The model name {problem}"),
                    _ => format!("Model name `{reference}` {problem}"),
                },
                hint: hint.clone(),
            },
            Self::NotFound(missing) => missing.explain(),
            Self::Nowhere { name, suggestion, similar } => {
                let similar = did_you_mean(similar).map(|ask| ask + " ").unwrap_or_default();
                let word = name.rsplit('/').next().unwrap_or(name);
                let word = word.split('@').next().unwrap_or(word);
                let message = format!(
                    "Model `{name}` not found on this machine, and the hub has no repository \
                     `{suggestion}`"
                );
                Explained::new("model_not_found", message).hint(format!(
                    "{similar}Search the hub with `mlxk search {word}`; for a private repository, \
                     set `HF_TOKEN`"
                ))
            }
            Self::Unreached(missing) => missing.explain(),
            Self::NotImported { name, from } => {
                let message = format!("Model `{name}` has not been imported yet");
                Explained::new("model_not_cached", message)
                    .hint(format!("Import it with `mlxk pull {from}`"))
            }
            Self::Ambiguous { name, candidates } => ambiguous(name, candidates),
            Self::AmbiguousRevision { name, revision, candidates } => {
                let (count, names) = (candidates.len(), ticked(candidates));
                Explained::new(
                    "ambiguous_match",
                    format!("Revision `{revision}` of `{name}` matches {count} snapshots: {names}"),
                )
                .hint("Use more digits of the hash")
            }
            Self::NoRevisions { what, name, revision } => {
                let message =
                    format!("`@{revision}` cannot be used: the {what} `{name}` has no revisions");
                Explained::new("hash_not_found", message).hint(format!("Use `{name}` alone"))
            }
            Self::UnknownPair { name, similar, in_ollama } => {
                let message = format!("No MLX checkpoint is known for the Ollama name `{name}`");
                Explained::new("model_not_found", message).hint(if *in_ollama {
                    format!("Use Ollama's own copy with `ollama:{name}`")
                } else {
                    let ask = did_you_mean(similar).map(|ask| ask + " ").unwrap_or_default();
                    format!(
                        "{ask}See the names with `mlxk search --ollama`, or write `org/NAME` for any \
                         other model"
                    )
                })
            }
            Self::NotYet { name, repo, model_type } => not_yet(name, repo, model_type),
            Self::GgufRepo { name, repo, checkpoint } => {
                gguf_repo(name, repo, checkpoint.as_deref())
            }
            Self::BadPath { path, problem } => {
                let hint = match (*problem, path.file_name().and_then(|name| name.to_str())) {
                    (MISSING, Some(name)) if path.extension().is_none_or(|end| end != "gguf") => {
                        format!(
                            "Check the path; for a model of that name, write `{name}` without the folder"
                        )
                    }
                    (MISSING, _) => "Check the path".to_owned(),
                    _ => {
                        "A checkpoint folder contains `config.json`, the weights and the tokenizer"
                            .to_owned()
                    }
                };
                Explained::new("model_not_found", format!("`{}` {problem}", path.display()))
                    .hint(hint)
            }
        }
    }
}

fn ambiguous(name: &str, candidates: &[String]) -> Explained {
    let (count, names) = (candidates.len(), ticked(candidates));
    let message = format!("Model name `{name}` matches {count} models: {names}");
    Explained::new("ambiguous_match", message).hint(match Alias::find(name) {
        Some(alias) => format!(
            "Use one of these names in full, or get the model that `{0}` stands for with `mlxk pull {0}`",
            alias.name
        ),
        None => "Use one of these names in full".to_owned(),
    })
}

fn not_yet(name: &str, repo: &str, model_type: &str) -> Explained {
    let message = format!(
        "mlxk does not run `{name}` yet: it stands for `{repo}`, a model of type `{model_type}`"
    );
    Explained::new("model_not_found", message).hint(format!(
        "`mlxk search --ollama` shows the names that run; download it anyway with \
         `mlxk pull {repo}`"
    ))
}

fn gguf_repo(name: &str, repo: &str, checkpoint: Option<&str>) -> Explained {
    let model = base_name(repo);
    let get = match checkpoint {
        Some(checkpoint) => format!("Get the MLX checkpoint with `mlxk pull {checkpoint}`"),
        None => format!("Find an MLX checkpoint with `mlxk search {model}`"),
    };
    let message = format!(
        "`{name}` names a quantization in `{repo}`, a repository of GGUF files on the hub, which \
         mlxk does not download"
    );
    Explained::new("model_not_found", message).hint(format!(
        "{get}, or download the file yourself and name its path: `mlxk run ./{model}.gguf`"
    ))
}

/// Returns `true` if the name was only completed by an organization, so that the hub may not have the repository.
pub(crate) fn is_guess(name: &str, repo: &str) -> bool {
    !name.contains('/') && repo.ends_with(&format!("/{name}"))
}

impl Unreached {
    fn explain(&self) -> Explained {
        let Self { name, suggestion, reason, hint, .. } = self;
        let similar = match &self.in_ollama {
            Some(name) => format!("Use Ollama's copy with `ollama:{name}`. "),
            None => did_you_mean(&self.similar).map(|ask| ask + " ").unwrap_or_default(),
        };
        let state = if self.broken { "is incomplete" } else { "is not on this machine" };
        if is_guess(name, suggestion) && !self.broken {
            // The name is the more probable mistake.
            let message = format!(
                "Model `{name}` is not on this machine, and the hub could not be asked for \
                 `{suggestion}`: {reason}"
            );
            let here =
                if similar.is_empty() { "List your models with `mlxk list`. " } else { &similar };
            return Explained::new("model_not_found", message).hint(format!("{here}{hint}"));
        }
        let message = if name.contains('/') {
            format!("Model `{name}` {state}: {reason}")
        } else {
            format!("Model `{name}` (it stands for `{suggestion}`) {state}: {reason}")
        };
        Explained::new(self.kind, message).hint(format!("{similar}{hint}"))
    }
}

impl NotFound {
    fn explain(&self) -> Explained {
        let (name, cache) = (&self.name, self.cache.display());
        let message = if self.broken {
            format!("Model `{name}` is incomplete in the cache `{cache}`")
        } else {
            format!("Model `{name}` not found (looked in imported models and `{cache}`)")
        };
        Explained::new("model_not_found", message).hint(self.how_to_get())
    }

    fn how_to_get(&self) -> String {
        let pull = format!("`mlxk pull {}`", self.suggestion);
        if self.path_here {
            format!("To use the one in this folder, write `./{}`", self.name)
        } else if let Some(name) = &self.in_ollama {
            format!("Use Ollama's copy with `ollama:{name}`, or download the model with {pull}")
        } else if self.broken {
            format!("Complete the download with {pull}")
        } else if let Some(ask) = did_you_mean(&self.similar) {
            let if_any =
                if is_guess(&self.name, &self.suggestion) { "if the hub has it, " } else { "" };
            format!("{ask} Otherwise, {if_any}download the model with {pull}")
        } else if is_guess(&self.name, &self.suggestion) {
            format!(
                "If the hub has it, download it with {pull}; search with `mlxk search {}`",
                self.name
            )
        } else {
            format!("Download it with {pull}, or list your models with `mlxk list`")
        }
    }
}
