//! Runs one kernel a few times on one thread with AVX2, so that its instructions can be counted:
//! `kernel NAME`. Without a name, it lists the kernels. `cargo xtask instructions` does the
//! counting and only counts what happens in [`measured`].

#![expect(clippy::print_stdout, reason = "the list of kernels is for the terminal")]

use std::hint::black_box;
use std::process::ExitCode;

use mlxk_cpu::{Cpu, CpuOptions, InstructionSet};
use mlxk_ops::{AttentionSpec, Batch, Cache, CacheSpec, Compute, KvFormat, Weights};
use mlxk_tensor::{Dense, Dtype, QuantTensor, Storage, affine};

/// Sizes of the weight.
const ROWS: usize = 128;
const COLS: usize = 1536;
/// Number of positions in the KV cache before the query.
const CONTEXT: usize = 128;
/// Number of times that a kernel runs.
const TIMES: usize = 2;

/// A kernel to count.
enum Kernel {
    /// Product of a weight with this many bits and values per scale, and this many rows.
    Affine(usize, usize, usize),
    /// The same with mxfp4.
    Mxfp4(usize),
    /// The same with bf16.
    Dense(usize),
    /// Queries of a layer with 12 heads and 2 key/value heads over a cache in this format.
    Attend(KvFormat, usize),
    /// A norm of this many rows.
    Norm(usize),
}

const KERNELS: [(&str, Kernel); 16] = [
    ("2:64 x 1", Kernel::Affine(2, 64, 1)),
    ("3:64 x 1", Kernel::Affine(3, 64, 1)),
    ("4:32 x 1", Kernel::Affine(4, 32, 1)),
    ("4:64 x 1", Kernel::Affine(4, 64, 1)),
    ("6:64 x 1", Kernel::Affine(6, 64, 1)),
    ("8:64 x 1", Kernel::Affine(8, 64, 1)),
    ("mxfp4 x 1", Kernel::Mxfp4(1)),
    ("bf16 x 1", Kernel::Dense(1)),
    ("4:64 x 8", Kernel::Affine(4, 64, 8)),
    ("4:64 x 64", Kernel::Affine(4, 64, 64)),
    ("8:64 x 64", Kernel::Affine(8, 64, 64)),
    ("attend x 1", Kernel::Attend(KvFormat::F16, 1)),
    ("attend x 16", Kernel::Attend(KvFormat::F16, 16)),
    ("attend kv4", Kernel::Attend(KvFormat::Affine4, 1)),
    ("attend kv8", Kernel::Attend(KvFormat::Affine8, 1)),
    ("norm x 16", Kernel::Norm(16)),
];

fn main() -> ExitCode {
    let Some(name) = std::env::args().nth(1) else {
        for (name, _) in &KERNELS {
            println!("{name}");
        }
        return ExitCode::SUCCESS;
    };
    let Some((_, kernel)) = KERNELS.iter().find(|(known, _)| *known == name) else {
        println!("no kernel of this name");
        return ExitCode::FAILURE;
    };
    let options = CpuOptions {
        threads: Some(1),
        instructions: Some(InstructionSet::Avx2),
        kv: match kernel {
            Kernel::Attend(format, _) => Some(*format),
            _ => None,
        },
        ..CpuOptions::default()
    };
    match Cpu::new(options) {
        Ok(mut cpu) => run(&mut cpu, kernel),
        Err(_) => println!("this processor has no AVX2"),
    }
    ExitCode::SUCCESS
}

fn run(cpu: &mut Cpu, kernel: &Kernel) {
    match *kernel {
        Kernel::Affine(bits, group_size, rows) => product(cpu, affine(bits, group_size), rows),
        Kernel::Mxfp4(rows) => {
            let storage = Storage::Block {
                mode: mlxk_tensor::Mode::Mxfp4,
                packed: bytes(ROWS * affine::row_bytes(COLS, 4)).into(),
                scales: vec![127; ROWS * COLS / 32].into(),
                global_scale: None,
            };
            product(cpu, storage, rows);
        }
        Kernel::Dense(rows) => {
            product(cpu, Storage::Dense(floats(ROWS * COLS, Dtype::Bf16)), rows);
        }
        Kernel::Attend(_, rows) => attend(cpu, rows),
        Kernel::Norm(rows) => {
            let weight = cpu.load_vector(vec![1.0; COLS]).expect("vectors are taken");
            start(cpu, &Batch::default());
            let (x, out) = (inputs(cpu, rows, COLS), cpu.act(rows, COLS));
            measured(&mut || cpu.rms_norm(out, x, weight, 1e-6));
        }
    }
}

/// Everything in here is counted. The counter finds it by its name.
#[inline(never)]
fn measured(work: &mut dyn FnMut()) {
    for _ in 0..TIMES {
        work();
    }
    black_box(());
}

fn product(cpu: &mut Cpu, storage: Storage, rows: usize) {
    let tensor = QuantTensor { name: "w".into(), experts: 1, rows: ROWS, cols: COLS, storage };
    let weight = cpu.load(tensor, None).expect("every mode runs");
    start(cpu, &Batch::default());
    let (x, out) = (inputs(cpu, rows, COLS), cpu.act(rows, ROWS));
    // The first run makes room for the activations.
    cpu.linear(&[out], x, &[weight]);
    measured(&mut || cpu.linear(&[out], x, &[weight]));
}

fn attend(cpu: &mut Cpu, rows: usize) {
    let (heads, kv_heads, head_dim) = (12, 2, 128);
    cpu.configure_cache(&CacheSpec::uniform(1, kv_heads, head_dim, head_dim));
    let sequence = cpu.new_sequence();
    let spec = AttentionSpec { scale: 0.09, ..AttentionSpec::causal(heads, kv_heads, head_dim) };
    let mut batch = Batch::default();
    let mut step = |cpu: &mut Cpu, start_at: usize, rows: usize, count: bool| {
        batch = Batch::default();
        batch.push(sequence, start_at, &vec![0; rows], false);
        start(cpu, &batch);
        let q = inputs(cpu, rows, heads * head_dim);
        let k = inputs(cpu, rows, kv_heads * head_dim);
        let v = inputs(cpu, rows, kv_heads * head_dim);
        let out = cpu.act(rows, heads * head_dim);
        if count {
            measured(&mut || cpu.attend(out, q, k, v, 0, &spec, &batch));
        } else {
            cpu.attend(out, q, k, v, 0, &spec, &batch);
        }
    };
    step(cpu, 0, CONTEXT, false);
    step(cpu, CONTEXT, rows, true);
}

fn start(cpu: &mut Cpu, batch: &Batch) {
    cpu.begin(batch).expect("there is memory for a few positions");
}

/// Makes activations from a table of one row.
fn inputs(cpu: &mut Cpu, rows: usize, cols: usize) -> mlxk_ops::Act {
    let storage = Storage::Dense(floats(cols, Dtype::F32));
    let tensor = QuantTensor { name: "x".into(), experts: 1, rows: 1, cols, storage };
    let table = cpu.load(tensor, None).expect("dense weights are taken");
    let x = cpu.act(rows, cols);
    cpu.embed(x, table, &vec![0; rows], 1.0);
    x
}

fn affine(bits: usize, group_size: usize) -> Storage {
    let groups = ROWS * COLS / group_size;
    Storage::Affine {
        bits,
        group_size,
        packed: bytes(ROWS * affine::row_bytes(COLS, bits)).into(),
        scales: floats(groups, Dtype::Bf16),
        biases: floats(groups, Dtype::Bf16),
    }
}

fn bytes(count: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..count).map(|_| next()).collect()
}

/// Values in −1..1.
fn floats(count: usize, dtype: Dtype) -> Dense {
    let mut data = Vec::with_capacity(count * dtype.size_bytes());
    for byte in bytes(count) {
        dtype.put(f32::from(byte as i8) / 128.0, &mut data);
    }
    Dense { dtype, data: data.into() }
}
