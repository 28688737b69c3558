// out = softmax(q · kᵀ · scale) · v over the positions that a row sees, page after page. A workgroup computes one
// query head of one row. Its threads are positions of a page for the scores, and features for the sums.
struct P {
  heads: u32,
  kv_heads: u32,
  // First word of the positions, of the places of the block tables, and of the factors of rows.
  positions: u32,
  tables: u32,
  factors: u32,
  // Number of positions that a row sees; 0 for all.
  window: u32,
  scale: f32,
  cap: f32,
  // First word of the rows' ends of a sequence.
  ends: u32,
  // Positions of a block, blocks that all heads see, and the stride of the others.
  block_size: u32,
  local_blocks: u32,
  every: u32,
  // Most positions that a row sees if it chooses them, and words of a row's choice.
  keep: u32,
  choice_words: u32,
}
var<immediate> p: P;
@group(0) @binding(0) var<storage, read> words: array<u32>;
@group(0) @binding(1) var<storage, read> q: array<f32>;
@group(0) @binding(2) var<storage, read> kv: array<u32>;
@group(0) @binding(3) var<storage, read> sinks: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;
// A bit for each position of a row that may see more than `keep`.
@group(0) @binding(5) var<storage, read> chosen: array<u32>;

const THREADS = 32u;
const FEATURES = (VALUE_DIM + THREADS - 1u) / THREADS;
var<workgroup> query: array<f32, HEAD_DIM>;
var<workgroup> scores: array<f32, THREADS>;
var<workgroup> shares: array<f32, THREADS>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let head = id.x;
  let row = id.y;
  let kv_head = head / (p.heads / p.kv_heads);
  var scale = p.scale;
  if (GROWTH != 0u) { scale *= bitcast<f32>(words[p.factors + row]); }
  for (var i = local; i < HEAD_DIM; i += THREADS) { query[i] = q[(row * p.heads + head) * HEAD_DIM + i] * scale; }
  workgroupBarrier();

  let own = words[p.positions + row];
  // MASK is 0 if a row sees what is before it, 1 if windows don't slide, 2 if it sees all, 3 if it sees blocks,
  // and 4 if it sees chosen positions.
  var end = own + 1u;
  var start = select(end - min(end, p.window), 0u, p.window == 0u);
  if (MASK == 1u) { start = own / p.window * p.window; }
  if (MASK == 2u) {
    end = words[p.ends + row];
    if (p.window != 0u) { end = min(end, own + p.window); }
  }
  let table = words[p.tables + row];
  let key_words = head_words(KEY_BITS, HEAD_DIM);
  let page_words = key_words + head_words(VALUE_BITS, VALUE_DIM);
  var greatest = -1e30;
  var total = 0.0;
  var sums: array<f32, FEATURES>;
  for (var page = start / 32u; page * 32u < end; page += 1u) {
    if (MASK == 3u) {
      let seen = page * 32u / p.block_size;
      if (own / p.block_size - seen >= p.local_blocks && (seen + head + 1u) % p.every != 0u) { continue; }
    }
    var seen = 0xffffffffu;
    if (MASK == 4u && end > p.keep) {
      seen = chosen[row * p.choice_words + page];
      if (seen == 0u) { continue; }
    }
    let at = (words[table + page] * p.kv_heads + kv_head) * page_words;
    let position = page * 32u + local;
    let is_seen = position >= start && position < end && (seen & (1u << local)) != 0u;
    var score = -1e30;
    if (is_seen) {
      score = 0.0;
      for (var i = 0u; i < HEAD_DIM; i += 1u) {
        score = fma(query[i], element(at, KEY_BITS, HEAD_DIM, i, local), score);
      }
      if (CAP != 0u) { score = p.cap * tanh_of(score / p.cap); }
    }
    scores[local] = score;
    workgroupBarrier();
    var highest = greatest;
    for (var i = 0u; i < THREADS; i += 1u) { highest = max(highest, scores[i]); }
    let share = select(0.0, exp(score - highest), is_seen);
    shares[local] = share;
    workgroupBarrier();
    let shrink = exp(greatest - highest);
    greatest = highest;
    total *= shrink;
    for (var i = 0u; i < FEATURES; i += 1u) { sums[i] *= shrink; }
    for (var i = 0u; i < THREADS; i += 1u) {
      let each = shares[i];
      if (each == 0.0) { continue; }
      total += each;
      for (var j = 0u; j < FEATURES; j += 1u) {
        let feature = j * THREADS + local;
        if (feature < VALUE_DIM) {
          sums[j] = fma(each, element(at + key_words, VALUE_BITS, VALUE_DIM, feature, i), sums[j]);
        }
      }
    }
    workgroupBarrier();
  }
  if (SINKS != 0u) {
    let sink = sinks[head];
    let highest = max(greatest, sink);
    let shrink = exp(greatest - highest);
    total = total * shrink + exp(sink - highest);
    for (var i = 0u; i < FEATURES; i += 1u) { sums[i] *= shrink; }
  }
  for (var j = 0u; j < FEATURES; j += 1u) {
    let feature = j * THREADS + local;
    if (feature < VALUE_DIM) { out[(row * p.heads + head) * VALUE_DIM + feature] = sums[j] / total; }
  }
}
