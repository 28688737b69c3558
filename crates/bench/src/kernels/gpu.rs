//! Products and attention on a GPU, next to the limits of that GPU.
//!
//! A sample is one submission of many executions, timed by the clock of the GPU. Weights, keys and values come from
//! memory, as in a model: executions that follow each other read different ones.

use std::path::PathBuf;
use std::time::Instant;

use mlxk_gpu::{Gpu, GpuOptions, Tuning};
use mlxk_ops::{AttentionSpec, Batch, Cache, CacheSpec, Compute, KvFormat, Weight, Weights};

use super::tune::tune;
use super::{
    GPU_SCHEMA, GpuFacts, GpuKernelReport, GpuKernelRow, GpuLimits, INPUTS, MatrixShape,
    WeightForm, weight,
};
use crate::statistics::Summary;
use crate::{BenchError, Machine, Observe};

/// Copies of a weight, or caches of layers, have this size together. It exceeds the caches of GPUs.
const READ_BYTES: u64 = 256 << 20;
const MOST_COPIES: u64 = 64;
/// Most layers of a cache.
const MOST_LAYERS: usize = 16;
/// Time of a sample.
const SECONDS_PER_SAMPLE: f64 = 0.01;
const MOST_EXECUTIONS: f64 = 1000.0;
/// Work before the first sample. A GPU that has nothing to do lowers its clock, and needs some time to raise it.
const WARM_UP_SECONDS: f64 = 0.2;
/// Rows of a step that fills the cache.
const FILL_ROWS: usize = 512;
/// Heads of the queries and of the keys that attention is measured with, and their width.
const HEADS: [usize; 3] = [32, 8, 128];

/// Options of a measurement.
#[derive(Clone, Debug)]
pub struct GpuKernelOptions {
    /// The GPU.
    pub gpu: GpuOptions,
    /// Storage forms of the weights.
    pub forms: Vec<WeightForm>,
    /// Shapes of the weights.
    pub shapes: Vec<MatrixShape>,
    /// Numbers of rows of activations. With more than one, attention is that of a prompt.
    pub rows: Vec<usize>,
    /// Numbers of positions before a row whose attention is measured.
    pub contexts: Vec<usize>,
    /// Samples of each series.
    pub runs: usize,
    /// Folder in which the fastest shapes of kernels are kept, after all were tried. If `None`, nothing is tried.
    pub tune: Option<PathBuf>,
}

/// Measures the limits of the GPU, then every product, then attention.
pub fn run_on_gpu(
    options: &GpuKernelOptions,
    version: &str,
    observe: &mut Observe<'_>,
) -> Result<GpuKernelReport, BenchError> {
    super::check(&options.forms, &options.shapes)?;
    let machine = Machine::look();
    let cases = attention_cases(options);
    let trials = if options.tune.is_some() { Tuning::candidates().len() } else { 0 };
    let products_of = options.forms.len() * options.shapes.len();
    let mut begin = crate::steps(trials + products_of + cases.len() + 1, observe);
    begin("Measuring the limits of the GPU")?;
    let mut gpu = Gpu::open(options.gpu.clone())?;
    let info = gpu.info().clone();
    let limits = measure_limits(&mut gpu, options.runs)?;
    let mut tuned = Vec::new();
    if let Some(folder) = &options.tune {
        let (tuning, fields) = tune(options, &mut begin)?;
        tuning.save(folder, &info).map_err(BenchError::Shapes)?;
        tuned = fields;
    }
    let mut rows = Vec::new();
    for &form in &options.forms {
        for &shape in &options.shapes {
            begin(&format!("Measuring {form} weights of {}×{}", shape.out, shape.cols))?;
            // Weights stay until a device is closed.
            let mut gpu = Gpu::open(options.gpu.clone())?;
            rows.extend(products(&mut gpu, options, (form, shape), &limits)?);
        }
    }
    for case in cases {
        begin(&format!("Measuring attention after {} positions", case.context))?;
        rows.push(attention(options, case, &limits)?);
    }
    Ok(GpuKernelReport {
        schema: GPU_SCHEMA.to_owned(),
        version: version.to_owned(),
        machine,
        gpu: GpuFacts {
            name: info.name,
            driver: info.driver,
            interface: info.interface.to_owned(),
            memory_bytes: info.memory_bytes,
        },
        exact: options.gpu.exact,
        limits,
        tuned,
        rows,
    })
}

/// Measures the limits, with enough rounds for the clock.
fn measure_limits(gpu: &mut Gpu, runs: usize) -> Result<GpuLimits, BenchError> {
    let began = Instant::now();
    let mut rounds = 1;
    // At first a GPU is slow, and the number of rounds unknown.
    while began.elapsed().as_secs_f64() < WARM_UP_SECONDS {
        let started = Instant::now();
        gpu.float_rate(rounds)?;
        if started.elapsed().as_secs_f64() < SECONDS_PER_SAMPLE {
            rounds *= 2;
        }
    }
    let mut series = |measure: &mut dyn FnMut(&mut Gpu) -> mlxk_ops::Result<Option<f64>>| {
        let figures = (0..runs).map(|_| measure(gpu)).collect::<Result<Option<Vec<_>>, _>>()?;
        Ok::<_, BenchError>(figures.and_then(Summary::of))
    };
    let copy = series(&mut |gpu| gpu.copy_rate().map(Some))?;
    let float = series(&mut |gpu| gpu.float_rate(rounds).map(Some))?;
    let matrix = series(&mut |gpu| gpu.matrix_rate(rounds))?;
    Ok(GpuLimits {
        copy: copy.ok_or(BenchError::NoFigures)?,
        float: float.ok_or(BenchError::NoFigures)?,
        matrix,
    })
}

/// Measures one weight with every number of rows.
fn products(
    gpu: &mut Gpu,
    options: &GpuKernelOptions,
    (form, shape): (WeightForm, MatrixShape),
    limits: &GpuLimits,
) -> Result<Vec<GpuKernelRow>, BenchError> {
    let tensor = weight::tensor(form, shape);
    let bytes = tensor.size_bytes() as u64;
    let copies = READ_BYTES.div_ceil(bytes).clamp(1, MOST_COPIES);
    let inputs = gpu.load(weight::tensor(INPUTS, MatrixShape { out: 1, ..shape }), None)?;
    let mut weights = Vec::new();
    for _ in 0..copies {
        weights.push(gpu.load(weight::copy(&tensor), None)?);
    }
    let mut found = Vec::new();
    for &rows in &options.rows {
        let seconds = product_seconds(gpu, (inputs, &weights), shape, rows, options.runs)?;
        let work = Work { bytes, multiply_adds: (shape.out * shape.cols * rows) as f64 };
        let name = ("product", form.to_string(), vec![shape.out, shape.cols]);
        found.push(row(name, (rows, None), &work, seconds, limits));
    }
    Ok(found)
}

/// Times products with one copy of a weight after the other.
pub(super) fn product_seconds(
    gpu: &mut Gpu,
    (inputs, weights): (Weight, &[Weight]),
    shape: MatrixShape,
    rows: usize,
    runs: usize,
) -> Result<Summary, BenchError> {
    // What an activation holds stays until another step writes it.
    gpu.begin(&Batch::default())?;
    let x = gpu.act(rows, shape.cols);
    gpu.embed(x, inputs, &vec![0; rows], 1.0);
    gpu.read(x)?;
    let mut next = weights.iter().cycle();
    series(gpu, runs, &mut |gpu, count| {
        gpu.begin(&Batch::default())?;
        let (x, out) = (gpu.act(rows, shape.cols), gpu.act(rows, shape.out));
        for &weight in next.by_ref().take(count) {
            gpu.linear(&[out], x, &[weight]);
        }
        gpu.time_recorded()
    })
}

/// Attention that is measured.
#[derive(Clone, Copy)]
pub(super) struct Attention {
    pub(super) kv: KvFormat,
    pub(super) rows: usize,
    /// Positions before them.
    pub(super) context: usize,
}

/// Returns the attention of one row after each context, and of prompts of as many rows as products have, with keys and
/// values in 16 bits and in 8.
fn attention_cases(options: &GpuKernelOptions) -> Vec<Attention> {
    let kv = options.gpu.kv_format();
    let tokens = options.contexts.iter().map(|&context| Attention { kv, rows: 1, context });
    let prompts = options.rows.iter().filter(|&&rows| rows > 1);
    let prompts = prompts.map(|&rows| Attention { kv, rows, context: 0 });
    let cases: Vec<_> = tokens.chain(prompts).collect();
    let narrow = cases.iter().map(|&case| Attention { kv: KvFormat::Affine8, ..case });
    cases.iter().copied().chain(narrow).collect()
}

impl Attention {
    /// Returns the bytes of the keys and values of a layer.
    fn bytes(self) -> f64 {
        let [_, kv_heads, head_dim] = HEADS;
        position_bytes(self.kv, 2 * kv_heads * head_dim) * (self.context + self.rows) as f64
    }

    /// Times attention behind other rows, in as many layers as exceed the caches of GPUs. The device has this format of
    /// keys and values.
    pub(super) fn seconds(self, gpu: &mut Gpu, runs: usize) -> Result<Summary, BenchError> {
        let [heads, kv_heads, head_dim] = HEADS;
        let Self { rows, context, .. } = self;
        let spec = AttentionSpec::causal(heads, kv_heads, head_dim);
        let layers = ((READ_BYTES as f64 / self.bytes()).ceil() as usize).clamp(1, MOST_LAYERS);
        gpu.configure_cache(&CacheSpec::uniform(layers, kv_heads, head_dim, head_dim));
        let sequence = gpu.new_sequence();
        let attend = |gpu: &mut Gpu, start: usize, rows: usize, count: usize| {
            let mut batch = Batch::default();
            batch.push(sequence, start, &vec![0; rows], false);
            gpu.begin(&batch)?;
            let [out, q] = [heads; 2].map(|heads| gpu.act(rows, heads * head_dim));
            let [k, v] = [kv_heads; 2].map(|heads| gpu.act(rows, heads * head_dim));
            for layer in 0..count {
                gpu.attend(out, q, k, v, layer % layers, &spec, &batch);
            }
            gpu.time_recorded()
        };
        let mut at = 0;
        while at < context {
            let count = FILL_ROWS.min(context - at);
            attend(gpu, at, count, layers)?;
            at += count;
        }
        let seconds = series(gpu, runs, &mut |gpu, count| {
            gpu.rewind(sequence, context);
            attend(gpu, context, rows, count)
        })?;
        gpu.free_sequence(sequence);
        Ok(seconds)
    }
}

/// Measures attention on a device of its own.
fn attention(
    options: &GpuKernelOptions,
    case: Attention,
    limits: &GpuLimits,
) -> Result<GpuKernelRow, BenchError> {
    let Attention { kv, rows, context } = case;
    let mut gpu = Gpu::open(GpuOptions { kv: Some(kv), ..options.gpu.clone() })?;
    let seconds = case.seconds(&mut gpu, options.runs)?;
    let [heads, _, head_dim] = HEADS;
    // Of all positions that a row sees, its scores and its sums.
    let seen = rows as f64 * (context as f64 + 0.5 * rows as f64 + 0.5);
    let work =
        Work { bytes: case.bytes() as u64, multiply_adds: 2.0 * seen * (heads * head_dim) as f64 };
    let mode = match kv {
        KvFormat::F32 => "32 bits",
        KvFormat::F16 => "16 bits",
        KvFormat::Affine8 => "8 bits",
        KvFormat::Affine4 => "8 and 4 bits",
    };
    let name = ("attention", mode.to_owned(), HEADS.to_vec());
    Ok(row(name, (rows, Some(context)), &work, seconds, limits))
}

/// Returns the bytes of `values` keys and values of a position.
fn position_bytes(kv: KvFormat, values: usize) -> f64 {
    let bits = match kv {
        KvFormat::F32 => 32.0,
        KvFormat::F16 => 16.0,
        // With scales, see the option `--kv-bits`.
        KvFormat::Affine8 => 9.0,
        KvFormat::Affine4 => 7.0,
    };
    values as f64 * bits / 8.0
}

/// Work of one execution.
struct Work {
    bytes: u64,
    multiply_adds: f64,
}

fn row(
    (kernel, mode, shape): (&str, String, Vec<usize>),
    (rows, context): (usize, Option<usize>),
    work: &Work,
    seconds: Summary,
    limits: &GpuLimits,
) -> GpuKernelRow {
    let per_second = 1.0 / seconds.median.max(1e-12);
    let bytes_per_second = work.bytes as f64 * per_second;
    let multiply_adds_per_second = work.multiply_adds * per_second;
    GpuKernelRow {
        kernel: kernel.to_owned(),
        mode,
        shape,
        rows,
        context,
        bytes: work.bytes,
        bytes_per_second,
        share_of_copy: limits.share_of_copy(bytes_per_second),
        multiply_adds_per_second,
        share_of_peak: limits.share_of_peak(multiply_adds_per_second),
        seconds,
    }
}

/// Times samples of many executions. `timed` executes a number of them, and returns the seconds of all.
fn series(
    gpu: &mut Gpu,
    runs: usize,
    timed: &mut dyn FnMut(&mut Gpu, usize) -> mlxk_ops::Result<f64>,
) -> Result<Summary, BenchError> {
    let began = Instant::now();
    // The first run compiles kernels.
    timed(gpu, 1)?;
    let one = timed(gpu, 1)?.max(1e-7);
    let mut count = (SECONDS_PER_SAMPLE / one).ceil().clamp(1.0, MOST_EXECUTIONS);
    while began.elapsed().as_secs_f64() < WARM_UP_SECONDS {
        let seconds = timed(gpu, count as usize)?.max(1e-7);
        count = (SECONDS_PER_SAMPLE * count / seconds).ceil().clamp(1.0, MOST_EXECUTIONS);
    }
    let samples = (0..runs)
        .map(|_| timed(gpu, count as usize).map(|seconds| seconds / count))
        .collect::<Result<Vec<_>, _>>()?;
    Summary::of(samples).ok_or(BenchError::NoFigures)
}
