//! Changes of a conversion to `config.json`.

use serde_json::{Map, Value, json};

use super::{Change, Options};
use mlxk_tensor::{Dtype, Mode};

/// Returns the type that mlx-lm converts to by default, or `None` if `config.json` doesn't name
/// one, so that types stay unchanged.
pub(super) fn dtype(config: &Value) -> Option<Dtype> {
    let of_text = || config.get("text_config").and_then(|text| text.get("dtype"));
    let named = config.get("torch_dtype").filter(|value| !value.is_null()).or_else(of_text);
    match named.and_then(Value::as_str)? {
        "float16" => Some(Dtype::F16),
        "bfloat16" => Some(Dtype::Bf16),
        "float32" => Some(Dtype::F32),
        _ => None,
    }
}

/// Returns the new `config.json`, with sorted keys. `multimodal` is `true` if the converted model
/// has parts for images or sound.
pub(super) fn converted(
    config: &Value,
    options: &Options,
    named: &[(String, Mode)],
    multimodal: bool,
) -> Value {
    let mut members = config.as_object().cloned().unwrap_or_default();
    members.remove("_name_or_path");
    if !multimodal {
        for unused in ["vision_config", "audio_config"] {
            members.remove(unused);
        }
    }
    match &options.change {
        Change::Keep => {
            let method = members.get("quantization_config").and_then(|of| of.get("quant_method"));
            if !members.contains_key("quantization") && method == Some(&json!("mxfp4")) {
                members.insert("quantization".to_owned(), parameters(Mode::Mxfp4).into());
            }
            if let Some(table) = members.get("quantization").cloned() {
                members.insert("quantization_config".to_owned(), table);
            }
        }
        Change::Dequantize => {
            members.remove("quantization");
            members.remove("quantization_config");
        }
        Change::Quantize(quantization) => {
            let mut table = parameters(quantization.mode);
            table.extend(named.iter().map(|(path, mode)| (path.clone(), parameters(*mode).into())));
            members.insert("quantization".to_owned(), table.clone().into());
            members.insert("quantization_config".to_owned(), table.into());
        }
    }
    if let Some(dtype) = options.dtype {
        for key in ["torch_dtype", "dtype"] {
            if let Some(value) = members.get_mut(key) {
                *value = json!(name(dtype));
            }
        }
    }
    members.sort_keys();
    Value::Object(members)
}

fn parameters(mode: Mode) -> Map<String, Value> {
    let mut table = Map::new();
    table.insert("group_size".to_owned(), json!(mode.group_size()));
    table.insert("bits".to_owned(), json!(mode.bits()));
    table.insert("mode".to_owned(), json!(mode.name()));
    table
}

const fn name(dtype: Dtype) -> &'static str {
    match dtype {
        Dtype::F32 => "float32",
        Dtype::F16 => "float16",
        Dtype::Bf16 => "bfloat16",
    }
}
