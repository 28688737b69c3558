//! nanochat (Karpathy, 2025): norms without tensors, also on embeddings and on the heads of queries and
//! keys after their rotation. Squared ReLU without a gate, capped logits.

use mlxk_ops::Activation;

use super::common::Common;
use super::family::{Architecture, Family};
use crate::config::{Config, limit};
use crate::decoder::{BlockSpec, DecoderSpec, EmbedNorm, Input, Names};
use crate::error::ModelError;
use crate::parts::{
    AttentionNames, AttentionSizes, GroupedSpec, MlpKind, MlpSpec, NormSpec, QkNorm, scaled_rope,
};

pub(super) const FAMILY: Family = Family {
    name: "nanochat",
    gguf: &[],
    architectures: &[Architecture::new("nanochat", "nanochat d20, d34", spec)],
};

const NAMES: Names = Names {
    embed_tokens: "transformer.wte",
    layers: "transformer.h",
    norm: "",
    lm_head: "lm_head",
};

const ATTENTION: AttentionNames =
    AttentionNames { q: "c_q", k: "c_k", v: "c_v", o: "c_proj", ..AttentionNames::USUAL };

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    let norm = NormSpec::rms(1e-5).without_weight();
    let common = Common {
        hidden: config.size("hidden_size", limit::WIDTH)?,
        layers: config.size_or("num_hidden_layers", 20, limit::LAYERS)?,
        vocab_size: config.size_or("vocab_size", 65_536, limit::VOCAB)?,
        max_positions: config.size_or("max_position_embeddings", 2048, limit::POSITIONS)?,
        norm,
        mlp: MlpSpec {
            kind: MlpKind::PLAIN,
            activation: Activation::ReluSquared,
            ..MlpSpec::gated(config.size_or("intermediate_size", 5120, limit::WIDTH)?)
        },
        tied: Some(false),
    };
    let sizes = AttentionSizes::from_hidden(config)?;
    let attention = GroupedSpec {
        names: ATTENTION,
        qk_norm: Some(QkNorm::Heads(norm)),
        rope_first: true,
        ..GroupedSpec::plain(sizes)
    };
    let theta = config.positive_or("rope_theta", 10_000.0)?;
    let mut rope = scaled_rope(config, None, sizes.head_dim, theta)?;
    // Rotations are the other way round.
    for frequency in &mut rope.frequencies {
        *frequency = -*frequency;
    }
    let block = |part, path| BlockSpec { input: Input::Norm(""), part, path, norm_out: None };
    let layer = |_| vec![block(attention.into(), "attn"), block(common.mlp.into(), "mlp")];
    let layers = (0..common.layers).map(layer).collect();
    Ok(DecoderSpec {
        names: NAMES,
        embed_norm: Some(EmbedNorm { path: "", norm }),
        logit_cap: Some(15.0),
        ..common.decoder(vec![rope], layers)
    })
}
