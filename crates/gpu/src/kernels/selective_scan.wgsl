// The selective scan of Mamba-2 over the rows of one sequence. A thread keeps a column of the state of a head.
struct P {
  rows: u32,
  first: u32,
  cols: u32,
  heads: u32,
  head_dim: u32,
  groups: u32,
  // Columns of the state.
  width: u32,
  state: u32,
  least: f32,
  greatest: f32,
}
var<immediate> p: P;
@group(0) @binding(0) var<storage, read> xbc: array<f32>;
@group(0) @binding(1) var<storage, read> dt: array<f32>;
// Logarithms of how fast heads forget.
@group(0) @binding(2) var<storage, read> a_log: array<f32>;
@group(0) @binding(3) var<storage, read> dt_bias: array<f32>;
// Factors of the inputs.
@group(0) @binding(4) var<storage, read> d: array<f32>;
@group(0) @binding(5) var<storage, read_write> states: array<f32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;

const THREADS = 32u;
var<workgroup> query: array<f32, STATE_DIM>;
var<workgroup> key: array<f32, STATE_DIM>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let head = id.y;
  let column = id.x * THREADS + local;
  let has_column = column < p.head_dim;
  let group = head / (p.heads / p.groups);
  let inner = p.heads * p.head_dim;
  let start = p.state + head * STATE_DIM * p.width + column;
  var state: array<f32, STATE_DIM>;
  if (has_column) {
    for (var i = 0u; i < STATE_DIM; i += 1u) { state[i] = states[start + i * p.width]; }
  }
  let speed = -exp(a_log[head]);
  for (var r = 0u; r < p.rows; r += 1u) {
    let row = p.first + r;
    let at = row * p.cols + inner + group * STATE_DIM;
    workgroupBarrier();
    for (var i = local; i < STATE_DIM; i += THREADS) {
      key[i] = xbc[at + i];
      query[i] = xbc[at + p.groups * STATE_DIM + i];
    }
    workgroupBarrier();
    if (has_column) {
      let time = clamp(softplus(dt[row * p.heads + head] + dt_bias[head]), p.least, p.greatest);
      let kept = exp(speed * time);
      let x = xbc[row * p.cols + head * p.head_dim + column];
      let change = time * x;
      var sum = 0.0;
      for (var i = 0u; i < STATE_DIM; i += 1u) {
        state[i] = fma(key[i], change, kept * state[i]);
        sum = fma(query[i], state[i], sum);
      }
      out[row * inner + head * p.head_dim + column] = sum + d[head] * x;
    }
  }
  if (has_column) {
    for (var i = 0u; i < STATE_DIM; i += 1u) { states[start + i * p.width] = state[i]; }
  }
}
