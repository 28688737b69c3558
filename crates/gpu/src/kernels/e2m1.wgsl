// A float of four bits. A digit of the constant is twice a value.
fn e2m1(code: u32) -> f32 {
  let value = 0.5 * f32((0xc8643210u >> (4u * (code & 7u))) & 15u);
  return select(value, -value, code >= 8u);
}
