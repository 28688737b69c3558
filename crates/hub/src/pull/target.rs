//! Resolves a reference for a pull, which never guesses: a bare name is a name in the pair table or a
//! repository of `mlx-community`, whatever else the cache has.

use crate::aliases::Alias;
use crate::cache::HfCache;
use crate::error::Result;
use crate::locations::Locations;
use crate::pairs::PairTable;
use crate::reference::Reference;
use crate::repo_id::RepoId;
use crate::resolution::{ImportPlan, Kind, Matching, Resolution, Resolved};
use crate::resolve::resolve;

/// The action for a reference.
#[derive(Clone, Debug, PartialEq)]
pub enum PullTarget {
    /// Pull a repository.
    Repo {
        /// Name of the repository.
        id: RepoId,
        /// Branch, tag or commit.
        revision: Option<String>,
    },
    /// Import a model file.
    Import(ImportPlan),
    /// Nothing, because it is on this machine and on no hub.
    Local(Box<Resolved>),
}

/// Returns what a pull of `reference` has to do.
pub fn pull_target(
    reference: &Reference,
    pairs: &PairTable,
    locations: &Locations,
) -> Result<PullTarget> {
    let repo = |id: &RepoId, revision: &Option<String>| -> Result<PullTarget> {
        id.check()?;
        Ok(PullTarget::Repo { id: as_cached(id, locations), revision: revision.clone() })
    };
    if let Some(derived) = crate::derived_by(reference, locations)? {
        return pull_target(&derived.from.parse()?, pairs, locations);
    }
    match reference {
        Reference::Repo { id, revision } => return repo(id, revision),
        Reference::Short(name) => {
            if let Some(id) = pairs.repo(name) {
                return repo(id, &None);
            }
        }
        Reference::Name { name, revision } if Alias::find(name).is_none() => {
            return match resolve(reference, Matching::Exact, pairs, locations) {
                Ok(Resolution::Local(found)) if found.kind != Kind::HfCache => {
                    Ok(PullTarget::Local(Box::new(found)))
                }
                Ok(Resolution::NotLocal(missing)) if missing.is_typo() => Err(missing.into_error()),
                _ => repo(&pairs.repo_or_default(name), revision),
            };
        }
        _ => {}
    }
    match resolve(reference, Matching::Exact, pairs, locations)? {
        Resolution::Local(found) => Ok(PullTarget::Local(Box::new(found))),
        Resolution::NeedsImport(plan) => Ok(PullTarget::Import(plan)),
        Resolution::NotLocal(missing) => repo(&missing.suggestion, &missing.revision),
    }
}

/// Returns the name of a repository as the cache has it. The hub ignores the case of names, so that
/// another spelling must not become a second copy.
fn as_cached(id: &RepoId, locations: &Locations) -> RepoId {
    let repos = HfCache::new(&locations.hf_hub_cache).repos().unwrap_or_default();
    let same = repos.iter().find(|repo| repo.id.is_same(id));
    let found = repos.iter().find(|repo| repo.id == *id).or(same);
    found.map_or_else(|| id.clone(), |repo| repo.id.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fixture;

    #[test]
    fn names_are_never_guessed() {
        let home = Fixture::new();
        home.cached("other/Beta", &["aaaa"]);
        home.cached("mlx-community/Alpha-Instruct", &["aaaa"]);
        home.stored("mine", "/x/mine.gguf");
        let target =
            |text: &str| pull_target(&text.parse()?, &PairTable::default(), &home.locations);
        for (text, expected) in [
            ("Beta", "mlx-community/Beta"),
            ("alpha", "mlx-community/alpha"),
            ("other/Beta", "other/Beta"),
            ("llama3.2", "mlx-community/Llama-3.2-3B-Instruct-4bit"),
            ("Qwen3", "mlx-community/Qwen3-8B-4bit"),
            ("hf:gpt2", "gpt2"),
            ("llama3.2:1b", "mlx-community/Llama-3.2-1B-Instruct-4bit"),
        ] {
            match target(text).unwrap() {
                PullTarget::Repo { id, revision: None } => assert_eq!(id.to_string(), expected),
                other => panic!("{text}: {other:?}"),
            }
        }
        let pinned = target("org/A@v1").unwrap();
        assert!(matches!(pinned, PullTarget::Repo { revision: Some(v), .. } if v == "v1"));
        assert!(matches!(target("smollm2").unwrap(), PullTarget::Import(_)));
        assert!(matches!(target("pypi:a==1").unwrap(), PullTarget::Import(_)));
        assert!(matches!(target("mine").unwrap(), PullTarget::Local(_)));
        for text in ["a/b/c", "/nosuch", "nosuch:tag", "a b", ""] {
            assert!(target(text).is_err(), "{text}");
        }
    }
}
