//! The model and server of mlxk itself.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use mlxk_bench::compare::{Engine, EngineKind, Entry, ServerCommand, ServerWay, Settings, Weights};
use mlxk_bench::model::ModelFacts;
use mlxk_bench::synthetic::{RowEncoding, Synthetic};
use mlxk_engine::{LoadOptions, MemoryPlan};
use mlxk_hub::Reference;
use mlxk_tensor::Mode;
use mlxk_text::Tokenizer;
use tempfile::TempDir;

use super::names::Names;
use crate::Context;
use crate::args::CompareArgs;
use crate::models::resolve;

/// Our model on this machine.
pub(super) struct Ours {
    /// Name.
    pub(super) name: String,
    /// Folder of the checkpoint.
    pub(super) folder: PathBuf,
    /// Format of the weights.
    pub(super) weights: Weights,
    /// Maximum context length in tokens.
    pub(super) max_positions: usize,
    /// The same weights as a GGUF file, if they are synthetic.
    pub(super) gguf: Option<PathBuf>,
    _temporary: Option<TempDir>,
}

/// Finds, pulls or creates our model.
pub(super) fn find(args: &CompareArgs, names: &Names, context: &Context) -> anyhow::Result<Ours> {
    if let Some(shape) = &args.synthetic {
        return synthetic(shape, context);
    }
    // The import of a file on this machine downloads nothing.
    let is_file = matches!(names.ours.parse(), Ok(Reference::Gguf(_) | Reference::Ollama(_)));
    let found = resolve::find(&names.ours, is_file || !args.skip_pull, context)?;
    check(&found.path)?;
    of(found.name, found.path)
}

/// Checks that the model is complete and supported. A server would say so only when it is measured.
fn check(folder: &Path) -> anyhow::Result<()> {
    // The device, and so the memory that it has, is the server's choice.
    let memory_bytes = Some(u64::MAX / 2);
    MemoryPlan::for_load(&LoadOptions {
        memory_bytes,
        max_sequences: 1,
        ..LoadOptions::new(folder)
    })?;
    Tokenizer::open(folder)?;
    Ok(())
}

fn synthetic(shape: &str, context: &Context) -> anyhow::Result<Ours> {
    let four_bits = Mode::affine(4, 64).context("MLX has 4-bit groups of 64")?;
    let model = Synthetic::new(shape, mlxk_bench::kernels::WeightForm::Quantized(four_bits))?;
    let temporary = tempfile::tempdir()?;
    let (folder, gguf) = (temporary.path().join("model"), temporary.path().join("model.gguf"));
    std::fs::create_dir(&folder)?;
    let label = format!("Creating {}", model.name());
    super::super::synthetic::work(&label, context, &mut |progress| model.write(&folder, progress))?;
    super::super::synthetic::work(&label, context, &mut |progress| {
        model.write_gguf(&gguf, RowEncoding::Q4_0, progress)
    })?;
    let ours = of(model.name().to_owned(), folder)?;
    Ok(Ours { gguf: Some(gguf), _temporary: Some(temporary), ..ours })
}

fn of(name: String, folder: PathBuf) -> anyhow::Result<Ours> {
    let facts = ModelFacts::of(&folder)?;
    let max_positions = facts.max_positions;
    let weights = Weights::of(facts);
    Ok(Ours { name, folder, weights, max_positions, gguf: None, _temporary: None })
}

/// Describes our engine.
pub(super) fn entry(
    ours: &Ours,
    args: &CompareArgs,
    settings: &Settings,
    context: &Context,
) -> anyhow::Result<Entry> {
    let program = std::env::current_exe()?;
    let version = Some(crate::commands::bench::VERSION.to_owned());
    let title = EngineKind::Mlxk.title().to_owned();
    Ok(Entry::Ready(engine(title, version, program, ours, args, settings, context)))
}

/// Describes the server of this or another build of mlxk.
pub(super) fn engine(
    title: String,
    version: Option<String>,
    program: PathBuf,
    ours: &Ours,
    args: &CompareArgs,
    settings: &Settings,
    context: &Context,
) -> Engine {
    let folder = ours.folder.display().to_string();
    let mut arguments: Vec<String> = ["server", "--host", "127.0.0.1", "--port", "{port}"]
        .into_iter()
        .chain(["--keep-alive", "-1", "--log-level", "error", "--no-pull"])
        // The other engines don't speculate either.
        .chain(["--no-prompt-lookup"])
        .map(str::to_owned)
        .collect();
    for (flag, number) in [("--ctx", settings.context), ("--parallel", args.together() as usize)] {
        arguments.extend([flag.to_owned(), number.to_string()]);
    }
    if let Some(threads) = settings.threads {
        arguments.extend(["--threads".to_owned(), threads.to_string()]);
    }
    arguments.extend(["--model".to_owned(), folder.clone()]);
    Engine {
        kind: EngineKind::Mlxk,
        title,
        version,
        model: ours.name.clone(),
        model_in_requests: folder,
        weights: Some(ours.weights.clone()),
        server: ServerWay::Process(ServerCommand { program, arguments }),
        key: context.settings.api_key.clone(),
        equal_file: None,
    }
}
