//! Models in Ollama's library and MLX checkpoints of the same weights. `library.tsv` is the only place that
//! names them.

use std::sync::LazyLock;

use crate::repo_id::RepoId;

/// A model in Ollama's library and on the hub.
#[derive(Clone, Debug, PartialEq)]
pub struct LibraryModel {
    /// Its names in Ollama's library, each `name:tag`. The first is the one to show.
    pub names: Vec<&'static str>,
    /// The repository with the same weights as an MLX checkpoint.
    pub repo: RepoId,
    /// Parameters in billions.
    pub billions: f64,
    /// `model_type` in the repository's `config.json`.
    pub model_type: &'static str,
    /// Bytes to download. If they were never counted, they follow from parameters and bits per weight.
    pub size_bytes: u64,
    /// `true` if `size_bytes` is such an estimate.
    pub is_estimate: bool,
}

impl LibraryModel {
    /// Returns `true` if the original also reads pictures, for which only text remains.
    pub fn is_multimodal(&self) -> bool {
        const TYPES: &[&str] = &[
            "gemma3",
            "gemma3n",
            "gemma4",
            "gemma4_unified",
            "llama4",
            "mistral3",
            "mllama",
            "qwen2_5_vl",
            "qwen3_5",
            "qwen3_5_moe",
            "qwen3_vl",
            "qwen3_vl_moe",
        ];
        TYPES.contains(&self.model_type)
    }
}

static LIBRARY: LazyLock<Vec<LibraryModel>> = LazyLock::new(|| {
    let lines = include_str!("library.tsv").lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| parse(line).expect("the lines are valid, by test")).collect()
});

/// Returns the models whose names are built in, sorted by name and size.
pub fn library() -> &'static [LibraryModel] {
    &LIBRARY
}

/// Returns the model of a name, with tag and in any case.
pub(super) fn find(name: &str) -> Option<&'static LibraryModel> {
    library().iter().find(|model| model.names.iter().any(|known| known.eq_ignore_ascii_case(name)))
}

/// Returns the name of the model in a repository of GGUF files, without organisation and `-GGUF`.
pub(crate) fn base_name(repo: &str) -> &str {
    let name = repo.rsplit('/').next().unwrap_or(repo);
    let cut = name.len().saturating_sub("-GGUF".len());
    match name.get(cut..) {
        Some(end) if cut > 0 && end.eq_ignore_ascii_case("-gguf") => &name[..cut],
        _ => name,
    }
}

/// Returns the MLX checkpoint of the model in a repository of GGUF files, if the library has it.
pub(crate) fn checkpoint_of_gguf(repo: &str) -> Option<&'static RepoId> {
    let name = base_name(repo);
    // Some repositories put the maker first: `google_gemma-3-4b-it-GGUF`.
    let without_maker = name.split_once('_').map_or(name, |(_, rest)| rest);
    let wanted = [name, without_maker].map(plain_name);
    library().iter().find(|it| wanted.contains(&plain_name(it.repo.name()))).map(|it| &it.repo)
}

/// Returns the name of a model without what differs between its repositories.
fn plain_name(name: &str) -> String {
    const ENDINGS: [&str; 4] = ["-mlx", "-4bit", "-8bit", "-mxfp4-q8"];
    let lower = name.to_ascii_lowercase();
    let mut name = lower.strip_prefix("meta-").unwrap_or(&lower);
    while let Some(rest) = ENDINGS.iter().find_map(|ending| name.strip_suffix(ending)) {
        name = rest;
    }
    name.to_owned()
}

fn parse(line: &'static str) -> Option<LibraryModel> {
    let mut columns = line.split('\t');
    let names = columns.next()?.split(',').collect();
    let repo = RepoId::parse(columns.next()?).ok()?;
    let billions: f64 = columns.next()?.parse().ok()?;
    let bits: f64 = columns.next()?.parse().ok()?;
    let model_type = columns.next()?;
    let counted = columns.next().map(str::parse).transpose().ok()?;
    let estimate = (billions * 1e9 * bits / 8.0) as u64;
    Some(LibraryModel {
        names,
        repo,
        billions,
        model_type,
        size_bytes: counted.unwrap_or(estimate),
        is_estimate: counted.is_none(),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::reference::Reference;

    #[test]
    fn every_line_is_valid_and_every_name_is_there_once() {
        let mut names = BTreeSet::new();
        let mut repos = BTreeSet::new();
        for model in library() {
            assert!(repos.insert(model.repo.to_string()), "{}", model.repo);
            assert!(model.billions > 0.0 && model.size_bytes > 80_000_000, "{model:?}");
            let name = model.names[0].split(':').next().unwrap();
            for full in &model.names {
                let reference = full.parse().unwrap();
                let is_named = match full.strip_suffix(":latest") {
                    Some(bare) => {
                        matches!(&reference, Reference::Name { name, .. } if name == bare)
                    }
                    None => matches!(reference, Reference::Short(_)),
                };
                assert!(is_named, "{full}");
                assert!(full.starts_with(&format!("{name}:")), "{full}");
                assert!(names.insert(full.to_ascii_lowercase()), "{full}");
            }
        }
        assert!(library().len() > 100);
    }

    #[test]
    fn gguf_repositories_have_checkpoints() {
        for (repo, checkpoint) in [
            (
                "bartowski/Llama-3.2-1B-Instruct-GGUF",
                Some("mlx-community/Llama-3.2-1B-Instruct-4bit"),
            ),
            ("bartowski/google_gemma-3-4b-it-GGUF", Some("mlx-community/gemma-3-4b-it-4bit")),
            ("unsloth/gpt-oss-20b-gguf", Some("mlx-community/gpt-oss-20b-MXFP4-Q8")),
            ("me/Llama-3.2-1B-Instruct-Tuned-GGUF", None),
            ("me/GGUF", None),
        ] {
            let found = checkpoint_of_gguf(repo).map(ToString::to_string);
            assert_eq!(found.as_deref(), checkpoint, "{repo}");
        }
    }

    #[test]
    fn estimates_agree_with_counted_sizes() {
        // Dense models of text only: their embeddings are quantized like the rest.
        let dense = ["llama", "qwen3", "gemma2", "mistral"];
        let counted = library().iter().filter(|model| !model.is_estimate);
        for model in counted.filter(|model| dense.contains(&model.model_type)) {
            let estimate = model.billions * 1e9 * 4.5 / 8.0;
            let ratio = model.size_bytes as f64 / estimate;
            assert!((0.95..1.2).contains(&ratio), "{}: {ratio}", model.repo);
        }
    }
}
