//! The name of a repository on the hub. A name that goes to the hub is checked by the hub's own rules.
//! A folder in the cache may have another name, such as one with spaces, but never one that leads
//! outside the cache.

use std::fmt;

use crate::reference::error::ReferenceError;

/// `org/NAME`, or a bare `NAME` for the few repositories without an organization.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepoId {
    org: Option<String>,
    name: String,
}

/// The organization of a bare name.
pub(crate) const DEFAULT_ORG: &str = "mlx-community";
const MAX_LENGTH: usize = 96;
const FOLDER_PREFIX: &str = "models--";

impl RepoId {
    /// Parses `org/NAME` or `NAME`. The error completes "Model name `x` …".
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (org, name) = match text.split_once('/') {
            Some((org, name)) => (Some(org), name),
            None => (None, text),
        };
        if text.len() > MAX_LENGTH {
            return Err(format!(
                "is longer than {MAX_LENGTH} characters, the limit for repository names"
            ));
        }
        for part in org.iter().chain([&name]) {
            check_part(part)?;
        }
        Ok(Self { org: org.map(str::to_owned), name: name.to_owned() })
    }

    /// Parses a name that a folder in the cache may have. The hub may refuse it.
    pub(crate) fn local(text: &str) -> Result<Self, String> {
        let strict = Self::parse(text);
        let (org, name) = match text.split_once('/') {
            Some((org, name)) => (Some(org), name),
            None => (None, text),
        };
        let fits = |part: &str| {
            !part.is_empty()
                && !part.contains("..")
                && !part.contains(['/', '\\', ':', '@', '`'])
                && !part.chars().any(char::is_control)
                && !part.starts_with(['-', '.', '~', ' '])
                && !part.ends_with([' ', '.'])
        };
        if strict.is_err() && text.len() <= MAX_LENGTH && org.is_none_or(fits) && fits(name) {
            return Ok(Self { org: org.map(str::to_owned), name: name.to_owned() });
        }
        strict
    }

    /// Returns the reason if the hub cannot have a repository of this name.
    pub(crate) fn check(&self) -> Result<(), ReferenceError> {
        let text = self.to_string();
        match Self::parse(&text) {
            Ok(_) => Ok(()),
            Err(problem) => {
                let (reference, hint) = (text, None);
                Err(ReferenceError::Malformed { reference, problem, hint })
            }
        }
    }

    /// Returns `mlx-community/NAME` for a name that [`parse`](Self::parse) accepts.
    pub(crate) fn in_default_org(name: &str) -> Self {
        Self { org: Some(DEFAULT_ORG.to_owned()), name: name.to_owned() }
    }

    /// Returns `true` for another spelling of the same name. The hub ignores the case of names.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.to_string().eq_ignore_ascii_case(&other.to_string())
    }

    /// Returns the part before the slash.
    pub fn org(&self) -> Option<&str> {
        self.org.as_deref()
    }

    /// Returns the part after the slash.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the name of the repository's folder in the cache, `models--org--NAME`.
    pub fn folder_name(&self) -> String {
        match &self.org {
            Some(org) => format!("{FOLDER_PREFIX}{org}--{}", self.name),
            None => format!("{FOLDER_PREFIX}{}", self.name),
        }
    }

    /// Parses a [`folder_name`](Self::folder_name). Returns `None` for any other folder.
    pub fn from_folder_name(folder: &str) -> Option<Self> {
        let rest = folder.strip_prefix(FOLDER_PREFIX)?;
        Self::local(&rest.replacen("--", "/", 1)).ok()
    }
}

fn check_part(part: &str) -> Result<(), String> {
    if part.is_empty() {
        return Err("has an empty part before or after `/`".to_owned());
    }
    if let Some(bad) = part.chars().find(|c| !is_name_char(*c)) {
        return Err(format!("contains {}, which is not allowed", describe(bad)));
    }
    if part.contains("..") || part.contains("--") {
        return Err("contains `..` or `--`, which is not allowed".to_owned());
    }
    if part.starts_with(['-', '.']) || part.ends_with(['-', '.']) {
        return Err("starts or ends with `-` or `.`, which is not allowed".to_owned());
    }
    Ok(())
}

pub(crate) fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}

/// Describes a character for a message; invisible ones by their code.
pub(crate) fn describe(c: char) -> String {
    match c {
        ' ' => "a space".to_owned(),
        '`' => "a backtick".to_owned(),
        c if c.is_control() || c.is_whitespace() => format!("the character U+{:04X}", c as u32),
        c => format!("`{c}`"),
    }
}

impl fmt::Display for RepoId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.org {
            Some(org) => write!(f, "{org}/{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_names_round_trip() {
        for text in ["mlx-community/Llama-3.2-1B-Instruct-4bit", "gpt2", "a/b"] {
            let id = RepoId::parse(text).unwrap();
            assert_eq!(id.to_string(), text);
            assert_eq!(RepoId::from_folder_name(&id.folder_name()), Some(id));
        }
        for folder in ["datasets--a--b", "models--", "models--a--b--c--..", "models--a--", "blobs"]
        {
            assert_eq!(RepoId::from_folder_name(folder), None, "{folder}");
        }
        for (folder, name) in [
            ("models--org--Name-with--dashes", "org/Name-with--dashes"),
            ("models--org--Name with spaces", "org/Name with spaces"),
            ("models--org--Größe_", "org/Größe_"),
        ] {
            let id = RepoId::from_folder_name(folder).unwrap();
            assert_eq!((id.to_string().as_str(), id.folder_name().as_str()), (name, folder));
            assert!(id.check().is_err(), "the hub has no such name");
        }
    }

    #[test]
    fn refuses_what_the_hub_refuses() {
        for text in [
            "", "/", "a/", "/a", "a/b/c", "a b", "a..b", "a--b", ".a", "a.", "-a", "a-", "ä",
            "a\\b",
        ] {
            assert!(RepoId::parse(text).is_err(), "{text}");
        }
        assert!(RepoId::parse(&"a".repeat(96)).is_ok());
        assert!(RepoId::parse(&"a".repeat(97)).is_err());
    }
}
