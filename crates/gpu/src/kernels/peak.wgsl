// As many multiply-adds of f32 as a device can: 64 in a round, of 16 vectors that don't wait for each other.
struct P {
  rounds: u32,
}
var<immediate> p: P;
@group(0) @binding(0) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  // Factors that no compiler knows, and with which sums neither grow nor vanish.
  let factor = vec4<f32>(1.0 - 1.0 / f32(id.x + 1000u));
  let more = vec4<f32>(1.0 / f32(p.rounds + 1000u));
  var a = factor;
  var b = factor * 2.0;
  var c = factor * 3.0;
  var d = factor * 4.0;
  for (var round = 0u; round < p.rounds; round += 1u) {
    for (var i = 0u; i < 4u; i += 1u) {
      a = fma(a, factor, more);
      b = fma(b, factor, more);
      c = fma(c, factor, more);
      d = fma(d, factor, more);
    }
  }
  let sum = a + b + c + d;
  out[id.x] = sum.x + sum.y + sum.z + sum.w;
}
