//! `mlxk cp MODEL NAME`: gives a model another name.

use mlxk_hub::Resolved;
use serde_json::json;

use super::replace;
use crate::args::CpArgs;
use crate::exit::ExitStatus;
use crate::models::resolve;
use crate::{Context, json, output};

/// Creates the name. No weights are copied.
pub(crate) fn run(args: &CpArgs, context: &Context) -> anyhow::Result<ExitStatus> {
    let (pairs, locations) = (&context.settings.pairs, &context.settings.locations);
    let source = args.source.parse()?;
    mlxk_hub::check_copy(&source, &args.name)?;
    let replace = replace::is_allowed(&args.name, args.force, context)?;
    resolve::find_here(&source, context)?;
    let copied = mlxk_hub::copy(&source, &args.name, replace, pairs, locations)?;
    let Resolved { name, base, overrides, .. } = &copied.source;
    // A derived model is copied with its settings.
    let (relation, source) = match base {
        Some(_) if !overrides.is_empty() => ("a copy of", name),
        _ => ("another name for", base.as_ref().unwrap_or(name)),
    };
    if args.json {
        let data = json!({
            "source": copied.source.name,
            "target": copied.name,
            "path": copied.path.display().to_string(),
            "message": format!("`{}` is {relation} {source}", copied.name),
        });
        json::print("cp", &data)?;
    } else {
        output::stdout().line(format_args!("{} is now {relation} {source}", copied.name))?;
    }
    Ok(ExitStatus::Success)
}
