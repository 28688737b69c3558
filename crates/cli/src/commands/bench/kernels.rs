//! `mlxk bench kernels`.

use std::ops::ControlFlow;

use mlxk_bench::kernels::{self, KernelOptions, WeightForm};
use mlxk_bench::{BenchError, report};

use crate::args::KernelsArgs;
use crate::exit::{ExitStatus, Interrupted};
use crate::printer::Unit;
use crate::{Context, interrupt};

/// Measures the kernels and prints a report.
pub(crate) fn run(args: &KernelsArgs, context: &Context) -> anyhow::Result<ExitStatus> {
    interrupt::listen()?;
    let options = KernelOptions {
        threads: super::threads(args.threads, context),
        instructions: args.instructions.map(crate::args::InstructionName::set),
        exact: args.exact,
        forms: forms(args),
        shapes: args.shape.clone(),
        rows: args.rows.iter().map(|&rows| rows as usize).collect(),
        runs: args.runs as usize,
    };
    let steps = context.printer.steps(Unit::Series);
    let mut observe = |what: &str, done: usize, total: usize| {
        steps.begin(what, done, total);
        if interrupt::requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let report = match kernels::run(&options, super::VERSION, &mut observe) {
        Err(BenchError::Cancelled) => return Err(Interrupted.into()),
        result => result?,
    };
    drop(steps);
    super::print(&report, &report::kernels(&report), &args.output)
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
