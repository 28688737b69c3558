//! The model families, one file each. A file has everything that is particular to its family:
//! the `model_type`s it covers, how their `config.json` becomes a `DecoderSpec`, and how their
//! tensors and keys are named in published checkpoints and in GGUF files.
//!
//! To add a family, write its file and add its `mod` line and its `FAMILY` below.

mod apertus;
mod cohere2;
mod common;
mod deepseek;
mod ernie4_5;
mod exaone;
mod exaone4;
mod family;
mod gemma;
mod gemma2;
mod gemma3;
mod gguf;
mod glm;
mod glm4;
mod gpt2;
mod gpt_neox;
mod gpt_oss;
mod gptj;
mod granite;
mod helium;
mod hunyuan;
mod internlm;
mod lille;
mod llama;
mod mimo;
mod minicpm;
mod ministral3;
mod mixtral;
mod muse_glimmer;
mod nanochat;
mod nemotron;
mod olmo;
mod olmo2;
mod openelm;
mod phi;
mod phi3;
mod published;
mod qwen;
mod qwen2;
mod qwen3;
mod seed_oss;
mod smollm3;
mod stablelm;
mod starcoder2;
mod telechat3;
mod youtu_llm;

pub(crate) use family::{Architecture, Family};
pub use published::PublishedNames;

/// All families.
pub(crate) const FAMILIES: &[Family] = &[
    apertus::FAMILY,
    cohere2::FAMILY,
    deepseek::FAMILY,
    ernie4_5::FAMILY,
    exaone::FAMILY,
    exaone4::FAMILY,
    gemma::FAMILY,
    gemma2::FAMILY,
    gemma3::FAMILY,
    glm::FAMILY,
    glm4::FAMILY,
    gpt2::FAMILY,
    gpt_neox::FAMILY,
    gpt_oss::FAMILY,
    gptj::FAMILY,
    granite::FAMILY,
    helium::FAMILY,
    hunyuan::FAMILY,
    internlm::FAMILY,
    lille::FAMILY,
    llama::FAMILY,
    mimo::FAMILY,
    minicpm::FAMILY,
    ministral3::FAMILY,
    mixtral::FAMILY,
    muse_glimmer::FAMILY,
    nanochat::FAMILY,
    nemotron::FAMILY,
    olmo::FAMILY,
    olmo2::FAMILY,
    openelm::FAMILY,
    phi::FAMILY,
    phi3::FAMILY,
    qwen::FAMILY,
    qwen2::FAMILY,
    qwen3::FAMILY,
    seed_oss::FAMILY,
    smollm3::FAMILY,
    stablelm::FAMILY,
    starcoder2::FAMILY,
    telechat3::FAMILY,
    youtu_llm::FAMILY,
];
