//! Finds the model to remove. Broken models are found too, because these are often the ones to
//! remove.

use super::{Named, Place, Removal, What, repo, tree_bytes};
use crate::aliases::Alias;
use crate::cache::HfCache;
use crate::cache::{CachedRepo, folders};
use crate::derived::{derived_name, derived_names};
use crate::error::{HubError, Result};
use crate::locations::Locations;
use crate::pairs::PairTable;
use crate::reference::Reference;
use crate::reference::error::ReferenceError;
use crate::remove::error::RemoveError;
use crate::repo_id::{DEFAULT_ORG, RepoId};
use crate::store::{Origin, Store, StoredModel, only};
use crate::suggest::similar;
use crate::workspace::{Workspace, workspaces};

/// A name that can be removed.
struct Candidate {
    name: String,
    place: Place,
    what: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Repository,
    Imported,
    Derived,
}

/// Finds a reference among the models that can be removed. Only reads folders.
pub fn find_removal(
    reference: &Reference,
    pairs: &PairTable,
    locations: &Locations,
) -> Result<Removal> {
    let search = Search { locations, candidates: candidates(locations)? };
    if let Some(derived) = derived_name(reference)
        && let Some(candidate) = search.derived(&derived)
    {
        return search.removal(candidate, None, likeness(&derived, &candidate.name));
    }
    match reference {
        Reference::Name { name, revision } => search.name(name, revision.as_deref(), pairs),
        Reference::Repo { id, revision } => search.repo(&id.to_string(), revision.as_deref()),
        Reference::Short(name) => {
            match search.known(name, pairs.repo(name), Alias::of_ollama(name))? {
                Some(candidate) => {
                    search.removal(candidate, None, as_paired(name, candidate, pairs))
                }
                None => Err(search.nothing(name)),
            }
        }
        Reference::Pypi(spec) => {
            let name = spec.to_string();
            search.imported(&name, |model| {
                model.origin.as_ref().is_some_and(|origin| origin.is_from(spec))
            })
        }
        Reference::Ollama(name) => {
            // As everywhere, a name without a tag may be the only one that Ollama has.
            let full = crate::ollama::find(name, locations)
                .map_or_else(|_| name.clone(), |model| model.name);
            let name = format!("ollama:{name}");
            match only(&name, &Store::new(locations).all_of_ollama(&full)?)? {
                Some(model) => search.stored(model),
                // Another model was not imported from Ollama, or not under this name.
                None => Err(RemoveError::NotFound { name, similar: Vec::new() }.into()),
            }
        }
        Reference::Folder(path) | Reference::Gguf(path) => {
            Err(RemoveError::NotOurs { path: path.clone() }.into())
        }
    }
}

fn candidates(locations: &Locations) -> Result<Vec<Candidate>> {
    let mut found = Vec::new();
    let root = locations.models_dir();
    let stored = folders(&root).map_err(HubError::io("read the folder of imported models"))?;
    for (name, path) in stored {
        if !name.starts_with('.') {
            found.push(Candidate { name, place: Place::Store(path), what: Kind::Imported });
        }
    }
    for name in derived_names(locations) {
        if let Some(path) = crate::derived::path_of(&root, &name) {
            found.push(Candidate { name, place: Place::Store(path), what: Kind::Derived });
        }
    }
    for repo in HfCache::new(&locations.hf_hub_cache).repos()? {
        let name = repo.id.to_string();
        found.push(Candidate { name, place: Place::Cache(repo), what: Kind::Repository });
    }
    Ok(found)
}

struct Search<'a> {
    locations: &'a Locations,
    candidates: Vec<Candidate>,
}

impl Search<'_> {
    /// Returns the derived model of this name, in any case.
    fn derived(&self, name: &str) -> Option<&Candidate> {
        let mut derived = self.candidates.iter().filter(|found| found.what == Kind::Derived);
        derived.find(|candidate| candidate.name.eq_ignore_ascii_case(name))
    }

    /// Finds a name.
    fn name(&self, name: &str, revision: Option<&str>, pairs: &PairTable) -> Result<Removal> {
        let pair = pairs.repo(name);
        let named = |full: &str| self.candidates.iter().find(|candidate| candidate.name == full);
        if let Some(candidate) = named(name) {
            return self.removal(candidate, revision, Named::Full);
        }
        let workspaces = workspaces(self.locations)?;
        // In other commands the name means the workspace, so it must not mean another model here.
        if let Some(workspace) = workspaces.iter().find(|workspace| workspace.name == name) {
            return Err(RemoveError::NotOurs { path: workspace.path.clone() }.into());
        }
        if let Some(candidate) = named(&format!("{DEFAULT_ORG}/{name}")) {
            return self.removal(candidate, revision, Named::Full);
        }
        let alias = Alias::find(name);
        if revision.is_none()
            && let Some(candidate) = self.known(name, pair, alias)?
        {
            let named = match alias {
                // The name of the starter model is only a part of that of the checkpoint.
                Some(_) if candidate.what == Kind::Repository => Named::Part,
                Some(alias) if alias.name != name => Named::OtherCase,
                Some(_) => Named::Full,
                None => as_paired(name, candidate, pairs),
            };
            return self.removal(candidate, None, named);
        }
        if let Some(candidate) = pair.and_then(|id| named(&id.to_string())) {
            return self.removal(candidate, revision, as_paired(name, candidate, pairs));
        }
        let lower = name.to_lowercase();
        // Each tier is looser than the one before.
        let tiers: [&dyn Fn(&str) -> bool; 3] = [
            &|full| short_of(full) == name,
            &|full| short_of(full).to_lowercase() == lower,
            &|full| full.to_lowercase().contains(&lower),
        ];
        for fits in tiers {
            let found: Vec<_> =
                self.candidates.iter().filter(|candidate| fits(&candidate.name)).collect();
            match found.as_slice() {
                [] => {}
                [candidate] => {
                    let named = likeness(name, &candidate.name);
                    return self.removal(candidate, revision, named);
                }
                several => {
                    return Err(several_fit(name, several));
                }
            }
        }
        let fits = |found: &&Workspace| found.name.to_lowercase().contains(&lower);
        match workspaces.iter().find(fits) {
            Some(workspace) => Err(RemoveError::NotOurs { path: workspace.path.clone() }.into()),
            None => Err(self.nothing(name)),
        }
    }

    /// Returns the model that a name in Ollama's style means, or `None` if it is not here. The name may mean a
    /// checkpoint, the starter model and an import from Ollama. If several of them are here, it is ambiguous.
    fn known(
        &self,
        name: &str,
        pair: Option<&RepoId>,
        alias: Option<&Alias>,
    ) -> Result<Option<&Candidate>> {
        let full = crate::ollama::full_name(name);
        let is_import = |model: &StoredModel| {
            let Some(origin) = &model.origin else { return false };
            alias.is_some_and(|alias| origin.is_from(&alias.spec()))
                || origin.ollama().is_some_and(|source| source.eq_ignore_ascii_case(&full))
        };
        let models = Store::new(self.locations).models()?;
        let imports: Vec<&str> =
            models.iter().filter(|it| is_import(it)).map(|it| it.name.as_str()).collect();
        let is_meant = |candidate: &&Candidate| match candidate.what {
            Kind::Repository => {
                let is_it = |id: &str| candidate.name.eq_ignore_ascii_case(id);
                pair.is_some_and(|id| is_it(&id.to_string()))
                    || alias.is_some_and(|alias| is_it(alias.repo))
            }
            // A broken import has no origin.
            Kind::Imported => {
                imports.contains(&candidate.name.as_str())
                    || alias.is_some_and(|alias| alias.name == candidate.name)
            }
            Kind::Derived => false,
        };
        let meant: Vec<&Candidate> = self.candidates.iter().filter(is_meant).collect();
        match meant.as_slice() {
            [] => Ok(None),
            [candidate] => Ok(Some(candidate)),
            several => Err(several_fit(name, several)),
        }
    }

    fn repo(&self, full: &str, revision: Option<&str>) -> Result<Removal> {
        let repos = || self.candidates.iter().filter(|found| found.what == Kind::Repository);
        let exact = repos().find(|candidate| candidate.name == full);
        let loose = || repos().find(|candidate| candidate.name.eq_ignore_ascii_case(full));
        match exact.or_else(loose) {
            Some(candidate) => self.removal(candidate, revision, likeness(full, &candidate.name)),
            None => Err(self.nothing(full)),
        }
    }

    /// Returns the only import for which `is_it` returns `true`.
    fn imported(&self, name: &str, is_it: impl Fn(&StoredModel) -> bool) -> Result<Removal> {
        let mut models = Store::new(self.locations).models()?;
        models.retain(is_it);
        let only = only(name, &models)?;
        only.map_or_else(|| Err(self.nothing(name)), |model| self.stored(model))
    }

    /// Returns an import that is named in full.
    fn stored(&self, model: &StoredModel) -> Result<Removal> {
        let place = Place::Store(model.path.clone());
        let candidate = Candidate { name: model.name.clone(), place, what: Kind::Imported };
        self.removal(&candidate, None, Named::Full)
    }

    fn removal(
        &self,
        candidate: &Candidate,
        revision: Option<&str>,
        named: Named,
    ) -> Result<Removal> {
        let name = candidate.name.clone();
        let (what, bytes) = match (&candidate.place, revision) {
            (Place::Cache(repo), Some(revision)) => revision_of(repo, revision)?,
            (Place::Cache(repo), None) => {
                let revisions = repo.snapshots().len();
                (What::Repository { revisions }, tree_bytes(&repo.folder))
            }
            (Place::Store(_), Some(revision)) => {
                return Err(ReferenceError::NoRevisions {
                    what: if candidate.what == Kind::Derived { "name" } else { "imported model" },
                    name,
                    revision: revision.to_owned(),
                }
                .into());
            }
            (Place::Store(path), None) if candidate.what == Kind::Derived => {
                (What::Derived, tree_bytes(path))
            }
            (Place::Store(path), None) => (What::Imported, tree_bytes(path)),
        };
        let dependents = match what {
            What::Revision { .. } => Vec::new(),
            _ => crate::derived::dependents(&name, self.locations),
        };
        Ok(Removal { name, what, named, bytes, dependents, place: candidate.place.clone() })
    }

    fn nothing(&self, name: &str) -> HubError {
        let names = self.candidates.iter().map(|candidate| candidate.name.as_str());
        RemoveError::NotFound { name: name.to_owned(), similar: similar(name, names) }.into()
    }
}

/// Returns a revision by branch, tag or hash, even if only the ref is left of it.
fn revision_of(repo: &CachedRepo, revision: &str) -> Result<(What, u64)> {
    let refs = repo.refs();
    let hash = match repo.snapshot(Some(revision))? {
        Some(snapshot) => snapshot.hash,
        None => match refs.get(revision).or_else(|| refs.get(&format!("refs/{revision}"))) {
            Some(hash) => hash.clone(),
            None => {
                return Err(RemoveError::NoSuchRevision {
                    name: repo.id.to_string(),
                    revision: revision.to_owned(),
                    available: repo.snapshots().into_iter().map(|found| found.hash).collect(),
                }
                .into());
            }
        },
    };
    let names = refs.iter().filter(|(_, target)| **target == hash);
    let refs = names.map(|(name, _)| name.clone()).collect();
    let bytes = repo::revision_bytes(repo, &hash);
    Ok((What::Revision { hash, refs }, bytes))
}

/// Compares a written name in Ollama's style with that of the table, or that of the model in Ollama's store.
fn as_paired(written: &str, candidate: &Candidate, pairs: &PairTable) -> Named {
    let is_imported = || match &candidate.place {
        Place::Store(path) => Origin::read(path).is_some_and(|origin| {
            origin.ollama() == Some(crate::ollama::full_name(written).as_str())
        }),
        Place::Cache(_) => false,
    };
    if pairs.is_exact(written) || is_imported() { Named::Full } else { Named::OtherCase }
}

/// Compares a written name with the full one, of which the default organization may be left out.
fn likeness(written: &str, full: &str) -> Named {
    if written == full {
        return Named::Full;
    }
    let bare = full.strip_prefix(DEFAULT_ORG).and_then(|rest| rest.strip_prefix('/'));
    let is_it = |name: &str| name.eq_ignore_ascii_case(written);
    if is_it(full) || bare.is_some_and(is_it) { Named::OtherCase } else { Named::Part }
}

fn several_fit(name: &str, candidates: &[&Candidate]) -> HubError {
    let names = candidates.iter().map(|candidate| candidate.name.clone());
    ReferenceError::ambiguous(name, names).into()
}

fn short_of(full: &str) -> &str {
    full.rsplit_once('/').map_or(full, |(_, short)| short)
}
