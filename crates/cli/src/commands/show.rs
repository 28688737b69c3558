//! `mlxk show MODEL`: describes a model.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use mlxk_bench::bandwidth;
use mlxk_engine::embed::EmbedSettings;
use mlxk_engine::{LoadOptions, MemoryPlan, SamplingDefaults};
use mlxk_format::Checkpoint;
use mlxk_hub::workspace::{self, Sentinel};
use mlxk_hub::{FileInfo, Kind, ModelInfo, Overrides, Resolved, Role, Severity};
use mlxk_text::ChatTemplate;
use mlxk_text::tools::ToolSupport;
use serde_json::{Value, json};

use super::model_labels::type_label;
use super::model_object::{Details, health, metadata, mixed_bits, object};
use crate::args::ShowArgs;
use crate::exit::{ExitStatus, UsageError};
use crate::failure::DamagedFolder;
use crate::models::resolve;
use crate::models::supported;
use crate::output::{self, Output};
use crate::settings::Settings;
use crate::{Context, format, interrupt, json};

/// A part of a model, by the name that Ollama's `/show` has for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Info,
    License,
    Modelfile,
    Template,
}

impl Part {
    /// Returns the part of this name.
    pub(crate) fn of(name: &str) -> Option<Self> {
        Some(match name {
            "info" => Self::Info,
            "license" => Self::License,
            "modelfile" => Self::Modelfile,
            "template" => Self::Template,
            _ => return None,
        })
    }
}

/// Prints a part of the model called `name`.
pub(crate) fn print(part: Part, name: &str, context: &Context) -> anyhow::Result<()> {
    let args = ShowArgs {
        model: name.to_owned(),
        license: part == Part::License,
        modelfile: part == Part::Modelfile,
        template: part == Part::Template,
        ..ShowArgs::default()
    };
    run(&args, context).map(|_| ())
}

/// Prints the content of the small files and of the weight headers.
pub(crate) fn run(args: &ShowArgs, context: &Context) -> anyhow::Result<ExitStatus> {
    if args.modelfile {
        return modelfile(args, context);
    }
    let resolved = resolve::look_up_quietly(&args.model, context)?;
    if args.template || args.parameters || args.system || args.license {
        resolve::note_name(&resolved, context);
        return part(args, &resolved, context);
    }
    if args.recalc_hash {
        let sentinel = matches!(resolved.kind, Kind::Folder | Kind::Workspace)
            .then(|| Sentinel::read(&resolved.path))
            .flatten();
        let Some(sentinel) = sentinel else {
            return Err(UsageError(format!(
                "`--recalc-hash`: `{}` was not made by `clone` or `convert`, so it has no content hash",
                resolved.name
            ))
            .into());
        };
        recalculate(&resolved, sentinel, context)?;
    }
    let model = mlxk_hub::info(&resolved, supported::thorough());
    if args.json {
        let mut data = data(&model, args)?;
        if !resolved.overrides.is_empty() {
            data["overrides"] = serde_json::to_value(&resolved.overrides)?;
        }
        json::print("show", &data)?;
        return Ok(ExitStatus::Success);
    }
    let mut out = output::stdout();
    summary(&model, &context.settings, &mut out)?;
    differences(&resolved.overrides, &mut out)?;
    workspace_section(&model, &mut out)?;
    if args.files || args.verbose {
        out.line("")?;
        out.line("Files:")?;
        for file in mlxk_hub::files(&model.path) {
            let size = format::compact_size(file.size_bytes);
            out.line(format_args!("  - {} ({}, {size})", file.name, kind(&file)))?;
        }
    }
    if args.config || args.verbose {
        let path = model.path.join("config.json");
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("Cannot read `{}`", path.display()))?;
        out.line("")?;
        out.line("Config:")?;
        out.content(&text)?;
        if !text.ends_with('\n') {
            out.line("")?;
        }
    }
    if !args.files && !args.config {
        out.line("")?;
        out.line("Metadata:")?;
        for (key, value) in metadata(&model) {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            out.line(format_args!("  {key}: {value}"))?;
        }
    }
    Ok(ExitStatus::Success)
}

/// Records the current content of a folder as intended, unless it is damaged. Names the weights that differ
/// from those recorded.
fn recalculate(resolved: &Resolved, sentinel: Sentinel, context: &Context) -> anyhow::Result<()> {
    let found = mlxk_hub::info(resolved, supported::thorough());
    if !found.health.is_healthy() {
        let problem = found.health.reason();
        let name = &resolved.name;
        return Err(DamagedFolder { name: name.clone(), problem }.into());
    }
    interrupt::listen()?;
    let before = sentinel.weight_hashes();
    let progress = context.printer.progress();
    workspace::record(&resolved.path, sentinel, &BTreeMap::new(), &progress)?;
    drop(progress);
    let after = Sentinel::read(&resolved.path).map(|now| now.weight_hashes()).unwrap_or_default();
    for (file, _) in before.iter().filter(|(file, hash)| after.get(*file) != Some(hash)) {
        context.printer.note(format_args!(
            "warning: `{file}` has changed since its hash was recorded; its new hash replaces it"
        ));
    }
    Ok(())
}

/// Prints the chat template, the parameters, the license or the system prompt.
fn part(args: &ShowArgs, resolved: &Resolved, context: &Context) -> anyhow::Result<ExitStatus> {
    let mut out = output::stdout();
    if args.parameters {
        for (name, value) in parameters(resolved)? {
            out.line(format_args!("{name} {}", value.replace('\n', "\\n")))?;
        }
        return Ok(ExitStatus::Success);
    }
    let text = if args.template {
        let template = ChatTemplate::open(&resolved.path)?;
        let none = || anyhow::anyhow!("`{}` has no chat template", resolved.name);
        Some(template.ok_or_else(none)?.source_text(false).to_owned())
    } else if args.license {
        mlxk_hub::license(resolved)
    } else {
        resolved.overrides.system.clone()
    };
    let Some(text) = text else {
        let name = &resolved.name;
        context.printer.note(if args.license {
            format!("No license text comes with the files of `{name}`")
        } else {
            format!("`{name}` has no system prompt")
        });
        return Ok(ExitStatus::Success);
    };
    out.content(&text)?;
    if !text.is_empty() && !text.ends_with('\n') {
        out.line("")?;
    }
    Ok(ExitStatus::Success)
}

/// Returns the parameters of an answer by Ollama's names: those of a derived model, then the defaults that the
/// checkpoint brings.
fn parameters(resolved: &Resolved) -> anyhow::Result<Vec<(&'static str, String)>> {
    let mut named = resolved.overrides.parameters.named();
    let defaults = SamplingDefaults::open(&resolved.path)?;
    for (name, value) in [
        ("temperature", defaults.temperature.to_string()),
        ("top_k", defaults.top_k.to_string()),
        ("top_p", defaults.top_p.to_string()),
        ("min_p", defaults.min_p.to_string()),
        ("typical_p", defaults.typical_p.to_string()),
        ("repeat_penalty", defaults.repetition_penalty.to_string()),
    ] {
        if !named.iter().any(|(known, _)| *known == name) {
            named.push((name, value));
        }
    }
    Ok(named)
}

fn summary(model: &ModelInfo, settings: &Settings, out: &mut Output) -> anyhow::Result<()> {
    let hash = model.revision.as_ref().map(|hash| format!("@{}", &hash[..hash.len().min(7)]));
    out.line(format_args!("Model: {}{}", model.name, hash.unwrap_or_default()))?;
    if let Some(base) = &model.base {
        out.line(format_args!("Base model: {base}"))?;
    }
    out.line(format_args!("Path: {}", model.path.display()))?;
    if let Some(origin) = &model.origin {
        out.line(format_args!("Imported from: {}", origin.source))?;
    }
    out.line(format_args!("Framework: {}", model.framework.as_str()))?;
    out.line(format_args!("Type: {}", type_label(model)))?;
    out.line(format_args!("Capabilities: {}", model.capabilities.join(", ")))?;
    out.line(format_args!("Quantization: {}", quantization(model)))?;
    out.line(format_args!("Size: {}", format::compact_size(model.size_bytes)))?;
    if let Some(layers) = recurrent_layers(model) {
        out.line(format_args!("Layers: {layers}"))?;
    }
    if let Some(memory) = memory(model) {
        out.line(format_args!("Memory: {memory}"))?;
    }
    if let Some(vectors) = vectors(model) {
        out.line(format_args!("Vectors: {vectors}"))?;
    }
    if let Some(speed) = speed(model, settings) {
        out.line(format_args!("Speed: {speed}"))?;
    }
    if let Some(device) = device(model, settings) {
        out.line(format_args!("Device: {device}"))?;
    }
    if let Some(tools) = tools(model) {
        out.line(format_args!("Tools: {tools}"))?;
    }
    out.line(format_args!(
        "Modified: {}",
        model.modified.map_or_else(|| "-".to_owned(), format::age)
    ))?;
    let intact = model.health.is_healthy();
    match (intact, model.runtime.runs()) {
        (true, false) => out.line("Health: healthy (files OK, runtime incompatible)")?,
        _ => out.line(format_args!("Health: {}", health(model)))?,
    }
    // A reason that is also a finding appears below.
    let is_finding = |reason: &&str| {
        model.health.findings.iter().any(|finding| reason.starts_with(&finding.to_string()))
    };
    if let Some(reason) = model.runtime.reason().filter(|reason| !is_finding(reason)) {
        out.line(format_args!("Reason: {reason}"))?;
    }
    if let Some(note) = model.runtime.note() {
        out.line(format_args!("Note: {note}"))?;
    }
    for finding in &model.health.findings {
        let mark = if finding.severity == Severity::Error { "Problem" } else { "Note" };
        out.line(format_args!("{mark}: {finding}"))?;
        if let Some(command) = &finding.repair {
            out.line(format_args!("Fix: {command}"))?;
        }
    }
    Ok(())
}

/// Names the kinds of layers of a model with recurrent ones. `None` if it has none, or does not run.
fn recurrent_layers(model: &ModelInfo) -> Option<String> {
    if !model.is_usable() {
        return None;
    }
    let checkpoint = Checkpoint::open(&model.path).ok()?;
    if !mlxk_models::shape(&checkpoint).ok()?.cache.has_states() {
        return None;
    }
    let mixers = mlxk_models::registry::mixers(checkpoint.config()).ok()?;
    let parts = mixers.iter().map(|mixers| format!("{} × {}", mixers.count, mixers.kind));
    Some(parts.collect::<Vec<_>>().join(", "))
}

/// Describes the memory that the model takes to answer one request, with the context that its name sets, if any.
/// `None` if it does not run.
fn memory(model: &ModelInfo) -> Option<String> {
    if !model.is_usable() {
        return None;
    }
    let context = shown_context(model.context_length, model.named_context);
    let options = LoadOptions {
        context: Some(context),
        max_sequences: 1,
        // What is available now says nothing about what the model needs.
        memory_bytes: Some(u64::MAX / 2),
        ..LoadOptions::new(&model.path)
    };
    let plan = MemoryPlan::for_load(&options).ok()?;
    let needed = plan.fixed_bytes() + plan.sequence_bytes(context);
    Some(format!("{} for a context of {context} tokens", format::compact_size(needed)))
}

/// Returns the context in tokens to show the memory for: the one that the name sets, or 4096, up to that of the model.
fn shown_context(model: Option<u64>, ctx: Option<usize>) -> usize {
    const CONTEXT: usize = 4096;
    let most = model.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX);
    ctx.unwrap_or(CONTEXT).min(most)
}

/// Describes the vectors of a model for embeddings. `None` for any other, or if it does not run.
fn vectors(model: &ModelInfo) -> Option<String> {
    if model.role != Role::Embedding || !model.is_usable() {
        return None;
    }
    let settings = EmbedSettings::open(&model.path).ok()?;
    let named = settings.prompts.iter().filter(|(_, text)| !text.is_empty());
    let named: Vec<&str> = named.map(|(name, _)| name.as_str()).collect();
    let prompts = match named.as_slice() {
        [] => String::new(),
        names => format!(", prompts: {}", names.join(", ")),
    };
    let guess = if settings.is_guess { " (a guess)" } else { "" };
    Some(format!(
        "{} dimensions, {} pooling{guess}, at most {} tokens{prompts}",
        settings.dimensions,
        settings.pooling.name(),
        settings.max_tokens,
    ))
}

/// Names the device that `--device auto` takes. `None` if there was nothing to compare, or the model never ran.
#[cfg(feature = "gpu")]
fn device(model: &ModelInfo, settings: &Settings) -> Option<String> {
    let threads = settings.config.threads();
    let cpu = mlxk_engine::CpuOptions { threads, ..mlxk_engine::CpuOptions::default() };
    let device = crate::args::automatic(cpu, None, settings);
    let decision = LoadOptions { device, ..LoadOptions::new(&model.path) }.decision()?;
    let (gpu, measured) = (decision.gpu.as_ref()?, decision.measured?);
    let name = if decision.is_gpu() { gpu } else { "CPU" };
    Some(format!(
        "{name} (measured: {:.0} tokens/s on the GPU, {:.0} on the CPU)",
        measured.gpu.decode, measured.cpu.decode
    ))
}

#[cfg(not(feature = "gpu"))]
fn device(_: &ModelInfo, _: &Settings) -> Option<String> {
    None
}

/// Describes how fast the model can answer on this machine: every token reads all weights once. `None` if it does not
/// run, if it does not read all weights for each token, or if it is so small that other limits count.
fn speed(model: &ModelInfo, settings: &Settings) -> Option<String> {
    const LEAST_BYTES: u64 = 32 << 20;
    let writes = matches!(model.role, Role::Chat | Role::Base);
    if !writes || !model.is_usable() || model.size_bytes < LEAST_BYTES {
        return None;
    }
    let path = model.path.join("config.json");
    let config = mlxk_format::read_object(&path, mlxk_format::MAX_CONFIG_BYTES).ok()?;
    let text = config.get("text_config").unwrap_or(&config);
    let has_experts = ["num_experts", "num_local_experts", "n_routed_experts"]
        .iter()
        .any(|name| text.get(*name).is_some_and(|count| count.as_u64().unwrap_or(0) > 1));
    if has_experts {
        return None;
    }
    let found = bandwidth::read_bandwidth(model.size_bytes, &settings.bandwidth_file())?;
    let rate = found.bytes_per_second / model.size_bytes as f64;
    let rate = if rate < 10.0 { format!("{rate:.1}") } else { format!("{rate:.0}") };
    let mark = if found.disturbed { " (measured while the machine was busy)" } else { "" };
    Some(format!(
        "at most {rate} tokens/s on this machine, which reads weights of this size at {:.1} GB/s{mark}",
        found.bytes_per_second / 1e9
    ))
}

/// Describes how the model calls tools. `None` if it has no chat template.
fn tools(model: &ModelInfo) -> Option<String> {
    let support = ToolSupport::open(&model.path).ok()??;
    let Some((form, chosen_by)) = support.form.filter(|_| support.renders_tools) else {
        return Some("no, the chat template doesn't mention them".to_owned());
    };
    Some(format!("yes, in the form `{}` (found by {chosen_by})", form.name()))
}

/// Prints only the Modelfile.
fn modelfile(args: &ShowArgs, context: &Context) -> anyhow::Result<ExitStatus> {
    let locations = &context.settings.locations;
    let file = match mlxk_hub::derived_modelfile(&args.model, locations)? {
        Some(file) => file,
        None => mlxk_hub::modelfile_of(&resolve::look_up(&args.model, context)?, locations)?,
    };
    let text = file.text().map_err(|problem| {
        anyhow::anyhow!("`{}` cannot be written as a Modelfile: {problem}", args.model)
    })?;
    if args.json {
        let resolved = resolve::look_up(&args.model, context)?;
        let model = mlxk_hub::info(&resolved, supported::quick());
        let object = object(&model, args.extended)?;
        json::print("show", &json!({"model": object, "modelfile": text}))?;
    } else {
        output::stdout().content(&text)?;
    }
    Ok(ExitStatus::Success)
}

/// Prints the settings of a derived model.
fn differences(overrides: &Overrides, out: &mut Output) -> anyhow::Result<()> {
    if let Some(system) = &overrides.system {
        out.line(format_args!("System: {}", one_line(system)))?;
    }
    for (name, value) in overrides.parameters.named() {
        out.line(format_args!("Parameter: {name} {}", value.replace('\n', "\\n")))?;
    }
    for turn in &overrides.messages {
        out.line(format_args!("Message: {} {}", turn.role, one_line(&turn.content)))?;
    }
    for license in &overrides.license {
        out.line(format_args!("License: {}", one_line(license)))?;
    }
    Ok(())
}

/// Returns the beginning of a text in one line. `--modelfile` prints all of it.
fn one_line(text: &str) -> String {
    const MAX_LENGTH: usize = 100;
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let shown: String = text.chars().take(MAX_LENGTH).collect();
    if text.chars().nth(MAX_LENGTH).is_some() { format!("{shown}…") } else { shown }
}

/// Prints the record of a workspace.
fn workspace_section(model: &ModelInfo, out: &mut Output) -> anyhow::Result<()> {
    let Some((sentinel, check)) = &model.workspace else { return Ok(()) };
    out.line("")?;
    out.line("Workspace:")?;
    let clean = match check.clean {
        Some(true) => "✓",
        Some(false) => "✗ modified",
        None => "unknown",
    };
    let hash = sentinel.content_hash().map(|hash| format!("{}...", hash.get(..23).unwrap_or(hash)));
    for (key, value) in [
        ("Source", sentinel.source_repo()),
        ("Operation", sentinel.operation()),
        ("Created", sentinel.created_at()),
        ("Clean", Some(clean)),
        ("Content Hash", hash.as_deref()),
        ("Hash Modified", sentinel.hash_modified()),
    ] {
        out.line(format_args!("  {key}: {}", value.unwrap_or("-")))?;
    }
    Ok(())
}

/// Formats a quantization like `4-bit (group_size=64)` or `5.6 bits per weight (mixed, group_size=32)`, or `-`.
fn quantization(model: &ModelInfo) -> String {
    let Some(found) = &model.quantization else { return "-".to_owned() };
    let mode = match found.mode.as_str() {
        "affine" => String::new(),
        mode => format!(", {mode}"),
    };
    if let Some(bits) = mixed_bits(model, found) {
        return format!("{bits:.1} bits per weight (mixed{mode}, group_size={})", found.group_size);
    }
    let mixed = if found.mixed { ", mixed" } else { "" };
    format!("{}-bit (group_size={}{mode}{mixed})", found.bits, found.group_size)
}

fn data(model: &ModelInfo, args: &ShowArgs) -> anyhow::Result<Value> {
    let recorded = model.workspace.as_ref().map(|(sentinel, _)| sentinel.metadata());
    let is_own = matches!(model.kind, Kind::Folder | Kind::Workspace) && model.base.is_none();
    let workspace =
        recorded.map_or_else(|| if is_own { json!({}) } else { Value::Null }, Value::from);
    let mut data = json!({
        "model": object(model, args.extended)?,
        "workspace_metadata": workspace,
        "details": Details::new(model),
    });
    if args.recalc_hash {
        data["hash_updated"] = true.into();
    }
    if args.files {
        let files = mlxk_hub::files(&model.path);
        data["files"] = files
            .iter()
            .map(|file| {
                let size = format::compact_size(file.size_bytes);
                let mut entry = json!({"name": file.name, "size": size, "type": kind(file)});
                if args.extended {
                    entry["size_bytes"] = file.size_bytes.into();
                }
                entry
            })
            .collect();
    }
    if args.config {
        data["config"] = Value::Object(model.config.clone());
    }
    let shown = !args.files && !args.config && !model.config.is_empty();
    data["metadata"] = if shown { Value::Object(metadata(model)) } else { Value::Null };
    Ok(data)
}

/// Returns the purpose of a file, judged by its name.
fn kind(file: &FileInfo) -> &'static str {
    let name = file.name.as_str();
    if name.ends_with("config.json") && !name.contains("tokenizer") {
        "config"
    } else if [".safetensors", ".bin", ".gguf", ".npz"].iter().any(|end| name.ends_with(end)) {
        "weights"
    } else if name.contains("token") || name.contains("vocab") || name.contains("merges") {
        "tokenizer"
    } else if Path::new(name).extension().is_some_and(|extension| extension == "json") {
        "metadata"
    } else {
        "other"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_shown_for_the_context_of_the_name() {
        for (model, ctx, expected) in [
            (Some(131_072), None, 4096),
            (Some(512), None, 512),
            (Some(131_072), Some(2048), 2048),
            (Some(131_072), Some(8192), 8192),
            (Some(512), Some(8192), 512),
            (None, Some(2048), 2048),
        ] {
            assert_eq!(shown_context(model, ctx), expected);
        }
    }
}
