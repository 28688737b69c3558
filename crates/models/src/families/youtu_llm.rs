//! Youtu-LLM (Tencent, 2025): Llama with latent attention.

use super::common::Common;
use super::family::{Architecture, Family};
use crate::config::{Config, limit};
use crate::decoder::{DecoderSpec, pre_norm};
use crate::error::ModelError;
use crate::parts::{LatentSpec, partial_rope_spec};

pub(super) const FAMILY: Family = Family {
    name: "Youtu-LLM",
    gguf: &[],
    architectures: &[Architecture::new("youtu_llm", "Youtu-LLM 2B", spec)],
};

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "silu")?;
    let common = Common::from_config(config, 131_072)?;
    let width = |key, default| config.size_or(key, default, limit::HEAD_DIM * 4);
    let (nope, rope) = (width("qk_nope_head_dim", 128)?, width("qk_rope_head_dim", 64)?);
    if !rope.is_multiple_of(2) {
        return Err(config.bad("qk_rope_head_dim", "an even number"));
    }
    let latent = LatentSpec {
        heads: config.size("num_attention_heads", limit::HEADS)?,
        q_rank: config.optional_size("q_lora_rank", limit::WIDTH)?,
        kv_rank: width("kv_lora_rank", 512)?,
        nope,
        rope,
        value: width("v_head_dim", 128)?,
        bias: config.flag_or("attention_bias", false)?,
        norm: common.norm,
        scale: (1.0 / ((nope + rope) as f64).sqrt()) as f32,
        absorbed: false,
        growth: None,
        rope_index: Some(0),
        indexer: None,
        latent_scale: None,
        output: "o_proj",
        gate: None,
    };
    let mut rope = partial_rope_spec(config, rope, 1_600_000.0)?;
    rope.offset = nope;
    rope.interleaved = config.flag_or("rope_traditional", true)?;
    let layers = (0..common.layers).map(|_| pre_norm(latent, common.mlp)).collect();
    let tied = common.tied.or(Some(true));
    Ok(DecoderSpec { tied, ..common.decoder(vec![rope], layers) })
}
