// Operations on each row of x by sums over it. A workgroup computes a row.
struct P {
  cols: u32,
  deviations: f32,
}
var<immediate> p: P;
@group(0) @binding(0) var<storage, read> like: array<f32>;
@group(0) @binding(1) var<storage, read_write> x: array<f32>;

const THREADS = 128u;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let start = id.x * p.cols;
  if (CUT != 0u) {
    // x = max(x − mean(x) − deviations · √variance(x), 0)
    var sum = 0.0;
    for (var i = local; i < p.cols; i += THREADS) { sum += x[start + i]; }
    let mean = total(local, sum) / f32(p.cols);
    sum = 0.0;
    for (var i = local; i < p.cols; i += THREADS) { sum = fma(x[start + i] - mean, x[start + i] - mean, sum); }
    let cut = mean + p.deviations * sqrt(total(local, sum) / f32(p.cols));
    for (var i = local; i < p.cols; i += THREADS) { x[start + i] = max(x[start + i] - cut, 0.0); }
    return;
  }
  // x as long as like
  var own = 0.0;
  var other = 0.0;
  for (var i = local; i < p.cols; i += THREADS) {
    own = fma(x[start + i], x[start + i], own);
    other = fma(like[start + i], like[start + i], other);
  }
  own = total(local, own);
  other = total(local, other);
  let factor = sqrt(other / own);
  for (var i = local; i < p.cols; i += THREADS) { x[start + i] *= factor; }
}
