// Words of the keys or values of a head in a page.
fn head_words(bits: u32, width: u32) -> u32 {
  if (bits >= 16u) { return (width + 15u) / 16u * 16u * bits; }
  return (width + 31u) / 32u * 32u * (bits + 1u);
}
