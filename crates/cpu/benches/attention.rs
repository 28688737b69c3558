//! Measures attention over a KV cache: `cargo bench -p mlxk-cpu --bench attention -- [threads]
//! [avx2|avx512|neon|...]`. Prints medians. Only compare figures of one run on a quiet machine.

#![expect(clippy::print_stdout, reason = "a table on the terminal is what it is for")]

use std::time::Instant;

use mlxk_cpu::{Cpu, CpuOptions, InstructionSet};
use mlxk_ops::{AttentionSpec, Batch, Cache, CacheSpec, Compute, KvFormat};

/// Number of copies of the cache, so that it comes from memory as in a model with many layers.
const LAYERS: usize = 28;

fn main() {
    let threads = std::env::args().skip(1).find_map(|arg| arg.parse().ok());
    let instructions = std::env::args().find_map(|word| InstructionSet::of_word(&word));
    println!("KV    heads kv  dim context tokens      µs    GB/s   GMAC/s");
    for (heads, kv_heads, head_dim) in [(12, 2, 128), (9, 3, 64), (32, 8, 128), (4, 1, 256)] {
        for kv in [KvFormat::F16, KvFormat::Affine8, KvFormat::Affine4] {
            let options =
                CpuOptions { threads, instructions, kv: Some(kv), ..CpuOptions::default() };
            let mut cpu = Cpu::new(options)
                .expect("threads can be started and the processor has the instructions");
            let cache = CacheSpec::uniform(LAYERS, kv_heads, head_dim, head_dim);
            cpu.configure_cache(&cache);
            for (context, tokens) in [(512, 1), (8192, 1), (8192, 64)] {
                let spec = AttentionSpec {
                    scale: 0.09,
                    ..AttentionSpec::causal(heads, kv_heads, head_dim)
                };
                // Numbers near one, so that the pages are in memory.
                let mut fill = |bytes: &mut [u8]| {
                    bytes.fill(0x3C);
                    Ok(())
                };
                let extent = cache.full_extent(context);
                let sequence =
                    cpu.import(&extent, &mut fill).expect("there is memory for the cache");
                let mut batch = Batch::default();
                batch.push(sequence, context - tokens, &vec![0; tokens], false);
                cpu.begin(&batch).expect("the positions are there");
                let q = cpu.act(tokens, heads * head_dim);
                let k = cpu.act(tokens, kv_heads * head_dim);
                let v = cpu.act(tokens, kv_heads * head_dim);
                let out = cpu.act(tokens, heads * head_dim);
                let mut times = vec![];
                for layer in (0..LAYERS).cycle().take(3 * LAYERS) {
                    let now = Instant::now();
                    cpu.attend(out, q, k, v, layer, &spec, &batch);
                    times.push(now.elapsed().as_secs_f64());
                }
                times.sort_by(f64::total_cmp);
                let median = times[times.len() / 2];
                println!(
                    "{:7} {heads:3} {kv_heads:2} {head_dim:4} {context:7} {tokens:6} {:7.0} {:7.2} {:8.1}",
                    format!("{kv:?}"),
                    median * 1e6,
                    (cache.position_bytes(kv) / LAYERS * context) as f64 / median / 1e9,
                    (2 * heads * head_dim * context * tokens) as f64 / median / 1e9,
                );
                cpu.free_sequence(sequence);
            }
        }
    }
}
