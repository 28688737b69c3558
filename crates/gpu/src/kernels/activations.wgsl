// Activation functions. The parameters `p` of a kernel have four numbers for them.

fn value(x: f32) -> f32 {
  switch (ACTIVATION) {
    case 0u: { return x * sigmoid(x); }
    case 1u: { return sigmoid(x); }
    case 2u: { return 0.5 * x * (1.0 + erf_of(x * 0.70710677)); }
    case 3u: { return 0.5 * x * (1.0 + tanh_of(0.7978846 * (x + 0.044715 * x * x * x))); }
    case 4u: { return softplus(x); }
    case 5u: { return max(x, 0.0) * max(x, 0.0); }
    // positive, negative, beta, eps
    case 6u: {
      if (x > 0.0) { return p.a * (x * x) + p.c * x; }
      return (expm1_of(min(x, p.d)) - x) * p.b + p.c * x;
    }
    case 9u: { return tanh_of(x); }
    // limit
    case 10u: { return clamp(x, -p.a, p.a); }
    default: { return x; }
  }
}

fn gated(gate: f32, up: f32) -> f32 {
  switch (ACTIVATION) {
    // limit
    case 7u: { return min(gate * sigmoid(gate), p.a) * clamp(up, -p.a, p.a); }
    // alpha, limit
    case 8u: {
      let g = min(gate, p.b);
      return g * sigmoid(p.a * g) * (clamp(up, -p.b, p.b) + 1.0);
    }
    default: { return value(gate) * up; }
  }
}
