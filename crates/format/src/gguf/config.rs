//! Makes `config.json` and `generation_config.json` from the metadata.

use serde_json::{Map, Value, json};

use super::architecture::HeadDim;
use super::reader::{Gguf, Problem};
use super::sizes::GgufSizes;
use super::tensors::{LONG_FACTORS, Layout, ROPE_FACTORS, SHORT_FACTORS};
use super::{GgufDamage, GgufLimit, TensorKind};

/// Returns `config.json`. Its dtype is that of the scales or of the dense weights.
pub(super) fn config(
    gguf: &Gguf,
    sizes: &GgufSizes,
    layout: &Layout,
    torch_dtype: &str,
) -> Result<Map<String, Value>, Problem> {
    let architecture = &sizes.architecture;
    let mut config = Map::new();
    let mut set = |key: &str, value: Value| {
        config.insert(key.to_owned(), value);
    };
    set("architectures", json!([architecture.class]));
    set("model_type", architecture.model_type.into());
    set("hidden_size", sizes.hidden.into());
    if sizes.intermediate > 0 {
        set("intermediate_size", sizes.intermediate.into());
    }
    set("num_hidden_layers", sizes.layers.into());
    set("num_attention_heads", sizes.heads.into());
    set("num_key_value_heads", sizes.kv_heads.into());
    if architecture.head_dim == HeadDim::Stated || sizes.head_dim * sizes.heads != sizes.hidden {
        set("head_dim", sizes.head_dim.into());
    }
    if let Some(activation) = architecture.hidden_act {
        set("hidden_act", activation.into());
    }
    set(architecture.norm_eps, sizes.norm_eps.into());
    set("rope_theta", json_number(sizes.rope_theta));
    set("rope_scaling", rope_scaling(gguf, sizes)?);
    set("max_position_embeddings", sizes.context.into());
    set("vocab_size", layout.vocabulary.into());
    set("tie_word_embeddings", layout.tied.into());
    for (key, value) in (architecture.config)(sizes, layout.biases) {
        set(key, value);
    }
    for (name, id) in special_ids(gguf, layout.vocabulary)? {
        set(name, id);
    }
    set("torch_dtype", torch_dtype.into());
    let Some((key, model_type)) = architecture.wrapper else { return Ok(config) };
    let mut outer = Map::new();
    for key in ["architectures", "bos_token_id", "eos_token_id", "pad_token_id", "torch_dtype"] {
        outer.extend(config.shift_remove(key).map(|value| (key.to_owned(), value)));
    }
    outer.insert("model_type".to_owned(), model_type.into());
    // Loaders look for these in both places.
    for key in ["vocab_size", "tie_word_embeddings"] {
        outer.extend(config.get(key).map(|value| (key.to_owned(), value.clone())));
    }
    outer.insert(key.to_owned(), config.into());
    Ok(outer)
}

/// Returns `generation_config.json` with what the metadata states: ids of special tokens, no
/// sampling defaults.
pub(super) fn generation_config(gguf: &Gguf, layout: &Layout) -> Result<Value, Problem> {
    Ok(Value::Object(
        special_ids(gguf, layout.vocabulary)?
            .into_iter()
            .map(|(name, id)| (name.to_owned(), id))
            .collect(),
    ))
}

/// Returns `bos_token_id`, `eos_token_id` and `pad_token_id`, if they are stated. Some models end a
/// turn with another token than a text; both end the answer.
fn special_ids(gguf: &Gguf, vocabulary: usize) -> Result<Vec<(&'static str, Value)>, Problem> {
    let id = |name: &str| token_id(gguf, name, vocabulary);
    let mut ids = Vec::new();
    if let Some(bos) = id("bos")? {
        ids.push(("bos_token_id", bos.into()));
    }
    let mut ends: Vec<u64> = Vec::new();
    for name in ["eos", "eot", "eom"] {
        ends.extend(id(name)?.filter(|end| !ends.contains(end)));
    }
    match ends.as_slice() {
        [] => {}
        [end] => ids.push(("eos_token_id", (*end).into())),
        _ => ids.push(("eos_token_id", ends.into())),
    }
    if let Some(padding) = id("padding")? {
        ids.push(("pad_token_id", padding.into()));
    }
    Ok(ids)
}

/// Returns `tokenizer.ggml.NAME_token_id`, checked against the vocabulary.
pub(super) fn token_id(
    gguf: &Gguf,
    name: &str,
    vocabulary: usize,
) -> Result<Option<u64>, GgufDamage> {
    let key = format!("tokenizer.ggml.{name}_token_id");
    match gguf.u64(&key)? {
        Some(id) if id >= vocabulary as u64 => {
            Err(GgufDamage::Value { key, expected: "a token of the vocabulary" })
        }
        id => Ok(id),
    }
}

/// Returns the factors of LongRoPE. A file has both tensors or neither.
fn long_rope(gguf: &Gguf, sizes: &GgufSizes) -> Result<Option<Value>, Problem> {
    let (long, short) = (gguf.tensor(LONG_FACTORS), gguf.tensor(SHORT_FACTORS));
    let (Some(long), Some(short)) = (long, short) else {
        return if long.is_none() && short.is_none() {
            Ok(None)
        } else {
            Err(GgufLimit::RopeFactors.into())
        };
    };
    let mut factors = Vec::with_capacity(2);
    for tensor in [long, short] {
        if tensor.kind != Ok(TensorKind::F32) || tensor.shape != [sizes.rotary_dims / 2] {
            return Err(GgufLimit::RopeFactors.into());
        }
        let values: Vec<f32> =
            tensor.data.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
        factors.push(json!(values));
    }
    let original = sizes.original_context;
    Ok(Some(json!({
        "type": "longrope", "rope_type": "longrope",
        "long_factor": factors[0], "short_factor": factors[1],
        "original_max_position_embeddings": original,
    })))
}

fn rope_scaling(gguf: &Gguf, sizes: &GgufSizes) -> Result<Value, Problem> {
    if let Some(scaling) = long_rope(gguf, sizes)? {
        return Ok(scaling);
    }
    let llama3 = llama3_factor(gguf, sizes)?;
    match (sizes.rope_linear, llama3) {
        (None, None) => Ok(Value::Null),
        (Some(factor), None) => {
            Ok(json!({ "type": "linear", "rope_type": "linear", "factor": factor }))
        }
        (None, Some(factor)) => Ok(json!({
            "rope_type": "llama3",
            "factor": factor,
            "low_freq_factor": LOW_FREQUENCY,
            "high_freq_factor": HIGH_FREQUENCY,
            "original_max_position_embeddings": ORIGINAL_CONTEXT,
        })),
        (Some(_), Some(_)) => Err(GgufLimit::RopeFactors.into()),
    }
}

/// The constants of all Llama 3.x models. Only the factor differs.
const LOW_FREQUENCY: f64 = 1.0;
const HIGH_FREQUENCY: f64 = 4.0;
const ORIGINAL_CONTEXT: f64 = 8192.0;

/// Recognizes the factors that llama.cpp computes for Llama 3.x and returns the one they are made
/// from. Returns `None` if there are no factors, or if all are 1.
fn llama3_factor(gguf: &Gguf, sizes: &GgufSizes) -> Result<Option<f64>, Problem> {
    let Some(tensor) = gguf.tensor(ROPE_FACTORS) else { return Ok(None) };
    let is_f32 = tensor.kind == Ok(TensorKind::F32);
    if !is_f32 || tensor.shape != [sizes.head_dim / 2] {
        return Err(GgufLimit::RopeFactors.into());
    }
    let found: Vec<f64> = tensor
        .data
        .as_chunks::<4>()
        .0
        .iter()
        .map(|&chunk| f64::from(f32::from_le_bytes(chunk)))
        .collect();
    let is = |value: f64, expected: f64| (value - expected).abs() <= 1e-3 * expected.abs();
    // The slowest frequency is divided by the full factor.
    let factor = found.last().copied().unwrap_or(1.0);
    let expected = llama3_divisors(sizes.rope_theta, sizes.head_dim, factor);
    let matches = found.iter().zip(expected).all(|(&value, expected)| is(value, expected));
    if found.iter().all(|&value| is(value, 1.0)) {
        Ok(None)
    } else if matches {
        Ok(Some(factor))
    } else {
        Err(GgufLimit::RopeFactors.into())
    }
}

/// Returns the divisors of Llama 3.x for the rotary frequencies of a head of `head_dim`: `[head_dim
/// / 2]`.
pub(super) fn llama3_divisors(
    theta: f64,
    head_dim: usize,
    factor: f64,
) -> impl Iterator<Item = f64> {
    (0..head_dim / 2).map(move |pair| {
        let exponent = 2.0 * pair as f64 / head_dim as f64;
        llama3_divisor(theta.powf(exponent), factor)
    })
}

/// Returns the divisor of Llama 3.x for the frequency `1 / period`: 1 for a short wave, `factor`
/// for a long one, and a value between them otherwise.
fn llama3_divisor(period: f64, factor: f64) -> f64 {
    let wavelength = std::f64::consts::TAU * period;
    if wavelength < ORIGINAL_CONTEXT / HIGH_FREQUENCY {
        1.0
    } else if wavelength > ORIGINAL_CONTEXT / LOW_FREQUENCY {
        factor
    } else {
        let smooth =
            (ORIGINAL_CONTEXT / wavelength - LOW_FREQUENCY) / (HIGH_FREQUENCY - LOW_FREQUENCY);
        1.0 / ((1.0 - smooth) / factor + smooth)
    }
}

/// Returns a JSON number, without a decimal point if the value is an integer.
pub fn json_number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 1e15 { (value as i64).into() } else { value.into() }
}
