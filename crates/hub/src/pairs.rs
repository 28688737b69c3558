//! Names in Ollama's style, and the checkpoints that they mean.

mod library;

pub use library::{LibraryModel, library};
pub(crate) use library::{base_name, checkpoint_of_gguf};

use crate::aliases::Alias;
use crate::repo_id::RepoId;
use crate::suggest::{is_typo, similar};

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

    /// Returns up to three names that are like `name`: other sizes of the same model first.
    pub fn similar(&self, name: &str) -> Vec<String> {
        let wanted = name.split(':').next().unwrap_or(name);
        let shown = || {
            let own = self.own.iter().map(|pair| pair.ollama.as_str());
            own.chain(library().iter().map(|model| model.names[0]))
        };
        let is_size = |known: &&str| {
            known.split_once(':').is_some_and(|(known, _)| known.eq_ignore_ascii_case(wanted))
        };
        let sizes: Vec<String> = shown().filter(is_size).take(3).map(str::to_owned).collect();
        if sizes.is_empty() { similar(name, shown()) } else { sizes }
    }

    /// Returns the name without a tag that `name` is probably meant to be, if it is mistyped.
    pub(crate) fn misspelt(&self, name: &str) -> Option<String> {
        self.families().find(|family| is_typo(name, family)).map(str::to_owned)
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
        let own = self.own.iter().map(|pair| pair.ollama.as_str());
        let known = own.chain(library().iter().flat_map(|model| model.names.iter().copied()));
        known.filter_map(|known| known.strip_suffix(":latest"))
    }
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
        assert_eq!(table.similar("llama3.2:7b"), ["llama3.2:1b", "llama3.2:3b"]);
        assert_eq!(table.similar("lama3.2:1b")[0], "llama3.2:1b");
        let starter = RepoId::parse(crate::aliases::ALIASES[0].repo).unwrap();
        assert_eq!(table.ollama(&starter), Some("smollm2:135m"));
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
            ("deepseek-rl", None),
            ("Qwen3-8B-4bit", None),
            ("nosuch", None),
        ] {
            assert_eq!(table.misspelt(typed).as_deref(), meant, "{typed}");
        }
    }
}
