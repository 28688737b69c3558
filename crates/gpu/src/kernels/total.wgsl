var<workgroup> parts: array<f32, THREADS>;

// Returns the sum of the values of all threads.
fn total(local: u32, value: f32) -> f32 {
  workgroupBarrier();
  parts[local] = value;
  for (var step = THREADS / 2u; step > 0u; step /= 2u) {
    workgroupBarrier();
    if (local < step) { parts[local] += parts[local + step]; }
  }
  workgroupBarrier();
  return parts[0];
}

