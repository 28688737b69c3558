// out = out + Σ parts, or Σ parts, in vectors of four.
struct P {
  count: u32,
  parts: u32,
  // Vectors from one part to the next.
  distance: u32,
}
var<immediate> p: P;
@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> out: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  for (var i = id.x; i < p.count; i += 64u * groups.x) {
    var sum = vec4<f32>(0.0);
    if (ADD != 0u) { sum = out[i]; }
    for (var part = 0u; part < p.parts; part += 1u) { sum += x[part * p.distance + i]; }
    out[i] = sum;
  }
}
