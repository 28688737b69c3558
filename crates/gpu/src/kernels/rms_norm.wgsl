// out = x / √(mean(x²) + eps) · weight, over each piece.
struct P {
  pieces: u32,
  width: u32,
  eps: f32,
}
var<immediate> p: P;
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

const THREADS = 64u;
var<workgroup> parts: array<f32, THREADS>;

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) id: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  for (var piece = id.x; piece < p.pieces; piece += groups.x) {
    let start = piece * p.width;
    var sum = 0.0;
    for (var i = local; i < p.width; i += THREADS) { sum = fma(x[start + i], x[start + i], sum); }
    parts[local] = sum;
    for (var step = THREADS / 2u; step > 0u; step /= 2u) {
      workgroupBarrier();
      if (local < step) { parts[local] += parts[local + step]; }
    }
    workgroupBarrier();
    let inverse = 1.0 / sqrt(parts[0] / f32(p.width) + p.eps);
    for (var i = local; i < p.width; i += THREADS) { out[start + i] = x[start + i] * inverse * weight[i]; }
    workgroupBarrier();
  }
}
