//! The model families, one file each. A file has everything that is particular to its family:
//! the `model_type`s it covers, how their `config.json` becomes a `DecoderSpec`, and how their
//! tensors and keys are named in published checkpoints and in GGUF files.
//!
//! To add a family, write its file and add its `mod` line and its `FAMILY` below.

mod afm7;
mod afmoe;
mod apertus;
mod baichuan_m1;
mod bailing_hybrid;
mod bailing_moe;
mod bailing_v3;
mod bert;
mod bitnet;
mod cohere2;
mod common;
mod dbrx;
mod deepseek;
mod deepseek_v32;
mod dots1;
mod encoder;
mod ernie4_5;
mod exaone;
mod exaone4;
mod exaone_moe;
mod falcon_h1;
mod family;
mod gear;
mod gemma;
mod gemma2;
mod gemma3;
mod gemma3n;
mod gemma4;
mod gguf;
mod glm;
mod glm4;
mod glm4_moe;
mod gpt2;
mod gpt_neox;
mod gpt_oss;
mod gptj;
mod granite;
mod granite_hybrid;
mod helium;
mod hunyuan;
mod internlm;
mod iquest_loop;
mod jamba;
mod kimi_linear;
mod klear;
mod laguna;
mod lfm2;
mod lille;
mod llama;
mod llama4;
mod llama4_text;
mod longcat_flash;
mod mamba;
mod mamba2;
mod mellum;
mod mimo;
mod mimo_v2;
mod minicpm;
mod minimax;
mod ministral3;
mod mistral4;
mod mixtral;
mod modernbert;
mod muse_glimmer;
mod nanbeige;
mod nanochat;
mod nemotron;
mod nemotron_h;
mod nemotron_nas;
mod nomic_bert;
mod olmo;
mod olmo2;
mod olmo_hybrid;
mod olmoe;
mod openelm;
mod phi;
mod phi3;
mod phi3small;
mod phimoe;
mod phixtral;
mod plamo;
mod plamo2;
mod prism;
mod published;
mod qwen;
mod qwen2;
mod qwen3;
mod qwen3_5;
mod qwen3_next;
mod qwen_vl;
mod recurrent_gemma;
mod routing;
mod rwkv7;
mod seed_oss;
mod smollm3;
mod spark2_5;
mod stablelm;
mod starcoder2;
mod step3p5;
mod talkie;
mod telechat3;
mod youtu_llm;

pub(crate) use family::{Architecture, Family};
pub use published::PublishedNames;

/// All families.
pub(crate) const FAMILIES: &[Family] = &[
    afm7::FAMILY,
    afmoe::FAMILY,
    apertus::FAMILY,
    baichuan_m1::FAMILY,
    bailing_hybrid::FAMILY,
    bailing_moe::FAMILY,
    bailing_v3::FAMILY,
    bert::FAMILY,
    bitnet::FAMILY,
    cohere2::FAMILY,
    dbrx::FAMILY,
    deepseek::FAMILY,
    deepseek_v32::FAMILY,
    dots1::FAMILY,
    ernie4_5::FAMILY,
    exaone::FAMILY,
    exaone4::FAMILY,
    exaone_moe::FAMILY,
    falcon_h1::FAMILY,
    gear::FAMILY,
    gemma::FAMILY,
    gemma2::FAMILY,
    gemma3::FAMILY,
    gemma3n::FAMILY,
    gemma4::FAMILY,
    glm::FAMILY,
    glm4::FAMILY,
    glm4_moe::FAMILY,
    gpt2::FAMILY,
    gpt_neox::FAMILY,
    gpt_oss::FAMILY,
    gptj::FAMILY,
    granite::FAMILY,
    granite_hybrid::FAMILY,
    helium::FAMILY,
    hunyuan::FAMILY,
    internlm::FAMILY,
    iquest_loop::FAMILY,
    jamba::FAMILY,
    kimi_linear::FAMILY,
    klear::FAMILY,
    laguna::FAMILY,
    lfm2::FAMILY,
    lille::FAMILY,
    llama::FAMILY,
    llama4::FAMILY,
    llama4_text::FAMILY,
    longcat_flash::FAMILY,
    mamba::FAMILY,
    mamba2::FAMILY,
    mellum::FAMILY,
    mimo::FAMILY,
    mimo_v2::FAMILY,
    minicpm::FAMILY,
    minimax::FAMILY,
    ministral3::FAMILY,
    mistral4::FAMILY,
    mixtral::FAMILY,
    modernbert::FAMILY,
    muse_glimmer::FAMILY,
    nanbeige::FAMILY,
    nanochat::FAMILY,
    nemotron::FAMILY,
    nemotron_h::FAMILY,
    nemotron_nas::FAMILY,
    nomic_bert::FAMILY,
    olmo::FAMILY,
    olmo2::FAMILY,
    olmo_hybrid::FAMILY,
    olmoe::FAMILY,
    openelm::FAMILY,
    phi::FAMILY,
    phi3::FAMILY,
    phi3small::FAMILY,
    phimoe::FAMILY,
    phixtral::FAMILY,
    plamo::FAMILY,
    plamo2::FAMILY,
    prism::FAMILY,
    qwen::FAMILY,
    qwen2::FAMILY,
    qwen3::FAMILY,
    qwen3_5::FAMILY,
    qwen3_next::FAMILY,
    qwen_vl::FAMILY,
    recurrent_gemma::FAMILY,
    rwkv7::FAMILY,
    seed_oss::FAMILY,
    smollm3::FAMILY,
    spark2_5::FAMILY,
    stablelm::FAMILY,
    starcoder2::FAMILY,
    step3p5::FAMILY,
    talkie::FAMILY,
    telechat3::FAMILY,
    youtu_llm::FAMILY,
];
