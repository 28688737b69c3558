//! Names in Ollama's style, and the checkpoints that they mean.

use crate::repo_id::RepoId;

/// A model in Ollama's library and on the hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// `name:tag`, as Ollama's library writes it.
    pub ollama: String,
    /// The repository with the same weights as an MLX checkpoint.
    pub repo: RepoId,
}

const BUILT_IN: [(&str, &str); 5] = [
    ("qwen2.5-coder:1.5b", "mlx-community/Qwen2.5-Coder-1.5B-Instruct-4bit"),
    ("llama3.2:1b", "mlx-community/Llama-3.2-1B-Instruct-4bit"),
    ("phi3:mini", "mlx-community/Phi-3-mini-4k-instruct-4bit"),
    ("mistral:7b", "mlx-community/Mistral-7B-Instruct-v0.3-4bit"),
    ("mixtral:8x7b", "mlx-community/Mixtral-8x7B-Instruct-v0.1-4bit"),
];

/// The pairs in effect: built-in ones and those of the configuration. Later entries win.
#[derive(Clone, Debug)]
pub struct PairTable {
    pairs: Vec<Pair>,
}

impl Default for PairTable {
    fn default() -> Self {
        let pairs = BUILT_IN
            .iter()
            .map(|(ollama, repo)| Pair {
                ollama: (*ollama).to_owned(),
                repo: RepoId::parse(repo).expect("the built-in names are valid, by test"),
            })
            .collect();
        Self { pairs }
    }
}

impl PairTable {
    /// Adds a pair, or replaces the one of the same Ollama name.
    pub fn insert(&mut self, pair: Pair) {
        self.pairs.retain(|known| !known.ollama.eq_ignore_ascii_case(&pair.ollama));
        self.pairs.push(pair);
    }

    /// Returns the repository of a name in Ollama's style.
    pub fn repo(&self, ollama: &str) -> Option<&RepoId> {
        let found = self.pairs.iter().find(|pair| pair.ollama.eq_ignore_ascii_case(ollama));
        found.map(|pair| &pair.repo)
    }

    /// Returns the name of a repository in Ollama's style.
    pub fn ollama(&self, repo: &RepoId) -> Option<&str> {
        self.pairs.iter().rev().find(|pair| pair.repo == *repo).map(|pair| pair.ollama.as_str())
    }

    /// Returns all pairs.
    pub fn iter(&self) -> impl Iterator<Item = &Pair> {
        self.pairs.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::Reference;

    #[test]
    fn both_directions() {
        let mut table = PairTable::default();
        assert_eq!(table.iter().count(), BUILT_IN.len());
        for pair in PairTable::default().iter() {
            assert_eq!(table.repo(&pair.ollama), Some(&pair.repo));
            assert_eq!(table.ollama(&pair.repo), Some(pair.ollama.as_str()));
            assert!(matches!(pair.ollama.parse().unwrap(), Reference::Short(_)));
        }
        let own = RepoId::parse("me/Mine-4bit").unwrap();
        table.insert(Pair { ollama: "phi3:mini".into(), repo: own.clone() });
        assert_eq!(table.repo("PHI3:mini"), Some(&own));
        assert_eq!(table.iter().count(), BUILT_IN.len());
    }
}
