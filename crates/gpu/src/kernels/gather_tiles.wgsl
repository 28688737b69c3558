enable f16;
// Rows of x in the order of groups, as tiles of 16 by 16 f16. A workgroup gathers 16 rows.
struct P {
  cols: u32,
  // Number of groups.
  groups: u32,
  // Choices of a row.
  fan: u32,
}
var<immediate> p: P;
@group(0) @binding(0) var<storage, read> groups: array<u32>;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4<f16>>;

const THREADS = 256u;
const SIZE = 64u;
const NONE = 0xffffffffu;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  if (groups[id.x * 16u / SIZE] == NONE) { return; }
  // A thread stays in one row of a tile.
  let choice = groups[p.groups + id.x * 16u + local / 4u % 16u];
  let vectors = p.cols / 4u;
  for (var i = local; i < 16u * vectors; i += THREADS) {
    var four = vec4<f32>(0.0);
    if (choice != NONE) { four = x[choice / p.fan * vectors + i / 64u * 4u + i % 4u]; }
    out[id.x * 16u * vectors + i] = vec4<f16>(four);
  }
}
