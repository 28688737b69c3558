//! `mlxk search WORD…`: searches the hub for models.

use std::io::Write;

use mlxk_hub::Found;
use serde_json::json;

use crate::args::SearchArgs;
use crate::exit::ExitStatus;
use crate::{Context, interrupt, json};

/// Prints the matching models, most downloaded first.
pub(crate) fn run(args: &SearchArgs, context: &Context) -> anyhow::Result<ExitStatus> {
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
    let header = ["Name", "Downloads", "Likes", "Changed", "Here"].map(str::to_owned);
    let rows: Vec<[String; 5]> = std::iter::once(header).chain(found.iter().map(row)).collect();
    let widths: [usize; 5] =
        std::array::from_fn(|i| rows.iter().map(|row| row[i].chars().count()).max().unwrap_or(0));
    let mut out = std::io::stdout().lock();
    for (number, row) in rows.iter().enumerate() {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        writeln!(out, "{}", cells.join(" | ").trim_end())?;
        if number == 0 {
            let rules: Vec<String> = widths.iter().map(|&width| "-".repeat(width)).collect();
            writeln!(out, "{}", rules.join("-+-"))?;
        }
    }
    Ok(ExitStatus::Success)
}

fn row(model: &Found) -> [String; 5] {
    let day = model.last_modified.as_deref().and_then(|date| date.get(..10)).unwrap_or("-");
    let here = match (model.cached, model.gated) {
        (true, _) => "yes",
        (false, true) => "gated",
        (false, false) => "-",
    };
    [
        model.name.clone(),
        model.downloads.to_string(),
        model.likes.to_string(),
        day.to_owned(),
        here.to_owned(),
    ]
}
