//! Counts comparisons and collects differences.

use std::fmt;

/// A value that differs from the expected one.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The kernel that computed it.
    pub kernel: &'static str,
    /// A form of weights, or a format of the KV cache.
    pub operand: String,
    /// Computed value.
    pub found: f64,
    /// Expected value.
    pub expected: f64,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kernel, operand, found, expected } = self;
        write!(f, "{kernel} of {operand} gives {found:e} instead of {expected:e}")
    }
}

/// Counts comparisons and keeps the first difference of each kernel and operand.
#[derive(Default)]
pub(crate) struct Comparison {
    compared: u64,
    differences: Vec<Difference>,
}

impl Comparison {
    /// Checks that the bits are the same; −0 equals 0.
    pub(crate) fn same(
        &mut self,
        kernel: &'static str,
        operand: &dyn fmt::Display,
        found: &[f32],
        expected: &[f32],
    ) {
        self.compared += expected.len() as u64;
        let differ = |(a, b): &(&f32, &f32)| (**a + 0.0).to_bits() != (**b + 0.0).to_bits();
        if let Some((&found, &expected)) = found.iter().zip(expected).find(differ) {
            self.differs(kernel, operand, found, f64::from(expected));
        }
    }

    /// Checks that the values differ by at most `bound`.
    pub(crate) fn close(
        &mut self,
        kernel: &'static str,
        operand: &dyn fmt::Display,
        found: f32,
        (expected, bound): (f64, f64),
    ) {
        self.compared += 1;
        let error = (f64::from(found) - expected).abs();
        if error.is_nan() || error > bound {
            self.differs(kernel, operand, found, expected);
        }
    }

    fn differs(
        &mut self,
        kernel: &'static str,
        operand: &dyn fmt::Display,
        found: f32,
        expected: f64,
    ) {
        let operand = operand.to_string();
        let is_same = |known: &Difference| known.kernel == kernel && known.operand == operand;
        if !self.differences.iter().any(is_same) {
            let found = f64::from(found);
            self.differences.push(Difference { kernel, operand, found, expected });
        }
    }

    pub(crate) fn compared(&self) -> u64 {
        self.compared
    }

    pub(crate) fn into_differences(self) -> Vec<Difference> {
        self.differences
    }
}
