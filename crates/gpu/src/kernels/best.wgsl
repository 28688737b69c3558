// The greatest value of each row, or of each part of a row: as a number that is greater for greater values, and its
// column. The lower column wins among equal values, and NaN over all numbers.
struct P {
  // Values or pairs of a row.
  width: u32,
}
var<immediate> p: P;
@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> out: array<u32>;

const THREADS = 256u;
var<workgroup> orders: array<u32, THREADS>;
var<workgroup> columns: array<u32, THREADS>;

fn order(bits: u32) -> u32 {
  if ((bits & 0x7fffffffu) > 0x7f800000u) { return 0xffffffffu; }
  // -0 equals 0.
  let value = select(bits, 0u, bits == 0x80000000u);
  return select(value | 0x80000000u, ~value, (value & 0x80000000u) != 0u);
}

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) id: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let row = id.y;
  var best = 0u;
  var column = 0xffffffffu;
  for (var i = id.x * THREADS + local; i < p.width; i += THREADS * groups.x) {
    var value = 0u;
    var at = i;
    if (FIRST != 0u) {
      value = order(x[row * p.width + i]);
    } else {
      value = x[2u * (row * p.width + i)];
      at = x[2u * (row * p.width + i) + 1u];
    }
    if (value > best || (value == best && at < column)) {
      best = value;
      column = at;
    }
  }
  orders[local] = best;
  columns[local] = column;
  for (var step = THREADS / 2u; step > 0u; step /= 2u) {
    workgroupBarrier();
    if (local < step) {
      let value = orders[local + step];
      let at = columns[local + step];
      if (value > orders[local] || (value == orders[local] && at < columns[local])) {
        orders[local] = value;
        columns[local] = at;
      }
    }
  }
  if (local == 0u) {
    out[2u * (row * groups.x + id.x)] = orders[0];
    out[2u * (row * groups.x + id.x) + 1u] = columns[0];
  }
}
