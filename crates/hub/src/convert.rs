//! Converts a GGUF file and reports the progress.

use std::ops::ControlFlow;
use std::path::Path;

use mlxk_format::FormatError;
use mlxk_format::gguf::Plan;

use crate::error::{HubError, Result};
use crate::reporter::Reporter;

/// Writes the planned checkpoint into the folder `output`, which exists and is empty.
pub(crate) fn write(plan: &Plan, output: &Path, reporter: &dyn Reporter) -> Result<()> {
    reporter.stage("Converting to MLX");
    let mut progress = |done, total| {
        reporter.advance(done, total);
        if reporter.cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    plan.write(output, &mut progress).map_err(|error| match error {
        FormatError::Cancelled => HubError::Cancelled,
        error => error.into(),
    })?;
    reporter.advance(plan.output_bytes(), plan.output_bytes());
    Ok(())
}
