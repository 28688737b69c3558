//! `mlxk search --ollama [WORD…]`: the names of Ollama's library and their MLX checkpoints.

use mlxk_hub::{ALIASES, Alias, LibraryModel, Matching, Reference};
use mlxk_models::registry;
use serde_json::{Value, json};

use super::table;
use crate::args::SearchArgs;
use crate::exit::ExitStatus;
use crate::{Context, json, misuse};

/// Prints the models whose names contain all words. Reads no network.
pub(crate) fn run(args: &SearchArgs, context: &Context) -> anyhow::Result<ExitStatus> {
    let words: Vec<String> = args.words.iter().map(|word| word.to_ascii_lowercase()).collect();
    let found: Vec<&LibraryModel> =
        mlxk_hub::library().iter().filter(|model| matches(model, &words)).collect();
    let cached = mlxk_hub::cached_names(&context.settings.locations)?;
    let supported = registry::supported();
    let runs =
        |model: &LibraryModel| supported.iter().any(|one| one.model_type == model.model_type);
    if args.json {
        let models: Vec<Value> = found
            .iter()
            .map(|model| {
                let repo = model.repo.to_string();
                json!({
                    "names": model.names,
                    "repo": repo,
                    "parameters": (model.billions * 1e9).round() as u64,
                    "model_type": model.model_type,
                    "size_bytes": model.size_bytes,
                    "size_is_estimate": model.is_estimate,
                    "supported": runs(model),
                    "cached": cached.contains(&repo),
                })
            })
            .collect();
        json::print("search", &json!({"count": models.len(), "models": models}))?;
        return Ok(ExitStatus::Success);
    }
    if found.is_empty() && starters(&words, context).is_empty() {
        let words = args.words.join(" ");
        let ask = meant(&words, context).map(|name| format!(" Did you mean `{name}`?"));
        context.printer.note(format_args!(
            "No name in mlxk's table of Ollama names matches `{words}`.{} Search the hub with \
             `mlxk search {words}`",
            ask.unwrap_or_default()
        ));
        return Ok(ExitStatus::Success);
    }
    let header = ["Ollama name", "Checkpoint", "Size", "Runs", "Here"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    rows.extend(starters(&words, context));
    for model in found {
        let about = if model.is_estimate { "~" } else { "" };
        let repo = model.repo.to_string();
        let here = if cached.contains(&repo) { "yes" } else { "-" };
        rows.push(vec![
            model.names[0].to_owned(),
            repo,
            format!("{about}{}", mlxk_hub::human(model.size_bytes)),
            match (runs(model), model.is_multimodal()) {
                (true, false) => "yes",
                (true, true) => "text only",
                (false, _) => "not yet",
            }
            .to_owned(),
            here.to_owned(),
        ]);
    }
    let command = "mlxk search --ollama | less -S";
    table::print_most(&rows, &rows, &["Checkpoint", "Here"], command, &context.printer)?;
    Ok(ExitStatus::Success)
}

/// Returns the name that the user probably meant, if it is mistyped.
fn meant(typed: &str, context: &Context) -> Option<String> {
    let pairs = &context.settings.pairs;
    if let Some(starter) = misuse::similar(typed, ALIASES.iter().map(|alias| alias.name)) {
        return Some(starter.to_owned());
    }
    pairs.misspelt(typed).or_else(|| pairs.similar(typed).into_iter().next())
}

/// Returns rows of the models that a short name gets from another place than the hub.
fn starters(words: &[String], context: &Context) -> Vec<Vec<String>> {
    let matching = ALIASES.iter().filter(|alias| {
        words
            .iter()
            .all(|word| alias.ollama.contains(word.as_str()) || alias.name.contains(word.as_str()))
    });
    let row = |alias: &Alias| {
        let here = if is_here(alias.name, context) { "yes" } else { "-" };
        let size = mlxk_hub::human(alias.download_bytes);
        [alias.ollama, &format!("{} (from PyPI)", alias.name), &size, "yes", here]
            .map(str::to_owned)
            .to_vec()
    };
    matching.map(row).collect()
}

/// Returns `true` if a model on this machine has exactly this name.
fn is_here(name: &str, context: &Context) -> bool {
    let (pairs, locations) = (&context.settings.pairs, &context.settings.locations);
    let found = name.parse().and_then(|reference: Reference| {
        mlxk_hub::resolve(&reference, Matching::Exact, pairs, locations)?.local()
    });
    found.is_ok()
}

fn matches(model: &LibraryModel, words: &[String]) -> bool {
    let mut texts: Vec<String> = model.names.iter().map(|name| name.to_ascii_lowercase()).collect();
    texts.push(model.repo.to_string().to_ascii_lowercase());
    words.iter().all(|word| texts.iter().any(|text| text.contains(word)))
}
