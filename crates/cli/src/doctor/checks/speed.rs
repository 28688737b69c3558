//! Measures 4-bit products next to the limits of the machine.

use std::ops::ControlFlow;

use mlxk_bench::kernels::{self, KernelOptions, KernelReport, KernelRow, MatrixShape, WeightForm};
use mlxk_bench::{BenchError, bandwidth};
use mlxk_tensor::Mode;
use serde_json::json;

use crate::doctor::{Check, Environment, Line};

pub(super) const CHECK: Check = Check {
    id: "speed",
    about: "memory bandwidth, peak arithmetic and 4-bit products",
    slow: true,
    run,
};

/// A weight matrix of an 8B model.
const SHAPE: MatrixShape = MatrixShape { out: 4096, cols: 4096 };
/// One row as in decoding, and a batch as in prefill.
const ROWS: [usize; 2] = [1, 32];
/// Samples per median: a few seconds on a usual machine.
const RUNS: usize = 61;

fn run(environment: &Environment<'_>) -> Vec<Line> {
    environment.reporter.stage("Measuring for a few seconds");
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
        Ok(report) => {
            if report.machine.warning().is_none() {
                // `mlxk show` computes the speed of models with the same figure.
                let file = environment.settings.bandwidth_file();
                bandwidth::keep_bandwidth(report.limits.read.maximum, &file);
            }
            lines(&report, cfg!(debug_assertions))
        }
        Err(BenchError::Cancelled) => Vec::new(),
        Err(error) => vec![Line::warning(format!("Measuring failed: {error}"))],
    }
}

fn lines(report: &KernelReport, unoptimized: bool) -> Vec<Line> {
    let limits = Line::ok(format!("Limits: {}", report.limits.line())).data(json!(report.limits));
    let mut lines = vec![limits];
    lines.extend(report.rows.iter().map(|row| Line::ok(product(row)).data(json!(row))));
    if let Some(warning) = report.machine.warning() {
        lines.push(
            Line::warning(warning).fix("Close other programs, then run `mlxk doctor speed` again"),
        );
    }
    let (used, usable) = (report.limits.threads, report.machine.usable_cores);
    if used < usable {
        let text = format!("Only {used} of {usable} available threads are used");
        lines.push(Line::warning(text).fix("Unset `threads`; `mlxk config` shows where it is set"));
    }
    if unoptimized {
        let text = "This is a debug build, which is slow";
        lines.push(
            Line::warning(text).fix("Use a release, or build one with `cargo build --release`"),
        );
    }
    lines
}

/// Describes a product by memory bandwidth for one row, and by arithmetic otherwise.
fn product(row: &KernelRow) -> String {
    let percent = |share: f64| format!("{:.0} %", 100.0 * share);
    if row.rows == 1 {
        return format!(
            "4-bit products of one token read {:.1} GB/s, {} of the memory bandwidth",
            row.bytes_per_second / 1e9,
            percent(row.share_of_read)
        );
    }
    let share = row.share_of_peak.map(|share| format!(", {} of the peak", percent(share)));
    format!(
        "4-bit products of {} tokens compute {:.0} GMAC/s{}",
        row.rows,
        row.multiply_adds_per_second / 1e9,
        share.unwrap_or_default()
    )
}
