// out[r] = x[r] · weightᵀ + bias, for one matrix or for matrices out of a stack.
//
// A workgroup computes 8 rows of the weight with TILE rows of x. LANES threads share a row of the weight: each
// takes every LANES-th block of columns. The order of sums doesn't depend on TILE.
struct P {
  m: Matrix,
  // Rows of the result.
  rows: u32,
  cols: u32,
  outs: u32,
  blocks: u32,
  // SELECT 1: number of results per row of x. SELECT 2: number of matrices.
  fan: u32,
}
var<immediate> p: P;
@group(0) @binding(2) var<storage, read> routes: array<u32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

const LANES = 16u;
const WEIGHT_ROWS = 8u;
var<workgroup> parts: array<f32, 128u * TILE>;

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let lane = local % LANES;
  let part = local / LANES;
  let row = min(id.x * WEIGHT_ROWS + part, p.outs - 1u);
  let first = id.y * TILE;
  var matrix = 0u;
  var source = first;
  if (SELECT == 1u) {
    matrix = routes[first];
    source = first / p.fan;
  }
  if (SELECT == 2u) { matrix = first % p.fan; }

  var sums: array<f32, TILE>;
  for (var b = lane; b < p.blocks; b += LANES) {
    let weights = block(matrix * p.outs + row, b, matrix);
    for (var t = 0u; t < TILE; t += 1u) {
      let at = min(source + t, p.rows - 1u) * p.cols + b * 32u;
      var four = weights[0] * values(at, b * 32u);
      for (var i = 1u; i < 8u; i += 1u) {
        four = fma(weights[i], values(at + 4u * i, b * 32u + 4u * i), four);
      }
      sums[t] += (four.x + four.y) + (four.z + four.w);
    }
  }
  for (var t = 0u; t < TILE; t += 1u) {
    parts[(t * WEIGHT_ROWS + part) * LANES + lane] = sums[t];
  }
  workgroupBarrier();

  if (local < WEIGHT_ROWS * TILE) {
    let t = local / WEIGHT_ROWS;
    let column = id.x * WEIGHT_ROWS + local % WEIGHT_ROWS;
    if (first + t < p.rows && column < p.outs) {
      var sum = 0.0;
      for (var i = 0u; i < LANES; i += 1u) { sum += parts[local * LANES + i]; }
      if (BIAS != 0u) { sum += bitcast<f32>(w[p.m.row_biases + matrix * p.outs + column]); }
      out[(first + t) * p.outs + column] = sum;
    }
  }
}
