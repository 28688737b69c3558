  if (LANES % 4u != 0u && lane == 0u) {
    for (var s = part; s < SUMS; s += PARTS) {
      for (var i = LANES; i < 4u * VECTORS; i += 1u) { keep(s, i, 0.0); }
    }
  }
  workgroupBarrier();
  if (local < THREADS / TEAM * TEAM) {
    for (var s = local / TEAM; s < SUMS; s += THREADS / TEAM) {
      var four = vec4<f32>(0.0);
      for (var i = local % TEAM; i < VECTORS; i += TEAM) { four += parts[s * VECTORS + i]; }
      team_sums[s * TEAM + local % TEAM] = (four.x + four.y) + (four.z + four.w);
    }
  }
  workgroupBarrier();
