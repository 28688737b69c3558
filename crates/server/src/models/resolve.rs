//! Finds the model that a request names. Requests never download.

use std::path::Path;

use mlxk_hub::{
    HttpError, HubError, ImportSource, Kind as PlaceKind, Matching, Reference, ReferenceError,
    Resolution, Resolved,
};

use super::Models;
use crate::blocking::blocking;
use crate::config::DefaultModel;
use crate::error::{ApiError, Kind, cleaned};

/// Tag that Ollama's clients add to a name.
const LATEST: &str = ":latest";
/// Advice if there is no better one.
const LISTED: &str = "use a name that `mlxk list` shows";
/// Names that other servers give to the only model that they have, unless a model has one of them here.
const OWN_NAMES: [&str; 2] = ["default_model", "local-model"];
/// Beginning of the names that programs for Anthropic's models send, whatever the server has.
const ANTHROPIC: &str = "claude-";

impl Models {
    /// Returns the model called `name`, or the server's own if it is `None`.
    pub(crate) async fn resolve(&self, name: Option<&str>) -> Result<Resolved, ApiError> {
        let own = self.0.config.model.as_ref();
        let Some(name) = name.filter(|name| !name.is_empty()) else {
            return own.map(|model| model.resolved.clone()).ok_or_else(|| {
                ApiError::field("model", "`model` is missing, and the server has no default model")
            });
        };
        // The operator may have named a folder, which a request could not. Ollama's clients add a tag.
        let bare = name.strip_suffix(LATEST).unwrap_or(name);
        let is_own = |it: &&DefaultModel| {
            [name, bare].into_iter().any(|name| it.written == name || it.resolved.name == name)
        };
        if let Some(model) = own.filter(is_own) {
            return Ok(model.resolved.clone());
        }
        let (models, written) = (self.clone(), name.to_owned());
        let found = blocking(move || models.find(&written)).await;
        match (found, own) {
            (Err(error), Some(own)) if error.kind == Kind::NoModel && stands_for_own(bare) => {
                Ok(own.resolved.clone())
            }
            (found, _) => found,
        }
    }

    /// Finds the workspace with this path, as `mlxk list --json` prints it. No other path leads to a model, so
    /// that a request cannot choose a folder.
    fn workspace(&self, path: &Path, name: &str) -> Result<Resolved, ApiError> {
        let places = mlxk_hub::places(&self.0.config.locations).map_err(ApiError::from)?;
        let found = places.into_iter().find(|place| {
            place.kind == PlaceKind::Workspace && place.base.is_none() && place.path == path
        });
        found.ok_or_else(|| unknown(name, LISTED))
    }

    /// Looks a name up on the disk.
    fn find(&self, name: &str) -> Result<Resolved, ApiError> {
        let reference =
            name.parse().map_err(|error: HubError| unknown(name, &error.to_string()))?;
        match &reference {
            Reference::Name { .. } | Reference::Repo { .. } | Reference::Short(_) => {}
            Reference::Folder(path) => return self.workspace(path, name),
            _ => return Err(unknown(name, LISTED)),
        }
        let config = &self.0.config;
        let offline = config.locations.offline;
        let found =
            mlxk_hub::resolve(&reference, Matching::Exact, &config.pairs, &config.locations);
        if let Ok(Resolution::NotLocal(missing)) = &found {
            let runs = missing.check_runs(&reference, mlxk_models::registry::is_supported);
            runs.map_err(|error| unknown(name, &error.to_string()))?;
        }
        let advice = match found {
            Ok(Resolution::Local(model)) => return Ok(model),
            Ok(Resolution::NeedsImport(plan)) => match plan.source {
                ImportSource::Pypi { .. } if offline => offline_mode(&plan.name),
                _ => format!("`mlxk pull {name}` imports it"),
            },
            // The organization of other bare names is only a guess.
            Ok(Resolution::NotLocal(missing))
                if name.contains('/') || config.pairs.repo(&missing.name).is_some() =>
            {
                let repo = missing.suggestion.to_string();
                if offline {
                    offline_mode(&repo)
                } else {
                    format!("download it with `mlxk pull {repo}`")
                }
            }
            Ok(Resolution::NotLocal(_)) => LISTED.to_owned(),
            Err(
                error @ (HubError::Reference(ReferenceError::Ambiguous { .. }) | HubError::Io(_)),
            ) => return Err(error.into()),
            Err(error) => error.to_string(),
        };
        let similar = self.similar(name);
        Err(unknown(name, &similar.map_or(advice, |names| format!("similar names are {names}"))))
    }

    /// Returns names of models that this server has and that are like `name`, in backticks. `None` if there are none.
    fn similar(&self, name: &str) -> Option<String> {
        let config = &self.0.config;
        let places = mlxk_hub::places(&config.locations).unwrap_or_default();
        let here = places.iter().filter(|place| place.kind != PlaceKind::Missing);
        let here = here.map(|place| place.name.as_str());
        let own = config.model.iter().map(|model| model.resolved.name.as_str());
        let elsewhere = config.backends.iter().map(|backend| backend.name.as_str());
        let mut names: Vec<&str> = here.chain(own).chain(elsewhere).collect();
        names.sort_unstable();
        names.dedup();
        // The tag is a size, which other names write in other ways.
        let wanted = name.split(':').next().unwrap_or(name);
        let names = mlxk_hub::similar_names(wanted, names);
        let ticked: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        (!ticked.is_empty()).then(|| ticked.join(", "))
    }
}

/// Returns why a model is not downloaded in offline mode, in the words of the command line.
fn offline_mode(name: &str) -> String {
    let error = HubError::from(HttpError::Offline { action: format!("download `{name}`") });
    let hint = error.hint().map(|hint| format!(". {hint}")).unwrap_or_default();
    format!("offline mode is on{hint}")
}

/// Returns `true` if the server's own model answers requests for this name.
fn stands_for_own(name: &str) -> bool {
    OWN_NAMES.contains(&name) || name.starts_with(ANTHROPIC)
}

pub(super) fn unknown(name: &str, why: &str) -> ApiError {
    let name = cleaned(name, 200);
    let message = format!("The model `{name}` is not on this server: {why}");
    ApiError { param: Some("model".to_owned()), ..ApiError::new(Kind::NoModel, message) }
}
