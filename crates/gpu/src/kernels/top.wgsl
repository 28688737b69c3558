// The `keep` greatest values of each chunk of a row, in order: largest first, the lower column first among equal
// values, NaN before all numbers. The first round reads values, later rounds the pairs that the last one left.
struct P {
  // Values or pairs of a row.
  width: u32,
  chunks: u32,
  keep: u32,
}
var<immediate> p: P;
@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> out: array<u32>;

const CHUNK = 1024u;
const THREADS = 256u;
// A number that is greater for greater values, and a column.
var<workgroup> pairs: array<vec2<u32>, CHUNK>;

fn order(bits: u32) -> u32 {
  if ((bits & 0x7fffffffu) > 0x7f800000u) { return 0xffffffffu; }
  // -0 equals 0.
  let value = select(bits, 0u, bits == 0x80000000u);
  return select(value | 0x80000000u, ~value, (value & 0x80000000u) != 0u);
}

fn is_before(a: vec2<u32>, b: vec2<u32>) -> bool { return a.x > b.x || (a.x == b.x && a.y < b.y); }

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let chunk = id.x;
  let row = id.y;
  for (var i = local; i < CHUNK; i += THREADS) {
    let at = chunk * CHUNK + i;
    // Behind everything else.
    var pair = vec2<u32>(0u, 0xffffffffu);
    if (at < p.width) {
      if (FIRST != 0u) {
        pair = vec2<u32>(order(x[row * p.width + at]), at);
      } else {
        pair = vec2<u32>(x[2u * (row * p.width + at)], x[2u * (row * p.width + at) + 1u]);
      }
    }
    pairs[i] = pair;
  }
  workgroupBarrier();
  // Batcher's bitonic sort.
  for (var size = 2u; size <= CHUNK; size *= 2u) {
    for (var distance = size / 2u; distance > 0u; distance /= 2u) {
      for (var i = local; i < CHUNK / 2u; i += THREADS) {
        let a = 2u * i - (i & (distance - 1u));
        let b = a + distance;
        let first = pairs[a];
        let second = pairs[b];
        let ascending = (a & size) != 0u;
        if (is_before(second, first) != ascending) {
          pairs[a] = second;
          pairs[b] = first;
        }
      }
      workgroupBarrier();
    }
  }
  for (var i = local; i < p.keep; i += THREADS) {
    let at = 2u * ((row * p.chunks + chunk) * p.keep + i);
    out[at] = pairs[i].x;
    out[at + 1u] = pairs[i].y;
  }
}
