// Returns feature `i` of the head at `at`, turned by the position. `kind` says of what, for `feature`.
fn turned(kind: u32, at: u32, i: u32, position: u32) -> f32 {
  let x = feature(kind, at + i);
  if (ROPE == 0u || i < p.offset || i >= p.offset + 2u * p.pairs) { return x; }
  let n = i - p.offset;
  var pair = n;
  var other = n + p.pairs;
  var is_second = false;
  if (ROPE == 1u) {
    is_second = n >= p.pairs;
    if (is_second) {
      pair = n - p.pairs;
      other = pair;
    }
  } else {
    is_second = n % 2u == 1u;
    pair = n / 2u;
    other = n ^ 1u;
  }
  let cos = turns[position * 2u * p.pairs + pair];
  let sin = turns[position * 2u * p.pairs + p.pairs + pair];
  let y = feature(kind, at + p.offset + other);
  if (is_second) { return y * sin + x * cos; }
  return x * cos - y * sin;
}

