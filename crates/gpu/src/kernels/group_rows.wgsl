// Gathers the choices of rows by their expert, in groups of 64 that have one expert each. The order within an expert
// changes no result. One workgroup does it.
//
// groups: the expert of each group, NONE if there are fewer; the choice at each place of all groups, NONE if there is
// none; and the place of each choice.
struct P {
  // Choices of all rows.
  choices: u32,
  // Groups that there is room for.
  groups: u32,
}
var<immediate> p: P;
@group(0) @binding(0) var<storage, read> routes: array<u32>;
@group(0) @binding(1) var<storage, read_write> groups: array<u32>;

const THREADS = 256u;
const SIZE = 64u;
const NONE = 0xffffffffu;
var<workgroup> counts: array<atomic<u32>, EXPERTS>;
// First group of each expert, and the number of groups behind all.
var<workgroup> starts: array<u32, EXPERTS + 1u>;

@compute @workgroup_size(THREADS)
fn main(@builtin(local_invocation_index) local: u32) {
  for (var i = local; i < EXPERTS; i += THREADS) { atomicStore(&counts[i], 0u); }
  workgroupBarrier();
  for (var i = local; i < p.choices; i += THREADS) { atomicAdd(&counts[routes[i]], 1u); }
  workgroupBarrier();
  for (var i = local; i <= EXPERTS; i += THREADS) {
    var start = 0u;
    for (var before = 0u; before < i; before += 1u) {
      start += (atomicLoad(&counts[before]) + SIZE - 1u) / SIZE;
    }
    starts[i] = start;
  }
  workgroupBarrier();
  let order = p.groups;
  let places = p.groups + p.groups * SIZE;
  for (var i = local; i < EXPERTS; i += THREADS) {
    for (var group = starts[i]; group < starts[i + 1u]; group += 1u) { groups[group] = i; }
    for (var at = starts[i] * SIZE + atomicLoad(&counts[i]); at < starts[i + 1u] * SIZE; at += 1u) {
      groups[order + at] = NONE;
    }
  }
  for (var group = starts[EXPERTS] + local; group < p.groups; group += THREADS) { groups[group] = NONE; }
  workgroupBarrier();
  for (var i = local; i < EXPERTS; i += THREADS) { atomicStore(&counts[i], 0u); }
  workgroupBarrier();
  for (var i = local; i < p.choices; i += THREADS) {
    let expert = routes[i];
    let at = starts[expert] * SIZE + atomicAdd(&counts[expert], 1u);
    groups[order + at] = i;
    groups[places + i] = at;
  }
}
