//! Root mean square normalization (Zhang and Sennrich, 2019, arXiv:1910.07467).

use mlxk_ops::{Act, Ops, Vector};

use crate::ModelError;
use crate::loader::Loader;

pub(crate) struct RmsNorm {
    /// `[width]`
    weight: Vector,
    eps: f32,
}

impl RmsNorm {
    pub(crate) fn load(
        loader: &mut Loader<'_>,
        path: &str,
        width: usize,
        eps: f32,
    ) -> Result<Self, ModelError> {
        Ok(Self { weight: loader.vector(&format!("{path}.weight"), width)?, eps })
    }

    /// `out = norm(x)`.
    pub(crate) fn forward(&self, ops: &mut dyn Ops, out: Act, x: Act) {
        ops.rms_norm(out, x, self.weight, self.eps);
    }
}
