//! `POST /api/show`: describes a model.

use std::path::Path;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use mlxk_hub::{Look, ModelInfo, Overrides, Parameters, Resolved, prefer};
use serde_json::{Map, Value, json};

use super::dto::models::{Details, ShowRequest, ShownModel};
use super::{details, names, time};
use crate::blocking::blocking;
use crate::body::{Extras, Fields};
use crate::error::ApiError;
use crate::json::Json;
use crate::state::{Shared, State as ServerState};

/// Width of the column of parameter names.
const COLUMN: usize = 30;

/// Ollama's names of settings in `config.json`, without the family in front.
const SETTINGS: [(&str, &str); 9] = [
    ("attention.head_count", "num_attention_heads"),
    ("attention.head_count_kv", "num_key_value_heads"),
    ("attention.key_length", "head_dim"),
    ("attention.layer_norm_rms_epsilon", "rms_norm_eps"),
    ("block_count", "num_hidden_layers"),
    ("embedding_length", "hidden_size"),
    ("feed_forward_length", "intermediate_size"),
    ("rope.freq_base", "rope_theta"),
    ("vocab_size", "vocab_size"),
];

/// Ollama's names of settings in `generation_config.json`.
const DEFAULTS: [(&str, &str); 6] = [
    ("temperature", "temperature"),
    ("top_k", "top_k"),
    ("top_p", "top_p"),
    ("min_p", "min_p"),
    ("typical_p", "typical_p"),
    ("repeat_penalty", "repetition_penalty"),
];

/// Describes a model.
pub(super) async fn show(
    State(state): State<Shared>,
    fields: Fields,
) -> Result<Response, ApiError> {
    let asked: ShowRequest = fields.parse(Extras::NONE)?;
    let name = names::written(asked.model, asked.name);
    if state.backends.find(Some(&name)).is_some() {
        return Ok(Json(backend()).into_response());
    }
    let model = names::resolve(&state, Some(&name)).await?;
    let describe = move || Ok(shown(&model, asked.verbose, &state));
    let shown: ShownModel = blocking(describe).await?;
    Ok(Json(shown).into_response())
}

/// Describes a model of hosts elsewhere. All that is known of it is that it answers.
fn backend() -> ShownModel {
    ShownModel {
        license: String::new(),
        modelfile: String::new(),
        parameters: String::new(),
        template: String::new(),
        system: String::new(),
        details: Details::default(),
        messages: Vec::new(),
        model_info: Map::new(),
        tensors: None,
        capabilities: vec!["completion"],
        modified_at: time::of(None),
    }
}

fn shown(model: &Resolved, verbose: bool, state: &ServerState) -> ShownModel {
    let config = &state.config;
    let info = mlxk_hub::info(model, Look::quick(&config.judge, &config.small_files));
    let weights = mlxk_hub::weights_summary(&model.path);
    let template = details::template(&model.path);
    let capabilities = state.capabilities.capabilities(&info);
    let Overrides { system, messages, mut parameters, license: _ } = model.overrides.clone();
    with_defaults(&mut parameters, &model.path);
    let modelfile = mlxk_hub::modelfile_of(model, &config.locations).ok();
    let tensors = verbose.then(|| {
        let tensors = weights.iter().flat_map(|weights| &weights.tensors);
        let tensor = |(name, kind, shape): &(String, String, Vec<usize>)| {
            json!({"name": name, "type": kind, "shape": shape})
        };
        tensors.map(tensor).collect()
    });
    ShownModel {
        license: mlxk_hub::license(model).unwrap_or_default(),
        modelfile: modelfile.and_then(|file| file.text().ok()).unwrap_or_default(),
        parameters: lines(&parameters),
        template: template.unwrap_or_default(),
        system: system.unwrap_or_default(),
        details: details::details(&info),
        messages: messages.iter().map(|turn| json!(turn)).collect(),
        model_info: model_info(&info, weights.map_or(0, |weights| weights.parameters)),
        tensors,
        capabilities,
        modified_at: time::of(info.modified),
    }
}

/// Fills in the defaults of the model's `generation_config.json`.
fn with_defaults(parameters: &mut Parameters, folder: &Path) {
    const MOST_BYTES: u64 = 1 << 20;
    let path = folder.join("generation_config.json");
    let is_small = path.metadata().is_ok_and(|file| file.len() <= MOST_BYTES);
    let text = is_small.then(|| std::fs::read(&path).ok()).flatten().unwrap_or_default();
    let Ok(config) = serde_json::from_slice::<Map<String, Value>>(&text) else { return };
    let mut found = Parameters::default();
    for (ollamas, key) in DEFAULTS {
        if let Some(value) = config.get(key).filter(|value| value.is_number()) {
            // A value that is out of range has been reported when the model was loaded.
            let _ = found.set_json(ollamas, value);
        }
    }
    if config.get("do_sample") == Some(&false.into()) {
        found = Parameters { temperature: Some(0.0), ..Parameters::default() };
    }
    let own = parameters.clone();
    prefer!(parameters => own, found; temperature top_k top_p min_p typical_p repetition_penalty);
}

/// Returns the parameters, one per line: names in a column, texts in quotes. Clients parse this.
fn lines(parameters: &Parameters) -> String {
    let line = |(name, value): (&str, String)| {
        let value = if name == "stop" { Value::String(value).to_string() } else { value };
        format!("{name:COLUMN$} {value}")
    };
    parameters.named().into_iter().map(line).collect::<Vec<_>>().join("\n")
}

fn model_info(info: &ModelInfo, parameters: u64) -> Map<String, Value> {
    let family = info.model_type().unwrap_or("unknown");
    let mut found = Map::new();
    found.insert("general.architecture".into(), family.into());
    found.insert("general.basename".into(), info.name.as_str().into());
    found.insert("general.parameter_count".into(), parameters.into());
    if let Some(quantization) = &info.quantization {
        found.insert("general.quantization".into(), json!(quantization));
    }
    if let Some(context) = info.context_length {
        found.insert(format!("{family}.context_length"), context.into());
    }
    for (ollamas, ours) in SETTINGS {
        if let Some(value) = details::setting(&info.config, ours) {
            found.insert(format!("{family}.{ollamas}"), value.clone());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_stand_in_lines_that_clients_read() {
        let parameters = Parameters {
            ctx: Some(4096),
            stop: vec!["<|im_end|>".into(), "a \"b\"\n".into()],
            ..Parameters::default()
        };
        let expected = "num_ctx                        4096\n\
                        stop                           \"<|im_end|>\"\n\
                        stop                           \"a \\\"b\\\"\\n\"";
        assert_eq!(lines(&parameters), expected);
    }
}
