enable f16;
// Rows out of tiles of 16 by 16 f16.
struct P {
  // Vectors of four values.
  count: u32,
  cols: u32,
}
var<immediate> p: P;
@group(0) @binding(0) var<storage, read> x: array<vec4<f16>>;
@group(0) @binding(1) var<storage, read_write> out: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  for (var i = id.x; i < p.count; i += 64u * groups.x) {
    let row = i / (p.cols / 4u);
    let column = i % (p.cols / 4u);
    out[i] = vec4<f32>(x[(row / 16u * (p.cols / 16u) + column / 4u) * 64u + row % 16u * 4u + column % 4u]);
  }
}
