//! What is well with an installation and what is not: checks as data, each in a file of its own.
//!
//! A check looks at the [`Environment`] that it is given and says what it found in lines; one that is
//! not `ok` comes with what mends it, where there is something. Every check has a section of its name
//! in `docs/guide/troubleshooting.md`.

mod checks;
mod environment;
mod programs;

use serde::Serialize;
use serde_json::Value;

pub(crate) use checks::ALL;
pub(crate) use environment::Environment;

/// Something to look at.
pub(crate) struct Check {
    /// Its name, for the command line and the page on troubleshooting.
    pub id: &'static str,
    /// What it looks at.
    pub about: &'static str,
    /// Whether it computes for seconds.
    pub slow: bool,
    /// Looks.
    pub run: fn(&Environment<'_>) -> Vec<Line>,
}

/// How well something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    /// As it should be, or none of our business.
    Ok,
    /// Works, though not as well as it could.
    Warning,
    /// Does not work.
    Broken,
}

/// Something that a check found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Line {
    /// How well it is.
    pub level: Level,
    /// What was found, in one sentence.
    pub text: String,
    /// The command, or the step, that mends it.
    pub fix: Option<String>,
    /// The same for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
}

impl Line {
    fn new(level: Level, text: impl Into<String>) -> Self {
        Self { level, text: text.into(), fix: None, data: None }
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

    /// What is broken by an error, with the hint that it has.
    fn hub(error: &mlxk_hub::HubError) -> Self {
        Self { fix: error.hint(), ..Self::broken(error.to_string()) }
    }

    fn fix(self, fix: impl Into<String>) -> Self {
        Self { fix: Some(fix.into()), ..self }
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
