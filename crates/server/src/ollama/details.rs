//! Descriptions of models, in Ollama's words.

use std::path::Path;

use mlxk_hub::{ModelInfo, QuantizationSummary};
use mlxk_text::ChatTemplate;
use serde_json::{Map, Value};

use super::digest;
use super::dto::models::Details;
use crate::state::State;

/// Returns the summary of a model.
pub(super) fn details(info: &ModelInfo) -> Details {
    let family = info.model_type().unwrap_or_default().to_owned();
    let weights = mlxk_hub::weights_summary(&info.path);
    let dense = weights.as_ref().and_then(|weights| weights.dense_type.clone());
    let bits = weights.as_ref().map(|weights| weights.bits_per_weight);
    Details {
        parent_model: info.base.clone().unwrap_or_default(),
        format: "safetensors",
        families: if family.is_empty() { Vec::new() } else { vec![family.clone()] },
        family,
        parameter_size: weights.map_or_else(String::new, |weights| human(weights.parameters)),
        quantization_level: level(info.quantization.as_ref(), bits, dense.as_deref()),
        context_length: info.context_length,
        embedding_length: setting(&info.config, "hidden_size").and_then(Value::as_u64),
    }
}

/// Returns the quantization as Ollama writes it for safetensors, such as `int4` and `nvfp4`, or the dtype if the
/// weights are not quantized. Mixed ones have no name there, so the bits per weight stand for them.
fn level(
    quantization: Option<&QuantizationSummary>,
    bits_per_weight: Option<f64>,
    dense: Option<&str>,
) -> String {
    match quantization {
        Some(QuantizationSummary { mixed: true, .. }) if bits_per_weight.is_some() => {
            format!("{:.1} bits", bits_per_weight.unwrap_or_default())
        }
        Some(found) if found.mode == "affine" => format!("int{}", found.bits),
        Some(found) => found.mode.clone(),
        None => dense.unwrap_or_default().to_owned(),
    }
}

/// Returns a number of parameters as text, such as `134.52M` or `1.5B`.
fn human(count: u64) -> String {
    let number = count as f64;
    match count {
        1_000_000_000.. => format!("{:.1}B", number / 1e9),
        1_000_000.. => format!("{:.2}M", number / 1e6),
        1_000.. => format!("{:.0}K", number / 1e3),
        _ => count.to_string(),
    }
}

/// Returns a setting of `config.json`, or of its `text_config`.
pub(super) fn setting<'a>(config: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    config.get(name).or_else(|| config.get("text_config")?.get(name)).filter(|it| !it.is_null())
}

/// Returns the chat template of the model in a folder.
pub(super) fn template(folder: &Path) -> Option<String> {
    let template = ChatTemplate::open(folder).ok()??;
    Some(template.source_text(false).to_owned())
}

/// Returns a digest that identifies a model and its version. It is not made from the weights, which would take
/// long to read.
pub(super) fn digest(info: &ModelInfo, state: &State) -> String {
    let model = info.base.as_ref().unwrap_or(&info.name);
    let origin =
        info.origin.as_ref().map(|origin| origin.sha256.as_ref().unwrap_or(&origin.source));
    // A local folder has no version but its modification time.
    let time =
        (info.revision.is_none() && origin.is_none()).then(|| super::time::of(info.modified));
    // A copy without settings of its own is the same model.
    let file = info.base.as_ref().and_then(|_| {
        let file = mlxk_hub::derived_modelfile(&info.name, &state.config.locations).ok()??;
        if file.overrides.is_empty() { None } else { file.text().ok() }
    });
    let parts = [Some(model), info.revision.as_ref(), origin, time.as_ref(), file.as_ref()];
    digest::of(parts.into_iter().map(|part| part.map_or("", String::as_str)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn sizes_are_short() {
        for (count, expected) in
            [(999, "999"), (134_515_008, "134.52M"), (1_543_714_304, "1.5B"), (64_000, "64K")]
        {
            assert_eq!(human(count), expected);
        }
    }

    #[test]
    fn levels_have_ollamas_names() {
        let of = |mode: &str, bits, mixed| {
            let mode = mode.to_owned();
            let summary = QuantizationSummary { bits, group_size: 32, mode, mixed };
            level(Some(&summary), Some(5.61), None)
        };
        assert_eq!(
            (of("affine", 4, false), of("nvfp4", 4, false)),
            ("int4".into(), "nvfp4".into())
        );
        assert_eq!(of("affine", 5, true), "5.6 bits");
        assert_eq!(level(None, Some(16.0), Some("BF16")), "BF16");
    }

    #[test]
    fn settings_may_stand_deeper() {
        let config = json!({"a": null, "text_config": {"hidden_size": 7}});
        assert_eq!(setting(config.as_object().unwrap(), "hidden_size"), Some(&json!(7)));
        assert_eq!(setting(config.as_object().unwrap(), "a"), None);
    }
}
