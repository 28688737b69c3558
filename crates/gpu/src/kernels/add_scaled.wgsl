// out[r] += factors[r][column] · x[r].
struct P {
  count: u32,
  cols: u32,
  factor_cols: u32,
  column: u32,
}
var<immediate> p: P;
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> factors: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  for (var i = id.x; i < p.count; i += 64u * groups.x) {
    out[i] = fma(factors[i / p.cols * p.factor_cols + p.column], x[i], out[i]);
  }
}
