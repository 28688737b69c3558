//! Talkie (2026): norms without weights, numbers as factors of heads and blocks, and the embeddings once more in
//! every layer.

use super::common::Common;
use super::family::{Architecture, Family};
use crate::config::{Config, limit};
use crate::decoder::{BlockSpec, DecoderSpec, EmbedNorm, Input, Names};
use crate::error::ModelError;
use crate::parts::{
    AttentionNames, AttentionSizes, GroupedSpec, HeadWeights, MlpKind, MlpSpec, NormSpec, PartSpec,
    QkNorm, scaled_rope,
};

pub(super) const FAMILY: Family = Family {
    name: "Talkie",
    gguf: &[],
    architectures: &[Architecture::new("talkie", "Talkie 1930 13B", spec)],
};

const NAMES: Names =
    Names { embed_tokens: "model.embed", layers: "model.blocks", norm: "", lm_head: "lm_head" };
const ATTENTION: AttentionNames = AttentionNames {
    q: "attn_query",
    k: "attn_key",
    v: "attn_value",
    o: "attn_resid",
    q_norm: "head_gain.head_g",
    ..AttentionNames::USUAL
};
const MLP: MlpKind = MlpKind::Gated { gate: "mlp_gate", up: "mlp_linear", down: "mlp_resid" };
/// Factors of the blocks of a layer.
const FACTORS: &[&str] = &["attn_gain.a_g", "mlp_gain.a_g", "embed_skip.a_g"];
/// The difference between 1 and the next f32, which is the default of the original's norms.
const EPS: f64 = f32::EPSILON as f64;

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    let norm = NormSpec::rms(config.positive_or("rms_norm_eps", EPS)?).without_weight();
    let common = Common::with_norm(config, 2048, norm)?;
    let heads = config.size("num_attention_heads", limit::HEADS)?;
    let head_dim = config.size_or("head_dim", 128, limit::HEAD_DIM)?;
    let sizes = AttentionSizes { heads, kv_heads: heads, head_dim };
    sizes.check(config)?;
    let attention = GroupedSpec {
        names: ATTENTION,
        qk_norm: Some(QkNorm::EachHead(norm, HeadWeights::QueryFactors)),
        rope_first: true,
        ..GroupedSpec::plain(sizes)
    };
    let mlp = MlpSpec { kind: MLP, bias: false, ..common.mlp };
    let layer = || {
        let block = |input, part, path| BlockSpec { input, part, path, norm_out: None };
        vec![
            block(Input::Norm(""), attention.into(), "attn"),
            block(Input::Norm(""), mlp.into(), "mlp"),
            block(Input::Previous, PartSpec::Embeddings, ""),
        ]
    };
    let mut rope =
        scaled_rope(config, None, head_dim, config.positive_or("rope_theta", 1_000_000.0)?)?;
    // Pairs turn the other way.
    for frequency in &mut rope.frequencies {
        *frequency = -*frequency;
    }
    let layers = (0..common.layers).map(|_| layer()).collect();
    Ok(DecoderSpec {
        names: NAMES,
        embed_norm: Some(EmbedNorm { path: "", norm }),
        block_factors: FACTORS,
        tied: Some(false),
        bare_head: true,
        head_factor: Some("lm_head_gain.w_g"),
        ..common.decoder(vec![rope], layers)
    })
}
