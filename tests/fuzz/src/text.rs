//! `tokenizer.json` and chat templates.

use std::path::Path;
use std::sync::OnceLock;

use mlxk_chat::Message;
use mlxk_text::{ChatTemplate, RenderOptions, Tokenizer};
use tempfile::TempDir;

fn folder() -> Option<&'static Path> {
    static FOLDER: OnceLock<Option<TempDir>> = OnceLock::new();
    FOLDER.get_or_init(|| tempfile::tempdir().ok()).as_ref().map(TempDir::path)
}

/// Reads a `tokenizer.json`, encodes a sentence, and decodes the tokens, both at once and one by
/// one.
pub fn tokenizer(data: &[u8]) {
    let Some(folder) = folder() else { return };
    if std::fs::write(folder.join("tokenizer.json"), data).is_err() {
        return;
    }
    let Ok(tokenizer) = Tokenizer::open(folder) else { return };
    if let Ok(ids) = tokenizer.encode("Hello, wörld! 12345 \u{1F600}\n\tfn main() {}", true) {
        let _ = tokenizer.decode(&ids, false);
        let mut pieces = tokenizer.detokenizer(true);
        for id in ids {
            let _ = pieces.push(id);
        }
        std::hint::black_box(pieces.finish());
    }
}

/// Renders a conversation with a chat template.
pub fn chat_template(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let messages = [
        Message::new("system", "Be brief."),
        Message::new("user", "Why is the sky blue?"),
        Message::new("assistant", "It scatters."),
        Message::new("user", "{{ evil }}"),
    ];
    let _ = ChatTemplate::from_text(text).render(&messages, &RenderOptions::default());
}
