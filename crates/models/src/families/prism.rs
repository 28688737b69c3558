//! Packs of Qwen3.5 in 2 bits, such as Bonsai 2: a Hadamard rotation is folded into each matrix, so its inputs are
//! rotated before the product.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::family::{Architecture, Family};
use super::qwen3_5::text_spec;
use crate::config::{Config, limit};
use crate::decoder::{DecoderSpec, Names};
use crate::error::ModelError;
use crate::loader::PackedModule;
use crate::parts::MlpSpec;

pub(super) const FAMILY: Family = Family {
    name: "Bonsai 2",
    gguf: &[],
    architectures: &[Architecture {
        wrapper: true,
        ..Architecture::new("prism_hadamard_qwen35", "Bonsai 2, text only", spec)
    }],
};

/// Widths of blocks; 0 stands for inputs that are not rotated.
const BLOCKS: [u64; 6] = [0, 512, 1024, 2048, 4096, 8192];
/// Most modules of a layer, and of the rest of the model.
const MOST_MODULES: usize = 16;

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    check_pack(config)?;
    let text = config.child("text_config")?.ok_or_else(|| config.missing("text_config"))?;
    if let Some(experts) = text.get("num_experts").filter(|value| value.as_u64() != Some(0)) {
        return Err(text.unsupported("num_experts", &experts.to_string(), "`0`"));
    }
    let intermediate = text.size("intermediate_size", limit::WIDTH)?;
    let spec = text_spec(&text, MlpSpec::gated(intermediate))?;
    let packed = modules(config, spec.layers.len())?;
    // Packs for text only have no prefix.
    Ok(DecoderSpec { packed, other_prefixes: &[""], ..spec })
}

/// Refuses packs of another form.
fn check_pack(config: &Config<'_>) -> Result<(), ModelError> {
    let is_text = config.size_or("schema_version", 2, 2)? == 1;
    let namespace = if is_text { "mlx-lm-text" } else { "mlx-vlm-qwen3_5" };
    match config.text("tensor_namespace")? {
        None => return Err(config.missing("tensor_namespace")),
        Some(found) if found != namespace => {
            return Err(config.unsupported("tensor_namespace", found, "that of `schema_version`"));
        }
        Some(_) => {}
    }
    config.require("gdn_activation_layout", "grouped")?;
    let quantization = config.get("quantization").ok_or_else(|| config.missing("quantization"))?;
    if *quantization != json!({"bits": 2, "group_size": 128, "mode": "affine"}) {
        return Err(config.bad("quantization", "2 affine bits in groups of 128"));
    }
    Ok(())
}

/// Reads the list of matrices.
fn modules(config: &Config<'_>, layers: usize) -> Result<Vec<PackedModule>, ModelError> {
    let most = MOST_MODULES * (layers + 1);
    let listed = config.get("modules").ok_or_else(|| config.missing("modules"))?;
    let listed = listed.as_array().filter(|list| (1..=most).contains(&list.len()));
    let listed =
        listed.ok_or_else(|| config.bad("modules", format!("a list of 1 to {most} objects")))?;
    let mut paths = HashSet::new();
    let mut modules = Vec::with_capacity(listed.len());
    for (index, record) in listed.iter().enumerate() {
        let module = module(record);
        let module = module.filter(|module| paths.insert(module.path.clone()));
        modules.push(module.ok_or_else(|| refused(index, record))?);
    }
    Ok(modules)
}

/// Reads one record, or returns `None` if it is not valid.
fn module(record: &Value) -> Option<PackedModule> {
    let path = record.get("path")?.as_str()?.to_owned();
    let block = record.get("block")?.as_u64().filter(|block| BLOCKS.contains(block))?;
    let is_embedding = record.get("embedding")?.as_bool()?;
    let fits = is_embedding == (path == Names::USUAL.embed_tokens)
        && record.get("dtype")?.as_str()? == "float16";
    fits.then_some(PackedModule { path, block: (block > 0).then_some(block as usize) })
}

fn refused(index: usize, record: &Value) -> ModelError {
    let text = record.to_string();
    ModelError::BadValue {
        key: format!("modules[{index}]"),
        found: text.chars().take(60).collect(),
        expected: "a `path` that occurs once, a `block` of 0 or 512 to 8192, `embedding` as the path says, and the \
                   `dtype` float16"
            .to_owned(),
    }
}
