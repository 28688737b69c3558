//! `mlxk bench model`.

use std::ops::ControlFlow;

use mlxk_bench::model::{self, EngineSettings, GpuSettings, ModelOptions, Subject, WorkerCommand};
use mlxk_bench::{BenchError, report};
use mlxk_engine::KvFormat;

use super::synthetic;
use crate::args::{AUTO, ModelArgs};
use crate::exit::{ExitStatus, Interrupted};
use crate::models::resolve;
use crate::peak_memory;
use crate::{Context, answer, interrupt, output};

/// Finds or creates the models, measures them and prints a report.
pub(crate) fn run(args: &ModelArgs, context: &Context) -> anyhow::Result<ExitStatus> {
    interrupt::listen()?;
    let mut subjects = Vec::new();
    for name in &args.models {
        let found = resolve::find(name, !args.compute.no_pull, context)?;
        subjects.push(Subject { name: found.name, folder: found.path });
    }
    // Its folder is deleted when this is dropped.
    let synthetic = synthetic::make(args, context)?;
    subjects.extend(synthetic.iter().map(synthetic::Made::subject));
    if args.no_run {
        return Ok(ExitStatus::Success);
    }
    let options = ModelOptions {
        prompt_tokens: args.prompt_tokens as usize,
        max_tokens: args.max_tokens as usize,
        contexts: args.contexts.iter().map(|&depth| depth as usize).collect(),
        runs: args.runs as usize,
        warmup: args.warmup as usize,
        engine: EngineSettings {
            threads: super::threads(args.compute.threads, context),
            exact: args.compute.exact,
            kv_bits: args.compute.kv_bits.map(KvFormat::bits),
            instructions: args.instructions.map(|name| name.word().to_owned()),
            gpu: gpu(args, context),
            prompt_lookup: args.prompt_lookup,
            no_huge_pages: args.decode.no_huge_pages,
            draft_model: answer::draft_model(
                args.decode.draft_model.as_deref(),
                !args.compute.no_pull,
                context,
            )?,
        },
    };
    let worker = WorkerCommand {
        program: std::env::current_exe()?,
        arguments: vec!["bench".to_owned(), "worker".to_owned()],
    };
    let steps = context.printer.steps();
    let mut observe = |what: &str, done: usize, total: usize| {
        steps.begin(what, done, total);
        if interrupt::requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let report = match model::run(&options, &subjects, &worker, super::VERSION, &mut observe) {
        Err(BenchError::Cancelled) => return Err(Interrupted.into()),
        // The workers get Ctrl-C too and may end first.
        Err(BenchError::WorkerEnded { .. }) if interrupt::requested() => {
            return Err(Interrupted.into());
        }
        result => result?,
    };
    drop(steps);
    super::print(&report, &report::model(&report), &args.output)
}

/// Returns the GPU or MLX, if it is asked for.
fn gpu(args: &ModelArgs, context: &Context) -> Option<GpuSettings> {
    let settings = &context.settings;
    let name = args.compute.device_word(settings);
    let is_other = name != "cpu" && (cfg!(feature = "gpu") || name != AUTO);
    is_other.then(|| GpuSettings {
        name,
        kernels: settings.kernels_folder(),
        layers: args.compute.layers(),
        decisions: settings.decisions_folder(),
        surroundings: settings.vulkan_drivers.clone(),
        mlx_library: settings.mlx_library(),
    })
}

/// Executes the commands of another `mlxk bench model`.
pub(crate) fn worker() -> anyhow::Result<ExitStatus> {
    let orders = std::io::stdin().lock();
    model::serve(orders, output::for_a_program(), &peak_memory::peak_resident_bytes)?;
    Ok(ExitStatus::Success)
}
