// out = x, in vectors of four words.
struct P {
  count: u32,
}
var<immediate> p: P;
@group(0) @binding(0) var<storage, read> x: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> out: array<vec4<u32>>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  let step = 256u * groups.x;
  for (var i = id.x; i < p.count; i += 4u * step) {
    let a = x[i];
    let b = x[min(i + step, p.count - 1u)];
    let c = x[min(i + 2u * step, p.count - 1u)];
    let d = x[min(i + 3u * step, p.count - 1u)];
    out[i] = a;
    if (i + step < p.count) { out[i + step] = b; }
    if (i + 2u * step < p.count) { out[i + 2u * step] = c; }
    if (i + 3u * step < p.count) { out[i + 3u * step] = d; }
  }
}
