// score = Σ weights[h] · max(queries[h] · key, 0) over the heads of an indexer, as whole numbers in the same order. A
// thread computes one position of a row.
struct P {
  // First of the rows.
  first: u32,
  // Positions that the scores of a row have room for.
  stride: u32,
  // Most positions that a row sees. If it has no more, it has no scores.
  keep: u32,
  // First word of the positions, and of the places of the block tables.
  positions: u32,
  tables: u32,
}
var<immediate> p: P;
@group(0) @binding(0) var<storage, read> words: array<u32>;
@group(0) @binding(1) var<storage, read> queries: array<f32>;
@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(3) var<storage, read> kv: array<u32>;
@group(0) @binding(4) var<storage, read_write> scores: array<u32>;

// Heads that use a feature of the key when it is read.
const TILE = 8u;

// Returns a number that is greater for greater values. NaN is before all numbers, and -0 equals 0.
fn order(value: f32) -> u32 {
  let bits = bitcast<u32>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) { return 0xffffffffu; }
  if (bits == 0x80000000u) { return 0x80000000u; }
  return select(bits | 0x80000000u, ~bits, (bits & 0x80000000u) != 0u);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let position = id.x;
  let row = p.first + id.y;
  let end = words[p.positions + row] + 1u;
  if (end <= p.keep || position >= end) { return; }
  let page = words[words[p.tables + row] + position / 32u];
  let at = page * head_words(KEY_BITS, HEAD_DIM);
  var score = 0.0;
  for (var first = 0u; first < HEADS; first += TILE) {
    var sums = array<f32, TILE>();
    for (var i = 0u; i < HEAD_DIM; i += 1u) {
      let key = element(at, KEY_BITS, HEAD_DIM, i, position % 32u);
      for (var j = 0u; j < TILE; j += 1u) {
        // Behind the last head, it is that head again, which isn't counted.
        let head = min(first + j, HEADS - 1u);
        sums[j] = fma(queries[(row * HEADS + head) * HEAD_DIM + i], key, sums[j]);
      }
    }
    for (var j = 0u; j < TILE; j += 1u) {
      if (first + j < HEADS) { score = fma(weights[row * HEADS + first + j], max(sums[j], 0.0), score); }
    }
  }
  scores[id.y * p.stride + position] = order(score);
}
