//! Diagnosis of an installation: checks as data, one per file.
//!
//! A check examines the [`Environment`] and reports lines. A line that is not `ok` comes with a fix if
//! there is one. `docs/guide/troubleshooting.md` has a section for every check.

mod checks;
mod environment;
pub(crate) mod programs;

use std::path::PathBuf;

use clap_complete::Shell;
use mlxk_http::without_os_code;
use serde::Serialize;
use serde_json::Value;

pub(crate) use checks::ALL;
pub(crate) use environment::Environment;

/// One check.
pub(crate) struct Check {
    /// Name on the command line and on the troubleshooting page.
    pub id: &'static str,
    /// Description.
    pub about: &'static str,
    /// `true` if it computes for seconds.
    pub slow: bool,
    /// Runs the check.
    pub run: fn(&Environment<'_>) -> Vec<Line>,
}

/// State of the thing that was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    /// Fine, or not relevant.
    Ok,
    /// Works, but not as well as it could.
    Warning,
    /// Does not work.
    Broken,
}

/// One finding of a check.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Line {
    /// State.
    pub level: Level,
    /// The finding, in one sentence.
    pub text: String,
    /// The command or the step that fixes it.
    pub fix: Option<String>,
    /// The finding, for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
    /// The repair that `--fix` makes.
    #[serde(skip)]
    pub repair: Option<Repair>,
}

/// A repair that loses nothing.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Repair {
    /// Write the completions of a shell to this file.
    Completions(Shell, PathBuf),
    /// Add this line to the end of a shell's startup file.
    Startup(PathBuf, &'static str),
    /// Remove what interrupted conversions have left.
    Leftovers,
}

impl Line {
    fn new(level: Level, text: impl Into<String>) -> Self {
        let text = without_os_code(&text.into());
        Self { level, text, fix: None, data: None, repair: None }
    }

    fn ok(text: impl Into<String>) -> Self {
        Self::new(Level::Ok, text)
    }

    fn warning(text: impl Into<String>) -> Self {
        Self::new(Level::Warning, text)
    }

    fn broken(text: impl Into<String>) -> Self {
        Self::new(Level::Broken, text)
    }

    /// Makes a broken line from an error and its hint.
    fn hub(error: &mlxk_hub::HubError) -> Self {
        Self { fix: error.hint(), ..Self::broken(error.to_string()) }
    }

    fn fix(self, fix: impl Into<String>) -> Self {
        Self { fix: Some(fix.into()), ..self }
    }

    fn repair(self, repair: Repair) -> Self {
        Self { repair: Some(repair), ..self }
    }

    fn data(self, data: Value) -> Self {
        Self { data: Some(data), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = include_str!("../../../../docs/guide/troubleshooting.md");

    #[test]
    fn every_check_has_its_section_and_every_section_its_check() {
        let sections: Vec<&str> = PAGE
            .lines()
            .filter_map(|line| line.strip_prefix("## `"))
            .filter_map(|title| title.split_once('`'))
            .map(|(id, _)| id)
            .collect();
        let ids: Vec<&str> = ALL.iter().map(|check| check.id).collect();
        assert_eq!(sections, ids);
    }
}
