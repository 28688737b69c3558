struct P {
  heads: u32,
  kv_heads: u32,
  // First word of the block table.
  table: u32,
  // Position of the first row, and the number of rows.
  start: u32,
  rows: u32,
  // First row in the batch, and the first tile of queries.
  first: u32,
  tile: u32,
  window: u32,
  // In units of the base-2 logarithm, as are scores.
  cap: f32,
}
var<immediate> p: P;
@group(0) @binding(0) var<storage, read> words: array<u32>;
@group(0) @binding(1) var<storage, read> q: array<vec4<f16>>;
@group(0) @binding(2) var<storage, read> kv: array<vec4<f16>>;
@group(0) @binding(3) var<storage, read> sinks: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<vec4<f16>>;

const BLOCKS = HEAD_DIM / 16u;
// Vectors of the keys of a head in a page.
const PAGE_KEYS = HEAD_DIM * 8u;
const LOG2_E = 1.4426950408889634;
// Each subgroup has its own part of these.
var<workgroup> scores: array<vec4<f32>, 144u * SPLITS>;
var<workgroup> shares: array<vec4<f16>, 160u * SPLITS>;
var<workgroup> tile: array<vec4<f32>, 64u * SPLITS>;
var<workgroup> shrinks: u32;
// [subgroups][rows]
var<workgroup> greatest_of: array<f32, 16u * SPLITS>;
var<workgroup> totals_of: array<f32, 16u * SPLITS>;

@compute @workgroup_size(32u * SPLITS)
fn main(
  @builtin(workgroup_id) id: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let lane = local % 32u;
  let own = local / 32u;
  let own_scores = own * 144u;
  let own_shares = own * 160u;
  let own_tile = own * 64u;
  // Those with the most positions first.
  let rows = groups.x - 1u - id.x;
  let head = id.y;
  let kv_head = head / (p.heads / p.kv_heads);
  let slot = (p.tile + rows) * p.heads + head;
  let row = lane / 2u;
  let half = lane % 2u;
  // Position of the first of the 16 rows.
  let first = p.start + rows * 16u;
  let last = p.start + p.rows - 1u;
  let pages = min(first + 15u, last) / 32u + 1u;
  let whole = (first + 1u) / 32u;
  var earliest = 0u;
  if (WINDOW != 0u) { earliest = (first + 1u - min(first + 1u, p.window)) / 32u; }
/*START*/
  var most = -1.0e30;
  var total = 0.0;
  // All subgroups take the same number of pages, because they wait for each other.
  let rounds = (pages - earliest + SPLITS - 1u) / SPLITS;
  for (var round = 0u; round < rounds; round += 1u) {
    let wanted = earliest + round * SPLITS + own;
    let at = min(wanted, pages - 1u);
    let page = (words[p.table + at] * p.kv_heads + kv_head) * (2u * PAGE_KEYS);
/*SCORES*/
    if (local == 0u) { shrinks = 0u; }
    workgroupBarrier();
    var t0 = scores[own_scores + row * 9u + half * 4u];
    var t1 = scores[own_scores + row * 9u + half * 4u + 1u];
    var t2 = scores[own_scores + row * 9u + half * 4u + 2u];
    var t3 = scores[own_scores + row * 9u + half * 4u + 3u];
    if (CAP != 0u) {
      for (var i = 0u; i < 4u; i += 1u) {
        t0[i] = p.cap * tanh_of(t0[i] / p.cap);
        t1[i] = p.cap * tanh_of(t1[i] / p.cap);
        t2[i] = p.cap * tanh_of(t2[i] / p.cap);
        t3[i] = p.cap * tanh_of(t3[i] / p.cap);
      }
    }
    if (at >= whole || WINDOW != 0u) {
      let end = vec4<i32>(i32(first + row) - i32(at * 32u + half * 16u));
      let i = vec4<i32>(0, 1, 2, 3);
      t0 = select(vec4<f32>(-1.0e30), t0, i <= end);
      t1 = select(vec4<f32>(-1.0e30), t1, i + 4 <= end);
      t2 = select(vec4<f32>(-1.0e30), t2, i + 8 <= end);
      t3 = select(vec4<f32>(-1.0e30), t3, i + 12 <= end);
      if (WINDOW != 0u) {
        let start = end - i32(p.window);
        t0 = select(vec4<f32>(-1.0e30), t0, i > start);
        t1 = select(vec4<f32>(-1.0e30), t1, i + 4 > start);
        t2 = select(vec4<f32>(-1.0e30), t2, i + 8 > start);
        t3 = select(vec4<f32>(-1.0e30), t3, i + 12 > start);
      }
    }
    if (SPLITS > 1u && wanted >= pages) {
      t0 = vec4<f32>(-1.0e30);
      t1 = t0;
      t2 = t0;
      t3 = t0;
    }
    let four = max(max(t0, t1), max(t2, t3));
    var highest = max(max(four.x, four.y), max(four.z, four.w));
    highest = max(highest, subgroupShuffleXor(highest, 1u));
    if (highest > most + 8.0) { shrinks = 1u; }
    if (workgroupUniformLoad(&shrinks) == 1u) {
      let greatest = max(most, highest);
      let shrink = exp2(most - greatest);
      most = greatest;
      total *= shrink;
/*SHRINK*/
    }
    t0 = exp2(t0 - vec4<f32>(most));
    t1 = exp2(t1 - vec4<f32>(most));
    t2 = exp2(t2 - vec4<f32>(most));
    t3 = exp2(t3 - vec4<f32>(most));
    shares[own_shares + row * 10u + half * 4u] = vec4<f16>(t0);
    shares[own_shares + row * 10u + half * 4u + 1u] = vec4<f16>(t1);
    shares[own_shares + row * 10u + half * 4u + 2u] = vec4<f16>(t2);
    shares[own_shares + row * 10u + half * 4u + 3u] = vec4<f16>(t3);
    let z = t0 + t1 + t2 + t3;
    total += z.x + z.y + z.z + z.w;
    workgroupBarrier();
/*SUMS*/
  }
  total += subgroupShuffleXor(total, 1u);
/*JOIN*/
  let is_row = rows * 16u + row < p.rows;
  let to_row = p.first + rows * 16u + row;
  let to = (to_row / 16u * (p.heads * BLOCKS) + head * BLOCKS) * 64u + to_row % 16u * 4u + half * 2u;
/*STORE*/
}
