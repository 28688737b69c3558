//! Times a decoder of random weights on a GPU, kernel by kernel: `decoder SHAPE [SETTING=NUMBER…]`.
//!
//! Shapes are `8b`, `1.5b`, `135m`, and `30b-a3b` with 128 experts, of which a token has 8. Settings are the fields of `Tuning`, `layers`, `prompt`, `profile`, `depth` for
//! one more depth of decoding, and `next` to measure with the settings so far before those that follow.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "it is a tool for measurements")]

use std::time::Instant;

use mlxk_gpu::{Gpu, GpuOptions, Tuning, adapters};
use mlxk_ops::{
    Act, Activation, AttentionSpec, Batch, Cache, CacheSpec, Compute, Rope, RopeSpec, RouteScores,
    RouteSpec, Sequence, Vector, Weight, Weights,
};
use mlxk_tensor::{Dense, Dtype, QuantTensor, Storage};

#[derive(Clone, Copy)]
struct Shape {
    hidden: usize,
    wide: usize,
    heads: usize,
    kv_heads: usize,
    head_dim: usize,
    vocab: usize,
    layers: usize,
    bias: bool,
    /// Experts, and those of a token. Queries and keys of a mixture have norms.
    experts: Option<[usize; 2]>,
}

impl Shape {
    fn named(name: &str) -> Self {
        let [hidden, wide, heads, kv_heads, head_dim, vocab, layers] = match name {
            "1.5b" => [1536, 8960, 12, 2, 128, 151_936, 28],
            "135m" => [576, 1536, 9, 3, 64, 49152, 30],
            "30b-a3b" => [2048, 768, 32, 4, 128, 151_936, 48],
            _ => [4096, 14336, 32, 8, 128, 128_256, 32],
        };
        let bias = name == "1.5b";
        let experts = (name == "30b-a3b").then_some([128, 8]);
        Self { hidden, wide, heads, kv_heads, head_dim, vocab, layers, bias, experts }
    }
}

struct Layer {
    norms: [Vector; 2],
    qkv: [Weight; 3],
    o: Weight,
    gate_up: [Weight; 2],
    down: Weight,
    router: Option<Weight>,
    head_norms: Option<[Vector; 2]>,
}

struct Decoder {
    shape: Shape,
    embed: Weight,
    head: Weight,
    norm: Vector,
    rope: Rope,
    layers: Vec<Layer>,
}

fn noise(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    }
}

fn matrix(gpu: &mut Gpu, rows: usize, cols: usize, bias: bool) -> Weight {
    stack(gpu, [1, rows, cols], bias)
}

fn stack(gpu: &mut Gpu, [experts, rows_of_one, cols]: [usize; 3], bias: bool) -> Weight {
    let rows = experts * rows_of_one;
    let mut next = noise((rows * cols) as u64);
    let packed: Vec<u8> = (0..rows * cols / 16).flat_map(|_| next().to_le_bytes()).collect();
    let size = 1.0 / (cols as f32).sqrt();
    let mut numbers = |low: f32, high: f32| {
        let mut data = Vec::new();
        for _ in 0..rows * cols / 64 {
            let share = (next() >> 40) as f32 / (1 << 24) as f32;
            Dtype::F16.put(low + (high - low) * share, &mut data);
        }
        Dense { dtype: Dtype::F16, data: data.into() }
    };
    let (scales, biases) = (numbers(0.1 * size, 0.3 * size), numbers(-2.0 * size, -size));
    let storage =
        Storage::Affine { bits: 4, group_size: 64, packed: packed.into(), scales, biases };
    let tensor = QuantTensor { name: "w".into(), experts, rows: rows_of_one, cols, storage };
    gpu.load(tensor, bias.then(|| vec![0.01; rows])).unwrap()
}

impl Decoder {
    fn new(gpu: &mut Gpu, shape: Shape) -> Self {
        let Shape { hidden, wide, heads, kv_heads, head_dim, vocab, layers, bias, experts } = shape;
        let count = experts.map_or(1, |[experts, _]| experts);
        let frequencies =
            (0..head_dim / 2).map(|i| 10_000_f32.powf(-2.0 * i as f32 / head_dim as f32)).collect();
        let rope = RopeSpec { frequencies, interleaved: false, offset: 0, scale: 1.0 };
        let norm = |gpu: &mut Gpu| gpu.load_vector(vec![1.0; hidden]).unwrap();
        let layers = (0..layers)
            .map(|_| Layer {
                norms: [norm(gpu), norm(gpu)],
                qkv: [heads, kv_heads, kv_heads].map(|it| matrix(gpu, it * head_dim, hidden, bias)),
                o: matrix(gpu, hidden, heads * head_dim, false),
                gate_up: [0, 1].map(|_| stack(gpu, [count, wide, hidden], false)),
                down: stack(gpu, [count, hidden, wide], false),
                router: experts.map(|[experts, _]| matrix(gpu, experts, hidden, false)),
                head_norms: experts
                    .map(|_| [0; 2].map(|_| gpu.load_vector(vec![1.0; head_dim]).unwrap())),
            })
            .collect();
        let decoder = Self {
            shape,
            embed: matrix(gpu, vocab, hidden, false),
            head: matrix(gpu, vocab, hidden, false),
            norm: norm(gpu),
            rope: gpu.load_rope(rope).unwrap(),
            layers,
        };
        gpu.configure_cache(&CacheSpec::uniform(shape.layers, kv_heads, head_dim, head_dim));
        decoder
    }

    fn forward(&self, gpu: &mut Gpu, batch: &Batch) -> Act {
        let Shape { hidden, wide, heads, kv_heads, head_dim, vocab, .. } = self.shape;
        let spec = AttentionSpec::causal(heads, kv_heads, head_dim);
        let rows = batch.rows();
        gpu.begin(batch).unwrap();
        let [x, input] = [hidden; 2].map(|cols| gpu.act(rows, cols));
        let qkv = [heads, kv_heads, kv_heads].map(|it| gpu.act(rows, it * head_dim));
        let attended = gpu.act(rows, heads * head_dim);
        let per_row = self.shape.experts.map_or(1, |[_, per_row]| per_row);
        let gate_up = [wide; 2].map(|cols| gpu.act(rows * per_row, cols));
        let logits = gpu.act(rows, self.shape.experts.map_or(1, |[experts, _]| experts));
        let results = gpu.act(rows * per_row, hidden);
        let turned = [heads, kv_heads].map(|it| gpu.act(rows, it * head_dim));
        gpu.embed(x, self.embed, &batch.ids, 1.0);
        for (index, layer) in self.layers.iter().enumerate() {
            gpu.rms_norm(input, x, layer.norms[0], 1e-5);
            gpu.linear(&qkv, input, &layer.qkv);
            let [mut q, mut k, v] = qkv;
            if let Some([q_norm, k_norm]) = layer.head_norms {
                gpu.rms_norm(turned[0], q, q_norm, 1e-6);
                q = turned[0];
                gpu.rope(q, heads, self.rope, batch);
                gpu.rms_norm(turned[1], k, k_norm, 1e-6);
                k = turned[1];
            } else {
                gpu.rope(q, heads, self.rope, batch);
            }
            gpu.rope(k, kv_heads, self.rope, batch);
            gpu.attend(attended, q, k, v, index, &spec, batch);
            gpu.linear(&[input], attended, &[layer.o]);
            gpu.add(x, input);
            gpu.rms_norm(input, x, layer.norms[1], 1e-5);
            if let Some(router) = layer.router {
                gpu.linear(&[logits], input, &[router]);
                let spec =
                    RouteSpec { normalize: true, ..RouteSpec::new(per_row, RouteScores::Softmax) };
                let routes = gpu.route(logits, &spec);
                gpu.linear_routed(&gate_up, input, &layer.gate_up, routes);
                gpu.glu(gate_up[0], gate_up[1], Activation::Silu);
                gpu.linear_routed(&[results], gate_up[0], &[layer.down], routes);
                gpu.combine(input, results, routes);
            } else {
                gpu.linear(&gate_up, input, &layer.gate_up);
                gpu.glu(gate_up[0], gate_up[1], Activation::Silu);
                gpu.linear(&[input], gate_up[0], &[layer.down]);
            }
            gpu.add(x, input);
        }
        let last = gpu.act(1, hidden);
        gpu.select_rows(last, x, &batch.outputs);
        let normed = gpu.act(1, hidden);
        gpu.rms_norm(normed, last, self.norm, 1e-5);
        let logits = gpu.act(1, vocab);
        gpu.linear(&[logits], normed, &[self.head]);
        logits
    }

    fn step(&self, gpu: &mut Gpu, sequence: Sequence, start: usize, ids: &[u32]) -> u32 {
        let mut batch = Batch::default();
        batch.push(sequence, start, ids, true);
        let logits = self.forward(gpu, &batch);
        gpu.argmax(logits, self.shape.vocab).unwrap()[0]
    }

    /// Returns the time of a prompt in seconds.
    fn prefill(&self, gpu: &mut Gpu, ids: &[u32]) -> f64 {
        let sequence = gpu.new_sequence();
        let began = Instant::now();
        self.step(gpu, sequence, 0, ids);
        let seconds = began.elapsed().as_secs_f64();
        gpu.free_sequence(sequence);
        seconds
    }

    fn measure_prefill(&self, gpu: &mut Gpu, ids: &[u32], has_profile: bool) {
        let (warm, first) = (Instant::now(), self.prefill(gpu, ids));
        while warm.elapsed().as_secs_f64() < 0.4 {
            self.prefill(gpu, ids);
        }
        let seconds = median((0..9).map(|_| self.prefill(gpu, ids)).collect());
        let speed = ids.len() as f64 / seconds;
        println!(
            "prefill {}: {:.2} ms, {speed:.0} tok/s (first {first:.2} s)",
            ids.len(),
            seconds * 1e3
        );
        if has_profile {
            gpu.measure_kernels(true);
            for _ in 0..3 {
                self.prefill(gpu, ids);
            }
            print_profile(gpu);
        }
    }

    /// Decodes with every step begun before the tokens of the last one are known.
    fn measure_ahead(&self, gpu: &mut Gpu, sequence: Sequence, depth: usize) {
        const TOKENS: usize = 60;
        let (mut times, began) = (Vec::new(), Instant::now());
        let mut recording = 0.0;
        while times.len() < 5 || began.elapsed().as_secs_f64() < 0.4 {
            let started = Instant::now();
            let mut choice = None;
            for at in depth..depth + TOKENS {
                let id = if choice.is_some() { Batch::CHOSEN } else { 1 };
                let mut batch = Batch { chosen: choice, ..Batch::default() };
                batch.push(sequence, at, &[id], true);
                let records = Instant::now();
                let logits = self.forward(gpu, &batch);
                let next = gpu.choose(logits, self.shape.vocab).unwrap().unwrap();
                recording += records.elapsed().as_secs_f64();
                if let Some(last) = choice.replace(next) {
                    gpu.chosen(last).unwrap();
                }
            }
            gpu.chosen(choice.unwrap()).unwrap();
            times.push(started.elapsed().as_secs_f64() / TOKENS as f64);
            gpu.rewind(sequence, depth);
        }
        let recording = recording / (times.len() * TOKENS) as f64;
        let seconds = median(times);
        println!(
            "decode {depth} ahead: {:.3} ms, {:.1} tok/s, of the processor {:.3} ms",
            seconds * 1e3,
            1.0 / seconds,
            recording * 1e3
        );
    }

    fn measure_decode(&self, gpu: &mut Gpu, ids: &[u32], depth: usize, has_profile: bool) {
        let sequence = gpu.new_sequence();
        let mut at = 0;
        while at < depth {
            let count = (depth - at).min(ids.len());
            self.step(gpu, sequence, at, &ids[..count]);
            at += count;
        }
        let (mut token, mut times, warm) = (1, Vec::new(), Instant::now());
        while times.len() < 40 || warm.elapsed().as_secs_f64() < 0.5 {
            let began = Instant::now();
            token = self.step(gpu, sequence, at, &[token]);
            times.push(began.elapsed().as_secs_f64());
            at += 1;
            if at == depth + 60 {
                at = gpu.rewind(sequence, depth);
            }
        }
        let seconds = median(times.split_off(times.len() / 2));
        println!("decode {depth}: {:.3} ms, {:.1} tok/s", seconds * 1e3, 1.0 / seconds);
        at = gpu.rewind(sequence, depth);
        self.measure_ahead(gpu, sequence, depth);
        if has_profile {
            gpu.measure_kernels(true);
            for _ in 0..20 {
                token = self.step(gpu, sequence, at, &[token]);
                at += 1;
            }
            print_profile(gpu);
        }
        let mut recording = Vec::new();
        for _ in 0..20 {
            let mut batch = Batch::default();
            batch.push(sequence, at, &[token], true);
            at += 1;
            let began = Instant::now();
            let logits = self.forward(gpu, &batch);
            recording.push(began.elapsed().as_secs_f64());
            gpu.read(logits).unwrap();
        }
        println!("recording of operations: {:.3} ms", median(recording) * 1e3);
        gpu.free_sequence(sequence);
    }
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn main() {
    let mut shape = Shape::named(&std::env::args().nth(1).unwrap_or_default());
    let (mut tunings, mut depths, mut prompt) = (vec![], vec![128], 512);
    let (mut has_profile, mut tuning) = (true, Tuning::default());
    for setting in std::env::args().skip(2) {
        let (name, value) = setting.split_once('=').unwrap();
        let value: usize = value.parse().unwrap();
        match name {
            "layers" => shape.layers = value,
            "depth" => depths.push(value),
            "prompt" => prompt = value,
            "profile" => has_profile = value != 0,
            "next" => tunings.push(std::mem::take(&mut tuning)),
            _ => *tuning.field(name).unwrap_or_else(|| panic!("unknown setting `{name}`")) = value,
        }
    }
    tunings.push(tuning);
    let adapter = adapters().first().map(|adapter| adapter.name.clone());
    let mut gpu = Gpu::open(GpuOptions { adapter, ..GpuOptions::default() }).unwrap();
    println!("{:?}", gpu.info());
    let loading = Instant::now();
    let decoder = Decoder::new(&mut gpu, shape);
    println!("loaded in {:.2} s", loading.elapsed().as_secs_f64());
    // Different tokens, which have different experts.
    let ids: Vec<u32> = (0..prompt).map(|at| (at * 7919 % shape.vocab) as u32).collect();
    for tuning in tunings {
        gpu.set_tuning(tuning);
        println!("{tuning:?}");
        decoder.measure_prefill(&mut gpu, &ids, has_profile);
        for &depth in &depths {
            decoder.measure_decode(&mut gpu, &ids, depth, has_profile);
        }
    }
}

fn print_profile(gpu: &mut Gpu) {
    let Some(profile) = gpu.measure_kernels(false) else { return };
    let mut kernels: Vec<_> = profile.kernels.iter().collect();
    kernels.sort_by(|a, b| b.1.seconds.total_cmp(&a.1.seconds));
    let steps = profile.steps as f64;
    let all: f64 = kernels.iter().map(|(_, time)| time.seconds).sum();
    let count: usize = kernels.iter().map(|(_, time)| time.count).sum();
    println!("  kernels {:.3} ms in {:.1} a step", all / steps * 1e3, count as f64 / steps);
    for ((name, groups), time) in kernels.into_iter().take(14) {
        println!(
            "  {name:<18} {groups:?} {:.1} a step, {:.2} us each, {:.3} ms",
            time.count as f64 / steps,
            time.seconds / time.count as f64 * 1e6,
            time.seconds / steps * 1e3
        );
    }
}
