// Sums and products of out with numbers of x, element by element.
struct P {
  count: u32,
  cols: u32,
  x_cols: u32,
  factor: f32,
}
var<immediate> p: P;
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  for (var i = id.x; i < p.count; i += 64u * groups.x) {
    switch (OPERATION) {
      // add
      case 0u: { out[i] += x[i]; }
      // multiply; a number of x counts for several columns
      case 1u: {
        let each = p.cols / p.x_cols;
        out[i] *= x[i / p.cols * p.x_cols + i % p.cols / each];
      }
      // scale
      case 2u: { out[i] *= p.factor; }
      // scale columns
      case 3u: { out[i] *= x[i % p.cols]; }
      // add columns
      case 5u: { out[i] += x[i % p.cols]; }
      // add columns, the first at x_cols
      case 6u: { out[i] += x[p.x_cols + i % p.cols]; }
      // snap
      case 7u: { out[i] = clamp(round(out[i] / p.factor), -128.0, 127.0) * p.factor; }
      // soft cap
      default: { out[i] = p.factor * tanh_of(out[i] / p.factor); }
    }
  }
}
