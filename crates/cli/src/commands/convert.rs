//! `mlxk convert SOURCE TARGET`: quantizes or converts a model.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use mlxk_format::convert::{self, Change, Conversion, Options, rebuild_index};
use mlxk_format::{Checkpoint, FormatError, gguf};
use mlxk_hub::workspace::{Building, Operation, Sentinel, record, target_folder};
use mlxk_hub::{HubError, Kind, Reference, ReferenceError, Reporter, Resolved, WorkspaceError};
use serde_json::{Map, Value, json};

use super::convert_settings;
use crate::args::ConvertArgs;
use crate::exit::ExitStatus;
use crate::failure::WithData;
use crate::models::resolve;
use crate::models::supported;
use crate::printer::Progress;
use crate::{Context, format, interrupt, json, output};

/// Files that describe only the source.
const NOT_COPIED: [&str; 3] = ["config.json", "mlxk-origin.json", "mlxk-settings.toml"];

/// Settings of images and sound. A model that reads only text must not have them.
const PROCESSORS: [&str; 4] = [
    "preprocessor_config.json",
    "processor_config.json",
    "image_processor_config.json",
    "video_preprocessor_config.json",
];

/// The finished conversion.
struct Made {
    source: String,
    target: PathBuf,
    content_hash: String,
    message: String,
    warning: Option<String>,
}

/// Converts the model, checks the result and reports.
pub(crate) fn run(args: &ConvertArgs, context: &Context) -> anyhow::Result<ExitStatus> {
    let options = convert_settings::options(args)?;
    interrupt::listen()?;
    let mut data = start(args, &options);
    let made = match make(args, &options, context) {
        Ok(made) => made,
        Err(error) if args.json => return Err(WithData { error, data: data.into() }.into()),
        Err(error) => return Err(error),
    };
    data.insert("source".into(), json!(made.source));
    data.insert("target".into(), json!(made.target.display().to_string()));
    data.insert("message".into(), json!(made.message));
    data.insert("content_hash".into(), json!(made.content_hash));
    if let Some(warning) = &made.warning {
        data.insert("warning".into(), json!(warning));
    }
    if !args.skip_health {
        let problem = super::check_written::problem(&made.target, context)?;
        let word = if problem.is_none() { "healthy" } else { "unhealthy" };
        data.insert("health_status".into(), json!(word));
        data.insert("health_reason".into(), json!(problem.as_deref().unwrap_or("All files OK")));
        if let Some(problem) = problem {
            let error =
                HubError::from(WorkspaceError::Unusable { path: made.target, problem }).into();
            return Err(if args.json {
                WithData { error, data: data.into() }.into()
            } else {
                error
            });
        }
    }
    if args.json {
        json::print("convert", &Value::from(data))?;
    } else {
        if let Some(warning) = &made.warning {
            context.printer.note(format_args!("warning: {warning}"));
        }
        let mut out = output::stdout();
        out.line(format_args!("convert: {} — {}", made.target.display(), made.message))?;
    }
    Ok(ExitStatus::Success)
}

/// Returns the `data` of the envelope that is known from the options.
fn start(args: &ConvertArgs, options: &Options) -> Map<String, Value> {
    // The schema has two modes: one writes only the index, the other writes weights.
    let mode = if args.repair_index { "repair-index" } else { "quantize" };
    let change = match &options.change {
        _ if args.repair_index => "none",
        Change::Quantize(_) => "quantize",
        Change::Dequantize => "dequantize",
        Change::Keep => "convert",
    };
    let mut data = Map::new();
    data.insert("source".into(), json!(args.source));
    data.insert("target".into(), json!(args.target));
    data.insert("mode".into(), json!(mode));
    data.insert("change".into(), json!(change));
    data.insert("health_check".into(), json!(!args.skip_health));
    if let Change::Quantize(quantization) = &options.change {
        data.insert("bits".into(), json!(quantization.mode.bits()));
        data.insert("group_size".into(), json!(quantization.mode.group_size()));
        data.insert("quantization_mode".into(), json!(quantization.mode.name()));
    }
    data
}

fn make(args: &ConvertArgs, options: &Options, context: &Context) -> anyhow::Result<Made> {
    let target = target_folder(&args.target, &context.settings.locations);
    let progress = context.printer.progress();
    if args.repair_index {
        return repair(args, &target, &progress, context);
    }
    if let Some(path) = args.source.parse::<Reference>()?.gguf() {
        return from_gguf(args, options, path, &target, &progress, context);
    }
    let source = resolve::find(&args.source, true, context)?;
    from_checkpoint(args, options, &source, &target, &progress, context)
}

fn from_checkpoint(
    args: &ConvertArgs,
    options: &Options,
    source: &Resolved,
    target: &Path,
    progress: &Progress,
    context: &Context,
) -> anyhow::Result<Made> {
    mlxk_hub::check_links(&source.path, &context.settings.locations)?;
    let checkpoint = Checkpoint::open(&source.path).map_err(HubError::from)?;
    let naming = mlxk_models::published_names_of(&checkpoint)?;
    let conversion = Conversion::plan(&checkpoint, &naming, options).map_err(HubError::from)?;
    convert_settings::check_patterns(args, &conversion, context)?;
    let building = begin(args, target, conversion.disk_bytes(), context)?;
    progress.stage("Converting");
    conversion
        .write(building.folder(), &mut |done, total| report(progress, done, total))
        .map_err(|error| hub_error(error, &building))?;
    let mut skipped = NOT_COPIED.to_vec();
    if conversion.other_modalities() == 0 {
        skipped.extend(PROCESSORS);
    }
    convert::copy_companions(&source.path, building.folder(), &skipped).map_err(HubError::from)?;
    let warning = warning(&checkpoint, options);
    let name = origin_of(source);
    let origin = (name.as_str(), source.revision.as_deref());
    let message = summary(&conversion, options);
    let (target, content_hash) = building.finish(recorded(origin, args, options), progress)?;
    Ok(Made { source: name, target, content_hash, message, warning })
}

/// Converts a GGUF file to a checkpoint, then continues as with any other checkpoint.
fn from_gguf(
    args: &ConvertArgs,
    options: &Options,
    path: &Path,
    target: &Path,
    progress: &Progress,
    context: &Context,
) -> anyhow::Result<Made> {
    if !path.is_file() {
        let problem = "does not exist";
        return Err(
            HubError::from(ReferenceError::BadPath { path: path.to_owned(), problem }).into()
        );
    }
    let changes = options.change != Change::Keep || options.dtype.is_some();
    // If the weights change again below, lossless values avoid rounding twice.
    let architectures = mlxk_models::gguf_architectures();
    let plan = if args.lossless || changes {
        gguf::Plan::lossless(path, &architectures)
    } else {
        gguf::Plan::new(path, &architectures)
    };
    let plan = plan.map_err(HubError::from)?;
    let name = std::path::absolute(path)?.display().to_string();
    let room = plan.output_bytes().saturating_mul(if changes { 2 } else { 1 });
    let building = begin(args, target, room, context)?;
    progress.stage("Converting to MLX");
    if !changes {
        plan.write(building.folder(), &mut |done, total| report(progress, done, total))
            .map_err(|error| hub_error(error, &building))?;
        let message = format!("converted {}", format::size(plan.output_bytes()));
        let (target, content_hash) =
            building.finish(recorded((&name, None), args, options), progress)?;
        return Ok(Made { source: name, target, content_hash, message, warning: None });
    }
    let between = building.folder().join(".between");
    std::fs::create_dir(&between)?;
    plan.write(&between, &mut |done, total| report(progress, done, total))
        .map_err(|error| hub_error(error, &building))?;
    let (message, warning) = {
        let checkpoint = Checkpoint::open(&between).map_err(HubError::from)?;
        let naming = mlxk_models::published_names_of(&checkpoint)?;
        let conversion = Conversion::plan(&checkpoint, &naming, options).map_err(HubError::from)?;
        convert_settings::check_patterns(args, &conversion, context)?;
        progress.stage("Converting");
        conversion
            .write(building.folder(), &mut |done, total| report(progress, done, total))
            .map_err(|error| hub_error(error, &building))?;
        convert::copy_companions(&between, building.folder(), &NOT_COPIED)
            .map_err(HubError::from)?;
        (summary(&conversion, options), warning(&checkpoint, options))
    };
    std::fs::remove_dir_all(&between)?;
    let (target, content_hash) =
        building.finish(recorded((&name, None), args, options), progress)?;
    Ok(Made { source: name, target, content_hash, message, warning })
}

/// Rewrites the index of a copy, or of the source itself if it is also the target.
fn repair(
    args: &ConvertArgs,
    target: &Path,
    progress: &Progress,
    context: &Context,
) -> anyhow::Result<Made> {
    let source = resolve::find(&args.source, false, context)?;
    let told = |index: convert::RepairedIndex| {
        if index.written {
            let (tensors, files) =
                (format::count(index.tensors, "tensor"), format::count(index.shards, "file"));
            format!("indexed {tensors} in {files}")
        } else {
            format!("no index needed: all {} tensors are in one file", index.tensors)
        }
    };
    let is_own = matches!(source.kind, Kind::Folder | Kind::Workspace);
    let same = target
        .canonicalize()
        .ok()
        .is_some_and(|target| source.path.canonicalize().is_ok_and(|source| source == target));
    if same && is_own {
        let index = rebuild_index(&source.path).map_err(HubError::from)?;
        let sentinel = Sentinel::read(&source.path)
            .filter(Sentinel::is_managed)
            .unwrap_or_else(|| sentinel((&source.name, None)).with("mode", json!("repair-index")));
        let content_hash = record(&source.path, sentinel, &BTreeMap::new(), progress)?;
        let message = told(index);
        let (source, target) = (source.name, source.path);
        return Ok(Made { source, target, content_hash, message, warning: None });
    }
    // Reading the shards here names the source in an error, and copies nothing in vain.
    convert::check_shards(&source.path).map_err(HubError::from)?;
    let mut building =
        begin(args, target, mlxk_hub::info(&source, supported::quick()).size_bytes, context)?;
    building.copy_model(&source, &context.settings.locations, progress)?;
    let index = rebuild_index(building.folder()).map_err(HubError::from)?;
    let name = origin_of(&source);
    let origin = (name.as_str(), source.revision.as_deref());
    let sentinel = sentinel(origin)
        .with("mode", json!("repair-index"))
        .with_options(&convert_settings::words(args));
    let (target, content_hash) = building.finish(sentinel, progress)?;
    let message = told(index);
    Ok(Made { source: source.name, target, content_hash, message, warning: None })
}

/// Returns the source for the record of the target: a folder by its absolute path, anything else by its
/// name.
fn origin_of(source: &Resolved) -> String {
    match source.kind {
        Kind::Folder => source.path.display().to_string(),
        _ => source.name.clone(),
    }
}

fn begin(
    args: &ConvertArgs,
    target: &Path,
    bytes: u64,
    context: &Context,
) -> anyhow::Result<Building> {
    let needed = if args.force { 0 } else { bytes };
    Ok(Building::begin(target, needed, &context.settings.locations)?)
}

/// Returns the record of a conversion.
fn recorded(origin: (&str, Option<&str>), args: &ConvertArgs, options: &Options) -> Sentinel {
    let sentinel = sentinel(origin).with_options(&convert_settings::words(args));
    match &options.change {
        Change::Quantize(quantization) => sentinel.with("mode", json!("quantize")).with(
            "quantization",
            json!({
                "bits": quantization.mode.bits(),
                "group_size": quantization.mode.group_size(),
                "mode": quantization.mode.name(),
            }),
        ),
        Change::Dequantize => sentinel.with("mode", json!("dequantize")),
        Change::Keep => sentinel,
    }
}

fn sentinel((source, revision): (&str, Option<&str>)) -> Sentinel {
    let tool = concat!("mlxk ", env!("CARGO_PKG_VERSION"));
    Sentinel::new(Operation::Convert, source, revision, tool)
}

/// Summarizes like `quantized 196 modules, 4.50 bits per weight, 75.8 MB`.
fn summary(conversion: &Conversion, options: &Options) -> String {
    let bytes = conversion.output_bytes();
    let bits = bytes as f64 * 8.0 / (conversion.parameters().max(1)) as f64;
    let what = match &options.change {
        Change::Quantize(_) => {
            format!("quantized {}", format::count(conversion.modes().len(), "module"))
        }
        Change::Dequantize => "dequantized".to_owned(),
        Change::Keep => "converted".to_owned(),
    };
    let others = match (conversion.other_modalities(), conversion.left_out()) {
        (0, 0) => String::new(),
        (0, left_out) => {
            format!(", {} for images or sound left out", format::count(left_out, "tensor"))
        }
        (kept, _) => {
            format!(", {} for images or sound kept unchanged", format::count(kept, "tensor"))
        }
    };
    format!("{what}, {bits:.3} bits per weight, {}{others}", format::size(bytes))
}

/// Warns if the source is quantized already: more bits cannot restore lost precision, and other bits lose
/// more than they would of the original.
fn warning(checkpoint: &Checkpoint, options: &Options) -> Option<String> {
    let Change::Quantize(quantization) = &options.change else { return None };
    let had = checkpoint.quantization().default?.bits();
    let gets = quantization.mode.bits();
    Some(if gets > had {
        format!("the source has {had} bits per weight; {gets} bits make it larger but not better")
    } else {
        format!(
            "the source is already quantized to {had} bits, so the losses add up; \
             quantize the original model if you can get it"
        )
    })
}

fn report(progress: &Progress, done: u64, total: u64) -> ControlFlow<()> {
    progress.advance(done, total);
    if interrupt::requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

/// Converts an error. A file that could not be written has the name that it would have got.
fn hub_error(error: FormatError, building: &Building) -> HubError {
    match error {
        FormatError::Cancelled => HubError::Cancelled,
        FormatError::Write { path, source } => {
            let name = path.strip_prefix(building.folder()).unwrap_or(&path);
            FormatError::Write { path: building.target().join(name), source }.into()
        }
        error => error.into(),
    }
}
