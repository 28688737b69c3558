//! `create`: a name for a model that answers in another way.

use std::path::{Path, PathBuf};

use super::copy::{check_name, reference_to};
use super::{File, Overrides, derived, path_of};
use crate::derived::error::DerivedError;
use crate::error::Result;
use crate::locations::Locations;
use crate::modelfile::Modelfile;
use crate::pairs::PairTable;
use crate::reference::Reference;
use crate::reference::error::ReferenceError;
use crate::resolution::{Matching, Resolution, Resolved};
use crate::resolve::resolve;

/// The result of creating a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Created {
    /// The underlying model.
    pub base: Resolved,
    /// Its name.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
    /// `true` if it replaced a derived model of that name.
    pub replaced: bool,
}

/// Makes `name` a model that builds on the one of `from`, which must be on this machine. Replaces a
/// derived model of that name, and refuses a name with any other meaning.
pub fn create(
    name: &str,
    from: &Reference,
    overrides: Overrides,
    pairs: &PairTable,
    locations: &Locations,
) -> Result<Created> {
    let name = &check_name(name, true, pairs, locations)?;
    let base = resolve(from, Matching::Exact, pairs, locations)?.local()?;
    let from = match base.base {
        Some(_) => from.to_string(),
        None => reference_to(&base, from),
    };
    let replaced = path_of(&locations.models_dir(), name).is_some_and(|path| path.is_file());
    if replaced {
        check_chain(name, &from, locations)?;
    }
    let path = File::new(from, overrides).write(name, true, locations)?;
    Ok(Created { base, name: name.to_owned(), path, replaced })
}

/// Checks that [`create`] may use `name`, before anything is downloaded for it. Returns it without the
/// tag `:latest`.
pub fn check_new_name(name: &str, pairs: &PairTable, locations: &Locations) -> Result<String> {
    check_name(name, true, pairs, locations)
}

/// Refuses a model that would build on itself.
pub(super) fn check_chain(name: &str, from: &str, locations: &Locations) -> Result<()> {
    let root = locations.models_dir();
    let mut seen = vec![from.to_owned()];
    loop {
        let last = seen[seen.len() - 1].clone();
        if last == name {
            return Err(ReferenceError::Malformed {
                reference: from.to_owned(),
                problem: format!("leads to `{name}`, which cannot build on itself"),
                hint: Some("Create it under another name".to_owned()),
            }
            .into());
        }
        match path_of(&root, &last).filter(|path| path.is_file()) {
            Some(path) => {
                let next = File::read(&path)?.from;
                if seen.contains(&next) {
                    seen.push(next);
                    return Err(DerivedError::Cycle { chain: seen }.into());
                }
                seen.push(next);
            }
            None => return Ok(()),
        }
    }
}

/// Returns the model of `FROM` in a Modelfile. Paths are relative to the Modelfile. A name is
/// looked for among local models first, then among the GGUF files next to the Modelfile, the pairs
/// of names, and in Ollama's store. So nothing is downloaded that this machine has in another form.
pub fn base_of(
    from: &str,
    beside: &Path,
    pairs: &PairTable,
    locations: &Locations,
) -> Result<Reference> {
    let reference: Reference = from.parse()?;
    let is_here = |reference: &Reference| {
        let found = resolve(reference, Matching::Exact, pairs, locations);
        matches!(found, Ok(Resolution::Local(_)))
    };
    let name = match &reference {
        Reference::Folder(path) => return Ok(Reference::Folder(beside.join(path))),
        Reference::Gguf(path) => return Ok(Reference::Gguf(beside.join(path))),
        Reference::Name { name, revision: None } | Reference::Short(name) => name,
        _ => return Ok(reference),
    };
    // A derived name counts even if its model has yet to be downloaded.
    if derived(name, locations)?.is_some() || is_here(&reference) {
        return Ok(reference);
    }
    // Such as a file of Ollama's store, copied next to the Modelfile.
    let file = beside.join(name);
    if mlxk_format::gguf::is_gguf(&file) {
        return Ok(Reference::Gguf(file));
    }
    if crate::aliases::Alias::find(name).is_some() {
        return Ok(reference);
    }
    if crate::ollama::has(name, locations) {
        return Ok(Reference::Ollama(name.clone()));
    }
    Ok(reference)
}

/// Returns the Modelfile of a derived name, even if its model is missing. Returns `None` if there
/// is no such name.
pub fn derived_modelfile(name: &str, locations: &Locations) -> Result<Option<Modelfile>> {
    let path = path_of(&locations.models_dir(), name).filter(|path| path.is_file());
    let Some(path) = path else { return Ok(None) };
    let file = File::read(&path)?;
    let overrides = file.overrides();
    Ok(Some(Modelfile { from: file.from, overrides, ignored: Vec::new() }))
}

/// Returns the Modelfile of any model. If the model is not derived, it builds on the model itself
/// and has the settings that came with it.
pub fn modelfile_of(model: &Resolved, locations: &Locations) -> Result<Modelfile> {
    if model.base.is_some()
        && let Some(file) = derived_modelfile(&model.name, locations)?
    {
        return Ok(file);
    }
    let by_name = Reference::Name { name: model.name.clone(), revision: None };
    let from = reference_to(model, &by_name);
    Ok(Modelfile { from, overrides: model.overrides.clone(), ignored: Vec::new() })
}

#[cfg(test)]
mod tests;
