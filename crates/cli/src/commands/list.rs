//! `mlxk list`: lists the models on this machine.

use std::path::Path;

use mlxk_hub::{Framework, Kind, Matching, ModelInfo, Resolved};
use serde_json::{Value, json};

use super::model_labels::type_label;
use super::model_object::{health, object};
use super::table;
use crate::args::{FrameworkName, ListArgs, ShowArgs};
use crate::exit::ExitStatus;
use crate::models::supported;
use crate::settings::Settings;
use crate::{Context, format, json};

/// Index of the column `Src`.
const SOURCE: usize = 4;
/// Maximum length of a reason in characters.
const MAX_REASON: usize = 60;

/// Prints a table of the usable models, or of all that the options ask for.
pub(crate) fn run(args: &ListArgs, context: &Context) -> anyhow::Result<ExitStatus> {
    if args.supported {
        return super::list_supported::run(args.json);
    }
    let mut models = mlxk_hub::describe(&places(args, context)?, supported::quick());
    if let Some(framework) = args.framework {
        models.retain(|model| is_of(model, framework));
    }
    models.sort_by(|a, b| a.name.cmp(&b.name));
    if args.json {
        let models: Vec<Value> = models
            .iter()
            .map(|model| object(model, args.extended))
            .collect::<serde_json::Result<_>>()?;
        let count = models.len();
        json::print("list", &json!({"models": models, "count": count}))?;
        return Ok(ExitStatus::Success);
    }
    let total = models.len();
    if !args.all && args.framework.is_none() {
        models.retain(|model| model.is_usable() || model.kind == Kind::Missing);
    }
    let hidden = total - models.len();
    if total == 0 {
        context.printer.note(match &args.pattern {
            Some(pattern) => format!("No model matches `{pattern}`"),
            None if args.framework.is_some() => "No models of this framework".to_owned(),
            None => {
                "No models yet; get the starter model (93 MB) with `mlxk run smollm2`".to_owned()
            }
        });
        return Ok(ExitStatus::Success);
    }
    if !models.is_empty() {
        print(&models, args, context)?;
    }
    for model in models.iter().filter(|model| model.kind == Kind::Missing) {
        let base = model.base.as_deref().unwrap_or("its model");
        let get = if context.settings.pairs.can_be_pulled(base) {
            format!("Get it with `mlxk pull {}`", model.name)
        } else {
            format!("Create `{base}` again")
        };
        context.printer.note(format_args!(
            "`{0}` is only a name: {base} is not here. {get}, or remove the name with `mlxk rm {0}`",
            model.name
        ));
    }
    if hidden > 0 {
        context.printer.note(format_args!(
            "Not shown: {}, broken or unsupported; see `mlxk list --all --health`",
            format::count(hidden, "model")
        ));
    }
    Ok(ExitStatus::Success)
}

/// Returns the model that `list --verbose MODEL` describes, as in MLX-Knife 1.
pub(crate) fn described(args: &ListArgs, context: &Context) -> anyhow::Result<Option<ShowArgs>> {
    let Some(pattern) = args.pattern.as_ref().filter(|_| args.verbose && !args.health && !args.all)
    else {
        return Ok(None);
    };
    let places = mlxk_hub::places(&context.settings.locations)?;
    let is_meant = |place: &&Resolved| {
        place.name == *pattern
            || place.name.rsplit_once('/').is_some_and(|(_, short)| short == pattern)
    };
    let model = places.iter().find(is_meant).map(|place| place.name.clone());
    Ok(model.map(|model| ShowArgs {
        model,
        json: args.json,
        extended: args.extended,
        ..ShowArgs::default()
    }))
}

/// Finds the models that the pattern matches.
fn places(args: &ListArgs, context: &Context) -> anyhow::Result<Vec<Resolved>> {
    let Some(pattern) = &args.pattern else {
        return Ok(mlxk_hub::places(&context.settings.locations)?);
    };
    let is_path = pattern == "."
        || pattern == ".."
        || pattern.starts_with(['/', '\\'])
        || pattern.starts_with("./")
        || pattern.starts_with("../")
        || Path::new(pattern).is_absolute();
    if is_path {
        return Ok(mlxk_hub::checkpoints_in(Path::new(pattern))?);
    }
    let settings = &context.settings;
    let meant = pattern.contains(':').then(|| named(pattern, settings)).flatten();
    let pattern = pattern.to_lowercase();
    let mut places = mlxk_hub::places(&settings.locations)?;
    places.retain(|place| {
        place.name.to_lowercase().contains(&pattern) || meant.as_ref() == Some(&place.name)
    });
    Ok(places)
}

/// Returns the full name of the model that `name` means, if it is on this machine.
fn named(name: &str, settings: &Settings) -> Option<String> {
    let reference = name.parse().ok()?;
    let found =
        mlxk_hub::resolve(&reference, Matching::Exact, &settings.pairs, &settings.locations);
    Some(found.ok()?.local().ok()?.name)
}

fn is_of(model: &ModelInfo, name: FrameworkName) -> bool {
    match name {
        FrameworkName::Mlx => model.framework == Framework::Mlx,
        FrameworkName::Pytorch => model.framework == Framework::PyTorch,
        FrameworkName::Gguf => model.framework == Framework::Gguf,
        FrameworkName::Tokenizer => model.framework == Framework::Unknown,
        FrameworkName::All => true,
    }
}

fn print(models: &[ModelInfo], args: &ListArgs, context: &Context) -> anyhow::Result<()> {
    let more = args.all || args.verbose;
    let mut header = vec!["Name", "Hash", "Size", "Modified", "Src"];
    if more {
        header.extend(["Clean", "Framework"]);
    }
    header.push("Type");
    match (args.health, args.verbose) {
        (true, true) => header.extend(["Integrity", "Runtime", "Reason"]),
        (true, false) => header.push("Health"),
        (false, _) => {}
    }
    let mut rows = vec![header.into_iter().map(str::to_owned).collect()];
    rows.extend(models.iter().map(|model| row(model, args, more)));
    let mut shorter = rows.clone();
    for row in shorter.iter_mut().skip(1) {
        // The rest is the name again, mostly.
        if row[SOURCE].starts_with("ollama:") {
            "ollama".clone_into(&mut row[SOURCE]);
        }
    }
    let optional = ["Hash", "Modified", "Src"];
    table::print_most(&rows, &shorter, &optional, "mlxk list | less -S", &context.printer)
}

fn row(model: &ModelInfo, args: &ListArgs, more: bool) -> Vec<String> {
    let clean = model.workspace.as_ref().and_then(|(_, check)| check.clean);
    let source = match (model.kind, clean) {
        (Kind::Missing, _) => "name?",
        _ if model.base.is_some() => "name",
        (Kind::HfCache, _) => "cache",
        // The name that the model has there can be typed, too.
        (Kind::Imported, _) => match &model.origin {
            Some(origin) if origin.ollama().is_some() => &origin.source,
            _ => "import",
        },
        (Kind::Folder | Kind::Workspace, Some(true)) => "ws",
        (Kind::Folder | Kind::Workspace, Some(false)) => "ws*",
        (Kind::Folder | Kind::Workspace, None) => "ws?",
    };
    let content = model.workspace.as_ref().and_then(|(sentinel, _)| sentinel.content_hash());
    let content = content.map(|hash| hash.trim_start_matches("sha256:"));
    let hash = model.revision.as_deref().or(content);
    let short = |hash: &str| hash.chars().take(7).collect();
    let mut cells = vec![
        model.name.clone(),
        hash.map_or_else(|| "-".to_owned(), short),
        match model.kind {
            Kind::Missing => "-".to_owned(),
            _ => format::compact_size(model.size_bytes),
        },
        model.modified.map_or_else(|| "-".to_owned(), format::age),
        source.to_owned(),
    ];
    if more {
        let mark = match clean {
            None => "—",
            Some(true) => "✓",
            Some(false) => "✗",
        };
        cells.extend([mark.to_owned(), model.framework.as_str().to_owned()]);
    }
    cells.push(match model.kind {
        Kind::Missing => "-".to_owned(),
        _ => type_label(model),
    });
    let runs = model.runtime.runs();
    match (args.health, args.verbose) {
        (true, true) => {
            let word = match (model.health.is_healthy(), runs) {
                (false, _) => "-",
                (true, true) => "yes",
                (true, false) => "no",
            };
            let reason = model.runtime.reason().or(model.runtime.note()).unwrap_or("-");
            cells.extend([health(model).to_owned(), word.to_owned(), cut(reason)]);
        }
        // The star marks intact files of an unsupported model.
        (true, false) if model.health.is_healthy() && !runs => cells.push("healthy*".to_owned()),
        (true, false) => cells.push(health(model).to_owned()),
        (false, _) => {}
    }
    cells
}

fn cut(reason: &str) -> String {
    if reason.chars().count() <= MAX_REASON {
        return reason.to_owned();
    }
    let start: String = reason.chars().take(MAX_REASON - 3).collect();
    format!("{start}...")
}
