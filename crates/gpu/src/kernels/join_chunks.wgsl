// Joins what workgroups computed of chunks of positions. A workgroup joins a head of a row.
struct P {
  heads: u32,
  chunks: u32,
}
var<immediate> p: P;
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> sinks: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let at = id.y * p.heads + id.x;
  let width = HEAD_DIM + 2u;
  var most = -1e30;
  if (SINKS != 0u) { most = sinks[id.x]; }
  for (var i = 0u; i < p.chunks; i += 1u) { most = max(most, x[(at * p.chunks + i) * width + HEAD_DIM]); }
  var total = 0.0;
  if (SINKS != 0u) { total = exp(sinks[id.x] - most); }
  for (var i = 0u; i < p.chunks; i += 1u) {
    let chunk = (at * p.chunks + i) * width;
    total += x[chunk + HEAD_DIM + 1u] * exp(x[chunk + HEAD_DIM] - most);
  }
  for (var feature = local; feature < HEAD_DIM; feature += 64u) {
    var sum = 0.0;
    for (var i = 0u; i < p.chunks; i += 1u) {
      let chunk = (at * p.chunks + i) * width;
      sum = fma(x[chunk + feature], exp(x[chunk + HEAD_DIM] - most), sum);
    }
    out[at * HEAD_DIM + feature] = sum / total;
  }
}
