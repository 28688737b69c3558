//! Attention to the positions with the best scores of an indexer, against f64, and against itself.
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use mlxk_cpu::{Cpu, CpuOptions};
use mlxk_ops::{
    Act, AttentionSpec, Batch, Cache, CacheSpec, Compute, IndexInputs, IndexSpec, KvFormat,
    LayerCache, Mask, Sequence,
};

const HEADS: usize = 3;
const DIM: usize = 24;
const VALUE_DIM: usize = 16;
const INDEX: IndexSpec = IndexSpec { heads: 4, head_dim: 40, keep: 37, layer: 1 };
/// More than a chunk of positions, and no multiple of a page.
const ROWS: usize = 331;

const SPEC: AttentionSpec = AttentionSpec {
    heads: HEADS,
    kv_heads: 1,
    head_dim: DIM,
    value_dim: VALUE_DIM,
    scale: 0.7,
    mask: Mask::Causal,
    window: None,
    chunked: false,
    soft_cap: None,
    sinks: None,
    growth: None,
};

/// Operands of all rows: queries, keys, values, and those of the indexer.
struct Operands([Vec<f32>; 6]);

const WIDTHS: [usize; 6] =
    [HEADS * DIM, DIM, VALUE_DIM, INDEX.heads * INDEX.head_dim, INDEX.head_dim, INDEX.heads];

impl Operands {
    fn new(seed: u32) -> Self {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        Self(WIDTHS.map(|width| (0..ROWS * width).map(|_| next()).collect()))
    }

    fn row(&self, operand: usize, row: usize) -> &[f32] {
        &self.0[operand][row * WIDTHS[operand]..][..WIDTHS[operand]]
    }

    /// Returns the positions that a row sees.
    fn seen(&self, row: usize) -> Vec<usize> {
        let score = |position: usize| {
            let key = self.row(4, position);
            let heads = self.row(3, row).chunks_exact(INDEX.head_dim).zip(self.row(5, row));
            heads.map(|(q, weight)| f64::from(*weight) * dot(q, key).max(0.0)).sum::<f64>()
        };
        let mut order: Vec<usize> = (0..=row).collect();
        let scores: Vec<f64> = order.iter().map(|&position| score(position)).collect();
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
        order.truncate(INDEX.keep);
        order
    }

    /// Returns the exact result of a row.
    fn attended(&self, row: usize) -> Vec<f64> {
        let seen = self.seen(row);
        let mut out = Vec::new();
        for q in self.row(0, row).chunks_exact(DIM) {
            let score = |&position: &usize| (0.7 * dot(q, self.row(1, position))).exp();
            let weights: Vec<f64> = seen.iter().map(score).collect();
            let total: f64 = weights.iter().sum();
            for column in 0..VALUE_DIM {
                let values = seen.iter().map(|&at| f64::from(self.row(2, at)[column]));
                let sum: f64 = values.zip(&weights).map(|(value, weight)| value * weight).sum();
                out.push(sum / total);
            }
        }
        out
    }
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

fn open(threads: usize, format: KvFormat) -> Cpu {
    let options = CpuOptions {
        threads: Some(threads),
        exact: true,
        kv: Some(format),
        ..CpuOptions::default()
    };
    let mut cpu = Cpu::new(options).unwrap();
    let pages =
        |head_dim, value_dim| LayerCache::Pages { kv_heads: 1, head_dim, value_dim, window: None };
    let layers = vec![pages(DIM, VALUE_DIM), pages(INDEX.head_dim, 0)];
    cpu.configure_cache(&CacheSpec { layers });
    cpu
}

/// Computes some rows of sequences in one step.
fn step(cpu: &mut Cpu, parts: &[(Sequence, &Operands, usize, usize)]) -> Vec<f32> {
    let mut batch = Batch::default();
    for &(sequence, _, from, to) in parts {
        batch.push(sequence, from, &vec![0; to - from], false);
    }
    cpu.begin(&batch).unwrap();
    let acts: Vec<Act> = (0..6)
        .map(|operand| {
            let rows = parts.iter().flat_map(|(_, all, from, to)| {
                (*from..*to).flat_map(|row| all.row(operand, row).to_vec())
            });
            let act = cpu.act(batch.rows(), WIDTHS[operand]);
            cpu.write(act, &rows.collect::<Vec<_>>()).unwrap();
            act
        })
        .collect();
    let out = cpu.act(batch.rows(), HEADS * VALUE_DIM);
    let [q, k, v, queries, keys, weights] = acts[..] else { panic!("there are six operands") };
    let inputs = IndexInputs { queries, keys, weights };
    cpu.attend_best(out, [q, k, v], 0, &SPEC, inputs, &INDEX, &batch);
    cpu.read(out).unwrap().to_vec()
}

/// Computes a sequence in steps of these sizes, the last one again and again.
fn in_steps(cpu: &mut Cpu, operands: &Operands, sizes: &[usize]) -> Vec<f32> {
    let sequence = cpu.new_sequence();
    let (mut at, mut out) = (0, Vec::new());
    let mut sizes = sizes.iter().copied().chain(std::iter::repeat(sizes[sizes.len() - 1]));
    while at < ROWS {
        let end = ROWS.min(at + sizes.next().unwrap());
        out.extend(step(cpu, &[(sequence, operands, at, end)]));
        at = end;
    }
    cpu.free_sequence(sequence);
    out
}

#[test]
fn rows_attend_to_the_positions_with_the_best_scores() {
    let operands = Operands::new(1);
    let found = in_steps(&mut open(2, KvFormat::F32), &operands, &[ROWS]);
    for (row, found) in found.chunks_exact(HEADS * VALUE_DIM).enumerate() {
        for (found, exact) in found.iter().zip(operands.attended(row)) {
            assert!((f64::from(*found) - exact).abs() < 1e-5, "row {row}: {found} and {exact}");
        }
    }
}

#[test]
fn steps_threads_and_company_change_no_bit_in_any_format() {
    let [operands, other] = [1, 2].map(Operands::new);
    for format in [KvFormat::F32, KvFormat::F16, KvFormat::Affine8, KvFormat::Affine4] {
        let bits = |values: &[f32]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        let whole = bits(&in_steps(&mut open(1, format), &operands, &[ROWS]));
        for sizes in [&[1][..], &[36, 1, 1, 64], &[300, 1]] {
            let found = in_steps(&mut open(3, format), &operands, sizes);
            assert!(bits(&found) == whole, "{format:?}, steps of {sizes:?}");
        }
        // Next to another sequence, and in a fork.
        let mut cpu = open(2, format);
        let [one, two] = [cpu.new_sequence(), cpu.new_sequence()];
        step(&mut cpu, &[(two, &other, 0, 200), (one, &operands, 0, 150)]);
        let (fork, len) = cpu.fork(one, 100);
        assert_eq!(len, 100);
        let found = step(
            &mut cpu,
            &[(one, &operands, 150, ROWS), (fork, &operands, 100, ROWS), (two, &other, 200, 210)],
        );
        let width = HEADS * VALUE_DIM;
        let rows = ROWS - 150;
        assert!(bits(&found[..rows * width]) == whole[150 * width..], "{format:?}, in a batch");
        let forked = &found[rows * width..][..(ROWS - 100) * width];
        assert!(bits(forked) == whole[100 * width..], "{format:?}, in a fork");
    }
}
