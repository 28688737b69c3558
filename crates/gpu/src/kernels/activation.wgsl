// gate = activation(gate) · up, element by element, or x = activation(x).
struct P {
  count: u32,
  // Parameters of the activation.
  a: f32,
  b: f32,
  c: f32,
  d: f32,
}
var<immediate> p: P;
@group(0) @binding(0) var<storage, read> up: array<f32>;
@group(0) @binding(1) var<storage, read_write> x: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  for (var i = id.x; i < p.count; i += 64u * groups.x) {
    if (GATED != 0u) {
      x[i] = gated(x[i], up[i]);
    } else {
      x[i] = value(x[i]);
    }
  }
}
