//! Normalization of the residual stream: by root mean square (Zhang and Sennrich, 2019,
//! arXiv:1910.07467) or by mean and variance (Ba et al., 2016, arXiv:1607.06450).

use mlxk_ops::{Act, Compute, Vector};

use crate::error::ModelError;
use crate::loader::Loader;

/// Description of a norm.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NormSpec {
    pub(crate) kind: NormKind,
    pub(crate) eps: f32,
}

/// Formula of a norm.
#[derive(Clone, Copy, Debug)]
pub(crate) enum NormKind {
    /// By root mean square.
    Rms,
    /// By root mean square, with a factor of one plus the weight (Gemma).
    RmsPlusOne,
    /// By mean and variance.
    Layer {
        /// `true` if the norm adds a `.bias`.
        bias: bool,
    },
}

pub(crate) struct Norm {
    /// `[width]`
    weight: Vector,
    /// `[width]`
    bias: Option<Vector>,
    spec: NormSpec,
}

impl NormSpec {
    pub(crate) fn rms(eps: f64) -> Self {
        Self { kind: NormKind::Rms, eps: eps as f32 }
    }
}

impl Norm {
    pub(crate) fn load(
        loader: &mut Loader<'_>,
        path: &str,
        width: usize,
        spec: NormSpec,
    ) -> Result<Self, ModelError> {
        let more = if matches!(spec.kind, NormKind::RmsPlusOne) { 1.0 } else { 0.0 };
        let weight = loader.vector_plus(&format!("{path}.weight"), width, more)?;
        let bias = match spec.kind {
            NormKind::Layer { bias: true } => Some(loader.vector(&format!("{path}.bias"), width)?),
            _ => None,
        };
        Ok(Self { weight, bias, spec })
    }

    /// `out = norm(x)`, over rows or pieces of rows that are as wide as the weight.
    pub(crate) fn forward(&self, ops: &mut dyn Compute, out: Act, x: Act) {
        match self.spec.kind {
            NormKind::Rms | NormKind::RmsPlusOne => {
                ops.rms_norm(out, x, self.weight, self.spec.eps);
            }
            NormKind::Layer { .. } => {
                ops.layer_norm(out, x, self.weight, self.bias, self.spec.eps);
            }
        }
    }
}
