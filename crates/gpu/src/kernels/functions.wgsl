// Functions whose results are as exact as f32 allows, on every driver.

fn sigmoid(x: f32) -> f32 { return 1.0 / (1.0 + exp(-x)); }

fn tanh_of(x: f32) -> f32 {
  let square = x * x;
  if (square < 0.01) {
    // The first terms of its series. The difference below would lose their digits.
    return x * (1.0 + square * (-0.33333333 + square * (0.13333333 - square * 0.053968254)));
  }
  let size = 1.0 - 2.0 / (exp(2.0 * min(abs(x), 20.0)) + 1.0);
  return select(size, -size, x < 0.0);
}

// Abramowitz and Stegun, 7.1.26: the error is below 1.5e-7.
fn erf_of(x: f32) -> f32 {
  let size = abs(x);
  let t = 1.0 / (1.0 + 0.3275911 * size);
  let sum = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  let value = 1.0 - sum * exp(-size * size);
  return select(value, -value, x < 0.0);
}

// exp(x) − 1.
fn expm1_of(x: f32) -> f32 {
  if (abs(x) < 0.1) {
    return x * (1.0 + x * (0.5 + x * (0.16666667 + x * (0.041666668 + x * 0.0083333333))));
  }
  return exp(x) - 1.0;
}

// ln(1 + exp(x)).
fn softplus(x: f32) -> f32 {
  let rest = exp(-abs(x));
  // ln(1 + rest), from the terms of its series if the sum would lose the digits of `rest`.
  let small = rest * (1.0 - rest * (0.5 - rest * (0.33333333 - rest * 0.25)));
  return max(x, 0.0) + select(log(1.0 + rest), small, rest < 0.01);
}
