//! A derived name, or the Modelfile for one, that cannot be used.

use std::path::PathBuf;

use crate::explain::{Explain, Explained, impl_error, in_line, ticked};

/// Failures of making and reading names that stand for another model.
#[derive(Debug)]
#[allow(missing_docs, reason = "the messages below say what the fields are")]
pub enum DerivedError {
    /// The file of a derived name, or of an imported model's settings, is malformed.
    BadFile { path: PathBuf, line: Option<usize>, problem: String },
    /// The Modelfile is malformed or unsupported.
    BadModelfile { path: PathBuf, line: Option<usize>, problem: String },
    /// Names refer to each other; the last name of the chain occurs in it before.
    Cycle { chain: Vec<String> },
    /// The name is used `by` something else. `removed` is the name to remove first, if that helps.
    NameTaken { name: String, by: String, removed: Option<String> },
    /// A copy would have the name of its source.
    SameName { name: String },
}

impl_error!(DerivedError);

impl Explain for DerivedError {
    fn explain(&self) -> Explained {
        const KIND: &str = "ValidationError";
        match self {
            Self::BadFile { path, line, problem } => {
                let line = in_line(*line);
                Explained::new(KIND, format!("`{}`{line}: {problem}", path.display()))
                    .hint("Fix the file, or delete it and create the name again with `mlxk cp`")
            }
            Self::BadModelfile { path, line, problem } => {
                let line = in_line(*line);
                Explained::new(KIND, format!("Modelfile `{}`{line}: {problem}", path.display()))
                    .hint("See the supported instructions with `mlxk create --help`")
            }
            Self::Cycle { chain } => {
                let (first, last) = (chain.first(), chain.last());
                let name = |name: Option<&String>| name.cloned().unwrap_or_default();
                let message =
                    format!("Name `{}` refers to itself in a loop: {}", name(first), ticked(chain));
                Explained::new(KIND, message)
                    .hint(format!("Break the loop with `mlxk rm {}`", name(last)))
            }
            Self::NameTaken { name, by, removed } => {
                let or = match removed {
                    Some(other) => {
                        format!(", or delete the other model first with `mlxk rm {other}`")
                    }
                    None => String::new(),
                };
                Explained::new(KIND, format!("Name `{name}` is already used by {by}"))
                    .hint(format!("Choose another name{or}"))
            }
            Self::SameName { name } => {
                let message = format!("The model and its copy have the same name: `{name}`");
                Explained::new(KIND, message).hint("Choose another name for the copy")
            }
        }
    }
}
