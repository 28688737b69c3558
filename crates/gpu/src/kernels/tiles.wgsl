enable f16;
// Rows of x as tiles of 16 by 16 f16, `[rows / 16][cols / 16][16][16]`, normalized by their root mean square if there
// is a NORM. With PARTS, sums of as many parts are added to x first. A workgroup computes a row.
struct P {
  cols: u32,
  eps: f32,
  // Vectors from one part to the next.
  distance: u32,
}
var<immediate> p: P;
@group(0) @binding(0) var<storage, read> parts: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> weight: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4<f16>>;

const THREADS = 256u;
var<workgroup> squares: array<f32, THREADS>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let row = id.x;
  let vectors = p.cols / 4u;
  var factor = 1.0;
  if (NORM != 0u) {
    var sum = 0.0;
    for (var i = local; i < vectors; i += THREADS) {
      let at = row * vectors + i;
      var four = x[at];
      if (PARTS != 0u) {
        for (var part = 0u; part < PARTS; part += 1u) { four += parts[part * p.distance + at]; }
        x[at] = four;
      }
      sum += dot(four, four);
    }
    squares[local] = sum;
    for (var step = THREADS / 2u; step > 0u; step /= 2u) {
      workgroupBarrier();
      if (local < step) { squares[local] += squares[local + step]; }
    }
    workgroupBarrier();
    factor = inverseSqrt(squares[0] / f32(p.cols) + p.eps);
  }
  for (var i = local; i < vectors; i += THREADS) {
    var four = x[row * vectors + i];
    if (NORM != 0u) { four *= factor * weight[i]; }
    out[(row / 16u * (p.cols / 16u) + i / 4u) * 64u + row % 16u * 4u + i % 4u] = vec4<f16>(four);
  }
}
