//! The model families, one file each. A file has everything that is particular to its family:
//! the `model_type`s it covers, how their `config.json` becomes a `DecoderSpec`, and how their
//! tensors and keys are named in published checkpoints and in GGUF files.
//!
//! To add a family, write its file and add its `mod` line and its `FAMILY` below.

mod cohere2;
mod common;
mod deepseek;
mod family;
mod gemma2;
mod gemma3;
mod gguf;
mod glm4;
mod gpt_oss;
mod granite;
mod llama;
mod ministral3;
mod mixtral;
mod olmo2;
mod phi3;
mod published;
mod qwen2;
mod qwen3;
mod smollm3;
mod starcoder2;

pub(crate) use family::{Architecture, Family};
pub use published::PublishedNames;

/// All families.
pub(crate) const FAMILIES: &[Family] = &[
    cohere2::FAMILY,
    deepseek::FAMILY,
    gemma2::FAMILY,
    gemma3::FAMILY,
    glm4::FAMILY,
    gpt_oss::FAMILY,
    granite::FAMILY,
    llama::FAMILY,
    ministral3::FAMILY,
    mixtral::FAMILY,
    olmo2::FAMILY,
    phi3::FAMILY,
    qwen2::FAMILY,
    qwen3::FAMILY,
    smollm3::FAMILY,
    starcoder2::FAMILY,
];
