//! Models that were made from an upload. `/api/create` puts them into the store under a name that the client did not
//! choose if its own name is not one of a folder.

use std::path::Path;

use mlxk_hub::{Named, Store, StoredModel, What};

use super::blobs;
use super::pull::failed;
use crate::error::ApiError;
use crate::state::State;

/// Returns the model that was made from the upload with this SHA-256.
pub(super) fn model(digits: &str, state: &State) -> Result<Option<StoredModel>, ApiError> {
    let file = blobs::path(digits, state);
    let models = Store::new(&state.config.locations).models().map_err(failed)?;
    Ok(models.into_iter().find(|model| is_from(model, &file)))
}

fn is_from(model: &StoredModel, file: &Path) -> bool {
    let name = file.file_name().and_then(|name| name.to_str());
    model.origin.as_ref().is_some_and(|origin| Some(origin.file.as_str()) == name)
}

/// Returns the model behind a name, if it was made from an upload for a name with a namespace or a tag.
pub(super) fn behind(name: &str, state: &State) -> Result<Option<String>, ApiError> {
    let locations = &state.config.locations;
    let Some(derived) = mlxk_hub::derived(name, locations).map_err(failed)? else {
        return Ok(None);
    };
    let is_made_for = name.replace(['/', ':'], "-") == derived.from;
    let models = Store::new(locations).models().map_err(failed)?;
    let found = models.into_iter().find(|model| model.name == derived.from);
    let is_upload = |model: &StoredModel| {
        model.origin.as_ref().is_some_and(|origin| origin.file.starts_with("sha256-"))
    };
    Ok(found.filter(|model| is_made_for && is_upload(model)).map(|model| model.name))
}

/// Removes a model that no name leads to any more.
pub(super) fn remove_unnamed(model: &str, state: &State) -> Result<(), ApiError> {
    let config = &state.config;
    let reference = model.parse().map_err(failed)?;
    let removal = mlxk_hub::find_removal(&reference, &config.pairs, &config.locations);
    let removal = removal.map_err(failed)?;
    let is_meant = removal.what == What::Imported && removal.named == Named::Full;
    if is_meant && removal.dependents.is_empty() {
        removal.carry_out(false).map_err(failed)?;
    }
    Ok(())
}
