//! Where models live: resolving a model reference to a folder, downloading repositories, and importing
//! GGUF files as MLX checkpoints.
//!
//! Models live in two places: the Hugging Face cache, which is shared with every Python tool and
//! written the way they write it, and our own store of imported models.
//!
//! The crate never prints, never reads the environment and never exits. You pass [`Locations`], watch
//! through a [`Reporter`] and decide through callbacks. Every failure is a [`HubError`] with a
//! [`hint`](HubError::hint).
//!
//! # Example
//!
//! Resolve a reference in a temporary cache, before and after the model is there:
//!
//! ```
//! use mlxk_hub::{Locations, Matching, PairTable, Reference, resolve};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let home = folder.path();
//! // Without environment variables, everything is below the home folder.
//! let locations = Locations::from_values(|_| None, home);
//! let reference: Reference = "tiny-4bit".parse()?;
//! let pairs = PairTable::default();
//!
//! let missing = resolve(&reference, Matching::Substring, &pairs, &locations)?;
//! let error = missing.local().unwrap_err();
//! assert!(error.hint().unwrap().contains("mlxk pull mlx-community/tiny-4bit"));
//!
//! # let hash = "0123456789abcdef0123456789abcdef01234567";
//! # let repo = locations.hf_hub_cache.join("models--mlx-community--Tiny-4bit");
//! # std::fs::create_dir_all(repo.join("refs"))?;
//! # std::fs::write(repo.join("refs/main"), hash)?;
//! # std::fs::create_dir_all(repo.join("snapshots").join(hash))?;
//! # std::fs::write(repo.join("snapshots").join(hash).join("config.json"), "{}")?;
//! // Now a tool downloads the model. Its name is found in any case.
//! let model = resolve(&reference, Matching::Substring, &pairs, &locations)?.local()?;
//! assert_eq!(model.name, "mlx-community/Tiny-4bit");
//! assert!(model.path.join("config.json").is_file());
//! # Ok(())
//! # }
//! ```

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
mod human_bytes;
mod import;
mod info;
mod inventory;
mod io_error;
mod links;
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
mod text_file;
mod weights_summary;
mod wheel;
pub mod workspace;

pub use aliases::{ALIASES, Alias};
pub use cache::{CachedRepo, HfCache, Snapshot};
pub use derived::{
    Copied, Created, Derived, OLLAMA_PARAMETERS, Overrides, ParameterError, Parameters, Taken,
    Turn, base_of, check_copy, check_new_name, copy, create, derived, derived_by,
    derived_modelfile, derived_name, derived_names, modelfile_of, write_settings,
};
pub use detect::{Framework, Judge, Role, Runtime, has_chat_template, license};
pub use disk::free_bytes;
pub use error::{HubError, Result};
pub use health::{DeepReport, Finding, Problem, Report, Severity, check_gguf, deep};
pub use http::{DEFAULT_ENDPOINT, HubSettings, Login, Proxies, Token, split_login};
pub use human_bytes::human;
pub use import::{ImportInfo, OnPlan, import};
pub use info::{
    FileInfo, Look, ModelInfo, QuantizationSummary, SmallFiles, checkpoints_in, describe, files,
    info, list, places,
};
pub use links::check_links;
pub use locations::Locations;
pub use mlxk_format::gguf::is_gguf;
pub use modelfile::{Modelfile, ModelfileError};
pub use ollama::{OllamaModel, model_file as ollama_file, ollama_models};
pub use pairs::{LibraryModel, Pair, PairTable, check_runs, library};
pub use ping::ping;
pub use pull::{
    Decisions, Inspection, PlannedFile, PullOptions, PullPlan, PullRequest, PullTarget, Pulled,
    Repaired, Suspects, pull, pull_target, repair,
};
pub use push::{Changes, LocalFile, PushRequest, Pushed, Visibility, compare, files_to_push, push};
pub use reference::{PypiSpec, Reference};
pub use remove::{
    Freed, Named, Removal, Unused, UnusedItem, UnusedKind, What, find_removal, unused,
};
pub use repo_id::RepoId;
pub use reporter::{Quiet, Reporter};
pub use resolution::{ImportPlan, ImportSource, Kind, Matching, NotLocal, Resolution, Resolved};
pub use resolve::{locate, resolve};
pub use search::{Found, cached_names, search};
pub use store::{Origin, Store, StoredModel};
pub use suggest::similar as similar_names;
pub use weights_summary::{WeightsSummary, weights_summary};

pub use derived::error::DerivedError;
pub use http::error::HttpError;
pub use import::error::ImportError;
pub use io_error::IoError;
pub use ollama::error::OllamaError;
pub use pull::error::PullError;
pub use push::error::PushError;
pub use reference::error::{NotFound, ReferenceError, Unreached};
pub use remove::error::RemoveError;
pub use workspace::error::WorkspaceError;
