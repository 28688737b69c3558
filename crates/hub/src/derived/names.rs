//! Names of derived models, `[namespace/]name[:tag]`, and the files that they have.

use std::path::{Path, PathBuf};

use super::file::SUFFIX;
use crate::reference::Reference;
use crate::repo_id::{RepoId, is_name_char};

/// Stands for the slash in the name of a file. No name contains it.
const SLASH: &str = "--";
/// Stands for the colon in the name of a file, because Windows doesn't allow a colon there.
const COLON: char = '@';
const MAX_TAG_LENGTH: usize = 80;

/// Returns the name that a derived model of this reference would have, or `None` if it has to be
/// another kind of model.
pub fn derived_name(reference: &Reference) -> Option<String> {
    let name = match reference {
        Reference::Name { name, revision: None } | Reference::Short(name) => name.clone(),
        Reference::Repo { id, revision: None } if id.org().is_some() => id.to_string(),
        _ => return None,
    };
    is_name(&name).then_some(name)
}

/// Returns the file of a name, or `None` if it cannot be a derived name.
pub(crate) fn path_of(root: &Path, name: &str) -> Option<PathBuf> {
    is_name(name).then(|| {
        let stem = name.replace('/', SLASH).replace(':', &COLON.to_string());
        root.join(format!("{stem}{SUFFIX}"))
    })
}

/// Returns the name of a derived model by the name of its file.
pub(super) fn of_file(file: &str) -> Option<String> {
    let stem = file.strip_suffix(SUFFIX)?;
    let name = stem.replacen(SLASH, "/", 1).replacen(COLON, ":", 1);
    is_name(&name).then_some(name)
}

fn is_name(name: &str) -> bool {
    let (name, tag) = name.split_once(':').map_or((name, None), |(name, tag)| (name, Some(tag)));
    let is_tag = |tag: &str| {
        (1..=MAX_TAG_LENGTH).contains(&tag.len())
            && tag.chars().all(is_name_char)
            && !tag.starts_with(['-', '.'])
    };
    RepoId::parse(name).is_ok() && tag.is_none_or(is_tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_a_file_of_its_own() {
        for (name, file) in [
            ("coder", "coder.toml"),
            ("coder:v1.5", "coder@v1.5.toml"),
            ("me/coder", "me--coder.toml"),
            ("me/coder:q4_K_M", "me--coder@q4_K_M.toml"),
        ] {
            assert_eq!(path_of(Path::new("/x"), name), Some(Path::new("/x").join(file)), "{name}");
            assert_eq!(of_file(file).as_deref(), Some(name));
        }
        for name in
            ["", ":", "a:", "a:b:c", "a/b/c", "a--b", "a:../b", "a:.b", "../a", "a@b", "a b"]
        {
            assert_eq!(path_of(Path::new("/x"), name), None, "{name}");
        }
        for file in ["coder", "a--b--c.toml", "a@b@c.toml", ".toml", "@a.toml"] {
            assert_eq!(of_file(file), None, "{file}");
        }
    }
}
