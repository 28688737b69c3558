// The greatest value of each part of a row, and the sum of `e^((value - greatest) * scale)` over the part.
struct P {
  // Values of a row.
  width: u32,
  // First word of the scales of rows.
  scales: u32,
}
var<immediate> p: P;
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> words: array<u32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

const THREADS = 256u;
var<workgroup> greatest: array<f32, THREADS>;
var<workgroup> sums: array<f32, THREADS>;

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) id: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let row = id.y;
  let first = id.x * THREADS + local;
  let step = THREADS * groups.x;
  // Finite, so that a part without any weight has a sum of zero.
  var best = -3.4e38;
  for (var i = first; i < p.width; i += step) { best = max(best, x[row * p.width + i]); }
  greatest[local] = best;
  for (var reach = THREADS / 2u; reach > 0u; reach /= 2u) {
    workgroupBarrier();
    if (local < reach) { greatest[local] = max(greatest[local], greatest[local + reach]); }
  }
  workgroupBarrier();
  let most = greatest[0];
  let scale = bitcast<f32>(words[p.scales + row]);
  var sum = 0.0;
  for (var i = first; i < p.width; i += step) {
    sum += exp((x[row * p.width + i] - most) * scale);
  }
  sums[local] = sum;
  for (var reach = THREADS / 2u; reach > 0u; reach /= 2u) {
    workgroupBarrier();
    if (local < reach) { sums[local] += sums[local + reach]; }
  }
  if (local == 0u) {
    out[2u * (row * groups.x + id.x)] = most;
    out[2u * (row * groups.x + id.x) + 1u] = sums[0];
  }
}
