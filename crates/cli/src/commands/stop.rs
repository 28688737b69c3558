//! `mlxk stop`: unloads a model from a running server.

use serde_json::{Value, json};

use super::ps;
use super::server_client::{call, call_at};
use crate::Context;
use crate::args::StopArgs;
use crate::choice::{self, Choice};
use crate::exit::{ExitStatus, Interrupted, UsageError};
use crate::failure::{NotLoaded, ServerRefused};

/// Asks the server to unload the model.
pub(crate) fn run(args: &StopArgs, context: &Context) -> anyhow::Result<ExitStatus> {
    let (method, path) = ("POST", "/models/unload");
    let (name, result) = if let Some(model) = &args.model {
        let body = json!({"model": model});
        let answer = call(&args.target, method, path, Some(&body), context);
        (model.clone(), answer.map(|answer| answer.json))
    } else {
        let Some(only) = only(args, context)? else {
            context.printer.note("The server has no models loaded");
            return Ok(ExitStatus::Success);
        };
        let body = json!({"model": only.id});
        (only.name, call_at(&only.address, method, path, Some(&body), context))
    };
    result.map_err(|error| match error.downcast::<ServerRefused>() {
        Ok(refused) if refused.status == 404 => NotLoaded(refused).into(),
        Ok(refused) => refused.into(),
        Err(error) => error,
    })?;
    context.printer.note(format_args!("Unloaded `{name}`"));
    Ok(ExitStatus::Success)
}

/// A loaded model.
struct Loaded {
    id: String,
    /// The name that `ps` prints.
    name: String,
    /// Address of its server.
    address: String,
}

/// Returns the only model that is loaded, or the one that the user chooses, or `None` if none is loaded.
fn only(args: &StopArgs, context: &Context) -> anyhow::Result<Option<Loaded>> {
    let answer = call(&args.target, "GET", "/models", None, context)?;
    let loaded: Vec<&Value> = answer.json["data"].as_array().into_iter().flatten().collect();
    if loaded.is_empty() {
        return Ok(None);
    }
    let names: Vec<String> = loaded.iter().map(|model| ps::name(model).to_owned()).collect();
    match choice::only(&names, context) {
        Choice::Taken(index) => Ok(Some(Loaded {
            id: loaded[index]["id"].as_str().unwrap_or_default().to_owned(),
            name: names[index].clone(),
            address: answer.address,
        })),
        Choice::Cancelled => Err(Interrupted.into()),
        Choice::NotAsked => {
            Err(UsageError(format!("Name the model to unload: {}", names.join(", "))).into())
        }
    }
}
