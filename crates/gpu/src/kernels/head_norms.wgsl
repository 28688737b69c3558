@group(0) @binding(8) var<storage, read> query_norm: array<f32>;
@group(0) @binding(9) var<storage, read> key_norm: array<f32>;

// Squares of the heads of queries, and of the key behind them, by threads; and the factors of both.
var<workgroup> squares: array<f32, 32u * (HEADS + 1u)>;
var<workgroup> norms: array<f32, HEADS + 1u>;

// Finds the factors of the heads at `queries`, and of the key at `own`.
fn find_norms(queries: u32, own: u32, local: u32) {
  for (var i = local; i < 32u * (HEADS + 1u); i += THREADS) {
    let head = i / 32u;
    var sum = 0.0;
    for (var at = i % 32u; at < HEAD_DIM; at += 32u) {
      var x = 0.0;
      if (head < HEADS) { x = q[queries + head * HEAD_DIM + at]; } else { x = k[own + at]; }
      sum = fma(x, x, sum);
    }
    squares[i] = sum;
  }
  workgroupBarrier();
  for (var head = local; head <= HEADS; head += THREADS) {
    var sum = 0.0;
    for (var i = 0u; i < 32u; i += 1u) { sum += squares[head * 32u + i]; }
    norms[head] = inverseSqrt(sum / f32(HEAD_DIM) + p.eps);
  }
  workgroupBarrier();
}

fn normed(kind: u32, at: u32, x: f32) -> f32 {
  if (kind == 1u) { return x * norms[HEADS] * key_norm[at % HEAD_DIM]; }
  return x * norms[at / HEAD_DIM % HEADS] * query_norm[at % HEAD_DIM];
}
