// Reads an element of a page of keys or values, at word `at` of `kv`. BITS is 32, 16, or 8 and 4 for codes.
// Features are in blocks of 16: `[blocks][positions][16]`. Codes have a scale and a bias per 32 features:
// `[groups][positions]` words behind them.
fn element(at: u32, bits: u32, width: u32, feature: u32, position: u32) -> f32 {
  let place = (feature / 16u) * 32u + position;
  let i = feature % 16u;
  if (bits == 32u) { return bitcast<f32>(kv[at + place * 16u + i]); }
  if (bits == 16u) { return unpack2x16float(kv[at + place * 8u + i / 2u])[i % 2u]; }
  let blocks = 2u * ((width + 31u) / 32u);
  let code_words = blocks * 16u * bits;
  let scale = unpack2x16float(kv[at + code_words + (feature / 32u) * 32u + position]);
  let each = 32u / bits;
  let word = kv[at + place * (16u / each) + i / each];
  let code = (word >> (bits * (i % each))) & ((1u << bits) - 1u);
  return f32(code) * scale.x + scale.y;
}
