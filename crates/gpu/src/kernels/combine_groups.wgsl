// out[r] = Σ weight · x[place] over the experts of row r, or out[r] + that sum, in vectors of four. Rows of x are in the
// order of groups.
struct P {
  // Vectors of out.
  count: u32,
  // Vectors of a row.
  vectors: u32,
  per_row: u32,
  rows: u32,
  // First of the places.
  places: u32,
}
var<immediate> p: P;
@group(0) @binding(0) var<storage, read> routes: array<u32>;
@group(0) @binding(1) var<storage, read> groups: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>) {
  for (var i = id.x; i < p.count; i += 64u * workgroups.x) {
    let row = i / p.vectors;
    var sum = vec4<f32>(0.0);
    for (var n = 0u; n < p.per_row; n += 1u) {
      let choice = row * p.per_row + n;
      let weight = bitcast<f32>(routes[p.rows * p.per_row + choice]);
      sum = fma(vec4<f32>(weight), x[groups[p.places + choice] * p.vectors + i % p.vectors], sum);
    }
    if (ADD != 0u) { sum += out[i]; }
    out[i] = sum;
  }
}
