// out[i] = x[rows[i]].
struct P {
  // Values of out.
  count: u32,
  cols: u32,
  // First word of the rows.
  rows: u32,
}
var<immediate> p: P;
@group(0) @binding(0) var<storage, read> words: array<u32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  for (var i = id.x; i < p.count; i += 64u * groups.x) {
    out[i] = x[words[p.rows + i / p.cols] * p.cols + i % p.cols];
  }
}
