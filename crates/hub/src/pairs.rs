//! Names in Ollama's style, and the checkpoints that they mean.

mod library;

pub use library::{LibraryModel, library};
pub(crate) use library::{base_name, checkpoint_of_gguf};

use crate::aliases::{ALIASES, Alias};
use crate::error::Result;
use crate::reference::Reference;
use crate::reference::error::ReferenceError;
use crate::repo_id::RepoId;
use crate::suggest::{distance, is_typo, similar};

/// A name that the user has given to a repository in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// `name:tag`, as Ollama's library writes it.
    pub ollama: String,
    /// The repository with the same weights as an MLX checkpoint.
    pub repo: RepoId,
}

/// The pairs in effect: those of the configuration, then those of [`library`].
#[derive(Clone, Debug, Default)]
pub struct PairTable {
    own: Vec<Pair>,
}

impl PairTable {
    /// Adds a pair, or replaces the one of the same Ollama name.
    pub fn insert(&mut self, pair: Pair) {
        self.own.retain(|known| !known.ollama.eq_ignore_ascii_case(&pair.ollama));
        self.own.push(pair);
    }

    /// Returns the repository of a name in Ollama's style. A name without a tag has the tag `latest`, as in
    /// Ollama.
    pub fn repo(&self, name: &str) -> Option<&RepoId> {
        if !name.contains(':') {
            return self.repo(&format!("{name}:latest"));
        }
        let own = self.own.iter().find(|pair| pair.ollama.eq_ignore_ascii_case(name));
        own.map(|pair| &pair.repo).or_else(|| Some(&library::find(name)?.repo))
    }

    /// Returns `true` if a name in Ollama's style is written as in the table, apart from the tag `latest`.
    pub(crate) fn is_exact(&self, name: &str) -> bool {
        let is_it = |known: &str| known == name || known.strip_suffix(":latest") == Some(name);
        self.all().any(is_it)
    }

    /// Returns all names, in the order in which they count.
    fn all(&self) -> impl Iterator<Item = &str> {
        let own = self.own.iter().map(|pair| pair.ollama.as_str());
        let aliases = ALIASES.iter().map(|alias| alias.ollama);
        let known = library().iter().flat_map(|model| model.names.iter().copied());
        own.chain(aliases).chain(known)
    }

    /// Returns the name of a repository, in any case, in Ollama's style. If it has several, the one to show.
    pub fn ollama(&self, repo: &RepoId) -> Option<&str> {
        self.names(repo).first().copied()
    }

    /// Returns the names of a repository, in any case, in Ollama's style, the one to show first: all those of
    /// the configuration, and one of the library or of the aliases.
    pub fn names(&self, repo: &RepoId) -> Vec<&str> {
        let own = self.own.iter().rev().filter(|pair| pair.repo.is_same(repo));
        let mut names: Vec<&str> = own.map(|pair| pair.ollama.as_str()).collect();
        let known = library().iter().filter(|model| model.repo.is_same(repo));
        let means_it = |name: &&str| self.repo(name).is_some_and(|found| found.is_same(repo));
        let shown = known.flat_map(|model| &model.names).copied().find(means_it);
        let shown = shown.or_else(|| Some(Alias::of_repo(repo)?.ollama));
        names.extend(shown.filter(|name| !names.contains(name)));
        names
    }

    /// Returns the repository that a name without an organisation stands for if it is not on this machine.
    pub(crate) fn repo_or_default(&self, name: &str) -> RepoId {
        self.repo(name).cloned().unwrap_or_else(|| RepoId::in_default_org(name))
    }

    /// Returns `true` if `mlxk pull` gets the model of that name: it names a repository, or one that is known. Any other
    /// name is one of this machine.
    pub fn can_be_pulled(&self, name: &str) -> bool {
        name.contains('/') || Alias::find(name).is_some() || self.repo(name).is_some()
    }

    /// Returns up to three names that are like `name`: those of the same model whose tags begin with this one or differ
    /// by a letter, else those of the same size, else other sizes, the nearest first.
    pub fn similar(&self, name: &str) -> Vec<String> {
        if let Some(same) = self.without_marks(name) {
            return vec![same.to_owned()];
        }
        let (wanted, tag) = name.split_once(':').unwrap_or((name, ""));
        let own = self.own.iter().map(|pair| (pair.ollama.as_str(), None));
        let aliases = ALIASES.iter().map(|alias| (alias.ollama, None));
        let known = library().iter().map(|model| (model.names[0], Some(model.billions)));
        let shown: Vec<(&str, Option<f64>)> = own.chain(aliases).chain(known).collect();
        let mut mistyped: Vec<(usize, &str)> = Vec::new();
        let mut sizes: Vec<(f64, &str)> = Vec::new();
        for &(known, billions) in &shown {
            let Some((base, known_tag)) = known.split_once(':') else { continue };
            if base.eq_ignore_ascii_case(wanted) {
                let lower = tag.to_lowercase();
                let begins = !tag.is_empty() && known_tag.to_lowercase().starts_with(&lower);
                if begins || tag.len() > 1 && distance(tag, known_tag) == 1 {
                    mistyped.push((known_tag.len().abs_diff(tag.len()), known));
                }
                let size = billions_of(known_tag).or(billions);
                let ratio = billions_of(tag).zip(size).map(|(tag, size)| (tag / size).ln().abs());
                sizes.push((ratio.unwrap_or(f64::INFINITY), known));
            }
        }
        if sizes.is_empty() {
            return similar(name, shown.into_iter().map(|(known, _)| known));
        }
        if billions_of(tag).is_none() && !mistyped.is_empty() {
            mistyped.sort_unstable();
            mistyped.dedup();
            return mistyped.into_iter().take(3).map(|(_, known)| known.to_owned()).collect();
        }
        sizes.sort_by(|a, b| a.0.total_cmp(&b.0));
        let is_exact = |&(ratio, _): &(f64, &str)| ratio < SAME_SIZE;
        if sizes.iter().any(is_exact) {
            sizes.retain(is_exact);
        }
        sizes.into_iter().take(3).map(|(_, known)| known.to_owned()).collect()
    }

    /// Returns the name that `name` is probably meant to be, if it is mistyped: one with other marks between the same
    /// letters and digits, or else one without a tag.
    pub fn misspelt(&self, name: &str) -> Option<String> {
        if let Some(same) = self.without_marks(name) {
            return Some(same.to_owned());
        }
        let alike = self.families().filter(|family| is_typo(name, family));
        alike.min_by_key(|family| distance(name, family)).map(str::to_owned)
    }

    /// Returns the name that has the same letters and digits, and other marks between them, such as `llama3.2:1b` for
    /// `llama3.2-1b`.
    fn without_marks(&self, name: &str) -> Option<&str> {
        let bare = |text: &str| -> String {
            let kept = text.chars().filter(char::is_ascii_alphanumeric);
            kept.map(|c| c.to_ascii_lowercase()).collect()
        };
        let wanted = bare(name);
        self.all().find(|known| bare(known) == wanted)
    }

    /// Returns up to three names without a tag that differ from `name` by their version only, such as those of
    /// `llama3.1` and `llama3.2` for `llama3.9`.
    pub(crate) fn other_versions(&self, name: &str) -> Vec<String> {
        let bare = |text: &str| {
            text.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.').to_lowercase()
        };
        let wanted = bare(name);
        if wanted.is_empty() {
            return Vec::new();
        }
        let mut found: Vec<String> =
            self.families().filter(|family| bare(family) == wanted).map(str::to_owned).collect();
        // Those that begin alike come first, then the newest.
        let alike = |family: &str| {
            let letters = family.chars().zip(name.chars());
            letters.take_while(|(a, b)| a.eq_ignore_ascii_case(b)).count()
        };
        found.sort_unstable_by(|a, b| (alike(b), b).cmp(&(alike(a), a)));
        found.dedup();
        found.truncate(3);
        found
    }

    /// Returns the names of the table that need no tag.
    fn families(&self) -> impl Iterator<Item = &str> {
        self.all().filter_map(|known| known.strip_suffix(":latest"))
    }
}

/// Returns an error if `reference` is a name in Ollama's style, and stands for a repository whose model does not run yet.
/// The exact name of a repository is always accepted. `runs` judges a `model_type`.
pub fn check_runs(reference: &Reference, repo: &RepoId, runs: impl Fn(&str) -> bool) -> Result<()> {
    if !matches!(reference, Reference::Name { .. } | Reference::Short(_)) {
        return Ok(());
    }
    let known = library().iter().find(|model| model.repo.is_same(repo));
    match known.filter(|model| !runs(model.model_type)) {
        None => Ok(()),
        Some(model) => Err(ReferenceError::NotYet {
            name: reference.to_string(),
            repo: repo.to_string(),
            model_type: model.model_type,
        }
        .into()),
    }
}

/// Logarithm of the ratio of two sizes below which they are the same.
const SAME_SIZE: f64 = 1e-6;

/// Returns the size in a tag such as `8b-q8_0`, `e2b`, `135m` or `8x7b`, in billions of parameters.
fn billions_of(tag: &str) -> Option<f64> {
    tag.to_ascii_lowercase().split('-').find_map(|part| {
        let (number, unit) = match part.strip_suffix('m') {
            Some(number) => (number, 1e-3),
            None => (part.strip_suffix('b')?, 1.0),
        };
        let number = number.strip_prefix('e').unwrap_or(number);
        let factors = number.split('x').map(|factor| factor.parse::<f64>().ok());
        let size = factors.product::<Option<f64>>()? * unit;
        (size > 0.0).then_some(size)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_directions() {
        let mut table = PairTable::default();
        for model in library() {
            for name in &model.names {
                assert_eq!(table.repo(&name.to_uppercase()), Some(&model.repo));
            }
            assert_eq!(table.ollama(&model.repo), Some(model.names[0]));
            assert_eq!(table.names(&model.repo), model.names[..1]);
        }
        let own = RepoId::parse("me/Mine-4bit").unwrap();
        let known = table.repo("phi3:mini").unwrap().clone();
        table.insert(Pair { ollama: "phi3:mini".into(), repo: own.clone() });
        assert_eq!(table.repo("PHI3:mini"), Some(&own));
        assert_eq!(table.ollama(&own), Some("phi3:mini"));
        let starter = RepoId::parse(crate::aliases::ALIASES[0].repo).unwrap();
        assert_eq!(table.ollama(&starter), Some("smollm2:135m"));
        // The other names of the built-in model still mean it.
        assert_eq!(table.ollama(&known), Some("phi3:latest"));
    }

    #[test]
    fn a_name_without_a_tag_means_the_default_size() {
        let table = PairTable::default();
        for (name, repo) in [
            ("llama3.2", "mlx-community/Llama-3.2-3B-Instruct-4bit"),
            ("gemma3", "mlx-community/gemma-3-4b-it-4bit"),
            ("gpt-oss", "mlx-community/gpt-oss-20b-MXFP4-Q8"),
            ("nomic-embed-text", "nomic-ai/nomic-embed-text-v1.5"),
        ] {
            assert_eq!(table.repo(name).unwrap().to_string(), repo);
        }
        for (name, expected) in
            [("org/A", true), ("smollm2", true), ("gemma3", true), ("mine", false)]
        {
            assert_eq!(table.can_be_pulled(name), expected, "{name}");
        }
        // The starter model of that name is 135M, Ollama's default is 1.7B.
        assert_eq!(table.repo("smollm2"), None);
        assert_eq!(table.repo("nosuch"), None);
    }

    #[test]
    fn similar_names() {
        let table = PairTable::default();
        // The same size with another quantization, else the nearest sizes.
        assert_eq!(table.similar("qwen3:8b-q8_0"), ["qwen3:8b"]);
        assert_eq!(table.similar("qwen2.5-coder:15b"), ["qwen2.5-coder:1.5b"]);
        assert_eq!(table.similar("qwen3:8"), ["qwen3:8b"]);
        assert_eq!(table.similar("gemma3:4")[0], "gemma3:4b");
        for typed in ["smollm2:135", "SmolLM2:135mm", "smollm2:35m"] {
            assert_eq!(table.similar(typed)[0], "smollm2:135m", "{typed}");
        }
        assert_eq!(table.similar("qwen3:7b"), ["qwen3:8b", "qwen3:4b", "qwen3:4b-instruct"]);
        assert_eq!(table.similar("llama3.2:7b"), ["llama3.2:3b", "llama3.2:1b"]);
        assert_eq!(table.similar("llama3.2:nosuch"), ["llama3.2:1b", "llama3.2:3b"]);
        assert_eq!(table.similar("lama3.2:1b")[0], "llama3.2:1b");
        assert!(table.similar("nothing-like-it:1b").is_empty());
    }

    #[test]
    fn other_versions_of_a_family() {
        let table = PairTable::default();
        assert_eq!(table.other_versions("llama3.9"), ["llama3.3", "llama3.2", "llama3.1"]);
        assert_eq!(table.other_versions("Qwen9")[0], "qwen3.8");
        for name in ["foo", "3", "Llama-3.2-3B-Instruct-4bit"] {
            assert!(table.other_versions(name).is_empty(), "{name}");
        }
    }

    #[test]
    fn misspelt_names_without_a_tag() {
        let table = PairTable::default();
        for (typed, meant) in [
            ("mistrel", Some("mistral")),
            ("lama3.2", Some("llama3.2")),
            ("lamma3.2", Some("llama3.2")),
            ("llama3.2-1b", Some("llama3.2:1b")),
            ("Qwen2.5-Coder1.5b", Some("qwen2.5-coder:1.5b")),
            ("smollm2_135m", Some("smollm2:135m")),
            ("deepseek-rl", None),
            ("Qwen3-8B-4bit", None),
            ("nosuch", None),
            ("llava", None),
        ] {
            assert_eq!(table.misspelt(typed).as_deref(), meant, "{typed}");
        }
    }
}
