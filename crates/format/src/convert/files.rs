//! The files next to the weights: tokenizer, templates, licence.

use std::path::Path;

use crate::FormatError;

/// Endings of files with weights, in any format, and of indexes of them.
const WEIGHTS: [&str; 11] = [
    ".safetensors",
    ".index.json",
    ".bin",
    ".pt",
    ".pth",
    ".gguf",
    ".onnx",
    ".h5",
    ".msgpack",
    ".npz",
    ".ckpt",
];

/// Returns `true` if a file in the folder of a model holds weights or lists files that do.
fn is_weights(name: &str) -> bool {
    WEIGHTS.iter().any(|end| name.ends_with(end))
}

/// Returns `true` if a folder in the folder of a model holds a module of sentence-transformers, such as `1_Pooling`.
pub fn is_module(name: &str) -> bool {
    name.split_once('_').is_some_and(|(number, kind)| {
        !kind.is_empty() && !number.is_empty() && number.bytes().all(|it| it.is_ascii_digit())
    })
}

/// Copies all files that accompany the weights from one folder to the other, following links.
/// Modules of sentence-transformers are copied with their weights. Hidden files, other folders, files that already exist and files named in `skip` are not copied.
pub fn copy_companions(from: &Path, to: &Path, skip: &[&str]) -> Result<(), FormatError> {
    for entry in std::fs::read_dir(from).map_err(FormatError::read(from))? {
        let entry = entry.map_err(FormatError::read(from))?;
        let source = entry.path();
        let name = entry.file_name();
        let text = name.to_string_lossy();
        let target = to.join(&name);
        if source.is_dir() && is_module(&text) {
            copy_module(&source, &target)?;
            continue;
        }
        let wanted = source.is_file()
            && !text.starts_with('.')
            && !is_weights(&text)
            && !skip.contains(&text.as_ref())
            && !target.exists();
        if wanted {
            std::fs::copy(&source, &target).map_err(FormatError::write(&target))?;
        }
    }
    Ok(())
}

/// Copies the files of a module, but for those that already exist.
fn copy_module(from: &Path, to: &Path) -> Result<(), FormatError> {
    std::fs::create_dir_all(to).map_err(FormatError::write(to))?;
    for entry in std::fs::read_dir(from).map_err(FormatError::read(from))? {
        let source = entry.map_err(FormatError::read(from))?.path();
        let target = to.join(source.file_name().unwrap_or_default());
        if source.is_file() && !target.exists() {
            std::fs::copy(&source, &target).map_err(FormatError::write(&target))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_come_along_with_their_weights() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let names = ["modules.json", "2_Dense/config.json", "2_Dense/model.safetensors"];
        let left = ["model.safetensors", "onnx/model.onnx", "x_y/config.json", ".git/config"];
        for name in names.iter().chain(&left) {
            let path = from.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        }
        copy_companions(from.path(), to.path(), &[]).unwrap();
        assert!(names.iter().all(|name| to.path().join(name).is_file()));
        assert!(left.iter().all(|name| !to.path().join(name).exists()));
        assert!(is_module("1_Pooling") && !is_module("onnx") && !is_module("_x"));
    }
}
