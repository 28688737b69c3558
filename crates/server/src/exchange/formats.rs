//! Waits for the formats of answers to be compiled, without holding a thread.
//!
//! A client that leaves drops the future, and with it the place in the queue.

use std::sync::Arc;
use std::time::Duration;

use mlxk_engine::{AnswerFormat, CompiledFormat, Engine};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::Prompted;
use crate::blocking::blocking;
use crate::error::ApiError;
use crate::models::Lease;

/// Time between two looks at whether compiling takes too long.
const LOOK: Duration = Duration::from_millis(100);

/// Compiles the formats of prompts. Prompts of one request have the same format, which is compiled once.
pub(super) async fn compiled(
    lease: &Lease,
    mut prompts: Vec<Prompted>,
) -> Result<Vec<Prompted>, ApiError> {
    let mut last: Option<(AnswerFormat, CompiledFormat)> = None;
    for Prompted { request, .. } in &mut prompts {
        let Some(format) = &request.format else { continue };
        let known = last.as_ref().filter(|(known, _)| known == format);
        let compiled = match known {
            Some((_, compiled)) => compiled.clone(),
            None => compile(lease.engine(), format.clone()).await?,
        };
        last = Some((format.clone(), compiled.clone()));
        request.compiled = Some(compiled);
    }
    Ok(prompts)
}

async fn compile(engine: Arc<Engine>, format: AnswerFormat) -> Result<CompiledFormat, ApiError> {
    let (sender, mut result) = oneshot::channel();
    let done = move |compiled| {
        // The receiver is gone if the client has left.
        let _ = sender.send(compiled);
    };
    // The first format of a model reads its vocabulary.
    let compiling = blocking(move || Ok(engine.compile(&format, done)?)).await?;
    loop {
        match timeout(LOOK, &mut result).await {
            Ok(Ok(compiled)) => return Ok(compiled?),
            Ok(Err(_)) => return Err(ApiError::panicked()),
            Err(_) => compiling.check()?,
        }
    }
}
