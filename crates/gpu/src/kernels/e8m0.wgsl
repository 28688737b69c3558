// A power of two. 255 is NaN.
fn e8m0(code: u32) -> f32 {
  if (code == 255u) { return bitcast<f32>(0x7fc00000u | (p.m.row_words & 1u)); }
  return bitcast<f32>(select(code << 23u, 0x00400000u, code == 0u));
}
