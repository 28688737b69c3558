// Copies pieces of columns of every row.
struct P {
  // Values in all.
  count: u32,
  width: u32,
  pieces: u32,
  out_cols: u32,
  out_offset: u32,
  out_stride: u32,
  x_cols: u32,
  x_offset: u32,
  x_stride: u32,
}
var<immediate> p: P;
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  for (var i = id.x; i < p.count; i += 64u * groups.x) {
    let column = i % p.width;
    let piece = i / p.width % p.pieces;
    let row = i / (p.width * p.pieces);
    out[row * p.out_cols + p.out_offset + piece * p.out_stride + column] =
      x[row * p.x_cols + p.x_offset + piece * p.x_stride + column];
  }
}
