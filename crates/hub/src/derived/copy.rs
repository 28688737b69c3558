//! `cp`: a second name for a model.

use std::path::PathBuf;

use super::create::check_chain;
use super::{File, Overrides, derived_by, derived_name, derived_names, path_of};
use crate::aliases::Alias;
use crate::cache::HfCache;
use crate::cache::folders;
use crate::derived::error::DerivedError;
use crate::error::{HubError, Result};
use crate::locations::Locations;
use crate::pairs::PairTable;
use crate::reference::Reference;
use crate::reference::error::ReferenceError;
use crate::repo_id::RepoId;
use crate::resolution::{Kind, Matching, Resolution, Resolved};
use crate::resolve::resolve;

/// The result of a copy.
#[derive(Clone, Debug, PartialEq)]
pub struct Copied {
    /// The underlying model.
    pub source: Resolved,
    /// The new name.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
}

/// Makes `name` stand for the model of `source`, which must be on this machine. A copy of a derived
/// model has the same settings and does not depend on it. With `replace`, `name` may be a derived
/// model already.
pub fn copy(
    source: &Reference,
    name: &str,
    replace: bool,
    pairs: &PairTable,
    locations: &Locations,
) -> Result<Copied> {
    check_copy(source, name)?;
    let checked = check_name(name, replace, pairs, locations);
    let resolved = resolve(source, Matching::Substring, pairs, locations);
    let name = &checked.map_err(|error| match (error, &resolved) {
        // The name means the source already, which must stay.
        (
            HubError::Derived(DerivedError::NameTaken { name, by, removed: Some(other) }),
            Ok(Resolution::Local(found)),
        ) if found.name == other => DerivedError::NameTaken { name, by, removed: None }.into(),
        (error, _) => error,
    })?;
    let resolved = resolved?.local()?;
    let file = match derived_by(source, locations)? {
        Some(old) => File::read(&old.path)?,
        None => File::new(reference_to(&resolved, source), Overrides::default()),
    };
    if replace {
        check_chain(name, &file.from, locations)?;
    }
    let path = file.write(name, replace, locations)?;
    Ok(Copied { source: resolved, name: name.to_owned(), path })
}

/// Refuses a copy under the name of its source, before a question about replacing that.
pub fn check_copy(source: &Reference, name: &str) -> Result<()> {
    let wanted: Reference = name.parse()?;
    let text =
        |reference: &Reference| derived_name(reference).unwrap_or_else(|| reference.to_string());
    let name = text(&wanted);
    if name.eq_ignore_ascii_case(&text(source)) {
        return Err(DerivedError::SameName { name }.into());
    }
    Ok(())
}

/// Returns a reference that finds the model from anywhere.
pub(super) fn reference_to(resolved: &Resolved, source: &Reference) -> String {
    let revision = match source {
        Reference::Name { revision, .. } | Reference::Repo { revision, .. } => revision.as_deref(),
        _ => None,
    };
    match (resolved.kind, revision) {
        (Kind::HfCache, Some(revision)) => format!("{}@{revision}", resolved.name),
        (Kind::HfCache, None) if !resolved.name.contains('/') => format!("hf:{}", resolved.name),
        (Kind::HfCache | Kind::Imported, _) => resolved.name.clone(),
        // `Missing` was refused before.
        (Kind::Workspace | Kind::Folder | Kind::Missing, _) => resolved.path.display().to_string(),
    }
}

/// Checks that `name` may be given to a derived model, and returns it without the tag `:latest`. With
/// `replace`, it may be one already.
pub(super) fn check_name(
    name: &str,
    replace: bool,
    pairs: &PairTable,
    locations: &Locations,
) -> Result<String> {
    let reference: Reference = name.parse()?;
    let Some(name) = derived_name(&reference) else {
        return Err(ReferenceError::Malformed {
            reference: name.to_owned(),
            problem: "cannot be given to a model".into(),
            hint: Some("Use a name such as `coder`, `coder:v2` or `me/coder`".to_owned()),
        }
        .into());
    };
    let taken = |by: String, removed: Option<&str>| {
        let removed = removed.map(str::to_owned);
        Err(DerivedError::NameTaken { name: name.clone(), by, removed }.into())
    };
    let is_it = |other: &str| other.eq_ignore_ascii_case(&name);
    if let Some(alias) = Alias::find(&name).or_else(|| Alias::of_ollama(&name)) {
        return taken(format!("a built-in alias ({})", alias.about), None);
    }
    let is_other = |other: &String| is_it(other) && !(replace && *other == name);
    if let Some(other) = derived_names(locations).iter().find(|other| is_other(other)) {
        return taken("a name created earlier".into(), Some(other));
    }
    let stored = folders(&locations.models_dir());
    let stored = stored.map_err(HubError::io("read the folder of imported models"))?;
    if let Some((other, _)) = stored.iter().find(|(other, _)| is_it(other)) {
        return taken("an imported model".into(), Some(other));
    }
    let workspaces = crate::workspace::workspaces(locations)?;
    if workspaces.iter().any(|workspace| is_it(&workspace.name)) {
        // `rm` leaves workspaces alone.
        return taken("a workspace".into(), None);
    }
    // The pair of a model that is not here may be used: the user's own model is what the name is to mean.
    let pair = pairs.repo(&name).map(RepoId::to_string);
    let is_pair = |full: &str| pair.as_ref().is_some_and(|pair| pair.eq_ignore_ascii_case(full));
    let repos = HfCache::new(&locations.hf_hub_cache).repos()?;
    let means = |full: &str| is_it(full) || is_pair(full);
    match repos.iter().find(|repo| is_it(repo.id.name()) || means(&repo.id.to_string())) {
        Some(repo) => taken(format!("`{}`", repo.id), Some(&repo.id.to_string())),
        None => Ok(name),
    }
}

/// Returns the derived names that stand for a model. Its removal asks for them.
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
