// The gated delta rule over the rows of one sequence. A thread keeps a column of the state of a head.
struct P {
  rows: u32,
  first: u32,
  cols: u32,
  key_heads: u32,
  value_heads: u32,
  value_dim: u32,
  // Columns of the state.
  width: u32,
  state: u32,
  rate_scale: f32,
  // Bound of the logarithm of a decay.
  bound: f32,
}
var<immediate> p: P;
@group(0) @binding(0) var<storage, read> qkv: array<f32>;
@group(0) @binding(1) var<storage, read> decay: array<f32>;
@group(0) @binding(2) var<storage, read> rate: array<f32>;
// Logarithms of how fast heads forget.
@group(0) @binding(3) var<storage, read> a_log: array<f32>;
@group(0) @binding(4) var<storage, read> dt_bias: array<f32>;
@group(0) @binding(5) var<storage, read_write> states: array<f32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;

const THREADS = 32u;
var<workgroup> query: array<f32, KEY_DIM>;
var<workgroup> key: array<f32, KEY_DIM>;
// Decays of the rows of the state. DECAY is 0 if all are one, 1 or 2 for kinds that differ.
var<workgroup> kept: array<f32, KEY_DIM>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let head = id.y;
  let column = id.x * THREADS + local;
  let has_column = column < p.value_dim;
  let key_head = head / (p.value_heads / p.key_heads);
  let start = p.state + head * KEY_DIM * p.width + column;
  var state: array<f32, KEY_DIM>;
  if (has_column) {
    for (var i = 0u; i < KEY_DIM; i += 1u) { state[i] = states[start + i * p.width]; }
  }
  let speed = exp(a_log[head]);
  for (var r = 0u; r < p.rows; r += 1u) {
    let row = p.first + r;
    let at = row * p.cols + key_head * KEY_DIM;
    workgroupBarrier();
    for (var i = local; i < KEY_DIM; i += THREADS) {
      query[i] = qkv[at + i];
      key[i] = qkv[at + p.key_heads * KEY_DIM + i];
      if (DECAY == 0u) {
        kept[i] = exp(-speed * softplus(decay[row * p.value_heads + head] + dt_bias[head]));
      } else {
        let own = head * KEY_DIM + i;
        let x = decay[row * p.value_heads * KEY_DIM + own] + dt_bias[own];
        if (DECAY == 1u) {
          kept[i] = exp(-speed * softplus(x));
        } else {
          kept[i] = exp(p.bound * sigmoid(speed * x));
        }
      }
    }
    workgroupBarrier();
    if (has_column) {
      let learned = p.rate_scale * sigmoid(rate[row * p.value_heads + head]);
      var known = 0.0;
      for (var i = 0u; i < KEY_DIM; i += 1u) {
        if (DECAY == 0u) {
          known = fma(key[i], state[i], known);
        } else {
          state[i] *= kept[i];
          known = fma(key[i], state[i], known);
        }
      }
      if (DECAY == 0u) { known *= kept[0]; }
      let value = qkv[row * p.cols + 2u * p.key_heads * KEY_DIM + head * p.value_dim + column];
      let change = learned * (value - known);
      var sum = 0.0;
      for (var i = 0u; i < KEY_DIM; i += 1u) {
        if (DECAY == 0u) { state[i] *= kept[0]; }
        state[i] = fma(key[i], change, state[i]);
        sum = fma(query[i], state[i], sum);
      }
      out[(row * p.value_heads + head) * p.value_dim + column] = sum;
    }
  }
  if (has_column) {
    for (var i = 0u; i < KEY_DIM; i += 1u) { states[start + i * p.width] = state[i]; }
  }
}
