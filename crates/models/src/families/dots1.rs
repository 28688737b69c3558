//! dots.llm1 (rednote-hilab, 2025, arXiv:2506.05767): a mixture routed as in DeepSeek-V3, with norms on
//! the heads of queries and keys.

use mlxk_format::convert::ModuleRule;

use super::common::Common;
use super::family::{Architecture, Family};
use super::glm4_moe::corrected_mixture;
use super::published::{Published, stacked_in_place};
use crate::config::{Config, limit};
use crate::decoder::{DecoderSpec, pre_norm};
use crate::error::ModelError;
use crate::parts::{
    AttentionSizes, ExpertNames, ExpertsSpec, GroupedSpec, MlpSpec, QkNorm, SharedExpert, rope_spec,
};

pub(super) const FAMILY: Family = Family {
    name: "dots.llm1",
    gguf: &[],
    architectures: &[Architecture {
        published: &Published {
            place: |_, name| stacked_in_place(name),
            modules: &[("mlp.gate", ModuleRule::Never)],
            ..Published::AS_IN_MLX
        },
        ..Architecture::new("dots1", "dots.llm1", spec)
    }],
};

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "silu")?;
    let common = Common::from_config(config, 32_768)?;
    let sizes = AttentionSizes::from_config(config)?;
    let attention =
        GroupedSpec { qk_norm: Some(QkNorm::Heads(common.norm)), ..GroupedSpec::plain(sizes) };
    let rope = rope_spec(config, sizes.head_dim, 10_000.0)?;
    let layers = (0..common.layers).map(|_| pre_norm(attention, common.mlp)).collect();
    let experts = config.size("n_routed_experts", limit::EXPERTS)?;
    let mixture = corrected_mixture(config, experts)?;
    let bias = common.mlp.bias;
    let mixture = ExpertsSpec {
        names: ExpertNames { experts: "experts", ..ExpertNames::USUAL },
        shared: mixture
            .shared
            .map(|shared| SharedExpert { mlp: MlpSpec { bias, ..shared.mlp }, ..shared }),
        ..mixture
    };
    let first = config.count_or("first_k_dense_replace", 0, limit::LAYERS)?;
    let spec = common.decoder(vec![rope], layers);
    Ok(spec.with_experts("mlp", &mixture, |layer| layer >= first))
}
