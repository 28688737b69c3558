//! A model as an object of MLX-Knife's JSON API, and our own facts about it.

use std::borrow::Cow;
use std::time::UNIX_EPOCH;

use mlxk_hub::workspace::Sentinel;
use mlxk_hub::{Finding, Kind, ModelInfo, Severity};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::format;

/// The object of a model, with exactly the keys of the published schema.
#[derive(Serialize)]
pub(super) struct ModelObject<'a> {
    name: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    display_name: Option<&'a str>,
    hash: Option<&'a str>,
    size_bytes: u64,
    last_modified: String,
    framework: mlxk_hub::Framework,
    model_type: mlxk_hub::Role,
    capabilities: &'a [&'static str],
    health: &'static str,
    runtime_compatible: bool,
    reason: Option<&'a str>,
    cached: bool,
    origin: Option<&'a str>,
    content_hash: Option<&'a str>,
    hash_modified: Option<&'a str>,
    clean: Option<bool>,
    quantization: Option<&'a mlxk_hub::QuantizationSummary>,
}

/// Our own facts about a model. The schema closes the object of a model, so these are somewhere else
/// unless `--extended` asks for them.
#[derive(Serialize)]
pub(super) struct Details<'a> {
    path: String,
    context_length: Option<u64>,
    /// The base model of a name made by `cp` or `create`.
    #[serde(skip_serializing_if = "Option::is_none")]
    derived_from: Option<&'a str>,
    /// The limitation of its support.
    note: Option<&'static str>,
    findings: Vec<Value>,
}

impl<'a> ModelObject<'a> {
    pub(super) fn new(model: &'a ModelInfo) -> Self {
        let own = matches!(model.kind, Kind::Folder | Kind::Workspace) && model.base.is_none();
        let (sentinel, check) = match &model.workspace {
            Some((sentinel, check)) => (Some(sentinel), Some(check)),
            None => (None, None),
        };
        let imported = model.origin.as_ref().map(|origin| origin.source.as_str());
        Self {
            // Other programs don't know the names of workspaces, so these have their path.
            name: if own { model.path.display().to_string().into() } else { (&*model.name).into() },
            display_name: own.then_some(&model.name),
            hash: model.revision.as_deref().filter(|hash| is_commit(hash)),
            size_bytes: model.size_bytes,
            last_modified: format::utc(model.modified.unwrap_or(UNIX_EPOCH))
                .unwrap_or_else(|| "1970-01-01T00:00:00Z".to_owned()),
            framework: model.framework,
            model_type: model.role,
            capabilities: &model.capabilities,
            health: health(model),
            runtime_compatible: model.runtime.runs(),
            reason: model.runtime.reason(),
            cached: model.kind == Kind::HfCache,
            origin: imported.or(sentinel.and_then(Sentinel::source_repo)),
            content_hash: sentinel.and_then(Sentinel::content_hash).filter(|hash| is_sha256(hash)),
            hash_modified: sentinel.and_then(Sentinel::hash_modified),
            clean: check.and_then(|check| check.clean),
            quantization: model.quantization.as_ref(),
        }
    }
}

impl<'a> Details<'a> {
    pub(super) fn new(model: &'a ModelInfo) -> Self {
        Self {
            path: model.path.display().to_string(),
            context_length: model.context_length,
            derived_from: model.base.as_deref(),
            note: model.runtime.note(),
            findings: model.health.findings.iter().map(finding).collect(),
        }
    }
}

/// Returns the object of a model, with our own keys in it if `extended` is `true`.
pub(super) fn object(model: &ModelInfo, extended: bool) -> serde_json::Result<Value> {
    let mut object = serde_json::to_value(ModelObject::new(model))?;
    if extended && let Some(members) = object.as_object_mut() {
        let details = serde_json::to_value(Details::new(model))?;
        members.extend(details.as_object().cloned().unwrap_or_default());
    }
    Ok(object)
}

/// Returns `true` for a complete commit hash.
fn is_commit(hash: &str) -> bool {
    hash.len() == 40 && hash.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Returns `true` for a SHA-256, with or without the name of the algorithm. A sentinel may claim anything.
fn is_sha256(hash: &str) -> bool {
    let digits = hash.strip_prefix("sha256:").unwrap_or(hash);
    digits.len() == 64 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Returns `healthy` or `unhealthy`.
pub(super) fn health(model: &ModelInfo) -> &'static str {
    if model.health.is_healthy() { "healthy" } else { "unhealthy" }
}

/// Returns a finding as JSON.
pub(super) fn finding(finding: &Finding) -> Value {
    json!({
        "file": finding.file,
        "problem": finding.problem.code(),
        "severity": if finding.severity == Severity::Error { "error" } else { "note" },
        "message": finding.to_string(),
        "repair": finding.repair,
    })
}

/// Returns the bits of a quantization, such as `4bit`: of all weights on average if it is mixed, because those of most
/// modules say little about the file.
fn bits(model: &ModelInfo, found: &mlxk_hub::QuantizationSummary) -> String {
    match mixed_bits(model, found) {
        Some(bits) => format!("{bits:.1}bit"),
        None => format!("{}bit", found.bits),
    }
}

/// Returns the bits per weight of a mixed quantization. `None` for any other, or if the weights cannot be read.
pub(super) fn mixed_bits(model: &ModelInfo, found: &mlxk_hub::QuantizationSummary) -> Option<f64> {
    found
        .mixed
        .then(|| mlxk_hub::weights_summary(&model.path))
        .flatten()
        .map(|it| it.bits_per_weight)
}

/// Returns the content of `config.json` under the names of `show`.
pub(super) fn metadata(model: &ModelInfo) -> Map<String, Value> {
    let config = &model.config;
    let nested = config.get("text_config").and_then(Value::as_object);
    let get = |key: &str| {
        let value = config.get(key).or_else(|| nested.and_then(|nested| nested.get(key)));
        value.filter(|value| !value.is_null()).cloned()
    };
    let quantization = model.quantization.as_ref();
    let found = [
        ("model_type", get("model_type")),
        ("architecture", model.architecture().map(Value::from)),
        ("quantization", quantization.map(|found| bits(model, found).into())),
        ("context_length", model.context_length.map(Value::from)),
        ("vocab_size", get("vocab_size")),
        ("hidden_size", get("hidden_size")),
        ("num_attention_heads", get("num_attention_heads")),
        ("num_hidden_layers", get("num_hidden_layers")),
    ];
    found.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
}
