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
  // Pairs that turn, and the first dimension that does.
  pairs: u32,
  offset: u32,
  // Added to the mean square of a head that is normalized.
  eps: f32,
}
var<immediate> p: P;
@group(0) @binding(0) var<storage, read> words: array<u32>;
@group(0) @binding(1) var<storage, read> q: array<f32>;
@group(0) @binding(2) var<storage, read> k: array<f32>;
@group(0) @binding(3) var<storage, read> v: array<f32>;
@group(0) @binding(4) var<storage, read> turns: array<f32>;
@group(0) @binding(5) var<storage, read> sinks: array<f32>;
@group(0) @binding(6) var<storage, read_write> kv: array<vec4<u32>>;
@group(0) @binding(7) var<storage, read_write> out: array<f32>;

// Vectors of the keys of a head in a page.
const PAGE_KEYS = HEAD_DIM * 4u;
const TEAM = min(32u, THREADS / HEADS);
var<workgroup> query: array<vec4<f32>, HEADS * HEAD_DIM / 4u>;
var<workgroup> new_key: array<vec4<f32>, HEAD_DIM / 4u>;
var<workgroup> new_value: array<vec4<f32>, HEAD_DIM / 4u>;
var<workgroup> scores: array<f32, HEADS * CHUNK>;
var<workgroup> parts: array<f32, THREADS>;
var<workgroup> greatest: array<f32, HEADS>;
var<workgroup> totals: array<f32, HEADS>;
var<workgroup> sums: array<vec4<f32>, LANES * HEAD_DIM / 4u>;

// The kind is 0 for queries and 1 for keys.
fn feature(kind: u32, at: u32) -> f32 {
  if (kind == 1u) { return normed(1u, at, k[at]); }
  return normed(0u, at, q[at]);
}

fn rounded(x: vec4<f32>) -> vec4<f32> {
  return vec4<f32>(unpack2x16float(pack2x16float(x.xy)), unpack2x16float(pack2x16float(x.zw)));
}

// Returns the first vector of a position in its page.
fn place(position: u32, table: u32, kv_head: u32) -> u32 {
  return (words[table + position / 32u] * p.kv_heads + kv_head) * (2u * PAGE_KEYS) + position % 32u * 2u;
}

// Stores the sums of a head.
fn finish(row: u32, first_head: u32, head: u32, chunk: u32, chunks: u32, local: u32) {
  var most = greatest[head];
  var total = totals[head];
  var shrink = 1.0;
  if (SINKS != 0u && SPLIT == 0u) {
    let sink = sinks[first_head + head];
    let highest = max(most, sink);
    shrink = exp(most - highest);
    total = total * shrink + exp(sink - highest);
  }
  if (SPLIT == 0u) { shrink /= total; }
  let at = row * p.heads + first_head + head;
  for (var i = local; i < HEAD_DIM; i += THREADS) {
    var sum = 0.0;
    for (var j = 0u; j < LANES; j += 1u) { sum += sums[j * (HEAD_DIM / 4u) + i / 4u][i % 4u]; }
    if (SPLIT == 0u) {
      out[at * HEAD_DIM + i] = sum * shrink;
    } else {
      out[(at * chunks + chunk) * (HEAD_DIM + 2u) + i] = sum;
    }
  }
  if (SPLIT != 0u && local == 0u) {
    out[(at * chunks + chunk) * (HEAD_DIM + 2u) + HEAD_DIM] = most;
    out[(at * chunks + chunk) * (HEAD_DIM + 2u) + HEAD_DIM + 1u] = total;
  }
}

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) id: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let first_head = id.x * HEADS;
  let row = id.z;
  let shared_by = p.heads / p.kv_heads;
  let kv_head = first_head / shared_by;
  let newest = words[p.positions + row];
  let table = words[p.tables + row];
  let start = select(newest + 1u - min(newest + 1u, p.window), 0u, p.window == 0u);
  let chunk_start = id.y * CHUNK;
  let first = max(start, chunk_start);
  let end = min(newest + 1u, chunk_start + CHUNK);
  let old_end = min(newest, end);
  // Where reading ends, also if there is nothing to read.
  let last_old = max(old_end, 1u) - 1u;
  let half = local % 2u;
  let lane = local / 2u % LANES;
  let block = local / (2u * LANES);
  let octet = 2u * block + half;
  let has_new = newest >= chunk_start && newest < chunk_start + CHUNK;

/*VALUES*/
  let own = (row * p.kv_heads + kv_head) * HEAD_DIM;
  find_norms((row * p.heads + first_head) * HEAD_DIM, own, local);
  var scale = p.scale;
  if (GROWTH != 0u) { scale *= bitcast<f32>(words[p.factors + row]); }
  for (var i = local; i < HEADS * HEAD_DIM; i += THREADS) {
    let at = (row * p.heads + first_head + i / HEAD_DIM) * HEAD_DIM;
    query[i / 4u][i % 4u] = turned(0u, at, i % HEAD_DIM, newest) * scale;
  }
  for (var i = local; i < HEAD_DIM; i += THREADS) {
    new_key[i / 4u][i % 4u] = turned(1u, own, i, newest);
    new_value[i / 4u][i % 4u] = v[own + i];
  }
  workgroupBarrier();
  for (var i = local; i < HEAD_DIM / 4u; i += THREADS) {
    new_key[i] = rounded(new_key[i]);
    new_value[i] = rounded(new_value[i]);
  }
  workgroupBarrier();
  if (has_new && first_head % shared_by == 0u) {
    for (var i = local; i < HEAD_DIM / 4u; i += THREADS) {
      let octet = i % (HEAD_DIM / 8u);
      var low = new_key[2u * octet];
      var high = new_key[2u * octet + 1u];
      var at = place(newest, table, kv_head) + octet / 2u * 64u + octet % 2u;
      if (i >= HEAD_DIM / 8u) {
        low = new_value[2u * octet];
        high = new_value[2u * octet + 1u];
        at += PAGE_KEYS;
      }
      kv[at] = vec4<u32>(
        pack2x16float(low.xy), pack2x16float(low.zw), pack2x16float(high.xy), pack2x16float(high.zw),
      );
    }
  }

  for (var position = first + local; position < end; position += THREADS) {
    if (position < newest) {
      let at = place(position, table, kv_head);
/*SCORES*/
    } else {
      for (var head = 0u; head < HEADS; head += 1u) {
        var score = 0.0;
        for (var i = 0u; i < HEAD_DIM / 4u; i += 1u) {
          score += dot(new_key[i], query[head * (HEAD_DIM / 4u) + i]);
        }
        scores[head * CHUNK + position - chunk_start] = score;
      }
    }
  }
  workgroupBarrier();

  // A team of threads finds the greatest score of a head, and the total of the shares.
  let head = local / TEAM;
  var most = -1e30;
  if (head < HEADS) {
    for (var position = first + local % TEAM; position < end; position += TEAM) {
      let at = head * CHUNK + position - chunk_start;
      if (CAP != 0u) { scores[at] = p.cap * tanh_of(scores[at] / p.cap); }
      most = max(most, scores[at]);
    }
  }
  parts[local] = most;
  workgroupBarrier();
  if (head < HEADS) {
    for (var i = 0u; i < TEAM; i += 1u) { most = max(most, parts[head * TEAM + i]); }
    if (local % TEAM == 0u) { greatest[head] = most; }
  }
  workgroupBarrier();
  var total = 0.0;
  if (head < HEADS) {
    for (var position = first + local % TEAM; position < end; position += TEAM) {
      let at = head * CHUNK + position - chunk_start;
      let share = exp(scores[at] - most);
      scores[at] = share;
      total += share;
    }
  }
  parts[local] = total;
  workgroupBarrier();
  if (head < HEADS && local % TEAM == 0u) {
    total = 0.0;
    for (var i = 0u; i < TEAM; i += 1u) { total += parts[head * TEAM + i]; }
    totals[head] = total;
  }
  workgroupBarrier();

/*SUMS*/
}
