//! Consent to replace a name that `cp` or `create` made earlier.

use crate::failure::ReplacementRefused;
use crate::{Context, confirm};

/// Returns `true` if `name` may be replaced: it exists, and `force` or the user says so. Returns `false` if
/// nothing of that name was made before.
pub(super) fn is_allowed(name: &str, force: bool, context: &Context) -> anyhow::Result<bool> {
    let name = name.strip_suffix(":latest").unwrap_or(name);
    if !mlxk_hub::derived_names(&context.settings.locations).iter().any(|other| other == name) {
        return Ok(false);
    }
    if force {
        return Ok(true);
    }
    let name = name.to_owned();
    if !context.may_ask {
        return Err(ReplacementRefused::NotAsked { name }.into());
    }
    if confirm::confirm(format_args!("Replace the name `{name}`?")) {
        return Ok(true);
    }
    Err(ReplacementRefused::Declined { name }.into())
}
