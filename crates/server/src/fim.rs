//! Filling in the middle: the marks that models were trained with, by family.

use mlxk_text::Tokenizer;

/// What stands before the text before the gap, before the text after it, and before the middle.
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

/// The prompt for what belongs between two texts; `None` where the tokenizer has no marks for it.
pub(crate) fn prompt(tokenizer: &Tokenizer, before: &str, after: &str) -> Option<String> {
    let known = |mark: &str| tokenizer.id_of(mark).is_some();
    let (prefix, suffix, middle) = MARKS
        .into_iter()
        .find(|(prefix, suffix, middle)| known(prefix) && known(suffix) && known(middle))?;
    Some(format!("{prefix}{before}{suffix}{after}{middle}"))
}

/// Whether a text, such as the start of a tokenizer's file, has all marks of one family.
pub(crate) fn has_marks(text: &str) -> bool {
    MARKS.into_iter().any(|(prefix, suffix, middle)| {
        [prefix, suffix, middle].iter().all(|mark| text.contains(&format!("\"{mark}\"")))
    })
}
