//! Checks a checkpoint that was just written.

use std::path::Path;

use mlxk_hub::{Matching, Reference};

use crate::Context;
use crate::models::supported;

/// Returns the problem of the model in `folder`, if there is one.
pub(super) fn problem(folder: &Path, context: &Context) -> anyhow::Result<Option<String>> {
    let reference = Reference::Folder(folder.to_owned());
    let settings = &context.settings;
    let found =
        mlxk_hub::resolve(&reference, Matching::Exact, &settings.pairs, &settings.locations)?;
    let model = mlxk_hub::info(&found.local()?, supported::thorough());
    Ok((!model.health.is_healthy()).then(|| model.health.reason()))
}
