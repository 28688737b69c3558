//! Measures matrix products: `cargo bench -p mlxk-cpu --bench linear -- [threads]
//! [avx2|avx512|neon|...]`. Prints medians. Only compare figures of one run on a quiet machine.

#![expect(clippy::print_stdout, reason = "a table on the terminal is what it is for")]

use std::hint::black_box;
use std::time::Instant;

use mlxk_cpu::{Cpu, CpuOptions, InstructionSet};
use mlxk_memory::Bytes;
use mlxk_ops::{Batch, Compute, Weights};
use mlxk_tensor::{Dense, Dtype, QuantTensor, Storage};

fn tensor(bits: usize, group_size: usize, rows: usize, cols: usize) -> QuantTensor {
    let mut state = 1u32;
    let mut byte = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let packed: Vec<u8> = (0..rows * cols * bits / 8).map(|_| byte()).collect();
    let half: Vec<u8> = (0..rows * cols / group_size).flat_map(|_| [byte(), 0x3C]).collect();
    let values = || Dense { dtype: Dtype::Bf16, data: Bytes::from(half.clone()) };
    let storage = Storage::Affine {
        bits,
        group_size,
        packed: packed.into(),
        scales: values(),
        biases: values(),
    };
    QuantTensor { name: "w".into(), experts: 1, rows, cols, storage }
}

fn main() {
    let threads = std::env::args().skip(1).find_map(|arg| arg.parse().ok());
    let instructions = std::env::args().find_map(|word| InstructionSet::of_word(&word));
    println!("bits group  rows  cols tokens      µs    GB/s   GMAC/s");
    for (bits, group, rows, cols) in
        [(4, 64, 4096, 4096), (4, 64, 8960, 1536), (4, 32, 1536, 576), (8, 64, 4096, 4096)]
    {
        let mut cpu = Cpu::new(CpuOptions { threads, instructions, ..CpuOptions::default() })
            .expect("threads can be started and the processor has the instructions");
        // Enough copies that the weights come from memory, as in a model.
        let tensor = tensor(bits, group, rows, cols);
        let bytes = tensor.size_bytes();
        let copies = (200_000_000 / bytes).clamp(1, 64);
        let weights: Vec<_> = (0..copies)
            .map(|_| {
                let mut copy = tensor.clone();
                if let Storage::Affine { packed, .. } = &mut copy.storage {
                    *packed = Bytes::from(packed.to_vec());
                }
                cpu.load(copy, None).expect("4 and 8 bits run")
            })
            .collect();
        for tokens in [1, 2, 3, 5, 8, 64, 256] {
            let mut times = vec![];
            let (mut index, started) = (0, Instant::now());
            while times.len() < 5 || started.elapsed().as_secs_f64() < 1.0 {
                cpu.begin(&Batch::default()).expect("an empty batch takes nothing");
                let (x, out) = (cpu.act(tokens, cols), cpu.act(tokens, rows));
                let now = Instant::now();
                cpu.linear(&[out], x, &[weights[index % copies]]);
                times.push(now.elapsed().as_secs_f64());
                black_box(cpu.read(out).expect("the CPU has the values"));
                index += 1;
            }
            times.sort_by(f64::total_cmp);
            let median = times[times.len() / 2];
            println!(
                "{bits:4} {group:5} {rows:5} {cols:5} {tokens:6} {:7.0} {:7.2} {:8.1}",
                median * 1e6,
                bytes as f64 / median / 1e9,
                (rows * cols * tokens) as f64 / median / 1e9,
            );
        }
    }
}
