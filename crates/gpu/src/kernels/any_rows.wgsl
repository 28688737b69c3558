// Rows of x that end within a block.
@group(0) @binding(1) var<storage, read> x: array<f32>;

fn values(at: u32, col: u32) -> vec4<f32> {
  var four: vec4<f32>;
  for (var i = 0u; i < 4u; i += 1u) {
    if (col + i < p.cols) { four[i] = x[at + i]; }
  }
  return four;
}

