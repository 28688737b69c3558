// out = (x − mean(x)) / √(variance(x) + eps) · weight + bias, over each piece.
struct P {
  pieces: u32,
  width: u32,
  eps: f32,
}
var<immediate> p: P;
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

const THREADS = 64u;

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) id: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  for (var piece = id.x; piece < p.pieces; piece += groups.x) {
    let start = piece * p.width;
    var sum = 0.0;
    for (var i = local; i < p.width; i += THREADS) { sum += x[start + i]; }
    let mean = total(local, sum) / f32(p.width);
    var squares = 0.0;
    for (var i = local; i < p.width; i += THREADS) {
      let distance = x[start + i] - mean;
      squares = fma(distance, distance, squares);
    }
    let inverse = 1.0 / sqrt(total(local, squares) / f32(p.width) + p.eps);
    for (var i = local; i < p.width; i += THREADS) {
      var value = (x[start + i] - mean) * inverse * weight[i];
      if (BIAS != 0u) { value += bias[i]; }
      out[start + i] = value;
    }
  }
}
