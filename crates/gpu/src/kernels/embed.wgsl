// out[r] = table[ids[r]] · factor. A thread writes a block of a row.
struct P {
  m: Matrix,
  rows: u32,
  cols: u32,
  // First word of the ids.
  ids: u32,
  // Words from one id to the next.
  stride: u32,
  factor: f32,
}
var<immediate> p: P;
@group(0) @binding(1) var<storage, read> words: array<u32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let b = id.x;
  let row = id.y;
  if (b * 32u >= p.cols) { return; }
  let values = block(words[p.ids + row * p.stride], b, 0u);
  for (var i = 0u; i < 32u; i += 1u) {
    let col = b * 32u + i;
    if (col < p.cols) { out[row * p.cols + col] = values[i / 4u][i % 4u] * p.factor; }
  }
}
