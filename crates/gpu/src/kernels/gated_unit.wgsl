// A gated linear recurrent unit over the rows of one sequence. A thread keeps a column.
struct P {
  rows: u32,
  first: u32,
  columns: u32,
  state: u32,
  // Position of the first row.
  start: u32,
}
var<immediate> p: P;
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> input_gate: array<f32>;
@group(0) @binding(2) var<storage, read> decay_gate: array<f32>;
@group(0) @binding(3) var<storage, read> speed: array<f32>;
@group(0) @binding(4) var<storage, read_write> states: array<f32>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(32)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let column = id.x;
  if (column >= p.columns) { return; }
  var state = states[p.state + column];
  let fastest = -8.0 * softplus(speed[column]);
  for (var r = 0u; r < p.rows; r += 1u) {
    let at = (p.first + r) * p.columns + column;
    let decay = sigmoid(decay_gate[at]) * fastest;
    // 1 − exp(2·decay), from expm1 so that slow decays keep their digits.
    let factor = select(sqrt(-expm1_of(2.0 * decay)), 1.0, p.start + r == 0u);
    state = exp(decay) * state + x[at] * sigmoid(input_gate[at]) * factor;
    out[at] = state;
  }
  states[p.state + column] = state;
}
