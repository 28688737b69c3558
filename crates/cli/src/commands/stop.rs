//! `mlxk stop`: unloads a model from a running server.

use serde_json::json;

use super::server_client::call;
use crate::Context;
use crate::args::StopArgs;
use crate::exit::ExitStatus;
use crate::failure::{NotLoaded, ServerRefused};

/// Asks the server to unload the model.
pub(crate) fn run(args: &StopArgs, context: &Context) -> anyhow::Result<ExitStatus> {
    let body = json!({"model": args.model});
    call(&args.target, "POST", "/models/unload", Some(&body), context).map_err(|error| {
        match error.downcast::<ServerRefused>() {
            Ok(refused) if refused.status == 404 => NotLoaded(refused).into(),
            Ok(refused) => refused.into(),
            Err(error) => error,
        }
    })?;
    Ok(ExitStatus::Success)
}
