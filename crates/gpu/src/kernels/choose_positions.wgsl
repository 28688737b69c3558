// Chooses the positions with the `keep` greatest scores of each row, the earlier ones among equal scores. The result of a
// row has a bit for each position, the lowest bit of a word first. A workgroup computes one row.
struct P {
  // First of the rows.
  first: u32,
  // Positions that the scores of a row have room for, a multiple of 32.
  stride: u32,
  // Most positions that a row sees. If it has no more, nothing is written.
  keep: u32,
  // First word of the positions.
  positions: u32,
}
var<immediate> p: P;
@group(0) @binding(0) var<storage, read> words: array<u32>;
@group(0) @binding(1) var<storage, read> scores: array<u32>;
@group(0) @binding(2) var<storage, read_write> chosen: array<u32>;

const THREADS = 256u;
// Scores with each value of a digit. A digit has eight bits.
var<workgroup> counts: array<atomic<u32>, THREADS>;
var<workgroup> found: vec2<u32>;
// Scores of each thread's word that equal the least chosen one.
var<workgroup> equals: array<u32, THREADS>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let row = p.first + id.x;
  let at = id.x * p.stride;
  let end = words[p.positions + row] + 1u;
  if (end <= p.keep) { return; }
  // The digits of the least score that is chosen, from the highest on, and the number of scores with these digits that
  // are chosen.
  var least = 0u;
  var left = p.keep;
  var known = 0u;
  for (var digit = 0u; digit < 4u; digit += 1u) {
    let shift = 24u - 8u * digit;
    atomicStore(&counts[local], 0u);
    workgroupBarrier();
    for (var i = local; i < end; i += THREADS) {
      let score = scores[at + i];
      if ((score & known) == least) { atomicAdd(&counts[(score >> shift) & 255u], 1u); }
    }
    workgroupBarrier();
    if (local == 0u) {
      var value = 255u;
      for (; value > 0u; value -= 1u) {
        let count = atomicLoad(&counts[value]);
        if (count >= left) { break; }
        left -= count;
      }
      found = vec2<u32>(least | (value << shift), left);
    }
    workgroupBarrier();
    least = found.x;
    left = found.y;
    known |= 255u << shift;
  }
  // Equal scores before the words of all threads.
  var passed = 0u;
  for (var first = 0u; first * 32u < end; first += THREADS) {
    let word = first + local;
    var bits = 0u;
    var equal = 0u;
    for (var i = 0u; i < 32u; i += 1u) {
      if (word * 32u + i < end) {
        let score = scores[at + word * 32u + i];
        bits |= select(0u, 1u << i, score > least);
        equal |= select(0u, 1u << i, score == least);
      }
    }
    equals[local] = countOneBits(equal);
    workgroupBarrier();
    var before = passed;
    for (var i = 0u; i < THREADS; i += 1u) {
      if (i < local) { before += equals[i]; }
      passed += equals[i];
    }
    workgroupBarrier();
    var room = left - min(left, before);
    for (var i = 0u; i < 32u; i += 1u) {
      let bit = equal & (1u << i);
      if (bit != 0u && room > 0u) {
        bits |= bit;
        room -= 1u;
      }
    }
    if (word * 32u < end) { chosen[row * (p.stride / 32u) + word] = bits; }
  }
}
