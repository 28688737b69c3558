//! A device next to the processor's portable kernels, which it is compared with. The tests of a device have a module
//! `device` that opens it.
#![allow(dead_code, reason = "each test uses a part of it")]
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use std::cell::RefCell;

use mlxk_cpu::{Cpu, CpuOptions, InstructionSet};
use mlxk_ops::{Act, Batch, CacheSpec, KvFormat, Ops, Sequence};
use mlxk_tensor::{Dense, Dtype, Mode, QuantTensor, Storage};
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use crate::device::{self, Device};

/// The two devices.
pub(crate) struct Pair {
    pub(crate) cpu: Cpu,
    pub(crate) device: Device,
}

/// Opens the device in exact mode. Returns `None` and says so if it isn't here.
pub(crate) fn open(kv: KvFormat) -> Option<Pair> {
    open_with(kv, true)
}

/// Opens the device in exact mode or not.
pub(crate) fn open_with(kv: KvFormat, exact: bool) -> Option<Pair> {
    let device = device::open(kv, exact)?;
    let cpu = CpuOptions {
        threads: Some(1),
        exact: true,
        kv: Some(kv),
        instructions: Some(InstructionSet::Portable),
    };
    Some(Pair { cpu: Cpu::new(cpu).unwrap(), device })
}

impl Pair {
    /// Does the same on both devices. The first result is that of the processor.
    pub(crate) fn both<T>(&mut self, run: impl Fn(&mut dyn Ops) -> T) -> [T; 2] {
        [run(&mut self.cpu), run(&mut self.device)]
    }
}

/// Runs a number of random cases on both devices.
pub(crate) fn check<S: Strategy>(
    cases: u32,
    strategy: S,
    test: impl Fn(&mut Pair, S::Value) -> Result<(), TestCaseError>,
) {
    let Some(pair) = open(KvFormat::F32) else { return };
    let pair = RefCell::new(pair);
    let mut runner =
        TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(cases) });
    let result = runner.run(&strategy, |case| test(&mut pair.borrow_mut(), case));
    result.unwrap_or_else(|error| panic!("{error}"));
}

/// Checks that values are as close as sums of f32 in another order.
pub(crate) fn assert_close(
    [expected, found]: &[Vec<f32>; 2],
    what: &str,
) -> Result<(), TestCaseError> {
    assert_within([expected, found], 1e-5, what)
}

/// Checks that values differ by at most `bound` of the greatest one.
pub(crate) fn assert_within(
    [expected, found]: [&Vec<f32>; 2],
    bound: f32,
    what: &str,
) -> Result<(), TestCaseError> {
    if expected.len() != found.len() {
        return Err(TestCaseError::fail(format!(
            "{what}: {} values of {}",
            found.len(),
            expected.len()
        )));
    }
    let greatest = expected.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
    for (index, (expected, found)) in expected.iter().zip(found).enumerate() {
        let error = (expected - found).abs();
        if error.is_nan() || error > bound * (greatest + 0.01) {
            let message = format!(
                "{what}: value {index} is {found} instead of {expected} (of up to {greatest})"
            );
            return Err(TestCaseError::fail(message));
        }
    }
    Ok(())
}

/// Returns a generator of values in −1..1.
pub(crate) fn noise(seed: u64) -> impl FnMut() -> f32 {
    let mut state = (seed ^ 0x51ed).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1_u32 << 23) as f32 - 1.0
    }
}

pub(crate) fn values(seed: u64, count: usize) -> Vec<f32> {
    let mut next = noise(seed);
    (0..count).map(|_| next()).collect()
}

fn dense(dtype: Dtype, values: impl IntoIterator<Item = f32>) -> Dense {
    let mut data = Vec::new();
    values.into_iter().for_each(|value| dtype.put(value, &mut data));
    Dense { dtype, data: data.into() }
}

/// Makes a stack of matrices in any mode, or dense for `None`. `dtype` is the type of the scales, or of all
/// values.
pub(crate) fn tensor(
    mode: Option<Mode>,
    dtype: Dtype,
    [experts, rows, cols]: [usize; 3],
    seed: u64,
) -> QuantTensor {
    let count = experts * rows * cols;
    let mut next = noise(seed);
    let mut bytes = |count: usize| -> Vec<u8> {
        (0..count).map(|_| ((next() + 1.0) * 128.0).min(255.0) as u8).collect()
    };
    let storage = match mode {
        None => Storage::Dense(dense(dtype, values(seed, count))),
        Some(Mode::Affine { bits, group_size }) => {
            let (bits, group_size) = (usize::from(bits), usize::from(group_size));
            let packed = bytes(count * bits / 8).into();
            let step = 2.0 / (1 << bits) as f32;
            let scales = values(seed + 1, count / group_size).into_iter().map(|x| x * step);
            let scales = dense(dtype, scales);
            let biases = dense(dtype, values(seed + 2, count / group_size));
            Storage::Affine { bits, group_size, packed, scales, biases }
        }
        Some(mode) => {
            let scales = bytes(count / mode.group_size()).into_iter().map(|byte| match mode {
                Mode::Nvfp4 => byte & 0x3f | (byte & 0x40) << 1,
                _ => 121 + byte % 8,
            });
            let scales: Vec<u8> = scales.collect();
            let factors = || values(seed + 3, experts).iter().map(|x| x + 1.5).collect();
            let global_scale = (mode == Mode::Nvfp4 && dtype == Dtype::F16).then(factors);
            // 0x7f and 0xff are NaN in E4M3.
            let packed = bytes(count * mode.bits() / 8).into_iter();
            let packed = packed.map(|byte| if mode == Mode::Mxfp8 { byte & 0xbf } else { byte });
            let packed = packed.collect::<Vec<u8>>().into();
            Storage::Block { mode, packed, scales: scales.into(), global_scale }
        }
    };
    QuantTensor { name: "w".into(), experts, rows, cols, storage }
}

/// Makes a dense table of f32.
pub(crate) fn table(values: &[f32], cols: usize) -> QuantTensor {
    let storage = Storage::Dense(dense(Dtype::F32, values.iter().copied()));
    QuantTensor { name: "x".into(), experts: 1, rows: values.len() / cols, cols, storage }
}

/// Makes an activation with these values. A step must have begun.
pub(crate) fn input(ops: &mut dyn Ops, values: &[f32], cols: usize) -> Act {
    let rows = values.len() / cols;
    let weight = ops.load(table(values, cols), None).unwrap();
    let ids: Vec<u32> = (0..rows as u32).collect();
    let act = ops.act(rows, cols);
    ops.embed(act, weight, &ids, 1.0);
    act
}

/// Begins a step without sequences.
pub(crate) fn begin(ops: &mut dyn Ops) {
    ops.begin(&Batch::default()).unwrap();
}

pub(crate) fn read(ops: &mut dyn Ops, x: Act) -> Vec<f32> {
    ops.read(x).unwrap().to_vec()
}

/// Sets the cache, and makes sequences.
pub(crate) fn sequences(ops: &mut dyn Ops, spec: &CacheSpec, count: usize) -> Vec<Sequence> {
    ops.configure_cache(spec);
    (0..count).map(|_| ops.new_sequence()).collect()
}
