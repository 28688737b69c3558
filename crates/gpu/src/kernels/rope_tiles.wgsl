enable f16;
// Turns queries and keys. Queries become tiles of 16 rows by 16 features, keys and values go to the pages of a layer.
// A workgroup takes a head of a row.
struct P {
  heads: u32,
  kv_heads: u32,
  // First word of the positions, of the places of the block tables, of the factors of rows, and of their places among
  // the tiles.
  positions: u32,
  tables: u32,
  factors: u32,
  places: u32,
  // Pairs that turn, and the first dimension that does.
  pairs: u32,
  offset: u32,
  // With the factor of base-2 exponents.
  scale: f32,
}
var<immediate> p: P;
@group(0) @binding(0) var<storage, read> words: array<u32>;
@group(0) @binding(1) var<storage, read> q: array<f32>;
@group(0) @binding(2) var<storage, read> k: array<f32>;
@group(0) @binding(3) var<storage, read> v: array<f32>;
@group(0) @binding(4) var<storage, read> turns: array<f32>;
@group(0) @binding(5) var<storage, read_write> kv: array<f16>;
@group(0) @binding(6) var<storage, read_write> out: array<f16>;

// The kind is 0 for queries, 1 for keys and 2 for values.
fn feature(kind: u32, at: u32) -> f32 {
  if (kind == 0u) { return q[at]; }
  if (kind == 1u) { return k[at]; }
  return v[at];
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let row = id.x;
  let position = words[p.positions + row];
  if (id.y < p.heads) {
    var scale = p.scale;
    if (GROWTH != 0u) { scale *= bitcast<f32>(words[p.factors + row]); }
    let place = words[p.places + row];
    let to = (place / 16u * p.heads + id.y) * (HEAD_DIM * 16u) + place % 16u * 16u;
    let at = (row * p.heads + id.y) * HEAD_DIM;
    for (var i = local; i < HEAD_DIM; i += 64u) {
      out[to + i / 16u * 256u + i % 16u] = f16(turned(0u, at, i, position) * scale);
    }
    return;
  }
  let kind = select(1u, 2u, id.y >= p.heads + p.kv_heads);
  let head = (id.y - p.heads) % p.kv_heads;
  let page = words[words[p.tables + row] + position / 32u];
  let to = ((page * p.kv_heads + head) * 2u + kind - 1u) * (HEAD_DIM * 32u) + position % 32u * 16u;
  let at = (row * p.kv_heads + head) * HEAD_DIM;
  for (var i = local; i < HEAD_DIM; i += 64u) {
    var value: f32;
    if (kind == 2u) {
      value = feature(kind, at + i);
    } else {
      value = turned(kind, at, i, position);
    }
    kv[to + i / 16u * 512u + i % 16u] = f16(value);
  }
}
