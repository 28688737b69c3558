//! Pulls a repository, for `mlxk pull` and for commands whose model is not available locally.

use std::fmt::Write as _;
use std::ops::ControlFlow;

use mlxk_hub::{
    Decisions, HubError, HubSettings, Inspection, PullPlan, PullRequest, Pulled, Reporter as _,
};
use mlxk_models::registry;
use serde_json::Value;

use crate::Context;
use crate::format;
use crate::models::progress::PullProgress;

/// Context length that the memory of a plan is computed for, unless the model's maximum is shorter.
const PLANNED_CONTEXT: u64 = 4096;

/// Pulls one repository. `agree` gets the plan and may refuse it.
pub(crate) fn download(
    request: &PullRequest,
    hub: &HubSettings,
    progress: &PullProgress<'_>,
    agree: &mut dyn FnMut(&PullPlan) -> ControlFlow<()>,
    context: &Context,
) -> anyhow::Result<Pulled> {
    let mut begun = false;
    let mut agree = |plan: &PullPlan| {
        begun = true;
        agree(plan)
    };
    let mut decisions = Decisions { inspect: &inspect, agree: &mut agree };
    let locations = &context.settings.locations;
    let result = mlxk_hub::pull(request, locations, hub, progress, &mut decisions);
    progress.finish();
    if let (Err(HubError::Cancelled), true) = (&result, begun) {
        let revision = request.revision.iter().map(|revision| format!("@{revision}"));
        progress.note(&format!(
            "Interrupted. Resume with `mlxk pull {}{}`",
            request.repo,
            revision.collect::<String>()
        ));
    }
    Ok(result?)
}

/// Judges from `config.json` if and with how much memory the model runs.
pub(crate) fn inspect(config: &Value, weights_bytes: u64) -> Inspection {
    match registry::shape_of(config) {
        Ok(shape) => {
            let context = PLANNED_CONTEXT.min(shape.max_positions as u64);
            let kv = mlxk_engine::default_cache_bytes(&shape.cache, context as usize);
            Inspection {
                problem: None,
                memory_bytes: Some(weights_bytes + kv + shape.activation_bytes(256, 1)),
                context: Some(context),
            }
        }
        Err(error) => {
            Inspection { problem: Some(error.to_string()), memory_bytes: None, context: None }
        }
    }
}

/// Summarizes a plan like `1.2 GB, llama, 4-bit`.
pub(crate) fn summary(plan: &PullPlan) -> String {
    let mut parts = vec![format::size(plan.download_bytes)];
    parts.extend(plan.model_type.clone());
    parts.extend(plan.quantization.as_ref().map(format::quantization));
    parts.join(", ")
}

/// Describes a plan in a few lines.
pub(crate) fn details(plan: &PullPlan, endpoint: &str) -> String {
    let mut text = format!(
        "{}@{} ({}) from {endpoint}",
        plan.name,
        plan.revision,
        plan.commit.get(..7).unwrap_or(&plan.commit)
    );
    let quantization =
        plan.quantization.as_ref().map_or_else(|| "not quantized".to_owned(), format::quantization);
    if let Some(model_type) = &plan.model_type {
        let _ = write!(text, "\n  Architecture  {model_type}, {quantization}");
    }
    let here = plan.total_bytes - plan.download_bytes;
    let rest =
        if here > 0 { format!(", {} already here", format::size(here)) } else { String::new() };
    let _ = write!(
        text,
        "\n  To download   {} in {} files{rest}",
        format::size(plan.download_bytes),
        plan.files.len()
    );
    if let (Some(memory), Some(context)) = (plan.inspection.memory_bytes, plan.inspection.context) {
        let _ = write!(
            text,
            "\n  Memory        {} for a context of {context} tokens",
            format::size(memory)
        );
    }
    let _ = write!(text, "\n  Disk          {} free", format::size(plan.free_bytes));
    text
}

/// Returns warnings about a model before it is downloaded.
pub(crate) fn warnings(plan: &PullPlan) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(problem) = &plan.inspection.problem {
        warnings.push(format!("The model will not run: {problem}"));
    }
    let total = mlxk_memory::total_bytes();
    if let (Some(needed), Some(total)) = (plan.inspection.memory_bytes, total)
        && needed > total
    {
        warnings.push(format!(
            "The model needs {} of memory, but this machine has {}",
            format::size(needed),
            format::size(total)
        ));
    }
    warnings
}
