//! Checks that a GPU or MLX computes correctly, by the portable kernels of the processor: products in every form of
//! weights, attention, and the choice of tokens.

use std::path::Path;

use mlxk_cpu::{Cpu, CpuOptions, InstructionSet};
#[cfg(feature = "gpu")]
use mlxk_gpu::{Gpu, GpuOptions};
use mlxk_mlx::{Mlx, MlxOptions};
use mlxk_ops::{
    Act, Activation, AttentionSpec, Batch, CacheSpec, KvFormat, Ops, OpsError, Ranked, RopeSpec,
};
use mlxk_tensor::{Dense, Dtype, Mode, QuantTensor, Storage};

use crate::error::EngineError;

/// Result of the test of a device.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceTest {
    /// Name of the device.
    pub name: String,
    /// Number of values that were compared.
    pub compared: usize,
    /// The first wrong value of each case.
    pub differences: Vec<DeviceDifference>,
}

/// A value that is too far from what the processor computes.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceDifference {
    /// The operation, and what it was applied to.
    pub case: String,
    /// Value of the device.
    pub found: f32,
    /// Value of the processor.
    pub expected: f32,
    /// Greatest value of the case, which bounds of errors relate to.
    pub greatest: f32,
}

impl std::fmt::Display for DeviceDifference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { case, found, expected, greatest } = self;
        write!(f, "{case} gives {found:e} instead of {expected:e} (of up to {greatest:e})")
    }
}

/// Largest errors of f32, of whole numbers of 16 bits, and of 16-bit floats, over the greatest value of a case.
const BOUNDS: [f32; 3] = [1e-5, 2e-4, 4e-3];
/// Largest error of a block of which every value is a 16-bit float.
const HALF_BOUND: f32 = 2e-2;
/// Rows from which on kernels of a GPU may use matrix units.
const MATRIX_FROM: usize = 9;
const WIDTH: usize = 256;
const OUTS: usize = 384;

/// Arithmetic of the device.
#[derive(Clone, Copy, PartialEq)]
enum Values {
    /// All in f32.
    Exact,
    /// Inputs of products and keys and values in 16 bits.
    #[cfg_attr(not(feature = "gpu"), expect(dead_code, reason = "only GPUs have it"))]
    Fast,
    /// All in 16 bits.
    Half,
}

impl Values {
    /// Returns the bound of a product.
    fn of_product(self, rows: usize) -> f32 {
        match self {
            Self::Exact => BOUNDS[0],
            Self::Fast if rows < MATRIX_FROM => BOUNDS[1],
            Self::Fast => BOUNDS[2],
            Self::Half => HALF_BOUND,
        }
    }

    /// Returns the bound of an attention, of prompts (0) or tokens (1).
    fn of_attention(self, part: usize) -> f32 {
        match self {
            Self::Exact => BOUNDS[0],
            Self::Fast => BOUNDS[2 - part],
            Self::Half => HALF_BOUND,
        }
    }
}

/// Tests the kernels of an adapter, with and without exact mode. `adapter` is as in [`GpuOptions`].
#[cfg(feature = "gpu")]
pub fn gpu_test(adapter: Option<&str>) -> Result<DeviceTest, EngineError> {
    test(|exact, kv| {
        let adapter = adapter.map(str::to_owned);
        let options = GpuOptions { adapter, exact, kv: Some(kv), ..GpuOptions::default() };
        let gpu = Gpu::open(options)?;
        let name = gpu.info().name.clone();
        Ok((Box::new(gpu), name, if exact { Values::Exact } else { Values::Fast }))
    })
}

/// Tests MLX, with and without exact mode. `library` is as in [`MlxOptions`].
pub fn mlx_test(library: Option<&Path>) -> Result<DeviceTest, EngineError> {
    test(|exact, kv| {
        let library = library.map(Path::to_owned);
        let mlx = Mlx::open(MlxOptions { library, exact, kv: Some(kv) })?;
        let name = mlx.name().to_owned();
        Ok((Box::new(mlx), name, if exact { Values::Exact } else { Values::Half }))
    })
}

/// Tests a device, which `open` opens in exact mode or not.
fn test(
    open: impl Fn(bool, KvFormat) -> Result<(Box<dyn Ops>, String, Values), EngineError>,
) -> Result<DeviceTest, EngineError> {
    let mut last = String::new();
    let mut comparison = Comparison::default();
    for exact in [true, false] {
        let kv = if exact { KvFormat::F32 } else { KvFormat::F16 };
        let (mut device, name, values) = open(exact, kv)?;
        last = name;
        let instructions = Some(InstructionSet::Portable);
        let options = CpuOptions { threads: None, exact: true, kv: Some(kv), instructions };
        compare(&mut Cpu::new(options)?, &mut *device, values, &mut comparison)?;
    }
    let Comparison { compared, differences } = comparison;
    Ok(DeviceTest { name: last, compared, differences })
}

#[derive(Debug, Default)]
struct Comparison {
    compared: usize,
    differences: Vec<DeviceDifference>,
}

impl Comparison {
    fn add(&mut self, case: String, [expected, found]: [&[f32]; 2], bound: f32) {
        let greatest = expected.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
        self.compared += expected.len();
        let mut pairs = expected.iter().zip(found);
        let is_wrong = |pair: &(&f32, &f32)| {
            let error = (pair.0 - pair.1).abs();
            error.is_nan() || error > bound * (greatest + 0.01)
        };
        if let Some((&expected, &found)) = pairs.find(is_wrong) {
            self.differences.push(DeviceDifference { case, found, expected, greatest });
        }
    }
}

/// Compares a device with the processor.
fn compare(
    cpu: &mut dyn Ops,
    device: &mut dyn Ops,
    arithmetic: Values,
    comparison: &mut Comparison,
) -> Result<(), OpsError> {
    let word = if arithmetic == Values::Exact { "exact" } else { "fast" };
    for mode in Mode::all().map(Some).chain([None]) {
        for rows in [1, 5, 70] {
            let found = block(device, mode, rows)?;
            let bound = arithmetic.of_product(rows);
            let form = mode.map_or_else(|| "f16".to_owned(), |mode| mode.to_string());
            let case = format!("{word} product of {rows} rows with {form}");
            comparison.add(case, [&block(cpu, mode, rows)?, &found], bound);
        }
    }
    for head_dim in [64, 128] {
        let [expected, found] = [attention(cpu, head_dim)?, attention(device, head_dim)?];
        for (part, name) in ["prompts", "tokens"].into_iter().enumerate() {
            let bound = arithmetic.of_attention(part);
            let case = format!("{word} attention of {name}, heads of {head_dim}");
            comparison.add(case, [&expected[part], &found[part]], bound);
        }
    }
    let [expected, found] = [chosen(cpu)?, chosen(device)?];
    comparison.add(format!("{word} choice of tokens"), [&expected, &found], 0.0);
    Ok(())
}

/// Norm, two products and their gate, and a product that is added to the input.
fn block(ops: &mut dyn Ops, mode: Option<Mode>, rows: usize) -> Result<Vec<f32>, OpsError> {
    let sizes = [[OUTS, WIDTH], [OUTS, WIDTH], [WIDTH, OUTS]];
    let mut weights = Vec::new();
    for (seed, [outs, cols]) in (10..).zip(sizes) {
        weights.push(ops.load(tensor(mode, [outs, cols], seed), None)?);
    }
    let norm = ops.load_vector(values(20, WIDTH))?;
    let x = begin(ops, &Batch::default(), &[(1, rows, WIDTH)])?[0];
    let [normed, out] = [ops.act(rows, WIDTH), ops.act(rows, WIDTH)];
    let [gate, up] = [ops.act(rows, OUTS), ops.act(rows, OUTS)];
    ops.rms_norm(normed, x, norm, 1e-5);
    ops.linear(&[gate, up], normed, &weights[..2]);
    ops.glu(gate, up, Activation::Silu);
    ops.linear(&[out], gate, &weights[2..]);
    ops.add(x, out);
    Ok(ops.read(x)?.to_vec())
}

/// Attention of two prompts, and of a token behind each.
fn attention(ops: &mut dyn Ops, head_dim: usize) -> Result<[Vec<f32>; 2], OpsError> {
    const LENGTHS: [usize; 2] = [70, 33];
    let (heads, kv_heads) = (4, 2);
    ops.configure_cache(&CacheSpec::uniform(1, kv_heads, head_dim, head_dim));
    let frequencies = (0..head_dim / 2).map(|i| 0.8_f32.powi(i as i32)).collect();
    let rope = RopeSpec { frequencies, interleaved: false, offset: 0, scale: 1.0 };
    let rope = ops.load_rope(rope)?;
    let spec = AttentionSpec::causal(heads, kv_heads, head_dim);
    let sequences = LENGTHS.map(|_| ops.new_sequence());
    let mut step = |starts: [usize; 2], counts: [usize; 2], seed| {
        let mut batch = Batch::default();
        for ((&sequence, start), count) in sequences.iter().zip(starts).zip(counts) {
            batch.push(sequence, start, &vec![0; count], false);
        }
        let rows = batch.rows();
        let widths = [heads * head_dim, kv_heads * head_dim];
        let inputs =
            [(seed, rows, widths[0]), (seed + 1, rows, widths[1]), (seed + 2, rows, widths[1])];
        let acts = begin(ops, &batch, &inputs)?;
        let out = ops.act(rows, widths[0]);
        ops.rope(acts[0], heads, rope, &batch);
        ops.rope(acts[1], kv_heads, rope, &batch);
        ops.attend(out, acts[0], acts[1], acts[2], 0, &spec, &batch);
        Ok(ops.read(out)?.to_vec())
    };
    let found = [step([0, 0], LENGTHS, 30)?, step(LENGTHS, [1, 1], 40)?];
    for sequence in sequences {
        ops.free_sequence(sequence);
    }
    Ok(found)
}

/// The columns of the largest values of three rows, and the best five of each.
fn chosen(ops: &mut dyn Ops) -> Result<Vec<f32>, OpsError> {
    const VOCABULARY: usize = 5000;
    let x = begin(ops, &Batch::default(), &[(50, 3, VOCABULARY)])?[0];
    let mut ranked: Vec<Ranked> = ops.top(x, VOCABULARY, 5)?;
    // A device that chooses without being waited for has another kernel for it.
    let x = begin(ops, &Batch::default(), &[(50, 3, VOCABULARY)])?[0];
    let best = match ops.choose(x, VOCABULARY) {
        Some(choice) => ops.chosen(choice?)?,
        None => ranked.iter().copied().step_by(5).collect(),
    };
    ranked.extend(best);
    Ok(ranked.iter().flat_map(|it| [it.column as f32, it.value]).collect())
}

/// Begins a step with activations of made-up values: seed, rows and columns of each.
fn begin(
    ops: &mut dyn Ops,
    batch: &Batch,
    inputs: &[(u64, usize, usize)],
) -> Result<Vec<Act>, OpsError> {
    let mut tables = Vec::new();
    for &(seed, rows, cols) in inputs {
        let storage = Storage::Dense(dense(Dtype::F32, &values(seed, rows * cols)));
        let table = QuantTensor { name: "input".into(), experts: 1, rows, cols, storage };
        tables.push(ops.load(table, None)?);
    }
    ops.begin(batch)?;
    let acts = inputs.iter().zip(tables).map(|(&(_, rows, cols), table)| {
        let act = ops.act(rows, cols);
        let ids: Vec<u32> = (0..rows as u32).collect();
        ops.embed(act, table, &ids, 1.0);
        act
    });
    Ok(acts.collect())
}

/// Returns values in −1..1.
fn values(seed: u64, count: usize) -> Vec<f32> {
    let mut state = (seed ^ 0x51ed).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1_u32 << 23) as f32 - 1.0
    };
    std::iter::repeat_with(next).take(count).collect()
}

fn dense(dtype: Dtype, values: &[f32]) -> Dense {
    let mut data = Vec::new();
    for &value in values {
        dtype.put(value, &mut data);
    }
    Dense { dtype, data: data.into() }
}

/// Makes a matrix in any mode, or in f16 for `None`.
fn tensor(mode: Option<Mode>, [rows, cols]: [usize; 2], seed: u64) -> QuantTensor {
    let count = rows * cols;
    let bytes = |seed, count: usize| -> Vec<u8> {
        values(seed, count).iter().map(|x| ((x + 1.0) * 128.0).min(255.0) as u8).collect()
    };
    let storage = match mode {
        None => Storage::Dense(dense(Dtype::F16, &values(seed, count))),
        Some(Mode::Affine { bits, group_size }) => {
            let (bits, group_size) = (usize::from(bits), usize::from(group_size));
            let packed = bytes(seed, count * bits / 8).into();
            let step = 2.0 / (1 << bits) as f32;
            let scales: Vec<f32> =
                values(seed + 100, count / group_size).iter().map(|x| x * step).collect();
            let biases = dense(Dtype::F16, &values(seed + 200, count / group_size));
            Storage::Affine { bits, group_size, packed, scales: dense(Dtype::F16, &scales), biases }
        }
        Some(mode) => {
            // Scales around one, and no number of E4M3 that is NaN.
            let scale = |byte: u8| if mode == Mode::Nvfp4 { byte & 0x3f } else { 121 + byte % 8 };
            let scales = bytes(seed + 100, count / mode.group_size()).into_iter().map(scale);
            let scales = scales.collect::<Vec<_>>().into();
            let mask = if mode == Mode::Mxfp8 { 0xbf } else { 0xff };
            let packed = bytes(seed, count * mode.bits() / 8).into_iter().map(|byte| byte & mask);
            let packed = packed.collect::<Vec<_>>().into();
            Storage::Block { mode, packed, scales, global_scale: None }
        }
    };
    QuantTensor { name: "w".into(), experts: 1, rows, cols, storage }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpu(exact: bool, kv: KvFormat) -> Cpu {
        let instructions = Some(InstructionSet::Portable);
        let options = CpuOptions { threads: Some(1), exact, kv: Some(kv), instructions };
        Cpu::new(options).unwrap()
    }

    #[test]
    fn a_device_that_computes_something_else_is_told() {
        let mut comparison = Comparison::default();
        let mut same = cpu(true, KvFormat::F32);
        compare(&mut cpu(true, KvFormat::F32), &mut same, Values::Exact, &mut comparison).unwrap();
        assert_eq!(comparison.differences, []);
        assert!(comparison.compared > 100_000);
        // Coarser keys and values, and coarser inputs of products.
        let mut other = cpu(false, KvFormat::Affine4);
        compare(&mut cpu(true, KvFormat::F32), &mut other, Values::Exact, &mut comparison).unwrap();
        let told = |word: &str| comparison.differences.iter().any(|it| it.case.contains(word));
        assert!(told("attention of tokens") && told("product of 5 rows with"), "{comparison:?}");
    }

    #[test]
    #[cfg(feature = "gpu")]
    fn a_gpu_computes_correctly() {
        let Some(first) = mlxk_gpu::adapters().first().cloned() else {
            println!("skipped: there is no GPU, nor a software driver for Vulkan");
            return;
        };
        let found = gpu_test(Some("0")).unwrap();
        assert_eq!(found.name, first.name);
        assert_eq!(found.differences, []);
    }
}
