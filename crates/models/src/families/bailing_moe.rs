//! Ling and Ring (Ling Team, 2025, arXiv:2503.05139): a mixture next to shared experts. Version 2 is
//! routed as in DeepSeek-V3.

use mlxk_ops::RouteScores;

use super::common::Common;
use super::family::{Architecture, Family};
use super::published::{Published, ROUTER, USUAL_EXPERTS};
use super::routing::{RouteKeys, grouped_route};
use crate::config::{Config, limit};
use crate::decoder::{BlockSpec, DecoderSpec, Input, Names};
use crate::error::ModelError;
use crate::parts::{
    AttentionNames, AttentionSizes, Biases, ExpertNames, ExpertsSpec, GroupedSpec, MlpSpec, QkNorm,
    QkvLayout, SharedExpert, partial_rope_spec,
};

pub(super) const FAMILY: Family = Family {
    name: "Ling",
    gguf: &[],
    architectures: &[Architecture {
        published: &PUBLISHED,
        ..Architecture::new(
            "bailing_moe",
            "Ling-Lite, Ling-Plus, Ling-mini-2.0, Ring-mini-2.0",
            spec,
        )
    }],
};

pub(super) const PUBLISHED: Published = Published {
    rename: published_name,
    experts: USUAL_EXPERTS,
    modules: &[("mlp.gate.gate_proj", ROUTER)],
    exact: &["expert_bias"],
    ..Published::AS_IN_MLX
};

pub(super) const NAMES: Names = Names { embed_tokens: "model.word_embeddings", ..Names::USUAL };

const ATTENTION: AttentionNames = AttentionNames {
    qkv: "query_key_value",
    o: "dense",
    q_norm: "query_layernorm",
    k_norm: "key_layernorm",
    ..AttentionNames::USUAL
};

/// Reads full attention.
pub(super) fn attention(
    config: &Config<'_>,
    common: &Common,
    sizes: AttentionSizes,
) -> Result<GroupedSpec, ModelError> {
    let has_norms = config.flag_or("use_qk_norm", false)?;
    let output = config.flag_or("use_bias", false)?;
    Ok(GroupedSpec {
        names: ATTENTION,
        qkv: QkvLayout::Rows,
        biases: Biases { qkv: config.flag_or("use_qkv_bias", false)?, output },
        qk_norm: has_norms.then_some(QkNorm::Heads(common.norm)),
        ..GroupedSpec::plain(sizes)
    })
}

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "silu")?;
    if config.flag_or("norm_head", false)? {
        return Err(config.unsupported("norm_head", "true", "`false`"));
    }
    let common = Common::from_config(config, 16_384)?;
    let sizes = AttentionSizes::from_hidden(config)?;
    let bias = config.flag_or("use_bias", false)?;
    let attention = attention(config, &common, sizes)?;
    let dims = match config.optional_size("rotary_dim", sizes.head_dim)? {
        Some(dims) if dims.is_multiple_of(2) => dims,
        Some(_) => return Err(config.bad("rotary_dim", "an even number")),
        None => config.rotary_dims(sizes.head_dim)?,
    };
    let mut rope = partial_rope_spec(config, dims, 10_000.0)?;
    rope.interleaved = false;
    let mlp = MlpSpec { bias, ..common.mlp };
    let block =
        |norm, part, path| BlockSpec { input: Input::Norm(norm), part, path, norm_out: None };
    let layer = |_| {
        vec![
            block("input_layernorm", attention.into(), "attention"),
            block("post_attention_layernorm", mlp.into(), "mlp"),
        ]
    };
    let layers = (0..common.layers).map(layer).collect();
    let mixture = mixture(config, bias)?;
    let first = config.count_or("first_k_dense_replace", 0, limit::LAYERS)?;
    let spec = DecoderSpec { names: NAMES, ..common.decoder(vec![rope], layers) };
    Ok(spec.with_experts("mlp", &mixture, |layer| layer >= first))
}

/// Reads the mixture, next to shared experts.
pub(super) fn mixture(config: &Config<'_>, bias: bool) -> Result<ExpertsSpec, ModelError> {
    let experts = config.size("num_experts", limit::EXPERTS)?;
    let scores = match config.text("score_function")? {
        Some("softmax") | None => RouteScores::Softmax,
        Some("sigmoid") => RouteScores::Sigmoid,
        Some(other) => {
            return Err(config.unsupported("score_function", other, "`softmax`, `sigmoid`"));
        }
    };
    let route = grouped_route(config, experts, scores, &RouteKeys::USUAL)?;
    let intermediate = config.size("moe_intermediate_size", limit::WIDTH)?;
    let shared = if config.flag_or("moe_router_enable_shared_expert", true)? {
        config.count_or("num_shared_experts", 0, limit::EXPERTS)?
    } else {
        0
    };
    let width = config.optional_size("moe_shared_expert_intermediate_size", limit::WIDTH)?;
    let width = width.unwrap_or(intermediate);
    let has_correction = config.flag_or("moe_router_enable_expert_bias", false)?;
    Ok(ExpertsSpec {
        names: ExpertNames { router: "gate.gate_proj", ..ExpertNames::USUAL },
        correction: has_correction.then_some("gate.expert_bias"),
        bias,
        shared: (shared > 0).then(|| {
            let mlp = MlpSpec { bias, ..MlpSpec::gated(shared * width) };
            SharedExpert::plain("shared_experts", mlp)
        }),
        ..ExpertsSpec::usual(experts, intermediate, route)
    })
}

/// Returns the name in MLX, in which the router is a module below the gate.
fn published_name(name: &str) -> String {
    for end in ["weight", "bias"] {
        if let Some(before) = name.strip_suffix(&format!(".mlp.gate.{end}")) {
            return format!("{before}.mlp.gate.gate_proj.{end}");
        }
    }
    name.to_owned()
}
