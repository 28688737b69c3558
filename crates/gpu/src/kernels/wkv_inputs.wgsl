// Prepares the inputs of RWKV-7's time mixing. A workgroup takes a head of a row.
struct P {
  heads: u32,
}
var<immediate> p: P;
@group(0) @binding(0) var<storage, read> queries: array<f32>;
@group(0) @binding(1) var<storage, read> values: array<f32>;
// Factors of removed keys, shares of the rate in added keys, and factors of the bonus.
@group(0) @binding(2) var<storage, read> factors: array<f32>;
@group(0) @binding(3) var<storage, read_write> keys: array<f32>;
@group(0) @binding(4) var<storage, read_write> decay: array<f32>;
@group(0) @binding(5) var<storage, read_write> rate: array<f32>;
@group(0) @binding(6) var<storage, read_write> removed: array<f32>;
@group(0) @binding(7) var<storage, read_write> bonus: array<f32>;

const THREADS = 32u;
const DECAY_SPEED = 0.606531;
const LEAST_LENGTH = 1e-7;
var<workgroup> parts: array<f32, THREADS>;

fn sum_of(local: u32, value: f32) -> f32 {
  workgroupBarrier();
  parts[local] = value;
  workgroupBarrier();
  var sum = 0.0;
  for (var i = 0u; i < THREADS; i += 1u) { sum += parts[i]; }
  return sum;
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let at = (id.y * p.heads + id.x) * HEAD_DIM;
  let first = id.x * HEAD_DIM;
  let width = p.heads * HEAD_DIM;
  var squares = 0.0;
  for (var i = local; i < HEAD_DIM; i += THREADS) {
    let own = keys[at + i] * factors[first + i];
    removed[at + i] = own;
    squares = fma(own, own, squares);
  }
  let length = max(sqrt(sum_of(local, squares)), LEAST_LENGTH);
  var sum = 0.0;
  for (var i = local; i < HEAD_DIM; i += THREADS) {
    let own = sigmoid(rate[at + i]);
    let unit = removed[at + i] / length;
    removed[at + i] = unit;
    rate[at + i] = own * unit;
    decay[at + i] = exp(-DECAY_SPEED * sigmoid(decay[at + i]));
    let key = keys[at + i] * (1.0 + (own - 1.0) * factors[width + first + i]);
    keys[at + i] = key;
    sum = fma(queries[at + i] * key, factors[2u * width + first + i], sum);
  }
  sum = sum_of(local, sum);
  for (var i = local; i < HEAD_DIM; i += THREADS) { bonus[at + i] = sum * values[at + i]; }
}
