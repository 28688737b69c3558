struct Eight {
  low: vec4<f16>,
  high: vec4<f16>,
}

// A scale and a bias, as they are used. They are f16 if the file's are, and a value is then rounded once, too.
fn scaling(pair: vec2<f32>) -> vec2<NUMBER> { return vec2<NUMBER>(pair); }

// A code in the digits of an f16 is 1024 too large.
fn codes(word: u32) -> vec2<NUMBER> {
  return vec2<NUMBER>(unpack2x16float(word | 0x64006400u)) - vec2<NUMBER>(1024.0);
}

fn nibbles(word: u32, z: vec2<NUMBER>) -> Eight {
  let scale = vec2<NUMBER>(z.x);
  let bias = vec2<NUMBER>(z.y);
  let a = fma(codes(word & 0x000f000fu), scale, bias);
  let b = fma(codes((word >> 4u) & 0x000f000fu), scale, bias);
  let c = fma(codes((word >> 8u) & 0x000f000fu), scale, bias);
  let d = fma(codes((word >> 12u) & 0x000f000fu), scale, bias);
  return Eight(
    vec4<f16>(vec4<NUMBER>(a.x, b.x, c.x, d.x)), vec4<f16>(vec4<NUMBER>(a.y, b.y, c.y, d.y)),
  );
}

fn bytes(word: u32, z: vec2<NUMBER>) -> vec4<f16> {
  let a = codes(word & 0x00ff00ffu);
  let b = codes((word >> 8u) & 0x00ff00ffu);
  return vec4<f16>(fma(vec4<NUMBER>(a.x, b.x, a.y, b.y), vec4<NUMBER>(z.x), vec4<NUMBER>(z.y)));
}
