// out = x · weightᵀ + bias, for many rows of x. A workgroup computes 64 rows by 64 columns, block by block of what it
// shares of x and of the weight. A thread computes 4 by 4 of them. Sums are in the order of the columns.
struct P {
  m: Matrix,
  rows: u32,
  cols: u32,
  outs: u32,
  blocks: u32,
}
var<immediate> p: P;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

const EDGE = 64u;
// [columns of a block][EDGE]. Rows of x are turned by their column, so that neither writing nor reading makes threads
// of a subgroup wait for the same bank.
var<workgroup> xs: array<f32, 32u * EDGE>;
var<workgroup> weights: array<f32, 32u * EDGE>;

fn place(column: u32, row: u32) -> u32 { return column * EDGE + ((row + column) & (EDGE - 1u)); }

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let first_out = id.x * EDGE;
  let first_row = id.y * EDGE;
  let across = local % 16u;
  let down = local / 16u;
  var sums: array<vec4<f32>, 4>;
  for (var b = 0u; b < p.blocks; b += 1u) {
    if (local < EDGE) {
      let values = block(min(first_out + local, p.outs - 1u), b, 0u);
      for (var i = 0u; i < 8u; i += 1u) {
        for (var j = 0u; j < 4u; j += 1u) { weights[(4u * i + j) * EDGE + local] = values[i][j]; }
      }
    }
    for (var i = 0u; i < 8u; i += 1u) {
      let column = local % 32u;
      let row = local / 32u + 8u * i;
      let col = b * 32u + column;
      var value = 0.0;
      if (first_row + row < p.rows && col < p.cols) { value = x[(first_row + row) * p.cols + col]; }
      xs[place(column, row)] = value;
    }
    workgroupBarrier();
    for (var column = 0u; column < 32u; column += 1u) {
      let at = column * EDGE + 4u * across;
      let four = vec4<f32>(weights[at], weights[at + 1u], weights[at + 2u], weights[at + 3u]);
      for (var i = 0u; i < 4u; i += 1u) {
        sums[i] = fma(vec4<f32>(xs[place(column, 4u * down + i)]), four, sums[i]);
      }
    }
    workgroupBarrier();
  }
  for (var i = 0u; i < 4u; i += 1u) {
    let row = first_row + 4u * down + i;
    for (var j = 0u; j < 4u; j += 1u) {
      let column = first_out + 4u * across + j;
      if (row < p.rows && column < p.outs) {
        var sum = sums[i][j];
        if (BIAS != 0u) { sum += bitcast<f32>(w[p.m.row_biases + column]); }
        out[row * p.outs + column] = sum;
      }
    }
  }
}
