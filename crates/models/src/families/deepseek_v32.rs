//! DeepSeek-V3.2 (2025, arXiv:2512.02556): V3 whose rows attend to the positions that an indexer chooses. Also GLM-5.

use mlxk_format::convert::Placement;
use serde_json::Value;

use super::deepseek::{Rotation, V3_PUBLISHED, v3_rotated};
use super::family::{Architecture, Family};
use super::published::Published;
use crate::config::{Config, limit};
use crate::decoder::DecoderSpec;
use crate::error::ModelError;
use crate::parts::{IndexerSpec, PartSpec, scaled_rope};

pub(super) const FAMILY: Family = Family {
    name: "DeepSeek-V3.2",
    gguf: &[],
    architectures: &[
        Architecture {
            published: PUBLISHED,
            ..Architecture::new("deepseek_v32", "DeepSeek-V3.2, DeepSeek-V3.2-Speciale", spec)
        },
        Architecture {
            published: PUBLISHED,
            ..Architecture::new("glm_moe_dsa", "GLM-5, GLM-5.1", glm_spec)
        },
    ],
};

const PUBLISHED: &Published = &Published { place, ..*V3_PUBLISHED };

/// Leaves out the layers behind the last one, which guess tokens.
fn place(config: &Value, name: &str) -> Option<Placement> {
    let index = name.strip_prefix("model.layers.")?.split('.').next()?;
    let layers = config.get("num_hidden_layers")?.as_u64()?;
    (index.parse::<u64>().ok()? >= layers).then_some(Placement::Drop)
}

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    with_indexers(config, &Rotation::usual(config)?, false)
}

/// Reads GLM-5, which has all settings of the rotation in `rope_parameters`.
fn glm_spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    let key = "rope_parameters";
    let parameters = config.child(key)?.ok_or_else(|| config.missing(key))?;
    let theta = parameters.positive("rope_theta")?;
    with_indexers(config, &Rotation { scaling: Some(parameters), theta }, true)
}

/// Reads a V3, and an indexer for each attention. `interleaved` says which values its rotation pairs if the key is
/// absent.
fn with_indexers(
    config: &Config<'_>,
    rotation: &Rotation<'_>,
    interleaved: bool,
) -> Result<DecoderSpec, ModelError> {
    let mut spec = v3_rotated(config, rotation, 1.0)?;
    let indexer = IndexerSpec {
        heads: config.size_or("index_n_heads", 64, limit::HEADS)?,
        head_dim: config.size_or("index_head_dim", 128, limit::HEAD_DIM)?,
        keep: config.size_or("index_topk", 2048, limit::POSITIONS)?,
        rope: spec.ropes.len(),
    };
    let mut dims = 0;
    for part in spec.layers.iter_mut().flatten().map(|block| &mut block.part) {
        if let PartSpec::Latent(latent) = part {
            if latent.q_rank.is_none() {
                return Err(config.missing("q_lora_rank"));
            }
            latent.indexer = Some(indexer);
            dims = latent.rope;
        }
    }
    if indexer.head_dim < dims {
        let expected = format!("at least `qk_rope_head_dim` ({dims})");
        return Err(config.bad("index_head_dim", expected));
    }
    let mut rope = scaled_rope(config, rotation.scaling.as_ref(), dims, rotation.theta)?;
    rope.interleaved = config.flag_or("indexer_rope_interleave", interleaved)?;
    spec.ropes.push(rope);
    Ok(spec)
}
