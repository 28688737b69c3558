//! Klear (Kuaishou, 2025): Qwen3's attention, and a mixture whose experts and shared experts are weighted
//! against each other.

use mlxk_ops::{RouteScores, RouteSpec};

use super::common::Common;
use super::family::{Architecture, Family};
use super::published::{Published, ROUTER, stacked_in_place};
use super::qwen3;
use crate::config::{Config, limit};
use crate::decoder::{DecoderSpec, pre_norm};
use crate::error::ModelError;
use crate::parts::{
    AttentionSizes, Biases, ExpertNames, ExpertsSpec, GroupedSpec, MlpSpec, QkNorm, SharedExpert,
    SharedWeight, scaled_rope,
};

pub(super) const FAMILY: Family = Family {
    name: "Klear",
    gguf: &[],
    architectures: &[Architecture {
        published: &Published {
            place: |_, name| stacked_in_place(name),
            modules: &[("mlp.gate", ROUTER)],
            exact: &["expert_bias"],
            ..Published::AS_IN_MLX
        },
        ..Architecture::new("Klear", "Klear-46B-A2.5B", spec)
    }],
};

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "silu")?;
    let common = Common::from_config(config, 65_536)?;
    let mlp = MlpSpec { bias: false, ..common.mlp };
    let sizes = AttentionSizes::from_hidden(config)?;
    let attention = GroupedSpec {
        biases: Biases::all(config.flag_or("attention_bias", false)?),
        qk_norm: Some(QkNorm::Heads(common.norm)),
        ..GroupedSpec::plain(sizes)
    };
    let layers = (0..common.layers).map(|_| pre_norm(attention, mlp)).collect();
    // Like mlx-lm, ignore `rope_scaling`.
    let theta = config.positive_or("rope_theta", 10_000.0)?;
    let rope = scaled_rope(config, None, sizes.head_dim, theta)?;
    let spec = DecoderSpec { tied: Some(false), ..common.decoder(vec![rope], layers) };
    let experts = config.count_or("num_experts", 0, limit::EXPERTS)?;
    if experts == 0 {
        return Ok(spec);
    }
    let route = RouteSpec {
        normalize: config.flag_or("norm_topk_prob", false)?,
        ..RouteSpec::new(config.size("num_experts_per_tok", experts)?, RouteScores::Sigmoid)
    };
    let intermediate = config.size("moe_intermediate_size", limit::WIDTH)?;
    let shared = config.size("n_shared_experts", limit::EXPERTS)?;
    let mixture = ExpertsSpec {
        names: ExpertNames { router: "gate", experts: "experts" },
        correction: Some("expert_bias"),
        shared: Some(SharedExpert {
            name: "shared_experts",
            mlp: MlpSpec::gated(shared * intermediate),
            weight: SharedWeight::Against("coefficient"),
        }),
        ..ExpertsSpec::usual(experts, intermediate, route)
    };
    Ok(spec.with_experts("mlp", &mixture, qwen3::mixture_layers(config)?))
}
