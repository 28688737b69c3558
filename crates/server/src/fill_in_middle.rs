//! Fill-in-the-middle: prompts for a gap between two texts, with the marks of each family.

use mlxk_text::Tokenizer;

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

/// Returns the prompt for the gap between two texts, or `None` if the tokenizer has no marks for it.
pub(crate) fn prompt(tokenizer: &Tokenizer, before: &str, after: &str) -> Option<String> {
    let known = |mark: &str| tokenizer.id_of(mark).is_some();
    let (prefix, suffix, middle) = MARKS
        .into_iter()
        .find(|(prefix, suffix, middle)| known(prefix) && known(suffix) && known(middle))?;
    Some(format!("{prefix}{before}{suffix}{after}{middle}"))
}

/// Returns `true` if a text, such as the beginning of `tokenizer.json`, has all marks of one family.
pub(crate) fn has_marks(text: &str) -> bool {
    MARKS.into_iter().any(|(prefix, suffix, middle)| {
        [prefix, suffix, middle].iter().all(|mark| text.contains(&format!("\"{mark}\"")))
    })
}
