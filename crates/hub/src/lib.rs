//! Where models live: what a model reference means, which folder holds it, and how a model that
//! comes as a GGUF file becomes an MLX checkpoint in our own folder.
//!
//! The crate never prints, never reads the environment and never exits. A caller hands over
//! [`Locations`], watches through a [`Reporter`] and decides with callbacks; every failure is a
//! [`HubError`] whose text is one sentence, with a [`hint`](HubError::hint) on what to do.
//!
//! Models lie in two places: the Hugging Face cache, shared with every Python tool and written the
//! way they write it, and the store of imported models, which is ours alone.

#![forbid(unsafe_code)]

mod aliases;
mod cache;
mod convert;
mod derived;
mod detect;
mod disk;
mod error;
mod explain;
mod hash;
mod health;
mod http;
mod import;
mod info;
mod inventory;
mod io_error;
mod locations;
mod modelfile;
mod ollama;
mod pairs;
mod ping;
mod pip;
mod pull;
mod push;
mod reference;
mod remove;
mod repo_files;
mod repo_id;
mod reporter;
mod resolution;
mod resolve;
mod search;
mod staging;
mod store;
mod suggest;
#[cfg(test)]
mod testing;
mod weights_summary;
mod wheel;
pub mod workspace;

pub use aliases::{ALIASES, Alias};
pub use cache::{CachedRepo, HfCache, Snapshot};
pub use derived::{
    Copied, Created, Derived, OLLAMA_PARAMETERS, Overrides, ParameterError, Parameters, Turn,
    base_of, check_new_name, copy, create, derived, derived_modelfile, derived_names, modelfile_of,
    write_settings,
};
pub use detect::{Framework, Judge, Role, Runtime, has_chat_template};
pub use disk::{free_bytes, human};
pub use error::{HubError, Result};
pub use health::{DeepReport, Finding, Problem, Report, Severity, check_gguf, deep};
pub use http::{DEFAULT_ENDPOINT, HubSettings, Proxies, Token};
pub use import::{ImportInfo, OnPlan, import};
pub use info::{
    FileInfo, Look, ModelInfo, QuantizationSummary, checkpoints_in, describe, files, info, list,
    places,
};
pub use locations::Locations;
pub use modelfile::{Modelfile, ModelfileError};
pub use ollama::{OllamaModel, model_file as ollama_file, ollama_models};
pub use pairs::{Pair, PairTable};
pub use ping::ping;
pub use pull::{
    Decisions, Inspection, PlannedFile, PullOptions, PullPlan, PullRequest, PullTarget, Pulled,
    Repaired, Suspects, pull, pull_target, repair,
};
pub use push::{Changes, LocalFile, PushRequest, Pushed, Visibility, compare, files_to_push, push};
pub use reference::{PypiSpec, Reference};
pub use remove::{Freed, Removal, Unused, UnusedItem, UnusedKind, What, find_removal, unused};
pub use repo_id::RepoId;
pub use reporter::{Quiet, Reporter};
pub use resolution::{ImportPlan, ImportSource, Kind, Matching, NotLocal, Resolution, Resolved};
pub use resolve::{locate, resolve};
pub use search::{Found, search};
pub use store::{Origin, Store, StoredModel};
pub use weights_summary::{WeightsSummary, weights_summary};

pub use derived::error::DerivedError;
pub use http::error::HttpError;
pub use import::error::ImportError;
pub use io_error::IoError;
pub use ollama::error::OllamaError;
pub use pull::error::PullError;
pub use push::error::PushError;
pub use reference::error::ReferenceError;
pub use remove::error::RemoveError;
pub use workspace::error::WorkspaceError;
