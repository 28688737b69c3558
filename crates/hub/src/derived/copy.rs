//! `cp`: a second name for a model.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::{File, Parameters, derived, derived_names, path_of};
use crate::cache::folders;
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
    check_name(name, locations)?;
    let resolved = resolve(source, Matching::Substring, pairs, locations)?.local()?;
    let file = match source {
        Reference::Name { name: old, revision: None } if derived(old, locations)?.is_some() => {
            let root = locations.models_dir();
            // A name that was just read.
            let path = path_of(&root, old).unwrap_or(root);
            File::read(&path)?
        }
        _ => File {
            from: reference_to(&resolved, source),
            system: None,
            parameters: Parameters::default(),
        },
    };
    let path = write(&file, name, locations)?;
    Ok(Copied { source: resolved, name: name.to_owned(), path })
}

/// How the model is to be found again from anywhere.
fn reference_to(resolved: &Resolved, source: &Reference) -> String {
    let revision = match source {
        Reference::Name { revision, .. } | Reference::Repo { revision, .. } => revision.as_deref(),
        _ => None,
    };
    match (resolved.kind, revision) {
        (Kind::HfCache, Some(revision)) => format!("{}@{revision}", resolved.name),
        (Kind::HfCache, None) if !resolved.name.contains('/') => format!("hf:{}", resolved.name),
        (Kind::HfCache | Kind::Imported, _) => resolved.name.clone(),
        (Kind::Workspace | Kind::Folder, _) => resolved.path.display().to_string(),
    }
}

fn check_name(name: &str, locations: &Locations) -> Result<()> {
    let bad = |problem: String, hint: &str| HubError::BadReference {
        reference: name.to_owned(),
        problem,
        hint: Some(hint.to_owned()),
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
    let taken = |by: String| Err(HubError::NameTaken { name: name.to_owned(), by });
    let is_it = |other: &str| other.eq_ignore_ascii_case(name);
    if let Some(alias) = Alias::find(name) {
        return taken(format!("a built-in name: {}", alias.about));
    }
    if derived_names(locations).iter().any(|other| is_it(other)) {
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

/// Writes the file whole or not at all; a name that appeared meanwhile is not overwritten.
fn write(file: &File, name: &str, locations: &Locations) -> Result<PathBuf> {
    let failed = || HubError::io("write the settings of the model");
    let root = locations.models_dir();
    fs_err::create_dir_all(&root).map_err(failed())?;
    let path = root.join(format!("{name}.toml"));
    let text = toml::to_string(file).map_err(|error| HubError::BadDerived {
        path: path.clone(),
        line: None,
        problem: error.to_string(),
    })?;
    let mut temporary =
        tempfile::Builder::new().prefix(".deriving-").tempfile_in(&root).map_err(failed())?;
    temporary.write_all(text.as_bytes()).map_err(failed())?;
    temporary.as_file().sync_all().map_err(failed())?;
    make_readable(temporary.path()).map_err(failed())?;
    temporary.persist_noclobber(&path).map_err(|error| match error.error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            HubError::NameTaken { name: name.to_owned(), by: "a name made earlier".into() }
        }
        _ => HubError::Io { action: "write the settings of the model", source: error.error },
    })?;
    Ok(path)
}

/// Temporary files are their owner's alone; this one holds nothing secret.
#[cfg(unix)]
fn make_readable(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "only Unix can fail here")]
fn make_readable(_path: &Path) -> std::io::Result<()> {
    Ok(())
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
