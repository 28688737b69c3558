//! `mlxk stop`: unloads a model from a running server.

use serde_json::json;

use super::server_client::call;
use crate::Context;
use crate::args::StopArgs;
use crate::choice::{self, Choice};
use crate::exit::{ExitStatus, Interrupted, UsageError};
use crate::failure::{NotLoaded, ServerRefused};

/// Asks the server to unload the model.
pub(crate) fn run(args: &StopArgs, context: &Context) -> anyhow::Result<ExitStatus> {
    let Some(model) = model(args, context)? else {
        context.printer.note("The server has no models loaded");
        return Ok(ExitStatus::Success);
    };
    let body = json!({"model": model});
    call(&args.target, "POST", "/models/unload", Some(&body), context).map_err(|error| {
        match error.downcast::<ServerRefused>() {
            Ok(refused) if refused.status == 404 => NotLoaded(refused).into(),
            Ok(refused) => refused.into(),
            Err(error) => error,
        }
    })?;
    context.printer.note(format_args!("Unloaded `{model}`"));
    Ok(ExitStatus::Success)
}

/// Returns the model that is named or the only one that is loaded, or `None` if none is.
fn model(args: &StopArgs, context: &Context) -> anyhow::Result<Option<String>> {
    if let Some(model) = &args.model {
        return Ok(Some(model.clone()));
    }
    let answer = call(&args.target, "GET", "/models", None, context)?;
    let loaded = answer["data"].as_array().into_iter().flatten();
    let mut names: Vec<String> =
        loaded.filter_map(|model| model["id"].as_str().map(str::to_owned)).collect();
    if names.is_empty() {
        return Ok(None);
    }
    match choice::only(&names, context) {
        Choice::Taken(index) => Ok(Some(names.swap_remove(index))),
        Choice::Cancelled => Err(Interrupted.into()),
        Choice::NotAsked => {
            Err(UsageError(format!("Name the model to unload: {}", names.join(", "))).into())
        }
    }
}
