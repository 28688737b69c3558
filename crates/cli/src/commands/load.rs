//! Loading a model, with progress, until Ctrl-C.

use std::ops::ControlFlow;

use mlxk_engine::{Engine, LoadOptions};

use crate::exit::Interrupted;
use crate::printer::Unit;
use crate::{Context, interrupt};

/// Loads a model while a bar says so under `label`.
pub(crate) fn engine(
    options: &LoadOptions,
    label: &str,
    context: &Context,
) -> anyhow::Result<Engine> {
    let progress = context.printer.progress();
    progress.begin(label);
    let engine = Engine::load(options, &mut |done, total| {
        progress.update(done, total, Unit::Bytes);
        if interrupt::requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    if interrupt::requested() {
        return Err(Interrupted.into());
    }
    Ok(engine?)
}
