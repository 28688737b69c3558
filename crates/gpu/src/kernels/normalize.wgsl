// x = x / √(Σx² + eps) · scale for the queries and keys of every row. The scale of keys is one.
struct P {
  cols: u32,
  // Queries, which are as many as keys, and their width.
  heads: u32,
  width: u32,
  eps: f32,
  scale: f32,
}
var<immediate> p: P;
@group(0) @binding(0) var<storage, read_write> x: array<f32>;

const THREADS = 32u;
var<workgroup> parts: array<f32, THREADS>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let start = id.y * p.cols + id.x * p.width;
  var sum = 0.0;
  for (var i = local; i < p.width; i += THREADS) { sum = fma(x[start + i], x[start + i], sum); }
  parts[local] = sum;
  workgroupBarrier();
  sum = 0.0;
  for (var i = 0u; i < THREADS; i += 1u) { sum += parts[i]; }
  let factor = select(1.0, p.scale, id.x < p.heads) / sqrt(sum + p.eps);
  for (var i = local; i < p.width; i += THREADS) { x[start + i] *= factor; }
}
