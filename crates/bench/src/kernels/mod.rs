//! Matrix products of every form of weights, next to the limits of the machine.
//!
//! Weights come from memory, as in a model: every product of a series has its own copy, and all
//! copies together are several times as large as the last-level cache.

mod form;
#[cfg(feature = "gpu")]
mod gpu;
mod gpu_report;
#[cfg(feature = "gpu")]
mod tune;
mod weight;

use std::time::Instant;

use mlxk_cpu::{Cpu, CpuOptions, InstructionSet};
use mlxk_ops::{Batch, Compute, Weight, Weights};
use serde::{Deserialize, Serialize};

pub use form::{MatrixShape, UnknownForm, UnknownShape, WeightForm, WeightForms};
#[cfg(feature = "gpu")]
pub use gpu::{GpuKernelOptions, run_on_gpu};
pub use gpu_report::{
    GPU_SCHEMA, GpuFacts, GpuKernelReport, GpuKernelRow, GpuLimits, TriedShape, TunedField,
};

use crate::limits::Limits;
use crate::statistics::Summary;
use crate::{BenchError, Machine, Observe};

/// Version of the JSON form of [`KernelReport`].
pub const SCHEMA: &str = "mlxk-bench-kernels/1";
/// All copies of a weight together are this many times as large as the last-level cache.
const CACHES: u64 = 4;
/// All copies together have at least this size.
const LEAST_BYTES: u64 = 64 << 20;
const MOST_COPIES: u64 = 256;
/// A sample is the mean of as many products as fit into this time.
const SECONDS_PER_SAMPLE: f64 = 0.004;

/// Options of a measurement.
#[derive(Clone, Debug)]
pub struct KernelOptions {
    /// See [`CpuOptions::threads`].
    pub threads: Option<usize>,
    /// See [`CpuOptions::instructions`].
    pub instructions: Option<InstructionSet>,
    /// See [`CpuOptions::exact`].
    pub exact: bool,
    /// Storage forms of the weights.
    pub forms: Vec<WeightForm>,
    /// Shapes of the weights.
    pub shapes: Vec<MatrixShape>,
    /// Numbers of rows of activations, that is tokens computed at once.
    pub rows: Vec<usize>,
    /// Samples of each series.
    pub runs: usize,
}

/// One measured product.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct KernelRow {
    /// Storage form of the weight.
    pub mode: String,
    /// Output features.
    pub out: usize,
    /// Input features.
    pub cols: usize,
    /// Rows of activations.
    pub rows: usize,
    /// Bytes of the weight, including scales.
    pub weight_bytes: u64,
    /// Seconds per product.
    pub seconds: Summary,
    /// Bytes of weights per second, at the median.
    pub bytes_per_second: f64,
    /// That rate as a share of the read bandwidth.
    pub share_of_read: f64,
    /// Multiply-adds per second, at the median.
    pub multiply_adds_per_second: f64,
    /// `true` if the products multiply bytes, `false` for f32.
    pub integer: bool,
    /// That rate as a share of the instructions' peak.
    pub share_of_peak: Option<f64>,
}

impl KernelRow {
    /// Returns the bits per weight, including scales.
    pub fn bits_per_weight(&self) -> f64 {
        self.weight_bytes as f64 * 8.0 / (self.out as f64 * self.cols as f64)
    }
}

/// The results.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct KernelReport {
    /// [`SCHEMA`].
    pub schema: String,
    /// Version of `mlxk`.
    pub version: String,
    pub machine: Machine,
    /// Instruction set of the kernels.
    pub instructions: String,
    /// `true` if the kernels compute in f32 throughout.
    pub exact: bool,
    /// Limits of the machine.
    pub limits: Limits,
    /// The products.
    pub rows: Vec<KernelRow>,
}

/// Measures the limits, then every product.
pub fn run(
    options: &KernelOptions,
    version: &str,
    observe: &mut Observe<'_>,
) -> Result<KernelReport, BenchError> {
    check(&options.forms, &options.shapes)?;
    let machine = Machine::look();
    let steps = options.forms.len() * options.shapes.len() + 1;
    let mut begin = crate::steps(steps, observe);
    begin("Measuring the limits of the machine")?;
    let limits = Limits::measure(options.threads, options.instructions, &machine)?;
    let instructions = device(options)?.instruction_set().to_owned();
    let mut rows = Vec::new();
    for &form in &options.forms {
        for &shape in &options.shapes {
            begin(&format!("Measuring {form} weights of {}×{}", shape.out, shape.cols))?;
            rows.extend(products(options, form, shape, &machine, &limits)?);
        }
    }
    Ok(KernelReport {
        schema: SCHEMA.to_owned(),
        version: version.to_owned(),
        machine,
        instructions,
        exact: options.exact,
        limits,
        rows,
    })
}

/// Rejects impossible options before anything is measured.
fn check(forms: &[WeightForm], shapes: &[MatrixShape]) -> Result<(), BenchError> {
    for &form in forms {
        for &MatrixShape { cols, .. } in shapes {
            // Rows of fewer bits are whole bytes only in groups of 32.
            let group_size = form.group_size();
            if !cols.is_multiple_of(group_size) {
                return Err(BenchError::Groups { form: form.to_string(), group_size, cols });
            }
        }
    }
    Ok(())
}

fn device(options: &KernelOptions) -> Result<Cpu, BenchError> {
    let KernelOptions { threads, instructions, exact, .. } = *options;
    let options = CpuOptions { threads, exact, kv: None, instructions };
    Cpu::new(options).map_err(BenchError::starting(instructions))
}

/// Measures one weight with every number of rows.
fn products(
    options: &KernelOptions,
    form: WeightForm,
    shape: MatrixShape,
    machine: &Machine,
    limits: &Limits,
) -> Result<Vec<KernelRow>, BenchError> {
    let tensor = weight::tensor(form, shape);
    let bytes = tensor.size_bytes() as u64;
    let cache = machine.last_level_cache_bytes.unwrap_or(32 << 20);
    let total = cache.saturating_mul(CACHES).max(LEAST_BYTES);
    let copies = total.div_ceil(bytes).clamp(1, MOST_COPIES);
    if let Some(available) = mlxk_memory::available_bytes()
        && copies.saturating_mul(bytes) > available
    {
        let MatrixShape { out, cols } = shape;
        return Err(BenchError::TooLarge { out, cols, needed: copies * bytes, available });
    }
    let mut cpu = device(options)?;
    let inputs =
        cpu.load(weight::tensor(INPUTS, MatrixShape { out: 1, cols: shape.cols }), None)?;
    let mut weights = Vec::new();
    for _ in 1..copies {
        weights.push(cpu.load(weight::copy(&tensor), None)?);
    }
    weights.push(cpu.load(tensor, None)?);
    let mut measured = Vec::new();
    for &rows in &options.rows {
        let seconds = series(&mut cpu, (inputs, &weights), shape, rows, options.runs)?;
        let products = (shape.out * shape.cols * rows) as f64;
        let per_second = 1.0 / seconds.median.max(1e-12);
        let integer = is_integer(form, options.exact);
        measured.push(KernelRow {
            mode: form.to_string(),
            out: shape.out,
            cols: shape.cols,
            rows,
            weight_bytes: bytes,
            bytes_per_second: bytes as f64 * per_second,
            share_of_read: limits.share_of_read(bytes as f64 * per_second),
            multiply_adds_per_second: products * per_second,
            integer,
            share_of_peak: limits.share_of_peak(products * per_second, integer),
            seconds,
        });
    }
    Ok(measured)
}

/// Table of one row, the source of the activations.
const INPUTS: WeightForm = WeightForm::Dense(mlxk_tensor::Dtype::F32);

/// Returns `true` if the device multiplies bytes. Dense weights and mxfp8 use f32.
fn is_integer(form: WeightForm, exact: bool) -> bool {
    let codes = |mode| mode != mlxk_tensor::Mode::Mxfp8;
    !exact && matches!(form, WeightForm::Quantized(mode) if codes(mode))
}

/// Times products with one copy of the weight after the other.
fn series(
    ops: &mut dyn Compute,
    (inputs, weights): (Weight, &[Weight]),
    shape: MatrixShape,
    rows: usize,
    runs: usize,
) -> Result<Summary, BenchError> {
    ops.begin(&Batch::default())?;
    let (x, out) = (ops.act(rows, shape.cols), ops.act(rows, shape.out));
    ops.embed(x, inputs, &vec![0; rows], 1.0);
    let mut next = weights.iter().cycle();
    let mut timed = |count: usize| {
        let started = Instant::now();
        for &weight in next.by_ref().take(count) {
            ops.linear(&[out], x, &[weight]);
        }
        started.elapsed().as_secs_f64()
    };
    // The first run warms up memory and threads, the second says how many runs make up a sample.
    timed(1);
    let count = (SECONDS_PER_SAMPLE / timed(1).max(1e-9)).ceil().clamp(1.0, 1e4) as usize;
    let samples = (0..runs).map(|_| timed(count) / count as f64).collect();
    let summary = Summary::of(samples).ok_or(BenchError::NoFigures)?;
    std::hint::black_box(ops.read(out)?);
    Ok(summary)
}

#[cfg(test)]
mod tests;
