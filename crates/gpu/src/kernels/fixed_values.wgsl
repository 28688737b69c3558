// A block of x as numbers of 16 bits. `upper` and `lower` are their bytes, four to a word, in the order in which the
// values that they are multiplied with come out of a word: even ones first, then odd ones.
struct Quantized {
  upper_even: vec4<u32>,
  upper_odd: vec4<u32>,
  lower_even: vec4<u32>,
  lower_odd: vec4<u32>,
  scale: f32,
  sum: f32,
  squares: f32,
}

// [sums][lanes], in vectors of four lanes.
var<workgroup> parts: array<vec4<f32>, SUMS * VECTORS>;
// [sums][team]
var<workgroup> team_sums: array<f32, SUMS * TEAM>;

// The lower 16 bits are those of the nearest whole numbers: the digits of 1.5 · 2²³ + v.
fn whole(v: vec4<f32>) -> vec4<u32> { return bitcast<vec4<u32>>(v + vec4<f32>(12582912.0)); }

fn paired(a: u32, b: u32) -> u32 { return (a & 0xffffu) | (b << 16u); }

fn lower(p: u32, r: u32) -> u32 { return (p & 0x00ff00ffu) | ((r & 0x00ff00ffu) << 8u); }

fn upper(p: u32, r: u32) -> u32 { return ((p >> 8u) & 0x00ff00ffu) | (r & 0xff00ff00u); }

fn keep(sum: u32, lane: u32, value: f32) { parts[sum * VECTORS + lane / 4u][lane % 4u] = value; }

fn total(sum: u32) -> f32 {
  var all = 0.0;
  for (var i = 0u; i < TEAM; i += 1u) { all += team_sums[sum * TEAM + i]; }
  return all;
}
