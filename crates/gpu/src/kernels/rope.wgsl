// Rotates the heads of every row in place, by the row's position.
struct P {
  // Pairs in all.
  count: u32,
  cols: u32,
  heads: u32,
  // Pairs of a head.
  half: u32,
  // First dimension that turns.
  offset: u32,
  // First word of the positions.
  positions: u32,
}
var<immediate> p: P;
@group(0) @binding(0) var<storage, read> words: array<u32>;
@group(0) @binding(1) var<storage, read> turns: array<f32>;
@group(0) @binding(2) var<storage, read_write> x: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  for (var i = id.x; i < p.count; i += 64u * groups.x) {
    let pair = i % p.half;
    let head = i / p.half % p.heads;
    let row = i / (p.half * p.heads);
    let start = row * p.cols + head * (p.cols / p.heads) + p.offset;
    let at = words[p.positions + row] * 2u * p.half + pair;
    let cos = turns[at];
    let sin = turns[at + p.half];
    var first = start + pair;
    var second = first + p.half;
    if (INTERLEAVED != 0u) {
      first = start + 2u * pair;
      second = first + 1u;
    }
    let a = x[first];
    let b = x[second];
    x[first] = a * cos - b * sin;
    x[second] = a * sin + b * cos;
  }
}
