// Joins what workgroups computed of chunks of positions. A workgroup joins a head of a row.
struct P {
  heads: u32,
  chunks: u32,
}
var<immediate> p: P;
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> sinks: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

const THREADS = 128u;
// Features that a thread computes.
const EACH = (HEAD_DIM + THREADS - 1u) / THREADS;
var<workgroup> parts: array<f32, THREADS>;
var<workgroup> factors: array<f32, THREADS>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let at = (id.y * p.heads + id.x) * p.chunks;
  let width = HEAD_DIM + 2u;
  var most = -1e30;
  if (SINKS != 0u) { most = sinks[id.x]; }
  for (var i = local; i < p.chunks; i += THREADS) { most = max(most, x[(at + i) * width + HEAD_DIM]); }
  parts[local] = most;
  for (var step = THREADS / 2u; step > 0u; step /= 2u) {
    workgroupBarrier();
    if (local < step) { parts[local] = max(parts[local], parts[local + step]); }
  }
  workgroupBarrier();
  most = parts[0];
  var total = 0.0;
  if (SINKS != 0u) { total = exp(sinks[id.x] - most); }
  var sums: array<f32, EACH>;
  for (var n = 0u; n < EACH; n += 1u) { sums[n] = 0.0; }
  for (var first = 0u; first < p.chunks; first += THREADS) {
    workgroupBarrier();
    if (first + local < p.chunks) {
      let chunk = (at + first + local) * width;
      let factor = exp(x[chunk + HEAD_DIM] - most);
      factors[local] = factor;
      parts[local] = x[chunk + HEAD_DIM + 1u] * factor;
    }
    workgroupBarrier();
    let count = min(p.chunks - first, THREADS);
    for (var i = 0u; i < count; i += 1u) {
      total += parts[i];
      for (var n = 0u; n < EACH; n += 1u) {
        let feature = min(local + n * THREADS, HEAD_DIM - 1u);
        sums[n] = fma(x[(at + first + i) * width + feature], factors[i], sums[n]);
      }
    }
  }
  for (var n = 0u; n < EACH; n += 1u) {
    let feature = local + n * THREADS;
    if (feature < HEAD_DIM) { out[at / p.chunks * HEAD_DIM + feature] = sums[n] / total; }
  }
}
