//! The largest values of rows, found in rounds on the device.

use mlxk_ops::{Act, Compute, Ranked, Result};

use crate::device::Gpu;
use crate::kernels;
use crate::pipelines::Variant;
use crate::step::Bind;

/// Number of values that a workgroup sorts.
const CHUNK: usize = 1024;
/// Most values of a row that are found. A round that keeps more of a chunk would hardly be worth it.
pub(crate) const MOST: usize = CHUNK / 2;

/// Returns the `k` largest values of each row, see [`Compute::top`].
pub(crate) fn top(gpu: &mut Gpu, x: Act, width: usize, k: usize) -> Result<Vec<Ranked>> {
    let (found, left) = find(gpu, x, width, k);
    let wanted = k.min(width);
    let pairs = gpu.read(found)?.as_chunks::<2>().0;
    let ranked = pairs.chunks_exact(left.max(1)).flat_map(|row| &row[..wanted]);
    Ok(ranked.map(|[order, column]| rank(order.to_bits(), column.to_bits())).collect())
}

/// Finds the `k` largest values of each row. Returns pairs that [`rank`] reads, the largest first, and their number in a
/// row, which may be greater.
pub(crate) fn find(gpu: &mut Gpu, x: Act, width: usize, k: usize) -> (Act, usize) {
    let rows = gpu.step.len(x) / width;
    let (mut from, mut left) = (x, width);
    loop {
        let chunks = left.div_ceil(CHUNK);
        let keep = k.min(left);
        let out = gpu.step.act(rows, 2 * chunks * keep);
        let variant = Variant::new(&kernels::TOP, &[u32::from(from == x)]);
        let buffers = [from, out].map(Bind::Act).to_vec();
        let parameters = [left, chunks, keep].map(|it| it as u32).to_vec();
        gpu.step.dispatch(&variant, buffers, parameters, [chunks, rows, 1]);
        (from, left) = (out, chunks * keep);
        if chunks == 1 {
            return (from, left);
        }
    }
}

/// Returns the value that a kernel ordered by this number.
pub(crate) fn rank(order: u32, column: u32) -> Ranked {
    let bits = if order & 0x8000_0000 == 0 { !order } else { order ^ 0x8000_0000 };
    Ranked { column, value: f32::from_bits(bits) }
}
