  workgroupBarrier();
  if (local < THREADS / TEAM * TEAM) {
    for (var s = local / TEAM; s < SUMS; s += THREADS / TEAM) {
      var sum = 0.0;
      for (var i = local % TEAM; i < LANES; i += TEAM) { sum += parts[s * STRIDE + i]; }
      parts[SUMS * STRIDE + s * TEAM + local % TEAM] = sum;
    }
  }
  workgroupBarrier();
