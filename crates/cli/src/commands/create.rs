//! `mlxk create NAME -f FILE`: creates a model from a Modelfile.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use mlxk_hub::{DerivedError, HubError, Matching, Modelfile, Resolved};
use serde_json::json;

use super::replace;
use crate::args::CreateArgs;
use crate::exit::ExitStatus;
use crate::models::resolve;
use crate::{Context, input, json, output};

/// Maximum size of a Modelfile in bytes.
const MAX_BYTES: u64 = 8 << 20;

/// Reads the Modelfile, finds or downloads its base model, and creates the name.
pub(crate) fn run(args: &CreateArgs, context: &Context) -> anyhow::Result<ExitStatus> {
    let (file, path) = read(&args.file)?;
    let (pairs, locations) = (&context.settings.pairs, &context.settings.locations);
    let name = mlxk_hub::check_new_name(&args.name, pairs, locations)?;
    replace::is_allowed(&name, args.force, context)?;
    let beside = path.parent().map_or_else(PathBuf::new, Path::to_path_buf);
    let from = mlxk_hub::base_of(&file.from, &beside, pairs, locations)?;
    let base = resolve::find_by(&from, Matching::Exact, !args.no_pull, context)?;
    check(&file, &base, &path, args)?;
    if !file.ignored.is_empty() {
        let is_parameter = |(_, name): &(usize, String)| name.starts_with("PARAMETER");
        let instead = if file.ignored.iter().all(is_parameter) {
            String::new()
        } else {
            format!("; mlxk uses the chat template of {}", base.name)
        };
        context.printer.note(format_args!("warning: No effect: {}{instead}", names(&file)));
    }
    let created = mlxk_hub::create(&args.name, &from, file.overrides, pairs, locations)?;
    let base = &created.base.name;
    if args.json {
        let ignored: Vec<_> = file.ignored.iter().map(|(_, name)| name).collect();
        let data = json!({
            "model": created.name,
            "from": base,
            "path": created.path.display().to_string(),
            "replaced": created.replaced,
            "ignored": ignored,
            "message": format!("`{}` is based on {base}", created.name),
        });
        json::print("create", &data)?;
    } else {
        let word = if created.replaced { "is now based" } else { "is based" };
        output::stdout().line(format_args!("{} {word} on {base}", created.name))?;
    }
    Ok(ExitStatus::Success)
}

/// Reads the Modelfile. Returns it with its path.
fn read(path: &Path) -> anyhow::Result<(Modelfile, PathBuf)> {
    let (bytes, shown) = if path.as_os_str() == "-" {
        let bytes = input::read(std::io::stdin().lock(), MAX_BYTES)
            .context("Cannot read the Modelfile on standard input")?;
        (bytes, PathBuf::from("standard input"))
    } else {
        let bytes = input::read_file(path, MAX_BYTES)
            .with_context(|| format!("Cannot read the Modelfile `{}`", path.display()))?;
        (bytes, path.to_owned())
    };
    let file = Modelfile::parse(&bytes).map_err(|error| error.in_file(&shown))?;
    Ok((file, shown))
}

/// Refuses instructions without effect, if `--strict` says so or if nothing can replace them.
fn check(file: &Modelfile, base: &Resolved, path: &Path, args: &CreateArgs) -> anyhow::Result<()> {
    let bad = |line: usize, problem: String| {
        anyhow::Error::new(HubError::from(DerivedError::BadModelfile {
            path: path.to_owned(),
            line: Some(line),
            problem,
        }))
    };
    let template = file.ignored.iter().find(|(_, name)| name == "TEMPLATE");
    if let Some((line, _)) = template
        && !mlxk_hub::has_chat_template(&base.path)
    {
        return Err(bad(
            *line,
            format!(
                "`TEMPLATE` has Ollama's format, which mlxk doesn't read, and `{}` has no chat template",
                base.name
            ),
        ));
    }
    match file.ignored.first() {
        Some((line, name)) if args.strict => {
            Err(bad(*line, format!("`{name}` has no effect, and `--strict` refuses that")))
        }
        _ => Ok(()),
    }
}

/// Lists the instructions without effect, like "`TEMPLATE` (line 3), `PARSER` (line 9)".
fn names(file: &Modelfile) -> String {
    let names = file.ignored.iter().map(|(line, name)| format!("`{name}` (line {line})"));
    names.collect::<Vec<_>>().join(", ")
}
