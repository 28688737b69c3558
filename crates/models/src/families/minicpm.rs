//! MiniCPM (Hu et al., 2024, arXiv:2404.06395) and MiniCPM3: Llama with factors on embeddings, residual
//! stream and logits. MiniCPM3 has latent attention.

use super::common::Common;
use super::family::{Architecture, Family};
use crate::config::{Config, limit};
use crate::decoder::{BlockSpec, DecoderSpec, pre_norm};
use crate::error::ModelError;
use crate::parts::{
    AttentionSizes, GroupedSpec, LatentSpec, NormSpec, partial_rope_spec, rope_spec,
};

pub(super) const FAMILY: Family = Family {
    name: "MiniCPM",
    gguf: &[],
    architectures: &[
        Architecture::new("minicpm", "MiniCPM 1B, 2B, MiniCPM4", spec),
        Architecture::new("minicpm3", "MiniCPM3 4B", latent_spec),
    ],
};

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "silu")?;
    let common = Common::from_config(config, 32_768)?;
    let sizes = AttentionSizes::from_hidden(config)?;
    let attention = GroupedSpec::plain(sizes);
    let rope = rope_spec(config, sizes.head_dim, 1_000_000.0)?;
    let layers = (0..common.layers).map(|_| pre_norm(attention, common.mlp)).collect();
    scaled(config, &common, common.decoder(vec![rope], layers))
}

fn latent_spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "silu")?;
    let common = Common::from_config(config, 32_768)?;
    let width = |key| config.size(key, limit::HEAD_DIM * 4);
    let (nope, rope) = (width("qk_nope_head_dim")?, width("qk_rope_head_dim")?);
    if !rope.is_multiple_of(2) {
        return Err(config.bad("qk_rope_head_dim", "an even number"));
    }
    let heads = config.size("num_attention_heads", limit::HEADS)?;
    let latent = LatentSpec {
        heads,
        q_rank: Some(config.size("q_lora_rank", limit::WIDTH)?),
        kv_rank: width("kv_lora_rank")?,
        nope,
        rope,
        value: AttentionSizes::from_hidden(config)?.head_dim,
        bias: config.flag_or("attention_bias", false)?,
        // `config.json` has no key for it.
        norm: NormSpec::rms(1e-5),
        scale: (1.0 / ((nope + rope) as f64).sqrt()) as f32,
        absorbed: false,
        growth: None,
        rope_index: Some(0),
        indexer: None,
        latent_scale: None,
        output: "o_proj",
        gate: None,
    };
    let mut rope = partial_rope_spec(config, rope, 1_000_000.0)?;
    rope.offset = nope;
    rope.interleaved = false;
    let layer = |_| -> Vec<BlockSpec> { pre_norm(latent, common.mlp) };
    let layers = (0..common.layers).map(layer).collect();
    scaled(config, &common, common.decoder(vec![rope], layers))
}

/// Adds the factors. Like in mlx-lm, a tied head has none.
fn scaled(
    config: &Config<'_>,
    common: &Common,
    spec: DecoderSpec,
) -> Result<DecoderSpec, ModelError> {
    let is_tied = common.tied.unwrap_or(false);
    let depth = config.positive("scale_depth")? / (common.layers as f64).sqrt();
    let base = config.size("dim_model_base", limit::WIDTH)?;
    Ok(DecoderSpec {
        embed_scale: config.positive("scale_emb")? as f32,
        residual_scale: Some(depth as f32),
        logit_scale: (!is_tied).then_some((base as f64 / common.hidden as f64) as f32),
        // Files without an output matrix repeat the embedding.
        tied: is_tied.then_some(true),
        ..spec
    })
}
