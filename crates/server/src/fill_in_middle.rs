//! Fill-in-the-middle: prompts for a gap between two texts, with the marks of each family.

use mlxk_text::Tokenizer;
use serde::Deserialize;

/// Marks in front of the text before the gap, of the text after it, and of the middle.
const MARKS: [(&str, &str, &str); 4] = [
    // Qwen2.5-Coder, CodeGemma.
    ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),
    // StarCoder, SmolLM.
    ("<fim_prefix>", "<fim_suffix>", "<fim_middle>"),
    // DeepSeek-Coder.
    ("<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"),
    // Granite Code.
    ("<fim-prefix>", "<fim-suffix>", "<fim-middle>"),
];

/// Marks of a repository: in front of its name, and in front of a file's name. Qwen2.5-Coder's.
const REPOSITORY: (&str, &str) = ("<|repo_name|>", "<|file_sep|>");

/// A gap in a text.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Gap<'a> {
    /// Other files of the same repository.
    pub(crate) files: &'a [File],
    pub(crate) before: &'a str,
    pub(crate) after: &'a str,
    /// Beginning of the text in the gap.
    pub(crate) begun: &'a str,
}

/// A file next to the one with the gap.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct File {
    #[serde(alias = "name")]
    pub(crate) filename: String,
    #[serde(alias = "content")]
    pub(crate) text: String,
}

/// Returns the prompt for a gap, or `None` if the tokenizer has no marks for it. Files are left out if it has no marks
/// for those.
pub(crate) fn prompt(tokenizer: &Tokenizer, gap: &Gap<'_>) -> Option<String> {
    let known = |mark: &str| tokenizer.id_of(mark).is_some();
    let (prefix, suffix, middle) = MARKS
        .into_iter()
        .find(|(prefix, suffix, middle)| known(prefix) && known(suffix) && known(middle))?;
    let (repository, file) = REPOSITORY;
    let mut prompt = String::new();
    if !gap.files.is_empty() && known(repository) && known(file) {
        prompt = format!("{repository}project\n");
        for File { filename, text } in gap.files {
            prompt.extend([file, filename, "\n", text, "\n"]);
        }
        prompt.extend([file, "\n"]);
    }
    let Gap { before, after, begun, .. } = gap;
    Some(prompt + &format!("{prefix}{before}{suffix}{after}{middle}{begun}"))
}

/// Returns `true` if a text, such as the beginning of `tokenizer.json`, has all marks of one family.
pub(crate) fn has_marks(text: &str) -> bool {
    MARKS.into_iter().any(|(prefix, suffix, middle)| {
        [prefix, suffix, middle].iter().all(|mark| text.contains(&format!("\"{mark}\"")))
    })
}
