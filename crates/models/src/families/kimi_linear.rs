//! Kimi Linear (Moonshot AI, 2025, arXiv:2510.26692): Kimi Delta Attention, latent attention without positions
//! in some layers, and a mixture of experts.

use mlxk_ops::{Activation, DeltaDecay, DeltaSizes, RouteScores};

use super::common::Common;
use super::family::{Architecture, Family};
use super::mamba::KERNEL;
use super::published::{Published, ROUTER, USUAL_EXPERTS};
use super::routing::{RouteKeys, grouped_route};
use crate::config::{Config, limit};
use crate::decoder::{DecoderSpec, pre_norm};
use crate::error::ModelError;
use crate::parts::{
    ALog, ExpertsSpec, LatentSpec, MlpSpec, PartSpec, Projection, SharedExpert, SplitDeltaSpec,
};

pub(super) const FAMILY: Family = Family {
    name: "Kimi Linear",
    gguf: &[],
    architectures: &[Architecture {
        published: &Published {
            rename: published_name,
            experts: USUAL_EXPERTS,
            modules: &[("mlp.gate", ROUTER)],
            exact: &["e_score_correction_bias", "A_log", "dt_bias"],
            filters: &["conv.weight"],
            ..Published::AS_IN_MLX
        },
        ..Architecture::new("kimi_linear", "Kimi-Linear-48B-A3B", spec)
    }],
};

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "silu")?;
    let max_positions = config.size_or("model_max_length", 1 << 20, limit::POSITIONS)?;
    let common = Common::from_config(config, max_positions)?;
    let latent = latent(config, &common)?;
    let Some(linear) = config.child("linear_attn_config")? else {
        return Err(config.missing("linear_attn_config"));
    };
    let heads = linear.size("num_heads", limit::HEADS)?;
    let head_dim = linear.size("head_dim", limit::HEAD_DIM)?;
    let delta = SplitDeltaSpec {
        sizes: DeltaSizes {
            key_heads: heads,
            value_heads: heads,
            key_dim: head_dim,
            value_dim: head_dim,
        },
        kernel: linear.size_or("short_conv_kernel_size", 4, KERNEL)?,
        norm: common.norm,
        convs: ["q_conv.conv", "k_conv.conv", "v_conv.conv"],
        decay: DeltaDecay::Keys,
        decay_proj: Projection::Narrow(["f_a_proj", "f_b_proj"], head_dim),
        gate_proj: Projection::Narrow(["g_a_proj", "g_b_proj"], head_dim),
        gate: Activation::Sigmoid,
        a_log: ALog::Box,
        rate_scale: 1.0,
    };
    // Layers are numbered from 1.
    let numbers = linear.get("kda_layers").and_then(|list| {
        list.as_array()?.iter().map(serde_json::Value::as_u64).collect::<Option<Vec<u64>>>()
    });
    let numbers = numbers.ok_or_else(|| linear.bad("kda_layers", "a list of layers"))?;
    let layers = (1..=common.layers).map(|number| {
        let part: PartSpec =
            if numbers.contains(&(number as u64)) { delta.into() } else { latent.into() };
        pre_norm(part, common.mlp)
    });
    let layers = layers.collect();
    let tied = common.tied.or(Some(false));
    let spec = DecoderSpec { tied, ..common.decoder(vec![], layers) };
    let Some(mixture) = mixture(config)? else { return Ok(spec) };
    let first = config.count_or("first_k_dense_replace", 0, limit::LAYERS)?;
    let every = config.size_or("moe_layer_freq", 1, limit::LAYERS)?;
    Ok(spec.with_experts("mlp", &mixture, |layer| layer >= first && layer.is_multiple_of(every)))
}

fn latent(config: &Config<'_>, common: &Common) -> Result<LatentSpec, ModelError> {
    let most = limit::HEAD_DIM * 4;
    let head_dim = config.size("head_dim", most)?;
    let nope = config.size_or("qk_nope_head_dim", head_dim, most)?;
    let rope = config.count_or("qk_rope_head_dim", 0, most)?;
    Ok(LatentSpec {
        heads: config.size("num_attention_heads", limit::HEADS)?,
        q_rank: None,
        kv_rank: config.size("kv_lora_rank", most)?,
        nope,
        rope,
        value: config.size_or("v_head_dim", head_dim, most)?,
        bias: false,
        norm: common.norm,
        scale: (1.0 / ((nope + rope) as f64).sqrt()) as f32,
        absorbed: true,
        growth: None,
        // The part of a key for positions is not rotated.
        rope_index: None,
        indexer: None,
        latent_scale: None,
        output: "o_proj",
        gate: None,
    })
}

fn mixture(config: &Config<'_>) -> Result<Option<ExpertsSpec>, ModelError> {
    let experts = config.count_or("num_experts", 0, limit::EXPERTS)?;
    if experts == 0 {
        return Ok(None);
    }
    let scores = match config.text("moe_router_activation_func")? {
        None | Some("sigmoid") => RouteScores::Sigmoid,
        Some("softmax") => RouteScores::Softmax,
        Some(other) => {
            let supported = "`sigmoid`, `softmax`";
            return Err(config.unsupported("moe_router_activation_func", other, supported));
        }
    };
    let keys = RouteKeys {
        experts_per_row: "num_experts_per_token",
        groups: "num_expert_group",
        normalize: "moe_renormalize",
        ..RouteKeys::USUAL
    };
    let route = grouped_route(config, experts, scores, &keys)?;
    let intermediate = config.size("moe_intermediate_size", limit::WIDTH)?;
    let shared = config.count_or("num_shared_experts", 0, limit::EXPERTS)?;
    let mlp = MlpSpec::gated(shared * intermediate);
    Ok(Some(ExpertsSpec {
        correction: Some("e_score_correction_bias"),
        shared: (shared > 0).then(|| SharedExpert::plain("shared_experts", mlp)),
        ..ExpertsSpec::usual(experts, intermediate, route)
    }))
}

/// Returns the name in MLX.
fn published_name(name: &str) -> String {
    let mut name = name.replace(".block_sparse_moe.gate.e_score", ".mlp.e_score");
    name = name.replace(".block_sparse_moe.", ".mlp.");
    for letter in ["q", "k", "v"] {
        name = name.replace(&format!(".{letter}_conv1d."), &format!(".{letter}_conv.conv."));
    }
    if name.contains(".experts.") {
        for (published, in_mlx) in [("w1", "gate_proj"), ("w2", "down_proj"), ("w3", "up_proj")] {
            name = name.replace(&format!(".{published}."), &format!(".{in_mlx}."));
        }
    }
    name
}
