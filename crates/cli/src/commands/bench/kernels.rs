//! `mlxk bench kernels`.

use std::ops::ControlFlow;

#[cfg(feature = "gpu")]
use mlxk_bench::kernels::GpuKernelOptions;
use mlxk_bench::kernels::{self, KernelOptions, WeightForm};
use mlxk_bench::{BenchError, Observe, report};
#[cfg(feature = "gpu")]
use mlxk_engine::{Arithmetic, DeviceChoice};

use crate::args::KernelsArgs;
use crate::exit::{ExitStatus, Interrupted};
use crate::{Context, interrupt};

/// Measures the kernels and prints a report.
pub(crate) fn run(args: &KernelsArgs, context: &Context) -> anyhow::Result<ExitStatus> {
    interrupt::listen()?;
    #[cfg(feature = "gpu")]
    if let Some(word) = args.device.as_deref().filter(|word| *word != "cpu") {
        return run_on_gpu(word, args, context);
    }
    let options = KernelOptions {
        threads: super::threads(args.threads, context),
        instructions: args.instructions.map(crate::args::InstructionName::set),
        exact: args.exact,
        forms: forms(args),
        shapes: args.shape.clone(),
        rows: args.rows.iter().map(|&rows| rows as usize).collect(),
        runs: args.runs as usize,
    };
    let report = observed(context, |observe| kernels::run(&options, super::VERSION, observe))?;
    super::print(&report, &report::kernels(&report), &args.output)
}

/// Measures the kernels of a GPU and prints a report.
#[cfg(feature = "gpu")]
fn run_on_gpu(word: &str, args: &KernelsArgs, context: &Context) -> anyhow::Result<ExitStatus> {
    let arithmetic = Arithmetic { exact: args.exact, kv: None };
    let folder = context.settings.kernels_folder();
    let choice = DeviceChoice::gpu(word, arithmetic, Some(folder.clone()), None)?;
    let DeviceChoice::Gpu { options: gpu, .. } = choice else {
        unreachable!("a word for a GPU chooses one");
    };
    let options = GpuKernelOptions {
        gpu,
        forms: forms(args),
        shapes: args.shape.clone(),
        rows: args.rows.iter().map(|&rows| rows as usize).collect(),
        contexts: args.contexts.iter().map(|&context| context as usize).collect(),
        runs: args.runs as usize,
        tune: args.tune.then_some(folder),
    };
    let report =
        observed(context, |observe| kernels::run_on_gpu(&options, super::VERSION, observe))?;
    super::print(&report, &report::gpu_kernels(&report), &args.output)
}

/// Runs a measurement, and shows its progress.
fn observed<R>(
    context: &Context,
    measure: impl FnOnce(&mut Observe<'_>) -> Result<R, BenchError>,
) -> anyhow::Result<R> {
    let steps = context.printer.steps();
    let mut observe = |what: &str, done: usize, total: usize| {
        steps.begin(what, done, total);
        if interrupt::requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let report = match measure(&mut observe) {
        Err(BenchError::Cancelled) => return Err(Interrupted.into()),
        result => result?,
    };
    drop(steps);
    Ok(report)
}

/// Returns the formats of `--mode`, without duplicates.
fn forms(args: &KernelsArgs) -> Vec<WeightForm> {
    let mut forms = Vec::new();
    for &form in args.mode.iter().flat_map(|forms| &forms.0) {
        if !forms.contains(&form) {
            forms.push(form);
        }
    }
    forms
}
