//! From the name in a request to a model on this machine. Nothing is downloaded for a request.

use mlxk_hub::{HubError, Matching, Reference, ReferenceError, Resolution, Resolved};

use super::Models;
use crate::error::{ApiError, Kind};

impl Models {
    /// The model called `name`; the server's own where it is `None`.
    pub(crate) async fn resolve(&self, name: Option<&str>) -> Result<Resolved, ApiError> {
        let own = self.0.config.model.as_ref();
        let Some(name) = name.filter(|name| !name.is_empty()) else {
            return own.map(|model| model.resolved.clone()).ok_or_else(|| {
                ApiError::field("model", "`model` is missing; the server has no model of its own")
            });
        };
        // Only the operator may name a folder.
        if let Some(model) = own.filter(|it| it.written == name || it.resolved.name == name) {
            return Ok(model.resolved.clone());
        }
        let (models, name) = (self.clone(), name.to_owned());
        let find = move || models.find(&name);
        tokio::task::spawn_blocking(find).await.map_err(|_| ApiError::panicked())?
    }

    /// Looks it up on the disk.
    fn find(&self, name: &str) -> Result<Resolved, ApiError> {
        let reference =
            name.parse().map_err(|error: HubError| unknown(name, &error.to_string()))?;
        match &reference {
            Reference::Name { .. } | Reference::Repo { .. } | Reference::Short(_) => {}
            _ => return Err(unknown(name, "a request names models as `mlxk list` shows them")),
        }
        let config = &self.0.config;
        let found =
            mlxk_hub::resolve(&reference, Matching::Exact, &config.pairs, &config.locations);
        match found {
            Ok(Resolution::Local(model)) => Ok(model),
            Ok(Resolution::NeedsImport(_)) => {
                Err(unknown(name, &format!("`mlxk run {name}` fetches it")))
            }
            Ok(Resolution::NotLocal(missing)) if missing.similar.is_empty() => {
                Err(unknown(name, &format!("`mlxk pull {}` may fetch it", missing.suggestion)))
            }
            Ok(Resolution::NotLocal(missing)) => {
                Err(unknown(name, &format!("similar names are `{}`", missing.similar.join("`, `"))))
            }
            Err(
                error @ (HubError::Reference(ReferenceError::Ambiguous { .. }) | HubError::Io(_)),
            ) => Err(error.into()),
            Err(error) => Err(unknown(name, &error.to_string())),
        }
    }
}

pub(super) fn unknown(name: &str, why: &str) -> ApiError {
    let name: String = name.chars().filter(|c| !c.is_control()).take(200).collect();
    let message = format!("The model `{name}` is not on this server: {why}");
    ApiError { param: Some("model".to_owned()), ..ApiError::new(Kind::NoModel, message) }
}
