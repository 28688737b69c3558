//! Selects the files of a repository that a runner needs.

use super::remote_file::RemoteFile;

const ENDINGS: [&str; 9] =
    [".json", ".safetensors", ".txt", ".model", ".jinja", ".tiktoken", ".md", ".vocab", ".spm"];
const DOCUMENTS: [&str; 3] = ["license", "notice", "readme"];
/// Weights in other formats. They are only taken if there are no safetensors.
const OTHER_WEIGHTS: [&str; 5] = [".bin", ".gguf", ".pth", ".pt", ".npz"];

/// Returns the files to fetch: all of them, or those that a runner needs. The latter leave out the
/// same weights in other formats.
pub(super) fn select(mut files: Vec<RemoteFile>, all: bool) -> Vec<RemoteFile> {
    if all {
        return files;
    }
    let names: Vec<String> = files.iter().map(|file| file.name.to_ascii_lowercase()).collect();
    let is_weights = |name: &str| name.ends_with(".safetensors");
    let any_weights = names.iter().any(|name| is_weights(name));
    let at_top = |name: &str| !name.contains('/');
    let weights_at_top = names.iter().any(|name| is_weights(name) && at_top(name));
    let named_model = names.iter().any(|name| {
        is_weights(name)
            && at_top(name)
            && (name.starts_with("model") || name.starts_with("weights"))
    });
    files.retain(|file| {
        let name = file.name.to_ascii_lowercase();
        if name.ends_with(".bin.index.json") {
            return !any_weights;
        }
        if named_model && name.starts_with("consolidated") {
            return false;
        }
        if is_weights(&name) {
            // Modules of sentence-transformers have weights in folders of their own.
            let in_module = name
                .split_once('/')
                .is_some_and(|(folder, _)| mlxk_format::convert::is_module(folder));
            return at_top(&name) || in_module || !weights_at_top;
        }
        let document = DOCUMENTS
            .iter()
            .any(|start| name.rsplit('/').next().unwrap_or_default().starts_with(start));
        document
            || ENDINGS.iter().any(|end| name.ends_with(end))
            || !any_weights && OTHER_WEIGHTS.iter().any(|end| name.ends_with(end))
    });
    files
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pull::remote_file::Check;

    fn chosen(names: &[&str], all: bool) -> Vec<String> {
        let file = |name: &&str| RemoteFile {
            name: (*name).to_owned(),
            size_bytes: 1,
            etag: "a".into(),
            check: Check::SizeOnly,
        };
        select(names.iter().map(file).collect(), all).into_iter().map(|file| file.name).collect()
    }

    #[test]
    fn what_a_runner_needs() {
        let needed = [
            "1_Pooling/config.json",
            "2_Dense/config.json",
            "2_Dense/model.safetensors",
            "LICENSE",
            "README.md",
            "chat_template.jinja",
            "config.json",
            "merges.txt",
            "model-00001-of-00002.safetensors",
            "model-00002-of-00002.safetensors",
            "model.safetensors.index.json",
            "qwen.tiktoken",
            "tokenizer.model",
        ];
        let other = [
            ".gitattributes",
            "consolidated.safetensors",
            "flax_model.msgpack",
            "model.gguf",
            "modeling_x.py",
            "onnx/model.onnx",
            "original/consolidated.00.pth",
            "original/x.safetensors",
            "pytorch_model.bin",
            "pytorch_model.bin.index.json",
            "image.png",
        ];
        let both: Vec<&str> = needed.iter().chain(&other).copied().collect();
        assert_eq!(chosen(&both, false), needed);
        assert_eq!(chosen(&both, true), both);
    }

    #[test]
    fn other_weights_where_there_is_nothing_else() {
        assert_eq!(chosen(&["a.gguf", "config.json", "x.png"], false), ["a.gguf", "config.json"]);
        let nested = ["config.json", "unet/a.safetensors"];
        assert_eq!(chosen(&nested, false), nested);
    }
}
