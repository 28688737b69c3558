// RWKV-7's time mixing over the rows of one sequence. A thread keeps a column of the state of a head.
struct P {
  rows: u32,
  first: u32,
  heads: u32,
  state: u32,
}
var<immediate> p: P;
@group(0) @binding(0) var<storage, read> queries: array<f32>;
@group(0) @binding(1) var<storage, read> keys: array<f32>;
@group(0) @binding(2) var<storage, read> values: array<f32>;
@group(0) @binding(3) var<storage, read> decay: array<f32>;
@group(0) @binding(4) var<storage, read> rate: array<f32>;
@group(0) @binding(5) var<storage, read> removed: array<f32>;
@group(0) @binding(6) var<storage, read_write> states: array<f32>;
@group(0) @binding(7) var<storage, read_write> out: array<f32>;

const THREADS = 32u;
const WIDTH = (HEAD_DIM + 15u) / 16u * 16u;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let column = id.x * THREADS + local;
  if (column >= HEAD_DIM) { return; }
  // A stripe of 16 columns is `[HEAD_DIM][16]`.
  let start = p.state + id.y * HEAD_DIM * WIDTH + column / 16u * 16u * HEAD_DIM + column % 16u;
  var state: array<f32, HEAD_DIM>;
  for (var i = 0u; i < HEAD_DIM; i += 1u) { state[i] = states[start + i * 16u]; }
  for (var r = 0u; r < p.rows; r += 1u) {
    let at = ((p.first + r) * p.heads + id.y) * HEAD_DIM;
    var known = 0.0;
    for (var i = 0u; i < HEAD_DIM; i += 1u) { known = fma(removed[at + i], state[i], known); }
    let value = values[at + column];
    var sum = 0.0;
    for (var i = 0u; i < HEAD_DIM; i += 1u) {
      state[i] = fma(keys[at + i], value, decay[at + i] * state[i]);
      state[i] = fma(rate[at + i], -known, state[i]);
      sum = fma(queries[at + i], state[i], sum);
    }
    out[at + column] = sum;
  }
  for (var i = 0u; i < HEAD_DIM; i += 1u) { states[start + i * 16u] = state[i]; }
}
