enable f16;
enable wgpu_cooperative_matrix;
// As many multiply-adds of f16 as matrix units can: eight tiles in a round, which don't wait for each other.
struct P {
  rounds: u32,
}
var<immediate> p: P;
@group(0) @binding(0) var<storage, read_write> out: array<f32>;

var<workgroup> ones: array<vec4<f16>, 64>;

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  if (local < 64u) { ones[local] = vec4<f16>(f16(1.0 / f32(local + p.rounds + 1000u))); }
  workgroupBarrier();
  let a = coopLoadT<coop_mat16x16<f16, A>>(&ones[0], 4u);
  let b = coopLoad<coop_mat16x16<f16, B>>(&ones[0], 4u);
  var c0: coop_mat16x16<f32, C>;
  var c1: coop_mat16x16<f32, C>;
  var c2: coop_mat16x16<f32, C>;
  var c3: coop_mat16x16<f32, C>;
  var c4: coop_mat16x16<f32, C>;
  var c5: coop_mat16x16<f32, C>;
  var c6: coop_mat16x16<f32, C>;
  var c7: coop_mat16x16<f32, C>;
  for (var round = 0u; round < p.rounds; round += 1u) {
    c0 = coopMultiplyAdd(a, b, c0);
    c1 = coopMultiplyAdd(a, b, c1);
    c2 = coopMultiplyAdd(a, b, c2);
    c3 = coopMultiplyAdd(a, b, c3);
    c4 = coopMultiplyAdd(a, b, c4);
    c5 = coopMultiplyAdd(a, b, c5);
    c6 = coopMultiplyAdd(a, b, c6);
    c7 = coopMultiplyAdd(a, b, c7);
  }
  // What a driver would leave out otherwise. All subgroups store the same.
  let at = id.x * 256u;
  coopStoreT(c0, &out[at], 16u);
  workgroupBarrier();
  coopStoreT(c1, &out[at], 16u);
  workgroupBarrier();
  coopStoreT(c2, &out[at], 16u);
  workgroupBarrier();
  coopStoreT(c3, &out[at], 16u);
  workgroupBarrier();
  coopStoreT(c4, &out[at], 16u);
  workgroupBarrier();
  coopStoreT(c5, &out[at], 16u);
  workgroupBarrier();
  coopStoreT(c6, &out[at], 16u);
  workgroupBarrier();
  coopStoreT(c7, &out[at], 16u);
}
