// Rows as one: the mean or the maximum of each column of the rows of a range.
struct P {
  cols: u32,
  // First word of the ranges: pairs of a first row and a number of rows.
  ranges: u32,
}
var<immediate> p: P;
@group(0) @binding(0) var<storage, read> words: array<u32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let column = id.x;
  if (column >= p.cols) { return; }
  let first = words[p.ranges + 2u * id.y];
  let count = words[p.ranges + 2u * id.y + 1u];
  var all = x[first * p.cols + column];
  for (var row = first + 1u; row < first + count; row += 1u) {
    let value = x[row * p.cols + column];
    if (MAX != 0u) { all = max(all, value); } else { all += value; }
  }
  if (MAX == 0u) { all /= f32(count); }
  out[id.y * p.cols + column] = all;
}
