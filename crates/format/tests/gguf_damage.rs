//! GGUF files that are refused: those that contradict themselves, and those that say something
//! for which there is no counterpart.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod common;

use common::{F32, GgufBuilder, import, refusal, tiny};
use mlxk_format::Checkpoint;
use mlxk_format::gguf::Plan;
use mlxk_memory::Bytes;
use proptest::prelude::*;

/// A change to a sound file, and why it is refused then.
type Case<'a> = (&'a dyn Fn(&mut GgufBuilder), &'a str);

/// Applies each change to a small file, which must then be refused as unsupported for the given reason.
fn expect_unsupported(cases: &[Case<'_>]) {
    for (change, reason) in cases {
        let mut gguf = tiny("llama");
        change(&mut gguf);
        assert_eq!(refusal(&gguf), format!("cannot be imported: {reason}"));
    }
}

#[test]
fn what_has_no_counterpart_is_refused_by_name() {
    expect_unsupported(&[
        (
            &|g| {
                g.remove("token_embd.weight").tensor("token_embd.weight", &[6, 64], 24);
            },
            "tensor `token_embd.weight` is of type I8; F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K, Q6_K and MXFP4 are supported",
        ),
        (
            &|g| {
                g.tensors[3].2 = 77;
            },
            "tensor `blk.0.attn_q.weight` is of type number 77; \
             F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K, Q6_K and MXFP4 are supported",
        ),
        (
            &|g| {
                g.text("general.architecture", "mamba");
            },
            "its architecture `mamba` is not supported; supported are `command-r`, `cohere2`, `gemma`, `gemma2`, `gemma3`, `gemma3n`, \
             `glm4`, `gpt-oss`, `gptoss`, `granite`, `granitemoe`, `lfm2`, `lfm2moe`, `llama`, `mistral3`, `olmo2`, `phi3`, \
             `qwen2`, `qwen2moe`, `qwen3`, `qwen3moe`, `qwen35`, `qwen35moe`, `smollm3`, `starcoder2`",
        ),
        (
            &|g| {
                g.u32("llama.expert_count", 8);
            },
            "`llama.expert_count` with the value 8 is not supported",
        ),
        (
            &|g| {
                g.f32("llama.logit_scale", 0.5);
            },
            "`llama.logit_scale` with the value 0.5 is not supported",
        ),
        (
            &|g| {
                g.u32("llama.rope.dimension_count", 16);
            },
            "`llama.rope.dimension_count` with the value 16 is not supported",
        ),
        (
            &|g| {
                g.tensor("blk.0.attn_q_norm.weight", &[32], F32);
            },
            "tensor `blk.0.attn_q_norm.weight` has no place in a `llama` model",
        ),
        (
            &|g| {
                g.tensor("blk.1.attn_norm.weight", &[64], F32);
            },
            "tensor `blk.1.attn_norm.weight` has no place in a `llama` model",
        ),
    ]);
}

#[test]
fn unknown_tokenizers_and_parts_of_files_are_refused_by_name() {
    expect_unsupported(&[
        (
            &|g| {
                g.text("tokenizer.ggml.model", "bert");
            },
            "its tokenizer is `bert`; `gpt2` (BPE) and `llama` (SentencePiece) are supported",
        ),
        (
            &|g| {
                g.text("tokenizer.ggml.pre", "viking");
            },
            "its pre-tokenizer is `viking`; `gpt-2`, `default`, `olmo`, `phi-2`, `mpt`, `granite-docling`, `mellum`, \
             `smollm`, `starcoder`, `refact`, `command-r`, `exaone`, `qwen2`, `deepseek-r1-qwen`, `stablelm2`, \
             `qwen35`, `llama-bpe`, `llama3`, `llama-v3`, `lfm2`, `falcon3`, `pixtral`, `dbrx`, `smaug-bpe`, \
             `chatglm-bpe`, `glm4`, `glm5`, `gpt-4o`, `llama4`, `tekken`, `deepseek-v3`, `hunyuan-dense` are supported",
        ),
        (
            &|g| {
                g.u32("split.count", 3);
            },
            "it is one of 3 parts; join them with `llama-gguf-split --merge` first",
        ),
    ]);
}

/// Applies each change to a small file, which must then be refused as damaged for the given reason.
fn expect_damage(cases: &[Case<'_>]) {
    for (change, reason) in cases {
        let mut gguf = tiny("llama");
        change(&mut gguf);
        let refusal = refusal(&gguf);
        assert!(refusal.starts_with(&format!("is damaged: {reason}")), "{refusal}");
    }
}

#[test]
fn keys_and_tensors_that_contradict_each_other_are_damage() {
    expect_damage(&[
        (
            &|g| {
                g.remove("llama.block_count");
            },
            "`llama.block_count` is missing",
        ),
        (
            &|g| {
                g.text("llama.block_count", "one");
            },
            "`llama.block_count` should be a whole number",
        ),
        (
            &|g| {
                g.u32("llama.block_count", 2);
            },
            "`blk.1.attn_norm.weight` is missing",
        ),
        (
            &|g| {
                g.remove("blk.0.ffn_up.weight");
            },
            "`blk.0.ffn_up.weight` is missing",
        ),
        (
            &|g| {
                g.u32("llama.embedding_length", 128);
            },
            "tensor `token_embd.weight` has shape [6, 64], but the sizes in its header need [6, 128]",
        ),
        (
            &|g| {
                g.tensors[0].1 = vec![6, 1 << 40];
            },
            "tensor `token_embd.weight` needs bytes",
        ),
        (
            &|g| {
                g.tensors[0].1 = vec![1 << 40, 1 << 40];
            },
            "tensor `token_embd.weight` has the impossible shape [1099511627776, 1099511627776]",
        ),
        (
            &|g| {
                g.tensors[0].1 = vec![6, 65];
            },
            "tensor `token_embd.weight` has the impossible shape [65, 6]",
        ),
        (
            &|g| {
                g.tensors[3].3[0..2].copy_from_slice(&[0, 0x7c]);
            },
            "tensor `blk.0.attn_q.weight` has a scale that is not a finite number",
        ),
    ]);
}

#[test]
fn metadata_that_contradicts_itself_is_damage() {
    expect_damage(&[
        (
            &|g| {
                g.texts("tokenizer.ggml.merges", &["a c"]);
            },
            "the tokenizer merge `a c` does not fit the vocabulary",
        ),
        (
            &|g| {
                g.u32("tokenizer.ggml.eos_token_id", 6);
            },
            "`tokenizer.ggml.eos_token_id` should be a token of the vocabulary",
        ),
        (
            &|g| {
                g.texts("tokenizer.ggml.tokens", &["a", "b", "ab", "a", "<tool>", "[PAD5]"]);
            },
            "`a` occurs twice",
        ),
        (
            &|g| {
                g.u32("general.alignment", 24);
            },
            "its alignment of 24 bytes is not a power of two",
        ),
        (
            &|g| {
                let copy = g.keys[0].clone();
                g.keys.push(copy);
            },
            "`general.architecture` occurs twice",
        ),
    ]);
}

#[test]
fn every_truncation_is_refused() {
    let bytes = tiny("llama").bytes();
    for length in 0..bytes.len() {
        let part = Bytes::from(bytes[..length].to_vec());
        let plan =
            Plan::from_bytes("model.gguf".as_ref(), &part, &mlxk_models::gguf_architectures());
        assert!(plan.is_err(), "{length} of {} bytes", bytes.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn damaged_files_never_panic(
        qwen2 in any::<bool>(),
        changes in prop::collection::vec((0_usize..2600, any::<u8>()), 1..6),
    ) {
        let mut bytes = tiny(if qwen2 { "qwen2" } else { "llama" }).bytes();
        for (at, value) in changes {
            bytes[at] = value;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.gguf");
        std::fs::write(&path, bytes).unwrap();
        if let Ok(imported) = import(&path) {
            prop_assert!(Checkpoint::open(imported.path()).is_ok());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]
    #[test]
    fn damaged_headers_never_panic(
        qwen2 in any::<bool>(),
        changes in prop::collection::vec((0_usize..1600, any::<u8>()), 1..4),
    ) {
        let mut bytes = tiny(if qwen2 { "qwen2" } else { "llama" }).bytes();
        for (at, value) in changes {
            bytes[at] = value;
        }
        let _ = Plan::from_bytes("model.gguf".as_ref(), &Bytes::from(bytes), &mlxk_models::gguf_architectures());
    }
}

#[test]
fn counts_and_lengths_are_bounded_before_they_are_believed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    let reason = |header: &[&[u8]]| {
        std::fs::write(&path, header.concat()).unwrap();
        Plan::new(&path, &mlxk_models::gguf_architectures()).unwrap_err().to_string()
    };
    let huge = u64::MAX.to_le_bytes();
    let one = 1_u64.to_le_bytes();
    let none = 0_u64.to_le_bytes();
    let three = 3_u32.to_le_bytes();
    assert!(reason(&[b"GGML"]).contains("does not start with `GGUF`"));
    assert!(reason(&[b"GGUF", &1_u32.to_le_bytes()]).contains("GGUF version 1"));
    assert!(reason(&[b"GGUF", &3_u32.to_be_bytes()]).contains("big-endian"));
    assert!(
        reason(&[b"GGUF", &three, &huge, &none]).contains("tensors, more than the file has room")
    );
    assert!(reason(&[b"GGUF", &three, &none, &huge]).contains("metadata keys, more than"));
    let key: &[u8] = &[&one[..], b"k"].concat();
    let filler = [0; 64];
    assert!(
        reason(&[
            b"GGUF",
            &three,
            &none,
            &one,
            key,
            &9_u32.to_le_bytes(),
            &8_u32.to_le_bytes(),
            &huge,
            &filler
        ])
        .contains("array entries, more than")
    );
    assert!(
        reason(&[b"GGUF", &three, &none, &one, key, &8_u32.to_le_bytes(), &huge, &filler])
            .contains("ends within its header")
    );
    assert!(
        reason(&[b"GGUF", &three, &none, &one, key, &13_u32.to_le_bytes(), &filler])
            .contains("`k` has the unknown value type 13")
    );
    // Arrays of arrays of arrays, deeper than the stack should follow.
    let nested: Vec<u8> = [&9_u32.to_le_bytes()[..], &one].concat().repeat(100_000);
    assert!(
        reason(&[b"GGUF", &three, &none, &one, key, &9_u32.to_le_bytes(), &nested])
            .contains("unknown value type 9")
    );
}
