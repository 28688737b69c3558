//! Finds and reads the configuration file.

use std::path::{Path, PathBuf};

use mlxk_hub::{Pair, RepoId};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::{Form, KEYS, Key, PAIRS};
use super::{ConfigError, Value};
use crate::{env, input};

/// The content of a file. Each entry has its line number.
#[derive(Debug, Default)]
pub(crate) struct File {
    pub values: Vec<(&'static Key, Value, usize)>,
    pub pairs: Vec<(Pair, usize)>,
}

/// Returns the path of the configuration file, which may not exist.
pub(crate) fn path(lookup: impl Fn(&str) -> Option<String>, home: &Path) -> PathBuf {
    if let Some(path) = lookup(env::MLXK_CONFIG) {
        return PathBuf::from(path);
    }
    let folder = |root: PathBuf| root.join("mlxk").join("config.toml");
    let absolute = |name: &str| lookup(name).map(PathBuf::from).filter(|path| path.has_root());
    let unix = absolute(env::XDG_CONFIG_HOME).unwrap_or_else(|| home.join(".config"));
    if cfg!(windows) {
        let roaming = || home.join("AppData").join("Roaming");
        return folder(absolute(env::APPDATA).unwrap_or_else(roaming));
    }
    if cfg!(target_os = "macos") && absolute(env::XDG_CONFIG_HOME).is_none() {
        let native = folder(home.join("Library").join("Application Support"));
        return if folder(unix.clone()).exists() && !native.exists() {
            folder(unix)
        } else {
            native
        };
    }
    folder(unix)
}

/// Reads the file. A missing file has no settings.
pub(crate) fn read(path: &Path) -> Result<File, ConfigError> {
    match input::read_text(path) {
        Ok(text) => parse(&text, path),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(File::default()),
        Err(source) => Err(ConfigError::Unreadable { path: path.to_owned(), source }),
    }
}

fn parse(text: &str, path: &Path) -> Result<File, ConfigError> {
    let line_at = |at: usize| text[..at.min(text.len())].matches('\n').count() + 1;
    let bad = |at: usize, problem: String| ConfigError::BadFile {
        path: path.to_owned(),
        line: line_at(at),
        problem,
    };
    let table = DeTable::parse(text).map_err(|error| {
        let message = error.message().trim().replace('\n', ", ");
        bad(error.span().map_or(0, |span| span.start), format!("invalid TOML: {message}"))
    })?;
    let mut file = File::default();
    for (name, value) in table.get_ref() {
        let (at, name) = (name.span().start, name.get_ref().as_ref());
        if name == PAIRS {
            let Some(pairs) = value.get_ref().as_table() else {
                return Err(bad(at, format!("`{name}` must be a table")));
            };
            for (ollama, repo) in pairs {
                let at = ollama.span().start;
                let pair = pair(ollama.get_ref(), repo).map_err(|problem| bad(at, problem))?;
                file.pairs.push((pair, line_at(at)));
            }
            continue;
        }
        let is_table =
            KEYS.iter().any(|key| key.name.split_once('.').is_some_and(|(t, _)| t == name));
        if !is_table {
            let found = setting(name, value).map_err(|problem| bad(at, problem))?;
            file.values.push((found.0, found.1, line_at(at)));
            continue;
        }
        let Some(inner) = value.get_ref().as_table() else {
            return Err(bad(at, format!("`{name}` must be a table")));
        };
        for (key, value) in inner {
            let at = key.span().start;
            let name = format!("{name}.{}", key.get_ref());
            let found = setting(&name, value).map_err(|problem| bad(at, problem))?;
            file.values.push((found.0, found.1, line_at(at)));
        }
    }
    Ok(file)
}

fn setting(name: &str, value: &Spanned<DeValue<'_>>) -> Result<(&'static Key, Value), String> {
    let Some(key) = Key::find(name) else { return Err(format!("unknown setting `{name}`")) };
    let parsed = match (value.get_ref(), key.form) {
        (DeValue::Boolean(flag), Form::Flag) => Some(Value::Flag(*flag)),
        (
            DeValue::String(text),
            Form::Text
            | Form::Address
            | Form::Size
            | Form::Time
            | Form::Origins
            | Form::Backends
            | Form::Policy
            | Form::Costs,
        ) => Value::parse(text, key.form),
        (DeValue::Integer(number), Form::Count(..) | Form::Number(..)) if number.radix() == 10 => {
            Value::parse(&number.as_str().replace('_', ""), key.form)
        }
        (DeValue::Float(number), Form::Number(..)) => {
            Value::parse(&number.as_str().replace('_', ""), key.form)
        }
        _ => None,
    };
    let text = value.get_ref().as_str().unwrap_or_default();
    let wrong = || format!("`{name}` must be {}", key.form.expected_for(text));
    parsed.map(|value| (key, value)).ok_or_else(wrong)
}

fn pair(ollama: &str, repo: &Spanned<DeValue<'_>>) -> Result<Pair, String> {
    // `name:latest` means the same as `name`.
    let is_name = matches!(
        ollama.parse(),
        Ok(mlxk_hub::Reference::Short(_) | mlxk_hub::Reference::Name { revision: None, .. })
    );
    if !is_name || !ollama.contains(':') {
        return Err(format!("`{ollama}` must be a name like `llama3.2:1b`"));
    }
    let repo = repo.get_ref().as_str().and_then(|text| match text.parse() {
        Ok(mlxk_hub::Reference::Repo { id, revision: None }) => Some::<RepoId>(id),
        _ => None,
    });
    match repo {
        Some(repo) => Ok(Pair { ollama: ollama.to_owned(), repo }),
        None => Err(format!("the value of `{ollama}` must be `org/NAME`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        parse(text, Path::new("c.toml")).unwrap_err().to_string()
    }

    #[test]
    fn every_example_is_taken() {
        for key in KEYS {
            let text = match key.name.split_once('.') {
                Some((table, name)) => format!("[{table}]\n{name} = {}\n", key.example),
                None => format!("{} = {}\n", key.name, key.example),
            };
            let file = parse(&text, Path::new("c.toml")).unwrap();
            assert_eq!(file.values.len(), 1, "{text}");
            assert_eq!(file.values[0].0.name, key.name);
        }
        let pairs = format!("[pairs]\n{}\n", super::super::keys::PAIRS_EXAMPLE);
        assert_eq!(parse(&pairs, Path::new("c.toml")).unwrap().pairs.len(), 1);
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        for (text, expected) in [
            ("offline = 1", "line 1: `offline` must be `true` or `false`"),
            ("\n\nofline = true", "line 3: unknown setting `ofline`"),
            ("[defaults]\ntemp = 1", "line 2: unknown setting `defaults.temp`"),
            ("[nosuch]\na = 1", "line 1: unknown setting `nosuch`"),
            ("defaults = 3", "line 1: `defaults` must be a table"),
            ("[defaults]\ntop_p = 2", "line 2: `defaults.top_p` must be a number from 0 to 1"),
            ("[defaults]\nctx = 0", "line 2: `defaults.ctx` must be a whole number, 2 or more"),
            ("[defaults]\nctx = 1.5", "line 2: `defaults.ctx` must be a whole number, 2 or more"),
            (
                "[defaults]\ntemperature = \"hot\"",
                "`defaults.temperature` must be a number from 0 to 100",
            ),
            (
                "[defaults]\ntemperature = nan",
                "`defaults.temperature` must be a number from 0 to 100",
            ),
            ("[server]\nport = 70000", "`server.port` must be a whole number from 0 to 65535"),
            ("[server]\nspill = \"much\"", "`server.spill` must be a size such as `12GB`"),
            ("[server]\nkeep_alive = \"soon\"", "`server.keep_alive` must be a time such as"),
            ("[server]\ncors_origins = \"foo\"", "`server.cors_origins` must be origins such as"),
            ("python = \"\"", "line 1: `python` must be text that is not empty"),
            ("[pairs]\n\"x\" = \"a/b\"", "line 2: `x` must be a name like `llama3.2:1b`"),
            ("[pairs]\n\"x:y\" = \"b\"", "the value of `x:y` must be `org/NAME`"),
            ("a = ", "line 1: invalid TOML"),
            ("[defaults\n", "line 1: invalid TOML"),
            ("offline = true\noffline = true", "line 2: invalid TOML"),
        ] {
            let found = problem(text);
            assert!(found.contains(expected) && !found.contains('\n'), "{text}: {found}");
        }
    }

    #[cfg(all(unix, not(target_os = "macos")))]
    #[test]
    fn where_the_file_is() {
        let at = |values: &[(&str, &str)]| {
            let lookup = |name: &str| {
                values.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
            };
            path(lookup, Path::new("/home/ada"))
        };
        assert_eq!(at(&[]), Path::new("/home/ada/.config/mlxk/config.toml"));
        assert_eq!(at(&[("XDG_CONFIG_HOME", "/c")]), Path::new("/c/mlxk/config.toml"));
        assert_eq!(
            at(&[("XDG_CONFIG_HOME", "c")]),
            Path::new("/home/ada/.config/mlxk/config.toml")
        );
        assert_eq!(
            at(&[("MLXK_CONFIG", "x.toml"), ("XDG_CONFIG_HOME", "/c")]),
            Path::new("x.toml")
        );
    }
}
