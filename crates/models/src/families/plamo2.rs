//! PLaMo 2 (Preferred Networks, 2025): alternating selective scans and attention, with norms before and after
//! each part.

use mlxk_ops::ScanSizes;

use super::common::Common;
use super::family::{Architecture, Family};
use super::mamba::KERNEL;
use super::mamba2;
use crate::config::{Config, limit};
use crate::decoder::{BlockSpec, DecoderSpec, Input, Names};
use crate::error::ModelError;
use crate::parts::{
    AttentionNames, AttentionSizes, GroupedSpec, HeadWeights, MlpKind, MlpSpec, NormSpec, PartSpec,
    PlamoMambaSpec, QkNorm, QkvLayout, scaled_rope,
};

pub(super) const FAMILY: Family = Family {
    name: "PLaMo 2",
    gguf: &[],
    architectures: &[Architecture {
        published: &mamba2::PUBLISHED,
        ..Architecture::new("plamo2", "PLaMo 2 1B, 8B, PLaMo 2.1", spec)
    }],
};

/// Numbers that are added to the weights of norms.
const OFFSETS: &[(&str, f32)] = &[
    ("pre_mixer_norm", 1.0),
    ("post_mixer_norm", 0.2),
    ("pre_mlp_norm", 1.0),
    // `1 / 5^1.5`
    ("post_mlp_norm", 0.089_442_72),
];

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    let hidden = config.size_or("hidden_size", 4096, limit::WIDTH)?;
    let eps = config.positive_or("rms_norm_eps", 1e-6)?;
    let common = Common {
        hidden,
        layers: config.size_or("num_hidden_layers", 32, limit::LAYERS)?,
        vocab_size: config.size_or("vocab_size", 32_000, limit::VOCAB)?,
        // The KV cache and the states have no bound, and rotary positions continue.
        max_positions: config.size_or("max_position_embeddings", 2048, limit::POSITIONS)?,
        norm: NormSpec::rms_plus_one(eps),
        mlp: MlpSpec {
            kind: MlpKind::FUSED,
            ..MlpSpec::gated(config.size_or("intermediate_size", 13_312, limit::WIDTH)?)
        },
        tied: Some(config.flag_or("tie_word_embeddings", true)?),
    };
    let sizes = AttentionSizes {
        heads: config.size_or("num_attention_heads", 32, limit::HEADS)?,
        kv_heads: config.size_or("num_key_value_heads", 4, limit::HEADS)?,
        head_dim: config.size_or("hidden_size_per_head", 128, limit::HEAD_DIM)?,
    };
    sizes.check(config)?;
    let attention = GroupedSpec {
        qkv: QkvLayout::Rows,
        qk_norm: Some(QkNorm::EachHead(NormSpec::rms(1e-6), HeadWeights::Bare)),
        names: AttentionNames { q_norm: "q_weight", k_norm: "k_weight", ..AttentionNames::USUAL },
        ..GroupedSpec::plain(sizes)
    };
    let mamba = PlamoMambaSpec {
        sizes: ScanSizes {
            heads: config.size_or("mamba_num_heads", 64, limit::HEADS)?,
            head_dim: sizes.head_dim,
            groups: 1,
            state_dim: config.size_or("mamba_d_state", 64, limit::HEAD_DIM)?,
        },
        rank: (hidden / 16).max(64),
        kernel: config.size_or("mamba_d_conv", 4, KERNEL)?,
        eps: eps as f32,
    };
    let step = config.size_or("mamba_step", 2, limit::LAYERS)?;
    let is_enabled = config.flag_or("mamba_enabled", true)?;
    if is_enabled && step < 2 {
        return Err(config.bad("mamba_step", "2 or more"));
    }
    let is_mamba = |layer: usize| {
        let is_short = common.layers <= step / 2;
        is_enabled && if is_short { layer + 1 != common.layers } else { layer % step != step / 2 }
    };
    let layer = |index| {
        let part: PartSpec = if is_mamba(index) { mamba.into() } else { attention.into() };
        let block = |input, part, path, after| BlockSpec {
            input: Input::Norm(input),
            part,
            path,
            norm_out: Some(after),
        };
        vec![
            block("pre_mixer_norm", part, "mixer", "post_mixer_norm"),
            block("pre_mlp_norm", common.mlp.into(), "mlp", "post_mlp_norm"),
        ]
    };
    let layers = (0..common.layers).map(layer).collect();
    let rope = scaled_rope(config, None, sizes.head_dim, 10_000.0)?;
    Ok(DecoderSpec {
        names: Names { layers: "model.layers.layers", ..Names::USUAL },
        norm_offsets: OFFSETS,
        ..common.decoder(vec![rope], layers)
    })
}
