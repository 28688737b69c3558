//! `mlxk search WORD…`: searches the hub for models.

use mlxk_hub::Found;
use serde_json::json;

use super::{search_ollama, table};
use crate::args::SearchArgs;
use crate::exit::ExitStatus;
use crate::{Context, interrupt, json};

/// Prints the matching models, most downloaded first.
pub(crate) fn run(args: &SearchArgs, context: &Context) -> anyhow::Result<ExitStatus> {
    if args.ollama {
        return search_ollama::run(args, context);
    }
    interrupt::listen()?;
    let words = args.words.join(" ");
    let settings = &context.settings;
    let progress = context.printer.progress();
    let found = mlxk_hub::search(
        &words,
        args.limit.into(),
        args.all,
        &settings.locations,
        &settings.hub,
        &progress,
    )?;
    progress.finish();
    if args.json {
        json::print("search", &json!({"models": found, "count": found.len()}))?;
        return Ok(ExitStatus::Success);
    }
    if found.is_empty() {
        let more = if args.all { "" } else { "; search beyond MLX models with `--all`" };
        context.printer.note(format_args!("No models found for `{words}`{more}"));
        return Ok(ExitStatus::Success);
    }
    let header = ["Name", "Downloads", "Likes", "Changed", "Status"].map(str::to_owned).to_vec();
    let rows: Vec<Vec<String>> = std::iter::once(header).chain(found.iter().map(row)).collect();
    table::print(&rows)?;
    Ok(ExitStatus::Success)
}

fn row(model: &Found) -> Vec<String> {
    let day = model.last_modified.as_deref().and_then(|date| date.get(..10)).unwrap_or("-");
    let status = match (model.cached, model.gated) {
        (true, _) => "on disk",
        (false, true) => "gated",
        (false, false) => "-",
    };
    vec![
        model.name.clone(),
        model.downloads.to_string(),
        model.likes.to_string(),
        day.to_owned(),
        status.to_owned(),
    ]
}
