//! Known families of embedding models, for conversions that lost the files of sentence-transformers.

use super::Pooling;

/// Settings of a family.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) pooling: Pooling,
    /// Texts before a query and before a document.
    pub(super) prompts: [&'static str; 2],
}

/// A family, by a part of its models' names in lower case.
struct Family {
    name: &'static str,
    known: Known,
}

const fn family(name: &'static str, pooling: Pooling, prompts: [&'static str; 2]) -> Family {
    Family { name, known: Known { pooling, prompts } }
}

const SEARCH: [&str; 2] = ["Represent this sentence for searching relevant passages: ", ""];
const NONE: [&str; 2] = ["", ""];

/// The families, from their model cards. A name that contains another comes first.
const FAMILIES: &[Family] = &[
    family("bge-m3", Pooling::First, NONE),
    family("bge-", Pooling::First, SEARCH),
    family("mxbai-embed", Pooling::First, SEARCH),
    family("arctic-embed-l-v2", Pooling::First, ["query: ", ""]),
    family("arctic-embed-m-v2", Pooling::First, ["query: ", ""]),
    family("arctic-embed2", Pooling::First, ["query: ", ""]),
    family("arctic-embed", Pooling::First, SEARCH),
    family("e5-mistral", Pooling::Last, NONE),
    family("e5-", Pooling::Mean, ["query: ", "passage: "]),
    family("gte-qwen", Pooling::Last, NONE),
    family("gte-modernbert", Pooling::First, NONE),
    family("modernbert-embed", Pooling::Mean, ["search_query: ", "search_document: "]),
    family("nomic-embed", Pooling::Mean, ["search_query: ", "search_document: "]),
    family(
        "embeddinggemma",
        Pooling::Mean,
        ["task: search result | query: ", "title: none | text: "],
    ),
    family(
        "qwen3-embedding",
        Pooling::Last,
        [
            "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:",
            "",
        ],
    ),
    family("minilm", Pooling::Mean, NONE),
    family("distilroberta", Pooling::Mean, NONE),
    family("gte-", Pooling::Mean, NONE),
];

/// Finds the family of a model by its name, which may be a path.
pub(super) fn find(name: &str) -> Option<&'static Known> {
    let name = name.to_lowercase();
    FAMILIES.iter().find(|family| begins_word(&name, family.name)).map(|family| &family.known)
}

/// Returns `true` if `part` is in `name`, behind nothing or a character between words.
fn begins_word(name: &str, part: &str) -> bool {
    name.match_indices(part)
        .any(|(at, _)| !name[..at].ends_with(|before: char| before.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_found_by_their_names() {
        let of = |name| find(name).map(|known| (known.pooling, known.prompts[0]));
        assert_eq!(of("mlx-community/bge-m3-mlx-4bit"), Some((Pooling::First, "")));
        assert_eq!(of("models--x--BGE-small-en-v1.5"), Some((Pooling::First, SEARCH[0])));
        assert_eq!(of("multilingual-e5-large"), Some((Pooling::Mean, "query: ")));
        assert_eq!(of("Qwen3-Embedding-0.6B-8bit").unwrap().0, Pooling::Last);
        assert_eq!(of("snowflake-arctic-embed-l-v2.0").unwrap().1, "query: ");
        assert_eq!(of("SmolLM2-135M"), None);
        assert_eq!(of("Huge5-chat"), None);
    }
}
