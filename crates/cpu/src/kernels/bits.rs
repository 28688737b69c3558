//! All vector kernels do floating-point operations in the same order, so they produce the same bits
//! on x86-64 and on ARM. The portable kernels have another order.

use mlxk_ops::PAGE_POSITIONS;

use super::{InstructionSet, Kernels, Queries, of};
use crate::cache::PageHead;

/// Values in −1..1.
fn values(count: usize, seed: u32) -> Vec<f32> {
    (0..count as u32)
        .map(|i| (i ^ seed).wrapping_mul(2_654_435_761) >> 8)
        .map(|bits| bits as f32 / (1 << 23) as f32 - 1.0)
        .collect()
}

/// Returns a number that depends on every bit of the values.
fn digest(values: &[f32]) -> u64 {
    let bits = values.iter().map(|value| u64::from(value.to_bits()));
    bits.fold(0, |all: u64, bits| (all.rotate_left(5) ^ bits).wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

/// The expected [`digests`] on every machine.
const AGREED: [u64; 4] = [
    7_172_196_361_240_463_075,
    10_422_974_254_530_665_866,
    13_091_010_693_139_722_028,
    14_511_666_534_541_911_935,
];

/// Returns digests of products, a norm, an activation and attention. The lengths are not multiples
/// of a vector.
fn digests(kernels: &dyn Kernels) -> [u64; 4] {
    let len = 1003;
    let (x, weight) = (values(len, 1), values(len, 2));
    let products = kernels.dot4(&values(4 * len, 3), &x);
    let mut normed = vec![0.0; len];
    kernels.rms_norm(&mut normed, &x, &weight, 1e-5);
    let mut gate: Vec<f32> = x.iter().map(|x| x * 20.0).collect();
    kernels.silu_mul(&mut gate, &weight);
    let (dim, value_dim, count) = (72, 136, 3);
    let [keys, page_values] = [dim, value_dim].map(|dim| values(dim * PAGE_POSITIONS, 4));
    let mut queries = Queries::default();
    queries.reset(count, dim, value_dim);
    queries.q = values(count * dim, 5);
    queries.from = vec![0, 3, 31];
    queries.to = vec![32, 17, 32];
    queries.soft_cap = Some(3.0);
    let page = PageHead::F32 { keys: &keys, values: &page_values };
    kernels.attend_page(page, &mut queries, &mut Vec::new());
    let attended = [&queries.max[..], &queries.sum, &queries.acc].concat();
    [&products[..], &normed, &gate, &attended].map(digest)
}

#[test]
fn vectors_of_any_width_give_the_same_bits() {
    for set in InstructionSet::available().filter(|&set| set != InstructionSet::Portable) {
        let kernels = of(set).expect("it is available");
        assert_eq!(digests(&*kernels), AGREED, "{}", set.name());
    }
}
