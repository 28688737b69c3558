// Stores keys and values of rows in the pages of a layer. A thread stores a stretch of features of a head.
struct P {
  rows: u32,
  heads: u32,
  // First word of the positions, and of the places of the block tables.
  positions: u32,
  tables: u32,
}
var<immediate> p: P;
@group(0) @binding(0) var<storage, read> words: array<u32>;
@group(0) @binding(1) var<storage, read> k: array<f32>;
@group(0) @binding(2) var<storage, read> v: array<f32>;
@group(0) @binding(3) var<storage, read_write> kv: array<u32>;

fn feature(values: bool, row: u32, head: u32, width: u32, i: u32) -> f32 {
  if (i >= width) { return 0.0; }
  let at = (row * p.heads + head) * width + i;
  if (values) { return v[at]; }
  return k[at];
}

// Stores features `32 · stretch..` of one head.
fn store(values: bool, at: u32, bits: u32, width: u32, row: u32, head: u32, stretch: u32, position: u32) {
  let first = stretch * 32u;
  if (bits >= 16u) {
    for (var i = first; i < min(first + 32u, (width + 15u) / 16u * 16u); i += 2u) {
      let pair = vec2<f32>(feature(values, row, head, width, i), feature(values, row, head, width, i + 1u));
      let place = (i / 16u) * 32u + position;
      if (bits == 32u) {
        kv[at + place * 16u + i % 16u] = bitcast<u32>(pair.x);
        kv[at + place * 16u + i % 16u + 1u] = bitcast<u32>(pair.y);
      } else {
        kv[at + place * 8u + i % 16u / 2u] = pack2x16float(pair);
      }
    }
    return;
  }
  let levels = f32((1u << bits) - 1u);
  var low = feature(values, row, head, width, first);
  var high = low;
  for (var i = first + 1u; i < min(first + 32u, width); i += 1u) {
    let x = feature(values, row, head, width, i);
    low = min(low, x);
    high = max(high, x);
  }
  let packed = pack2x16float(vec2<f32>((high - low) / levels, low));
  let scale = unpack2x16float(packed);
  let inverse = select(1.0 / scale.x, 0.0, scale.x == 0.0);
  let each = 32u / bits;
  for (var i = first; i < first + 32u; i += each) {
    var word = 0u;
    for (var j = 0u; j < each; j += 1u) {
      let x = feature(values, row, head, width, i + j);
      let code = u32(clamp(round((x - scale.y) * inverse), 0.0, levels));
      word |= select(0u, code, i + j < width) << (bits * j);
    }
    let place = (i / 16u) * 32u + position;
    kv[at + place * (16u / each) + i % 16u / each] = word;
  }
  let blocks = 2u * ((width + 31u) / 32u);
  kv[at + blocks * 16u * bits + stretch * 32u + position] = packed;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let key_stretches = (HEAD_DIM + 31u) / 32u;
  let stretches = key_stretches + (VALUE_DIM + 31u) / 32u;
  let stretch = id.x % stretches;
  let head = id.x / stretches;
  let row = id.y;
  if (head >= p.heads) { return; }
  let position = words[p.positions + row];
  let page = words[words[p.tables + row] + position / 32u];
  let key_words = head_words(KEY_BITS, HEAD_DIM);
  let at = (page * p.heads + head) * (key_words + head_words(VALUE_BITS, VALUE_DIM));
  if (stretch < key_stretches) {
    store(false, at, KEY_BITS, HEAD_DIM, row, head, stretch, position % 32u);
  } else {
    store(true, at + key_words, VALUE_BITS, VALUE_DIM, row, head, stretch - key_stretches, position % 32u);
  }
}
