//! `mlxk create NAME -f FILE`: a model that answers in another way than the one it builds on.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use mlxk_hub::{DerivedError, HubError, Matching, Modelfile, Resolved};
use serde_json::json;

use crate::args::CreateArgs;
use crate::exit::ExitStatus;
use crate::{Context, json, local};

/// More is no Modelfile, and is not read.
const MAX_BYTES: u64 = 8 << 20;

/// Reads the Modelfile, finds its model, fetched where need be, and makes the name.
pub(crate) fn run(args: &CreateArgs, context: &Context) -> anyhow::Result<ExitStatus> {
    let (file, path) = read(&args.file)?;
    let (pairs, locations) = (&context.settings.pairs, &context.settings.locations);
    mlxk_hub::check_new_name(&args.name, locations)?;
    let beside = path.parent().map_or_else(PathBuf::new, Path::to_path_buf);
    let from = mlxk_hub::base_of(&file.from, &beside, pairs, locations)?;
    let base = local::find_by(&from, Matching::Exact, !args.no_pull, context)?;
    check(&file, &base, &path, args)?;
    if !file.ignored.is_empty() {
        context.printer.note(format_args!(
            "Without effect here: {}; the chat template of {} says how prompts are laid out",
            names(&file),
            base.name
        ));
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
            "message": format!("`{}` builds on {base}", created.name),
        });
        json::print("create", &data)?;
    } else {
        let word = if created.replaced { "now builds" } else { "builds" };
        writeln!(std::io::stdout().lock(), "{} {word} on {base}", created.name)?;
    }
    Ok(ExitStatus::Success)
}

/// The Modelfile, and where it lies.
fn read(path: &Path) -> anyhow::Result<(Modelfile, PathBuf)> {
    let mut bytes = Vec::new();
    let shown = if path.as_os_str() == "-" {
        std::io::stdin().lock().take(MAX_BYTES).read_to_end(&mut bytes)?;
        PathBuf::from("standard input")
    } else {
        std::fs::File::open(path)
            .and_then(|file| file.take(MAX_BYTES).read_to_end(&mut bytes))
            .with_context(|| format!("Cannot read the Modelfile `{}`", path.display()))?;
        path.to_owned()
    };
    let file = Modelfile::parse(&bytes).map_err(|error| error.in_file(&shown))?;
    Ok((file, shown))
}

/// What has no effect is refused where it is wanted so, and where nothing has its place.
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
                "`TEMPLATE` is in Ollama's form, which is not read, and `{}` has no chat template \
                 of its own",
                base.name
            ),
        ));
    }
    match file.ignored.first() {
        Some((line, name)) if args.strict => {
            Err(bad(*line, format!("`{name}` has no effect here, and `--strict` refuses that")))
        }
        _ => Ok(()),
    }
}

/// "`TEMPLATE` (line 3), `PARSER` (line 9)".
fn names(file: &Modelfile) -> String {
    let names = file.ignored.iter().map(|(line, name)| format!("`{name}` (line {line})"));
    names.collect::<Vec<_>>().join(", ")
}
