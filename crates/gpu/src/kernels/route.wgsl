// Chooses the experts of each row: their indices, and behind those of all rows, their weights.
struct P {
  rows: u32,
  band: f32,
  scale: f32,
}
var<immediate> p: P;
@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<storage, read> correction: array<f32>;
@group(0) @binding(2) var<storage, read> factors: array<f32>;
@group(0) @binding(3) var<storage, read_write> routes: array<u32>;
@group(0) @binding(4) var<storage, read_write> passed: array<f32>;

const THREADS = clamp((EXPERTS + 31u) / 32u * 32u, 32u, 128u);
const LOWEST = -3.0e38;
var<workgroup> scores: array<f32, EXPERTS>;
// What experts are chosen by, in vectors. Those behind the last one are never chosen.
const VECTORS = (EXPERTS + 3u) / 4u;
var<workgroup> ranked: array<vec4<f32>, VECTORS>;
var<workgroup> values: array<vec4<f32>, THREADS / 4u>;
var<workgroup> chosen: array<u32, PER_ROW>;
var<workgroup> weights: array<f32, PER_ROW>;

// Lowers the scores outside the best groups. One thread does it.
fn keep_best_groups() {
  let size = EXPERTS / GROUPS;
  var kept: array<f32, GROUPS>;
  for (var group = 0u; group < GROUPS; group += 1u) {
    var sum = 0.0;
    var last = 3.0e38;
    var last_index = 0u;
    for (var n = 0u; n < BEST; n += 1u) {
      // The greatest behind the last one.
      var value = LOWEST;
      var index = 0u;
      for (var i = 0u; i < size; i += 1u) {
        let x = ranked[(group * size + i) / 4u][(group * size + i) % 4u];
        let behind = n == 0u || x < last || (x == last && i > last_index);
        if (behind && x > value) {
          value = x;
          index = i;
        }
      }
      sum += value;
      last = value;
      last_index = index;
    }
    kept[group] = sum;
  }
  for (var group = 0u; group < GROUPS; group += 1u) {
    var before = 0u;
    for (var other = 0u; other < GROUPS; other += 1u) {
      if (kept[other] > kept[group] || (kept[other] == kept[group] && other < group)) { before += 1u; }
    }
    if (before >= KEEP) {
      // Excluded ones are behind all others that aren't chosen yet.
      let rank = select(0.0, 0.5 * LOWEST, EXCLUDED != 0u);
      for (var i = group * size; i < (group + 1u) * size; i += 1u) { ranked[i / 4u][i % 4u] = rank; }
    }
  }
}

// The weight of a chosen expert among those that are left and near it.
fn near(row: u32, n: u32) -> f32 {
  let best = logits[row * EXPERTS + chosen[n]];
  var total = 0.0;
  for (var i = 0u; i < EXPERTS; i += 1u) {
    var left = true;
    for (var before = 0u; before < n; before += 1u) { left = left && chosen[before] != i; }
    let x = logits[row * EXPERTS + i];
    if (left && (best - x) / max(abs(x), best) <= p.band) { total += exp(x - best); }
  }
  return 1.0 / total;
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let row = id.x;
  // 0: softmax. 1: softmax of the chosen. 2: sigmoid. 3: sparse mixer.
  var highest = LOWEST;
  if (SCORES == 0u) {
    for (var i = local; i < EXPERTS; i += THREADS) {
      scores[i] = logits[row * EXPERTS + i];
      highest = max(highest, scores[i]);
    }
    values[local / 4u][local % 4u] = highest;
    workgroupBarrier();
    var most = values[0];
    for (var i = 1u; i < THREADS / 4u; i += 1u) { most = max(most, values[i]); }
    highest = max(max(most.x, most.y), max(most.z, most.w));
    workgroupBarrier();
    var sum = 0.0;
    for (var i = local; i < EXPERTS; i += THREADS) {
      scores[i] = exp(scores[i] - highest);
      sum += scores[i];
    }
    values[local / 4u][local % 4u] = sum;
    workgroupBarrier();
    var sums = vec4<f32>(0.0);
    for (var i = 0u; i < THREADS / 4u; i += 1u) { sums += values[i]; }
    sum = (sums.x + sums.y) + (sums.z + sums.w);
    workgroupBarrier();
    for (var i = local; i < EXPERTS; i += THREADS) { scores[i] /= sum; }
  } else {
    for (var i = local; i < EXPERTS; i += THREADS) {
      let x = logits[row * EXPERTS + i];
      scores[i] = select(x, 1.0 / (1.0 + exp(-x)), SCORES == 2u);
    }
  }
  for (var i = local; i < 4u * VECTORS; i += THREADS) {
    var rank = LOWEST;
    if (i < EXPERTS) {
      rank = scores[i];
      if (CORRECTION != 0u) { rank += correction[i]; }
    }
    ranked[i / 4u][i % 4u] = rank;
  }
  workgroupBarrier();
  if (KEEP != 0u) {
    if (local == 0u) { keep_best_groups(); }
    workgroupBarrier();
  }
  // NaN is not greater than anything, and would leave a choice open.
  for (var n = local; n < PER_ROW; n += THREADS) {
    chosen[n] = n;
    weights[n] = 0.0;
  }
  workgroupBarrier();
  for (var i = local; i < EXPERTS; i += THREADS) {
    // The number of experts that come first: greater ones, and equal ones before it.
    let own = vec4<f32>(ranked[i / 4u][i % 4u]);
    var ranks = vec4<u32>(0u);
    for (var j = 0u; j < VECTORS; j += 1u) {
      let other = ranked[j];
      let is_before = vec4<u32>(4u * j, 4u * j + 1u, 4u * j + 2u, 4u * j + 3u) < vec4<u32>(i);
      ranks += select(vec4<u32>(0u), vec4<u32>(1u), (other > own) | ((other == own) & is_before));
    }
    let rank = (ranks.x + ranks.y) + (ranks.z + ranks.w);
    if (rank < PER_ROW) {
      chosen[rank] = i;
      weights[rank] = scores[i];
    }
  }
  workgroupBarrier();
  if (SCORES == 1u) {
    if (local == 0u) {
      // The first is the greatest.
      let most = weights[0];
      var sum = 0.0;
      for (var n = 0u; n < PER_ROW; n += 1u) {
        weights[n] = exp(weights[n] - most);
        sum += weights[n];
      }
      for (var n = 0u; n < PER_ROW; n += 1u) { weights[n] /= sum; }
    }
    workgroupBarrier();
  }
  if (SCORES == 3u) {
    for (var n = local; n < PER_ROW; n += THREADS) { weights[n] = near(row, n); }
    workgroupBarrier();
  }
  var total = 1.0;
  if (NORMALIZE != 0u) {
    total = 0.0;
    for (var n = 0u; n < PER_ROW; n += 1u) { total += weights[n]; }
  }
  for (var n = local; n < PER_ROW; n += THREADS) {
    var weight = weights[n] / total * p.scale;
    if (FACTORS != 0u) { weight *= factors[chosen[n]]; }
    // Those that pass their input on have no matrix. The first one has no weight in their place.
    let passes = chosen[n] >= EXPERTS - PASSING;
    routes[row * PER_ROW + n] = select(chosen[n], 0u, passes);
    routes[(p.rows + row) * PER_ROW + n] = bitcast<u32>(select(weight, 0.0, passes));
  }
  if (PASSING != 0u && local == 0u) {
    var sum = 0.0;
    for (var n = 0u; n < PER_ROW; n += 1u) {
      if (chosen[n] < EXPERTS - PASSING) { continue; }
      var weight = weights[n] / total * p.scale;
      if (FACTORS != 0u) { weight *= factors[chosen[n]]; }
      sum += weight;
    }
    passed[row] = sum;
  }
}
