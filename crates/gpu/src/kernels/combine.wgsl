// out[r] = Σ weight · x[r·per_row + i] over the experts of row r.
struct P {
  // Values of out.
  count: u32,
  cols: u32,
  per_row: u32,
  rows: u32,
}
var<immediate> p: P;
@group(0) @binding(0) var<storage, read> routes: array<u32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  for (var i = id.x; i < p.count; i += 64u * groups.x) {
    let row = i / p.cols;
    var sum = 0.0;
    for (var n = 0u; n < p.per_row; n += 1u) {
      let weight = bitcast<f32>(routes[(p.rows + row) * p.per_row + n]);
      sum = fma(weight, x[(row * p.per_row + n) * p.cols + i % p.cols], sum);
    }
    out[i] = sum;
  }
}
