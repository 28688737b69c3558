// Rotates rows of x by signs and a Walsh-Hadamard matrix, block by block, or back. A workgroup computes a part of a block:
// all of it, or one of its halves.
struct P {
  cols: u32,
  factor: f32,
}
var<immediate> p: P;
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> signs: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

const THREADS = 256u;
var<workgroup> part: array<f32, PART>;

fn input(row: u32, col: u32) -> f32 {
  let value = x[row * p.cols + col];
  if (BACK != 0u) { return value; }
  return value * signs[col];
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let row = id.y;
  let first = id.x * PART;
  let start = first / BLOCK * BLOCK;
  for (var i = local; i < PART; i += THREADS) {
    var value = input(row, start + i);
    if (PART < BLOCK) {
      let other = input(row, start + PART + i);
      value = select(value - other, value + other, first == start);
    }
    part[i] = value;
  }
  workgroupBarrier();
  for (var width = 1u; width < PART; width *= 2u) {
    for (var pair = local; pair < PART / 2u; pair += THREADS) {
      let i = pair / width * 2u * width + pair % width;
      let a = part[i];
      let b = part[i + width];
      part[i] = a + b;
      part[i + width] = a - b;
    }
    workgroupBarrier();
  }
  for (var i = local; i < PART; i += THREADS) {
    var value = part[i] * p.factor;
    if (BACK != 0u) { value *= signs[first + i]; }
    out[row * p.cols + first + i] = value;
  }
}
