// A float of eight bits without infinities: the largest value is 448, and NaN is all ones.
fn e4m3(code: u32) -> f32 {
  let magnitude = code & 127u;
  // Below 2^-6, values are 2^-9 apart.
  var value = bitcast<f32>((magnitude << 20u) + (120u << 23u));
  if (magnitude < 8u) { value = f32(magnitude) / 512.0; }
  if (magnitude == 127u) { value = bitcast<f32>(0x7fc00000u | (p.m.row_words & 1u)); }
  return select(value, -value, code >= 128u);
}
