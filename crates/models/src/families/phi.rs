//! Phi-1, Phi-1.5 and Phi-2 (Li et al., 2023, arXiv:2309.05463): attention and the feed-forward part
//! run in parallel. Norms by mean and variance, biases everywhere, and rotary positions in a part of
//! each head.

use mlxk_ops::Activation;

use super::common::Common;
use super::family::{Architecture, Family};
use crate::config::{Config, limit};
use crate::decoder::{DecoderSpec, Names, PARALLEL, layer};
use crate::error::ModelError;
use crate::parts::{
    AttentionNames, AttentionSizes, Biases, GroupedSpec, MlpKind, MlpSpec, NormSpec, scaled_rope,
};

pub(super) const FAMILY: Family = Family {
    name: "Phi 1 and 2",
    gguf: &[],
    architectures: &[Architecture::new("phi", "Phi-1, Phi-1.5, Phi-2", spec)],
};

const NAMES: AttentionNames = AttentionNames { o: "dense", ..AttentionNames::USUAL };

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    let norm = NormSpec::layer(config.positive_or("layer_norm_eps", 1e-5)?);
    let mlp = MlpSpec {
        kind: MlpKind::Plain { up: "fc1", down: "fc2" },
        bias: true,
        activation: Activation::GeluTanh,
        ..MlpSpec::gated(config.size_or("intermediate_size", 10_240, limit::WIDTH)?)
    };
    let common = Common {
        hidden: config.size("hidden_size", limit::WIDTH)?,
        layers: config.size_or("num_hidden_layers", 32, limit::LAYERS)?,
        vocab_size: config.size_or("vocab_size", 51_200, limit::VOCAB)?,
        max_positions: config.size_or("max_position_embeddings", 2048, limit::POSITIONS)?,
        norm,
        mlp,
        tied: Some(false),
    };
    let sizes = AttentionSizes::from_hidden(config)?;
    let attention =
        GroupedSpec { names: NAMES, biases: Biases::all(true), ..GroupedSpec::plain(sizes) };
    let dims = config.part_of_head("partial_rotary_factor", sizes.head_dim, 0.4)?;
    let rope = scaled_rope(config, None, dims, config.positive_or("rope_theta", 10_000.0)?)?;
    let layers = (0..common.layers).map(|_| layer(attention, mlp, PARALLEL)).collect();
    Ok(DecoderSpec {
        names: Names { norm: "model.final_layernorm", ..Names::USUAL },
        head_bias: true,
        ..common.decoder(vec![rope], layers)
    })
}
