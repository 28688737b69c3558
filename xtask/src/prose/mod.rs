//! `cargo xtask prose`: the rules of `STYLE.md` that a program can check.
//!
//! It reads the files that git tracks, and new ones that it doesn't ignore.

mod markdown;
mod rules;
mod rust;
#[cfg(test)]
mod tests;
mod words;

use std::fmt;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::process::files;

/// Files whose text is not ours to phrase, or whose subject is the words themselves.
const EXEMPT: [&str; 4] = ["STYLE.md", "xtask/src/prose/", "/fixtures/", "/snapshots/"];

/// A piece of text that a person reads, in one place of a file.
///
/// `text` has one `\n` per line of the file, so that a position leads back to its line. Code in backticks is
/// replaced by the word `CODE`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Passage {
    kind: Kind,
    /// Line of the file where the text begins, from 1.
    line: usize,
    text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A doc comment.
    Doc,
    /// A plain comment.
    Comment,
    /// A string of an `#[error("…")]` attribute or of a function that returns hints.
    Error,
    /// Any other string.
    Text,
    /// A paragraph, a heading or a row of Markdown.
    Markdown,
}

/// A violation of a rule.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    line: usize,
    /// The offending words.
    found: String,
    /// The replacement, or what to do.
    advice: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: \"{}\": {}", self.line, self.found, self.advice)
    }
}

/// Prints every violation as `file:line: "words": advice`. Returns an error if there are any.
pub(crate) fn run() -> Result<()> {
    let mut count = 0;
    for path in files(&["*.rs", "*.md"])? {
        if EXEMPT.iter().any(|exempt| path.contains(exempt)) {
            continue;
        }
        let text = std::fs::read_to_string(&path).with_context(|| format!("Cannot read {path}"))?;
        for finding in check(&path, &text) {
            eprintln!("{path}:{finding}");
            count += 1;
        }
    }
    ensure!(count == 0, "{count} passages break the rules of STYLE.md");
    Ok(())
}

/// Returns the violations in one file, by line.
fn check(path: &str, text: &str) -> Vec<Finding> {
    let mut passages =
        if is_markdown(path) { markdown::passages(text) } else { rust::passages(text) };
    // Strings of tests are data: what a test types or expects is not prose.
    if is_test(path) {
        passages.retain(|passage| passage.kind != Kind::Text);
    }
    let mut findings = rules::banned_words(&passages);
    findings.extend(rules::where_and_if(&passages));
    findings.extend(rules::openings(&passages));
    findings.extend(rules::sentences(&passages, is_help(path)));
    if path == "docs/reference/cli.md" {
        findings.extend(rules::orphans(text));
    }
    findings.sort_by_key(|finding| finding.line);
    findings
}

fn is_markdown(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|extension| extension == "md")
}

fn is_test(path: &str) -> bool {
    path.starts_with("tests/") || path.contains("/tests/") || path.ends_with("tests.rs")
}

/// Returns `true` if clap shows the file's doc comments and strings to the user.
fn is_help(path: &str) -> bool {
    path.starts_with("crates/cli/src/args/")
}
