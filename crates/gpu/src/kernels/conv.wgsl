// out[t] = activation(Σ weight[j] · x[t − (kernel − 1) + j] + bias) for the rows of one sequence. Rows before the
// first come from the state. With STATE, the state becomes the last inputs instead.
struct P {
  // Rows of the sequence, and the first of them.
  rows: u32,
  first: u32,
  cols: u32,
  // Rows of the state, and its first value.
  past: u32,
  state: u32,
}
var<immediate> p: P;
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> states: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

// Row `t` of the sequence, counted from the oldest in the state.
fn input(t: u32, col: u32) -> f32 {
  if (t < p.past) { return states[p.state + t * p.cols + col]; }
  return x[(p.first + t - p.past) * p.cols + col];
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let col = id.x;
  if (col >= p.cols) { return; }
  if (STATE != 0u) {
    for (var t = 0u; t < p.past; t += 1u) { states[p.state + t * p.cols + col] = input(p.rows + t, col); }
    return;
  }
  let row = id.y;
  var sum = 0.0;
  if (BIAS != 0u) { sum = bias[col]; }
  for (var j = 0u; j <= p.past; j += 1u) { sum = fma(weight[j * p.cols + col], input(row + j, col), sum); }
  if (SILU != 0u) { sum *= sigmoid(sum); }
  out[(p.first + row) * p.cols + col] = sum;
}
