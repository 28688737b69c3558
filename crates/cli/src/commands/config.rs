//! `mlxk config`: shows the settings in effect and where each comes from.

use std::fmt::Write as _;

use anyhow::Context as _;
use serde_json::json;

use crate::args::ConfigArgs;
use crate::config::keys::{KEYS, PAIRS, PAIRS_ABOUT, PAIRS_EXAMPLE};
use crate::config::{Config, Origin, Value};
use crate::exit::{ExitStatus, UsageError};
use crate::staged::staged;
use crate::{Context, json, output, terminal};

/// Prints the path of the file and every setting, or writes an example file.
pub(crate) fn run(args: &ConfigArgs, context: &Context) -> anyhow::Result<ExitStatus> {
    let config = &context.settings.config;
    if let Some(action) = &args.action {
        if args.init {
            let problem = "`--init` creates the whole file; leave it out to change one setting";
            return Err(UsageError(problem.to_owned()).into());
        }
        super::config_setting::run(action, args.json, context)?;
    } else if args.init {
        init(config, args, context)?;
    } else if args.json {
        json::print("config", &as_json(config))?;
    } else {
        print(config)?;
    }
    Ok(ExitStatus::Success)
}

fn print(config: &Config) -> anyhow::Result<()> {
    let mut out = output::stdout();
    let missing =
        if config.path.exists() { "" } else { " (does not exist; create it with `--init`)" };
    out.line(format_args!("{}{missing}", config.path.display()))?;
    out.line("")?;
    let rows: Vec<[String; 3]> = KEYS
        .iter()
        .map(|key| {
            let set = config.settings.iter().find(|setting| setting.name == key.name);
            match set {
                Some(set) => [key.name.into(), shown(&set.value.to_string()), origin(set.origin)],
                None => [key.name.into(), key.default.into(), "default".into()],
            }
        })
        .chain(config.pairs.iter().map(|(pair, line)| {
            let name = format!("{PAIRS}.\"{}\"", pair.ollama);
            [name, pair.repo.to_string(), origin(Origin::Line(*line))]
        }))
        .collect();
    let width = |column: usize| {
        rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default()
    };
    let (names, values) = (width(0), width(1));
    let columns = terminal::width();
    let is_narrow = output::stdout_is_terminal() && names + values + width(2) + 4 > columns;
    for [name, value, origin] in &rows {
        if is_narrow {
            let text = terminal::sanitize_line(&format!("{value} ({origin})"));
            let text = terminal::hanging(&text, names + 2, columns);
            out.text(format_args!("{name:names$}  {text}\n"))?;
            continue;
        }
        out.line(format_args!("{name:names$}  {value:values$}  {origin}"))?;
    }
    Ok(())
}

/// Hides the password in an address.
pub(super) fn shown(value: &str) -> String {
    match mlxk_hub::split_login(value) {
        (address, Some(_)) => address.replacen("://", "://***@", 1),
        (address, None) => address,
    }
}

fn origin(origin: Origin) -> String {
    match origin {
        Origin::Variable(name) => name.to_owned(),
        Origin::Line(line) => format!("line {line}"),
    }
}

fn as_json(config: &Config) -> serde_json::Value {
    let settings = KEYS.iter().map(|key| {
        let set = config.settings.iter().find(|setting| setting.name == key.name);
        let value = set.map(|set| value_as_json(&set.value));
        json!({
            "name": key.name,
            "value": value,
            "origin": match set.map(|set| set.origin) {
                Some(Origin::Variable(_)) => "environment",
                Some(Origin::Line(_)) => "file",
                None => "default",
            },
            "variable": key.variable,
            "line": match set.map(|set| set.origin) {
                Some(Origin::Line(line)) => Some(line),
                _ => None,
            },
        })
    });
    let pairs: serde_json::Map<_, _> = config
        .pairs
        .iter()
        .map(|(pair, _)| (pair.ollama.clone(), pair.repo.to_string().into()))
        .collect();
    json!({
        "path": config.path.display().to_string(),
        "exists": config.path.exists(),
        "settings": settings.collect::<Vec<_>>(),
        "pairs": pairs,
    })
}

/// Returns a value without the password in an address.
pub(super) fn value_as_json(value: &Value) -> serde_json::Value {
    match value {
        Value::Number(number) => json!(number),
        Value::Count(count) => json!(count),
        Value::Flag(flag) => json!(flag),
        Value::Text(text) => json!(shown(text)),
    }
}

/// Writes an example file if there is no file.
fn init(config: &Config, args: &ConfigArgs, context: &Context) -> anyhow::Result<()> {
    let path = &config.path;
    let exists = || {
        anyhow::anyhow!(
            "The configuration `{}` already exists and was left unchanged",
            path.display()
        )
    };
    let cannot = || format!("Cannot write the configuration `{}`", path.display());
    if path.symlink_metadata().is_ok() {
        return Err(exists());
    }
    let file = staged(path, example().as_bytes()).with_context(cannot)?;
    match file.persist_noclobber(path).map_err(|error| error.error) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(exists());
        }
        other => other.with_context(cannot)?,
    };
    if args.json {
        json::print("config", &json!({"path": path.display().to_string(), "created": true}))?;
    } else {
        context
            .printer
            .note(format_args!("Created {}; all settings in it are commented out", path.display()));
    }
    Ok(())
}

/// Returns a file with every setting commented out.
pub(crate) fn example() -> String {
    let mut text = String::from(
        "# Settings of mlxk. Options and environment variables override this file.\n\
         # `mlxk config` shows the settings in effect.\n",
    );
    let mut table = "";
    for key in KEYS {
        let (own, name) = key.name.split_once('.').unwrap_or(("", key.name));
        if own != table {
            table = own;
            let _ = write!(text, "\n[{table}]\n");
        }
        let _ = write!(text, "\n# {} [default: {}]\n", key.about, key.default);
        let _ = writeln!(text, "# {name} = {}", key.example);
    }
    let _ = write!(text, "\n[{PAIRS}]\n\n# {PAIRS_ABOUT}\n# {PAIRS_EXAMPLE}\n");
    text
}
