//! `cp`: a second name for a model.

use std::path::PathBuf;

use super::{File, Overrides, derived, derived_names, path_of};
use crate::cache::folders;
use crate::derived::error::DerivedError;
use crate::reference::error::ReferenceError;
use crate::{
    Alias, HfCache, HubError, Kind, Locations, Matching, PairTable, Reference, RepoId, Resolved,
    Result, resolve,
};

/// A name that was made.
#[derive(Clone, Debug, PartialEq)]
pub struct Copied {
    /// The model that it stands for.
    pub source: Resolved,
    /// The new name.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
}

/// Makes `name` stand for the model that `source` means, which has to be on this machine. The copy
/// of a derived model keeps its settings, and does not depend on it.
pub fn copy(
    source: &Reference,
    name: &str,
    pairs: &PairTable,
    locations: &Locations,
) -> Result<Copied> {
    check_name(name, false, locations)?;
    let resolved = resolve(source, Matching::Substring, pairs, locations)?.local()?;
    let file = match source {
        Reference::Name { name: old, revision: None } if derived(old, locations)?.is_some() => {
            let root = locations.models_dir();
            // A name that was just read.
            let path = path_of(&root, old).unwrap_or(root);
            File::read(&path)?
        }
        _ => File::new(reference_to(&resolved, source), Overrides::default()),
    };
    let path = file.write(name, false, locations)?;
    Ok(Copied { source: resolved, name: name.to_owned(), path })
}

/// How the model is to be found again from anywhere.
pub(super) fn reference_to(resolved: &Resolved, source: &Reference) -> String {
    let revision = match source {
        Reference::Name { revision, .. } | Reference::Repo { revision, .. } => revision.as_deref(),
        _ => None,
    };
    match (resolved.kind, revision) {
        (Kind::HfCache, Some(revision)) => format!("{}@{revision}", resolved.name),
        (Kind::HfCache, None) if !resolved.name.contains('/') => format!("hf:{}", resolved.name),
        (Kind::HfCache | Kind::Imported, _) => resolved.name.clone(),
        // What stands for nothing was refused before.
        (Kind::Workspace | Kind::Folder | Kind::Missing, _) => resolved.path.display().to_string(),
    }
}

/// Whether `name` may be given to a derived model; `replace` where it may be one already.
pub(super) fn check_name(name: &str, replace: bool, locations: &Locations) -> Result<()> {
    let bad = |problem: String, hint: &str| {
        HubError::Reference(ReferenceError::Malformed {
            reference: name.to_owned(),
            problem,
            hint: Some(hint.to_owned()),
        })
    };
    match name.parse()? {
        Reference::Name { revision: None, .. } => {}
        _ => {
            return Err(bad(
                "is no plain name".into(),
                "Write one without `/`, `:` and `@`, as in `coder`",
            ));
        }
    }
    let taken = |by: String| Err(DerivedError::NameTaken { name: name.to_owned(), by }.into());
    let is_it = |other: &str| other.eq_ignore_ascii_case(name);
    if let Some(alias) = Alias::find(name) {
        return taken(format!("a built-in name: {}", alias.about));
    }
    let is_other = |other: &String| is_it(other) && !(replace && other == name);
    if derived_names(locations).iter().any(is_other) {
        return taken("a name made earlier".into());
    }
    let stored = folders(&locations.models_dir());
    let stored = stored.map_err(HubError::io("read the folder of imported models"))?;
    if stored.iter().any(|(other, _)| is_it(other)) {
        return taken("an imported model".into());
    }
    let workspaces = crate::workspace::workspaces(locations)?;
    if workspaces.iter().any(|workspace| is_it(&workspace.name)) {
        return taken("a workspace".into());
    }
    let repos = HfCache::new(&locations.hf_hub_cache).repos()?;
    match repos.iter().find(|repo| is_it(repo.id.name()) || is_it(&repo.id.to_string())) {
        Some(repo) => taken(format!("`{}`", repo.id)),
        None => Ok(()),
    }
}

/// Used by the removal of a model: derived names that stand for it.
pub(crate) fn dependents(model: &str, locations: &Locations) -> Vec<String> {
    let root = locations.models_dir();
    derived_names(locations)
        .into_iter()
        .filter(|name| {
            let file = path_of(&root, name).map(|path| File::read(&path));
            let Some(Ok(file)) = file else { return false };
            let from = file.from.strip_prefix("hf:").unwrap_or(&file.from);
            let from = from.split_once('@').map_or(from, |(from, _)| from);
            from == model
                || RepoId::parse(from).is_ok_and(|id| {
                    id.org().is_none() && RepoId::in_default_org(from).to_string() == model
                })
        })
        .collect()
}
