struct Eight {
  low: vec4<f16>,
  high: vec4<f16>,
}

// A code in the digits of an f16 is 1024 too large.
fn unbiased(pair: vec2<f32>) -> vec2<f32> { return vec2<f32>(pair.x, fma(pair.x, -1024.0, pair.y)); }

fn nibbles(word: u32, z: vec2<f32>) -> Eight {
  let a = unpack2x16float((word & 0x000f000fu) | 0x64006400u);
  let b = unpack2x16float(((word >> 4u) & 0x000f000fu) | 0x64006400u);
  let c = unpack2x16float(((word >> 8u) & 0x000f000fu) | 0x64006400u);
  let d = unpack2x16float(((word >> 12u) & 0x000f000fu) | 0x64006400u);
  let low = fma(vec4<f32>(a.x, b.x, c.x, d.x), vec4<f32>(z.x), vec4<f32>(z.y));
  let high = fma(vec4<f32>(a.y, b.y, c.y, d.y), vec4<f32>(z.x), vec4<f32>(z.y));
  return Eight(vec4<f16>(low), vec4<f16>(high));
}

fn bytes(word: u32, z: vec2<f32>) -> vec4<f16> {
  let a = unpack2x16float((word & 0x00ff00ffu) | 0x64006400u);
  let b = unpack2x16float(((word >> 8u) & 0x00ff00ffu) | 0x64006400u);
  return vec4<f16>(fma(vec4<f32>(a.x, b.x, a.y, b.y), vec4<f32>(z.x), vec4<f32>(z.y)));
}
