//! Trinity (Arcee, 2025): a mixture routed as in DeepSeek-V3, norms before and after both parts, a gate
//! on the heads' results. Layers with a window have rotary positions, the others have none.

use mlxk_ops::RouteScores;

use super::common::Common;
use super::family::{Architecture, Family};
use super::published::{Published, ROUTER, stacked_in_place};
use super::routing::{RouteKeys, grouped_route};
use crate::config::{Config, limit};
use crate::decoder::{DecoderSpec, Input, NormNames, layer};
use crate::error::ModelError;
use crate::parts::{
    AttentionSizes, ExpertNames, ExpertsSpec, GroupedSpec, MlpSpec, OutputGate, QkNorm,
    SharedExpert, layer_windows, rope_spec,
};

pub(super) const FAMILY: Family = Family {
    name: "Trinity",
    gguf: &[],
    architectures: &[Architecture {
        published: &Published {
            place: |_, name| stacked_in_place(name),
            modules: &[("router.gate", ROUTER)],
            exact: &["expert_bias"],
            ..Published::AS_IN_MLX
        },
        ..Architecture::new("afmoe", "Trinity Nano, Mini, Large", spec)
    }],
};

const NORMS: NormNames = NormNames {
    attention_in: Input::Norm("input_layernorm"),
    attention_out: Some("post_attention_layernorm"),
    mlp_in: Input::Norm("pre_mlp_layernorm"),
    mlp_out: Some("post_mlp_layernorm"),
};

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "silu")?;
    let common = Common::from_config(config, 131_072)?;
    let sizes = AttentionSizes::from_config(config)?;
    let attention = GroupedSpec {
        qk_norm: Some(QkNorm::Heads(common.norm)),
        gate: Some(OutputGate::values("gate_proj")),
        ..GroupedSpec::plain(sizes)
    };
    let rope = rope_spec(config, sizes.head_dim, 10_000.0)?;
    let mlp = MlpSpec { bias: false, ..common.mlp };
    let windows = layer_windows(config, common.layers, common.layers)?;
    let layers = windows.into_iter().map(|window| {
        let rope = window.map(|_| 0);
        layer(GroupedSpec { window, rope, ..attention }, mlp, NORMS)
    });
    let layers = layers.collect();
    let embed_scale = if config.flag_or("mup_enabled", true)? {
        (common.hidden as f64).sqrt() as f32
    } else {
        1.0
    };
    let mixture = mixture(config)?;
    let first = config.count_or("num_dense_layers", 2, limit::LAYERS)?;
    let spec = DecoderSpec { embed_scale, ..common.decoder(vec![rope], layers) };
    Ok(spec.with_experts("mlp", &mixture, |layer| layer >= first))
}

fn mixture(config: &Config<'_>) -> Result<ExpertsSpec, ModelError> {
    let experts = config.size_or("num_experts", 128, limit::EXPERTS)?;
    let scores = match config.text("score_func")? {
        Some("sigmoid") | None => RouteScores::Sigmoid,
        Some("softmax") => RouteScores::Softmax,
        Some(other) => {
            return Err(config.unsupported("score_func", other, "`sigmoid`, `softmax`"));
        }
    };
    let keys = RouteKeys {
        normalize: "route_norm",
        normalize_default: true,
        scale: "route_scale",
        scale_default: 2.826,
        ..RouteKeys::USUAL
    };
    let route = grouped_route(config, experts, scores, &keys)?;
    let intermediate = config.size_or("moe_intermediate_size", 1024, limit::WIDTH)?;
    let shared = config.count_or("num_shared_experts", 1, limit::EXPERTS)?;
    Ok(ExpertsSpec {
        names: ExpertNames { router: "router.gate", experts: "experts" },
        correction: Some("expert_bias"),
        shared: (shared > 0)
            .then(|| SharedExpert::plain("shared_experts", MlpSpec::gated(shared * intermediate))),
        ..ExpertsSpec::usual(experts, intermediate, route)
    })
}
