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

/// Copies all files that accompany the weights from one folder to the other, following links.
/// Hidden files, folders, files that already exist and files named in `skip` are not copied.
pub fn copy_companions(from: &Path, to: &Path, skip: &[&str]) -> Result<(), FormatError> {
    for entry in std::fs::read_dir(from).map_err(FormatError::read(from))? {
        let entry = entry.map_err(FormatError::read(from))?;
        let source = entry.path();
        let name = entry.file_name();
        let text = name.to_string_lossy();
        let target = to.join(&name);
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
