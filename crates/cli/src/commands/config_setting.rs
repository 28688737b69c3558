//! `mlxk config get`, `set` and `unset`: one setting. Comments and order of the file stay as they are.

use std::path::Path;

use anyhow::Context as _;
use serde_json::json;
use toml_edit::{DocumentMut, Item};

use super::config::{shown, value_as_json};
use crate::args::ConfigAction;
use crate::config::keys::{KEYS, Key, PAIRS, PAIRS_EXAMPLE};
use crate::config::{Origin, Setting, Value};
use crate::exit::UsageError;
use crate::staged::staged;
use crate::{Context, input, json, misuse, output};

/// Prints or changes one setting.
pub(super) fn run(action: &ConfigAction, as_json: bool, context: &Context) -> anyhow::Result<()> {
    let (ConfigAction::Get { name }
    | ConfigAction::Set { name, .. }
    | ConfigAction::Unset { name }) = action;
    let key = KEYS.iter().find(|key| key.name == name).ok_or_else(|| unknown(name))?;
    let config = &context.settings.config;
    let set = config.settings.iter().find(|setting| setting.name == key.name);
    let path = config.path.display();
    match action {
        ConfigAction::Get { .. } => return print(key, set, as_json),
        ConfigAction::Set { value, .. } => {
            let value = Value::parse(value.trim(), key.form).ok_or_else(|| {
                UsageError(format!(
                    "`{name}` is `{value}`, but must be {}",
                    key.form.expected_for(value)
                ))
            })?;
            change(&config.path, |file| put(file, key, &value))?;
            context
                .printer
                .note(format_args!("Set {name} to {} in {path}", shown(&value.to_string())));
        }
        ConfigAction::Unset { .. } => {
            change(&config.path, |file| remove(file, key))?;
            context.printer.note(format_args!("Removed {name} from {path}"));
        }
    }
    if let Some(Setting { origin: Origin::Variable(variable), .. }) = set {
        context.printer.note(format_args!("warning: `{variable}` is set and overrides the file"));
    }
    if as_json {
        json::print("config", &json!({"name": name, "path": path.to_string()}))?;
    }
    Ok(())
}

fn unknown(name: &str) -> UsageError {
    if name == PAIRS || name.starts_with("pairs.") {
        return UsageError(format!(
            "`{PAIRS}` is a table and not one setting; write its lines into the file that `mlxk config` names, \
             as in `{PAIRS_EXAMPLE}`"
        ));
    }
    let wanted = name.replace('-', "_").to_ascii_lowercase();
    let names = || KEYS.iter().map(|key| key.name);
    let last = wanted.rsplit('.').next().unwrap_or_default();
    // Some go by their names in Ollama.
    let last = match last {
        "num_ctx" | "context_length" => "ctx",
        "num_predict" => "max_tokens",
        "num_thread" => "threads",
        last => last,
    };
    let last_part = |name: &&str| name.rsplit('.').next() == Some(last);
    let meant = names().find(last_part).or_else(|| misuse::similar(&wanted, names()));
    UsageError(match meant {
        Some(meant) => format!("`{name}` is not a setting; did you mean `{meant}`?"),
        None => format!("`{name}` is not a setting; `mlxk config` lists them"),
    })
}

fn print(key: &Key, set: Option<&Setting>, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        let value = set.map(|set| value_as_json(&set.value));
        json::print("config", &json!({"name": key.name, "value": value}))?;
    } else if let Some(set) = set {
        output::stdout().line(shown(&set.value.to_string()))?;
    }
    Ok(())
}

/// Splits the name of a setting into its table, if it has one, and its name there.
fn parts(key: &Key) -> (Option<&str>, &str) {
    key.name.split_once('.').map_or((None, key.name), |(table, name)| (Some(table), name))
}

fn put(file: &mut DocumentMut, key: &Key, value: &Value) {
    let (table, name) = parts(key);
    let mut new = match value {
        Value::Number(number) => toml_edit::Value::from(*number),
        Value::Count(count) => toml_edit::Value::from(i64::try_from(*count).unwrap_or(i64::MAX)),
        Value::Flag(flag) => toml_edit::Value::from(*flag),
        Value::Text(text) => toml_edit::Value::from(text.as_str()),
    };
    let table = match table {
        Some(table) => file.entry(table).or_insert_with(toml_edit::table),
        None => file.as_item_mut(),
    };
    let Some(table) = table.as_table_like_mut() else { return };
    if let Some(old) = table.get(name).and_then(Item::as_value) {
        *new.decor_mut() = old.decor().clone();
    }
    table.insert(name, Item::Value(new));
}

fn remove(file: &mut DocumentMut, key: &Key) {
    let (table, name) = parts(key);
    let table = match table {
        Some(table) => file.get_mut(table),
        None => Some(file.as_item_mut()),
    };
    if let Some(table) = table.and_then(Item::as_table_like_mut) {
        table.remove(name);
    }
}

/// Changes the file. It is replaced as a whole or not at all; a link to it stays one.
fn change(path: &Path, edit: impl FnOnce(&mut DocumentMut)) -> anyhow::Result<()> {
    let cannot = || format!("Cannot change the configuration `{}`", path.display());
    let text = match input::read_text(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        text => text.with_context(cannot)?,
    };
    let mut file: DocumentMut = text.parse().with_context(cannot)?;
    edit(&mut file);
    let target = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let written = staged(&target, file.to_string().as_bytes()).with_context(cannot)?;
    written.persist(&target).map_err(|error| error.error).with_context(cannot)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(text: &str, name: &str, value: Option<Value>) -> String {
        let mut file: DocumentMut = text.parse().unwrap();
        let key = KEYS.iter().find(|key| key.name == name).unwrap();
        match value {
            Some(value) => put(&mut file, key, &value),
            None => remove(&mut file, key),
        }
        file.to_string()
    }

    #[test]
    fn names_that_are_nearly_right_are_understood() {
        for (typed, meant) in [
            ("temperature", "`defaults.temperature`"),
            ("max-tokens", "`defaults.max_tokens`"),
            ("server.prot", "`server.port`"),
            ("nosuch", "`mlxk config`"),
        ] {
            let UsageError(sentence) = unknown(typed);
            assert!(sentence.contains(meant), "{sentence}");
        }
    }

    #[test]
    fn one_setting_changes_and_comments_stay() {
        let text = "# mine\n[defaults]\ntemperature = 0.7 # cool\nctx = 4096\n";
        let hot = edited(text, "defaults.temperature", Some(Value::Number(1.5)));
        assert_eq!(hot, text.replace("0.7", "1.5"));
        let gone = edited(text, "defaults.temperature", None);
        assert_eq!(gone, "# mine\n[defaults]\nctx = 4096\n");
        let new = edited(text, "server.port", Some(Value::Count(9000)));
        assert_eq!(new, format!("{text}\n[server]\nport = 9000\n"));
        let top = edited("", "offline", Some(Value::Flag(true)));
        assert_eq!(top, "offline = true\n");
        assert_eq!(edited("", "offline", None), "");
    }
}
