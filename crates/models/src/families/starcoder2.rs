//! StarCoder2 (Lozhkov et al., 2024, arXiv:2402.19173): biases everywhere, norms by mean and
//! variance, and a feed-forward part with GELU and no gate.

use mlxk_format::gguf::{Bias, GgufArchitecture, HeadDim, LayerTensor, Window};
use mlxk_ops::Activation;

use super::common::Common;
use super::family::{Architecture, Family};
use super::gguf;
use crate::config::Config;
use crate::decoder::{DecoderSpec, pre_norm};
use crate::error::ModelError;
use crate::parts::{AttentionSizes, Biases, GroupedSpec, MlpKind, MlpSpec, NormSpec, rope_spec};

pub(super) const FAMILY: Family = Family {
    name: "StarCoder2",
    gguf: &[GGUF],
    architectures: &[Architecture::new("starcoder2", "StarCoder2", spec)],
};

const GGUF: GgufArchitecture = GgufArchitecture {
    hidden_act: Some("gelu_pytorch_tanh"),
    head_dim: HeadDim::Derived,
    // mlx-lm has no windows for this architecture.
    window: Window::Ignored,
    outside: &[gguf::EMBEDDING, gguf::OUTPUT_NORM.with_bias(Bias::Required), gguf::OUTPUT],
    norm_eps: "norm_epsilon",
    config: |_, _| vec![("use_bias", true.into())],
    ..gguf::architecture("starcoder2", "starcoder2", "Starcoder2ForCausalLM", GGUF_LAYER)
};

const GGUF_LAYER: &[LayerTensor] = &[
    gguf::INPUT_NORM.with_bias(Bias::Required),
    gguf::Q.with_bias(Bias::Required),
    gguf::K.with_bias(Bias::Required),
    gguf::V.with_bias(Bias::Required),
    gguf::O.with_bias(Bias::Required),
    gguf::MLP_NORM.with_bias(Bias::Required),
    gguf::UP.named("mlp.c_fc").with_bias(Bias::Required),
    gguf::DOWN.named("mlp.c_proj").with_bias(Bias::Required),
];

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    // Like mlx-lm, use the exact GELU, although files name its approximation by tanh.
    if let Some(activation) = config.text("hidden_act")?
        && !activation.starts_with("gelu")
    {
        return Err(config.unsupported("hidden_act", activation, "`gelu`, `gelu_pytorch_tanh`"));
    }
    let sizes = AttentionSizes::from_config(config)?;
    let attention = GroupedSpec { biases: Biases::all(true), ..GroupedSpec::plain(sizes) };
    let norm = NormSpec::layer(config.optional_positive("norm_epsilon")?.unwrap_or(1e-5));
    let common = Common::with_norm(config, 16_384, norm)?;
    let mlp =
        MlpSpec { kind: MlpKind::PLAIN, bias: true, activation: Activation::Gelu, ..common.mlp };
    let rope = rope_spec(config, sizes.head_dim, 100_000.0)?;
    let layers = (0..common.layers).map(|_| pre_norm(attention, mlp)).collect();
    let tied = common.tied.or(Some(true));
    Ok(DecoderSpec { tied, ..common.decoder(vec![rope], layers) })
}
