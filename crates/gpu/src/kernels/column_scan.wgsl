// A selective scan with decays of each column, over the rows of one sequence. A thread keeps a column.
struct P {
  rows: u32,
  first: u32,
  columns: u32,
  state: u32,
}
var<immediate> p: P;
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> dt: array<f32>;
@group(0) @binding(2) var<storage, read> keys: array<f32>;
@group(0) @binding(3) var<storage, read> queries: array<f32>;
// Logarithms of how fast the values of a state decay, `[STATE_DIM][columns]`, and factors of the inputs behind them.
@group(0) @binding(4) var<storage, read> a_log: array<f32>;
@group(0) @binding(5) var<storage, read> d: array<f32>;
@group(0) @binding(6) var<storage, read_write> states: array<f32>;
@group(0) @binding(7) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(32)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let column = id.x;
  if (column >= p.columns) { return; }
  // A stripe of 16 columns is `[STATE_DIM][16]`.
  let start = p.state + column / 16u * 16u * STATE_DIM + column % 16u;
  var state: array<f32, STATE_DIM>;
  var speed: array<f32, STATE_DIM>;
  for (var i = 0u; i < STATE_DIM; i += 1u) {
    state[i] = states[start + i * 16u];
    speed[i] = -exp(a_log[i * p.columns + column]);
  }
  for (var r = 0u; r < p.rows; r += 1u) {
    let row = p.first + r;
    let time = softplus(dt[row * p.columns + column]);
    let own = x[row * p.columns + column];
    let change = time * own;
    var sum = 0.0;
    for (var i = 0u; i < STATE_DIM; i += 1u) {
      state[i] = fma(keys[row * STATE_DIM + i], change, exp(time * speed[i]) * state[i]);
      sum = fma(queries[row * STATE_DIM + i], state[i], sum);
    }
    out[row * p.columns + column] = sum + d[column] * own;
  }
  for (var i = 0u; i < STATE_DIM; i += 1u) { states[start + i * 16u] = state[i]; }
}
