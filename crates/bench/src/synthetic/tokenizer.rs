//! A tokenizer whose tokens are bytes, which is enough for models with random weights.

use mlxk_format::gguf::GgufVocabulary;
use serde_json::{Map, Value, json};

/// Returns `tokenizer.json`.
pub(super) fn tokenizer(vocabulary: &GgufVocabulary) -> Value {
    let end = GgufVocabulary::END;
    let used = vocabulary.used();
    let vocab: Map<String, Value> =
        used.iter().take(end).enumerate().map(|(id, text)| (text.clone(), id.into())).collect();
    let byte_level = |add_prefix_space: bool| {
        json!({"type": "ByteLevel", "add_prefix_space": add_prefix_space, "trim_offsets": true,
            "use_regex": true})
    };
    json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": [{"id": end, "content": used[end], "single_word": false, "lstrip": false,
            "rstrip": false, "normalized": false, "special": true}],
        "normalizer": null,
        "pre_tokenizer": byte_level(false),
        "post_processor": null,
        "decoder": byte_level(true),
        "model": {"type": "BPE", "dropout": null, "unk_token": null,
            "continuing_subword_prefix": null, "end_of_word_suffix": null, "fuse_unk": false,
            "byte_fallback": false, "vocab": vocab, "merges": [GgufVocabulary::MERGE]}
    })
}

/// Returns `tokenizer_config.json`.
pub(super) fn settings() -> Value {
    json!({"eos_token": "<|end|>"})
}
