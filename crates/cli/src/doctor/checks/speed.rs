//! How fast this machine computes, next to what it does at best.

use std::ops::ControlFlow;

use mlxk_bench::BenchError;
use mlxk_bench::kernels::{self, KernelOptions, KernelReport, KernelRow, MatrixShape, WeightForm};
use mlxk_tensor::Mode;
use serde_json::json;

use crate::doctor::{Check, Environment, Line};

pub(super) const CHECK: Check = Check {
    id: "speed",
    about: "memory and arithmetic at best, and what 4-bit products make of them",
    slow: true,
    run,
};

/// A layer's matrix of an 8B model.
const SHAPE: MatrixShape = MatrixShape { out: 4096, cols: 4096 };
/// A token of an answer, and a piece of a prompt.
const ROWS: [usize; 2] = [1, 32];
/// Some seconds on a usual machine.
const RUNS: usize = 61;

fn run(environment: &Environment<'_>) -> Vec<Line> {
    environment.reporter.stage("Measuring for some seconds");
    let options = KernelOptions {
        threads: environment.settings.config.threads(),
        instructions: None,
        exact: false,
        forms: vec![WeightForm::Quantized(Mode::Affine { bits: 4, group_size: 64 })],
        shapes: vec![SHAPE],
        rows: ROWS.to_vec(),
        runs: RUNS,
    };
    let reporter = environment.reporter;
    let mut observe = |_: &str, _: usize, _: usize| {
        if reporter.cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    match kernels::run(&options, env!("CARGO_PKG_VERSION"), &mut observe) {
        Ok(report) => lines(&report, cfg!(debug_assertions)),
        Err(BenchError::Cancelled) => Vec::new(),
        Err(error) => vec![Line::warning(format!("Nothing was measured: {error}"))],
    }
}

fn lines(report: &KernelReport, unoptimized: bool) -> Vec<Line> {
    let limits = Line::ok(format!("At best {}", report.limits.line())).data(json!(report.limits));
    let mut lines = vec![limits];
    lines.extend(report.rows.iter().map(|row| Line::ok(product(row)).data(json!(row))));
    if let Some(warning) = report.machine.warning() {
        lines.push(Line::warning(warning).fix("Close other programs; `mlxk doctor speed` again"));
    }
    let (used, usable) = (report.limits.threads, report.machine.usable_cores);
    if used < usable {
        let text = format!("{used} threads compute, where {usable} could");
        lines.push(Line::warning(text).fix("mlxk config says where `threads` is set; unset it"));
    }
    if unoptimized {
        let text = "This program was built without optimization";
        lines.push(Line::warning(text).fix("cargo install --path crates/cli"));
    }
    lines
}

/// What a product makes of memory where that is the bound, and of arithmetic else.
fn product(row: &KernelRow) -> String {
    let percent = |share: f64| format!("{:.0} %", 100.0 * share);
    if row.rows == 1 {
        return format!(
            "A token's 4-bit products read {:.1} GB/s, {} of what memory gives",
            row.bytes_per_second / 1e9,
            percent(row.share_of_read)
        );
    }
    let share = row.share_of_peak.map(|share| format!(", {} of the peak", percent(share)));
    format!(
        "{} tokens at once make {:.0} GMAC/s{}",
        row.rows,
        row.multiply_adds_per_second / 1e9,
        share.unwrap_or_default()
    )
}
