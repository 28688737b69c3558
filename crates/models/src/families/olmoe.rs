//! OLMoE (Muennighoff et al., 2024, arXiv:2409.02060): Llama as a mixture of experts, with one norm
//! over all heads of queries, and of keys.

use super::common::Common;
use super::family::{Architecture, Family};
use super::published::{Published, USUAL_EXPERTS};
use super::routing::softmax_route;
use crate::config::{Config, limit};
use crate::decoder::{DecoderSpec, pre_norm};
use crate::error::ModelError;
use crate::parts::{AttentionSizes, Biases, ExpertsSpec, GroupedSpec, QkNorm, rope_spec};

pub(super) const FAMILY: Family = Family {
    name: "OLMoE",
    gguf: &[],
    architectures: &[Architecture {
        published: &Published { experts: USUAL_EXPERTS, ..Published::AS_IN_MLX },
        ..Architecture::new("olmoe", "OLMoE 1B-7B", spec)
    }],
};

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "silu")?;
    let common = Common::from_config(config, 4096)?;
    let sizes = AttentionSizes::from_config(config)?;
    let bias = config.flag_or("attention_bias", false)?;
    let attention = GroupedSpec {
        biases: Biases::all(bias),
        qk_norm: Some(QkNorm::Rows(common.norm)),
        ..GroupedSpec::plain(sizes)
    };
    let experts = config.size("num_experts", limit::EXPERTS)?;
    let experts_per_row = config.size("num_experts_per_tok", experts)?;
    let route = softmax_route(experts_per_row, config.flag_or("norm_topk_prob", false)?);
    let mixture = ExpertsSpec {
        bias: common.mlp.bias,
        ..ExpertsSpec::usual(experts, common.mlp.intermediate, route)
    };
    let rope = rope_spec(config, sizes.head_dim, 10_000.0)?;
    let layers = (0..common.layers).map(|_| pre_norm(attention, mixture)).collect();
    let tied = common.tied.or(Some(true));
    Ok(DecoderSpec { tied, ..common.decoder(vec![rope], layers) })
}
