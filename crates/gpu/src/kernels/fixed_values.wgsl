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

// [sums][lanes], and the sums of teams of lanes behind them.
var<workgroup> parts: array<f32, SUMS * (STRIDE + TEAM)>;

fn packed(v: vec4<i32>) -> u32 {
  let u = vec4<u32>(v) & vec4<u32>(255u);
  return u.x | (u.y << 8u) | (u.z << 16u) | (u.w << 24u);
}

fn total(sum: u32) -> f32 {
  var all = 0.0;
  for (var i = 0u; i < TEAM; i += 1u) { all += parts[SUMS * STRIDE + sum * TEAM + i]; }
  return all;
}
