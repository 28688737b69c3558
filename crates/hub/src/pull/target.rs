//! What a reference means to a pull, which never guesses: a bare name is one of
//! `mlx-community`, whatever else the cache holds.

use crate::{
    Alias, ImportPlan, Kind, Locations, Matching, PairTable, Reference, RepoId, Resolution,
    Resolved, Result, resolve,
};

/// What to do for a reference.
#[derive(Clone, Debug, PartialEq)]
pub enum PullTarget {
    /// Pull a repository.
    Repo {
        /// Its name.
        id: RepoId,
        /// Branch, tag or commit.
        revision: Option<String>,
    },
    /// Import a model file.
    Import(ImportPlan),
    /// Nothing: it is here, and no hub has it.
    Local(Resolved),
}

/// Finds out what `reference` means to a pull.
pub fn pull_target(
    reference: &Reference,
    pairs: &PairTable,
    locations: &Locations,
) -> Result<PullTarget> {
    let repo = |id: &RepoId, revision: &Option<String>| PullTarget::Repo {
        id: id.clone(),
        revision: revision.clone(),
    };
    if let Reference::Name { name, revision: None } = reference
        && let Some(derived) = crate::derived(name, locations)?
    {
        return pull_target(&derived.from.parse()?, pairs, locations);
    }
    match reference {
        Reference::Repo { id, revision } => return Ok(repo(id, revision)),
        Reference::Short(name) => {
            if let Some(id) = pairs.repo(name) {
                return Ok(repo(id, &None));
            }
        }
        Reference::Name { name, revision } if Alias::find(name).is_none() => {
            let own = match resolve(reference, Matching::Exact, pairs, locations) {
                Ok(Resolution::Local(found)) if found.kind != Kind::HfCache => Some(found),
                _ => None,
            };
            return Ok(match own {
                Some(found) => PullTarget::Local(found),
                None => repo(&RepoId::in_default_org(name), revision),
            });
        }
        _ => {}
    }
    Ok(match resolve(reference, Matching::Exact, pairs, locations)? {
        Resolution::Local(found) => PullTarget::Local(found),
        Resolution::NeedsImport(plan) => PullTarget::Import(plan),
        Resolution::NotLocal(missing) => repo(&missing.suggestion, &missing.revision),
    })
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
