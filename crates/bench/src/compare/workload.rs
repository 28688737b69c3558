//! The questions to the engines.

use serde::{Deserialize, Serialize};

use crate::random::Random;

/// A question and how to ask it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Workload {
    /// Unique name in reports.
    pub name: String,
    #[serde(skip)]
    pub prompt: Prompt,
    /// A question to ask before, without measuring it.
    #[serde(skip)]
    pub before: Option<Prompt>,
    /// Number of concurrent clients.
    pub clients: usize,
    /// Length of each answer in tokens.
    pub max_tokens: usize,
}

/// A question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prompt {
    /// A user message of a conversation.
    Chat(String),
    /// A text to continue without a template.
    Raw(String),
}

impl Default for Prompt {
    /// The prompt of a workload in a report, which doesn't repeat it.
    fn default() -> Self {
        Self::Raw(String::new())
    }
}

impl Prompt {
    /// Returns the prompt with a mark in front, so that no server has seen its beginning before.
    #[must_use]
    pub(super) fn marked(&self, mark: &str) -> Self {
        match self {
            Self::Chat(text) => Self::Chat(format!("({mark}) {text}")),
            Self::Raw(text) => Self::Raw(format!("({mark}) {text}")),
        }
    }

    pub fn text(&self) -> &str {
        let (Self::Chat(text) | Self::Raw(text)) = self;
        text
    }
}

/// Code that [`Workload::code`] asks to continue.
const CODE: &str = "\
import json
from pathlib import Path


def load_settings(path):
    \"\"\"Read the settings of a JSON file; defaults where there is none.\"\"\"
    path = Path(path)
    if not path.exists():
        return {\"theme\": \"light\", \"language\": \"en\"}
    with path.open() as file:
        return json.load(file)


def save_settings(path, settings):
    \"\"\"Write the settings to a JSON file, through a temporary one.\"\"\"
";

const SUMMARIZE: &str = "Summarize the text above in two sentences.";
const ASK_AGAIN: &str = "Which animals does the text above mention? Answer with a list.";

/// Share of a prompt from which on a common beginning matters: engines keep it in their cache. Templates alone are shorter.
const REPEATED: f64 = 0.1;

/// Returns `true` if the prompt of a workload begins like one that the same server was asked before: its own first question, or an
/// earlier workload of the turn.
pub(super) fn is_repeated(workloads: &[Workload], index: usize) -> bool {
    let Some((workload, earlier)) = workloads.get(..=index).and_then(|upto| upto.split_last())
    else {
        return false;
    };
    let earlier = earlier.iter().flat_map(|it| it.before.iter().chain([&it.prompt]));
    let text = workload.prompt.text();
    let enough = (REPEATED * text.len() as f64).max(1.0);
    workload.before.iter().chain(earlier).any(|asked| {
        let both = asked.text().bytes().zip(text.bytes());
        both.take_while(|(one, other)| one == other).count() as f64 >= enough
    })
}

/// Name of the workload with the user's prompt.
const CHAT: &str = "chat";

impl Workload {
    /// One turn of a conversation.
    pub fn chat(prompt: &str, max_tokens: usize) -> Self {
        let prompt = Prompt::Chat(prompt.to_owned());
        Self { name: CHAT.into(), prompt, before: None, clients: 1, max_tokens }
    }

    /// A program to continue.
    pub fn code(max_tokens: usize) -> Self {
        let prompt = Prompt::Raw(CODE.to_owned());
        Self { name: "code".into(), prompt, before: None, clients: 1, max_tokens }
    }

    /// Returns `true` if the user wrote the prompt, and `false` if it was made.
    pub(super) fn has_users_prompt(&self) -> bool {
        self.name == CHAT || self.clients > 1
    }

    /// A text of about `tokens` tokens and a question about it. `count` counts tokens.
    pub fn document(tokens: usize, max_tokens: usize, count: &dyn Fn(&str) -> usize) -> Self {
        let text = prose(tokens, count);
        Self {
            name: format!("document of {tokens} tokens"),
            prompt: Prompt::Chat(format!("{text}\n\n{SUMMARIZE}")),
            before: None,
            clients: 1,
            max_tokens,
        }
    }

    /// A second question about a text, after a first one.
    pub fn prefix(tokens: usize, max_tokens: usize, count: &dyn Fn(&str) -> usize) -> Self {
        let text = prose(tokens, count);
        Self {
            name: format!("second question about {tokens} tokens"),
            prompt: Prompt::Chat(format!("{text}\n\n{ASK_AGAIN}")),
            before: Some(Prompt::Chat(format!("{text}\n\n{SUMMARIZE}"))),
            clients: 1,
            max_tokens,
        }
    }

    /// Several clients that ask at the same time, each with a different prompt.
    pub fn clients(prompt: &str, clients: usize, max_tokens: usize) -> Self {
        let prompt = Prompt::Chat(prompt.to_owned());
        Self { name: format!("{clients} clients"), prompt, before: None, clients, max_tokens }
    }

    /// A text of random words to continue, for models without a template.
    pub fn raw(tokens: usize, max_tokens: usize, count: &dyn Fn(&str) -> usize) -> Self {
        let name = format!("text of {tokens} tokens");
        let prompt = Prompt::Raw(prose(tokens, count));
        Self { name, prompt, before: None, clients: 1, max_tokens }
    }
}

const ADJECTIVES: [&str; 12] = [
    "quiet", "narrow", "old", "bright", "patient", "cold", "early", "wooden", "distant", "careful",
    "heavy", "green",
];
const NOUNS: [&str; 16] = [
    "harbour", "teacher", "river", "letter", "heron", "market", "engine", "garden", "fox",
    "bridge", "clock", "baker", "window", "horse", "station", "lamp",
];
const VERBS: [&str; 12] = [
    "crosses",
    "remembers",
    "follows",
    "repairs",
    "watches",
    "leaves",
    "counts",
    "carries",
    "answers",
    "draws",
    "opens",
    "finds",
];

/// Returns sentences of `tokens` tokens or a few more, the same every time.
fn prose(tokens: usize, count: &dyn Fn(&str) -> usize) -> String {
    let mut random = Random::of("prose");
    let mut sentence = || {
        let mut one = |words: &[&'static str]| words[random.below(words.len() as u32) as usize];
        format!(
            "The {} {} {} the {} behind the {} {}. ",
            one(&ADJECTIVES),
            one(&NOUNS),
            one(&VERBS),
            one(&NOUNS),
            one(&ADJECTIVES),
            one(&NOUNS)
        )
    };
    let mut text = String::new();
    let mut so_far = 0;
    while so_far < tokens {
        // A sentence alone may have more tokens than in the text.
        let mut expected = so_far;
        while expected < tokens {
            let next = sentence();
            expected += count(&next).max(1);
            text.push_str(&next);
        }
        so_far = count(&text).max(so_far + 1);
    }
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_has_the_length_that_was_asked_for() {
        let words = |text: &str| text.split_whitespace().count();
        let document = Workload::document(500, 8, &words);
        assert_eq!(document, Workload::document(500, 8, &words), "it is the same every time");
        assert!((500..525).contains(&words(document.prompt.text())), "{document:?}");
        // Both questions of a prefix workload start alike.
        let prefix = Workload::prefix(500, 8, &words);
        let (first, second) = (prefix.before.unwrap(), prefix.prompt);
        let common = first.text().bytes().zip(second.text().bytes());
        let alike = common.take_while(|(a, b)| a == b).count();
        assert!(alike > 2000 && first != second, "{alike}");
    }

    #[test]
    fn a_text_that_was_asked_about_before_is_repeated() {
        let words = |text: &str| text.split_whitespace().count();
        let (chat, code) = (Workload::chat("Hello", 8), Workload::code(8));
        let prefix = Workload::prefix(100, 8, &words);
        let documents = [100, 400].map(|length| Workload::document(length, 8, &words));
        let [short, long] = documents;
        let all = [chat, code, short, long, prefix.clone()];
        let found: Vec<bool> = (0..all.len()).map(|index| is_repeated(&all, index)).collect();
        // The longer document begins with the shorter one.
        assert_eq!(found, [false, false, false, true, true]);
        assert!(is_repeated(&[prefix], 0), "its own first question is about the same text");
        assert!(!is_repeated(&[], 0));
    }

    #[test]
    fn a_mark_changes_the_beginning() {
        let prompt = Prompt::Raw("abc".into());
        assert_eq!(prompt.marked("3").text(), "(3) abc");
        assert_eq!(prompt.marked("3").marked("4").text(), "(4) (3) abc");
    }
}
