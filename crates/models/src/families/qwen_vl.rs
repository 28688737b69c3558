//! Qwen2-VL, Qwen2.5-VL and Qwen3-VL (2024, arXiv:2409.12191; 2025, arXiv:2502.13923), text only:
//! wrappers of Qwen2 and Qwen3 with a vision tower, which is not loaded. The three position axes of
//! their rotary embeddings differ for images only.

use super::family::{Architecture, Family};
use super::published::{Published, ROUTER, USUAL_EXPERTS, in_language_model};
use super::{qwen2, qwen3};
use crate::config::Config;
use crate::decoder::DecoderSpec;
use crate::error::ModelError;

pub(super) const FAMILY: Family = Family {
    name: "Qwen-VL",
    gguf: &[],
    architectures: &[
        Architecture {
            wrapper: true,
            published: PUBLISHED,
            ..Architecture::new("qwen2_vl", "Qwen2-VL, text only", qwen2_spec)
        },
        Architecture {
            wrapper: true,
            published: PUBLISHED,
            ..Architecture::new("qwen2_5_vl", "Qwen2.5-VL, text only", qwen2_spec)
        },
        Architecture {
            wrapper: true,
            published: PUBLISHED,
            ..Architecture::new("qwen3_vl", "Qwen3-VL 2B to 32B, text only", qwen3_spec)
        },
        Architecture {
            wrapper: true,
            published: &Published {
                experts: USUAL_EXPERTS,
                modules: &[("mlp.gate", ROUTER)],
                ..*PUBLISHED
            },
            ..Architecture::new("qwen3_vl_moe", "Qwen3-VL 30B-A3B, text only", qwen3_moe_spec)
        },
    ],
};

const PUBLISHED: &Published = &Published { rename: in_language_model, ..Published::AS_IN_MLX };

/// Prefixes of the tensors of the vision part.
const VISION: &[&str] = &["visual.", "vision_tower."];

fn qwen2_spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    // Qwen2-VL has the keys of the language model next to those of the wrapper.
    let inner = config.child("text_config")?;
    let text = inner.as_ref().unwrap_or(config);
    let spec = qwen2::spec(text)?;
    Ok(DecoderSpec { tied: spec.tied.or(Some(true)), ..wrapped(spec) })
}

fn qwen3_spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    let inner = config.child("text_config")?;
    Ok(wrapped(qwen3::spec(inner.as_ref().unwrap_or(config))?))
}

fn qwen3_moe_spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    let text = config.child("text_config")?.ok_or_else(|| config.missing("text_config"))?;
    Ok(wrapped(qwen3::moe_spec(&text)?))
}

fn wrapped(spec: DecoderSpec) -> DecoderSpec {
    DecoderSpec { prefix: "language_model.", skipped: VISION, ..spec }
}
