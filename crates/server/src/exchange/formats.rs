//! Waits for the formats of answers to be compiled, without holding a thread.
//!
//! A client that leaves drops the future, and with it the place in the queue.

use std::time::Duration;

use mlxk_engine::{AnswerFormat, CompiledFormat, EngineError, Tools};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::Prompted;
use crate::blocking::blocking;
use crate::error::ApiError;
use crate::models::Lease;

/// Time between two looks at whether compiling takes too long.
const LOOK: Duration = Duration::from_millis(100);

/// Compiles the formats and the tools of prompts. Prompts of one request have the same ones, which are compiled once.
pub(super) async fn compiled(
    lease: &Lease,
    mut prompts: Vec<Prompted>,
) -> Result<Vec<Prompted>, ApiError> {
    let mut last: Option<(Wanted, Option<CompiledFormat>)> = None;
    for Prompted { request, .. } in &mut prompts {
        let wanted = Wanted { format: request.format.clone(), tools: request.tools.clone() };
        let known = last.take().filter(|(known, _)| *known == wanted);
        let (wanted, compiled) = match known {
            Some(known) => known,
            None => (wanted.clone(), compile(lease, wanted).await?),
        };
        request.compiled.clone_from(&compiled);
        last = Some((wanted, compiled));
    }
    Ok(prompts)
}

/// Constraints on an answer.
#[derive(Clone, PartialEq)]
struct Wanted {
    format: Option<AnswerFormat>,
    tools: Option<Tools>,
}

async fn compile(lease: &Lease, wanted: Wanted) -> Result<Option<CompiledFormat>, ApiError> {
    if wanted.format.is_none() && wanted.tools.is_none() {
        return Ok(None);
    }
    let (sender, mut result) = oneshot::channel();
    let done = move |compiled| {
        // The receiver is gone if the client has left.
        let _ = sender.send(compiled);
    };
    let (engine, name) = (lease.engine(), lease.name().to_owned());
    let start = move || {
        let started = engine.compile(wanted.format.as_ref(), wanted.tools.as_ref(), done);
        started.map_err(|error| match error {
            EngineError::NoTools { reason } => no_tools(&name, reason),
            error => error.into(),
        })
    };
    // The first format of a model reads its vocabulary.
    let Some(compiling) = blocking(start).await? else { return Ok(None) };
    loop {
        match timeout(LOOK, &mut result).await {
            Ok(Ok(compiled)) => return Ok(Some(compiled?)),
            Ok(Err(_)) => return Err(ApiError::panicked()),
            Err(_) => compiling.check()?,
        }
    }
}

/// Returns the error of a model without tools, in the words that clients look for.
fn no_tools(name: &str, reason: &str) -> ApiError {
    let message = format!("`tools`: the model `{name}` does not support tools: {reason}");
    ApiError::field("tools", message).about(name)
}
