//! Normalization of the residual stream: by root mean square (Zhang and Sennrich, 2019,
//! arXiv:1910.07467) or by mean and variance (Ba et al., 2016, arXiv:1607.06450).

use mlxk_ops::{Act, Compute, Vector};

use crate::error::ModelError;
use crate::loader::Loader;

/// Description of a norm.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NormSpec {
    pub(crate) kind: NormKind,
    pub(crate) weight: NormWeight,
    /// `true` if the norm adds a `.bias`.
    pub(crate) bias: bool,
    pub(crate) eps: f32,
}

/// Formula of a norm.
#[derive(Clone, Copy, Debug)]
pub(crate) enum NormKind {
    /// By root mean square.
    Rms,
    /// By mean and variance.
    Layer,
}

/// Factors of the normalized values.
#[derive(Clone, Copy, Debug)]
pub(crate) enum NormWeight {
    /// The `.weight`.
    Plain,
    /// One plus the `.weight` (Gemma).
    PlusOne,
    /// This number plus the `.weight`.
    Plus(f32),
    /// One. The norm has no tensor.
    One,
}

/// A norm in front of the last matrix of a part.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SubNorm {
    /// Name of the module below the part.
    pub(crate) name: &'static str,
    pub(crate) norm: NormSpec,
}

pub(crate) struct Norm {
    /// `[width]`
    weight: Vector,
    /// `[width]`
    bias: Option<Vector>,
    spec: NormSpec,
}

impl NormSpec {
    /// By root mean square, with a weight.
    pub(crate) const fn rms(eps: f64) -> Self {
        Self { kind: NormKind::Rms, weight: NormWeight::Plain, bias: false, eps: eps as f32 }
    }

    /// By root mean square, with one plus a weight.
    pub(crate) const fn rms_plus_one(eps: f64) -> Self {
        Self { weight: NormWeight::PlusOne, ..Self::rms(eps) }
    }

    /// By mean and variance, with weight and bias.
    pub(crate) const fn layer(eps: f64) -> Self {
        Self { kind: NormKind::Layer, weight: NormWeight::Plain, bias: true, eps: eps as f32 }
    }

    /// The same norm without a tensor.
    pub(crate) const fn without_weight(self) -> Self {
        Self { weight: NormWeight::One, bias: false, ..self }
    }
}

impl Norm {
    pub(crate) fn load(
        loader: &mut Loader<'_>,
        path: &str,
        width: usize,
        spec: NormSpec,
    ) -> Result<Self, ModelError> {
        let name = format!("{path}.weight");
        let weight = match spec.weight {
            NormWeight::Plain => loader.vector(&name, width)?,
            NormWeight::Plus(more) => loader.vector_plus(&name, width, more)?,
            NormWeight::PlusOne => loader.vector_plus(&name, width, 1.0)?,
            NormWeight::One => loader.put_vector(vec![1.0; width])?,
        };
        let bias =
            if spec.bias { Some(loader.vector(&format!("{path}.bias"), width)?) } else { None };
        Ok(Self { weight, bias, spec })
    }

    /// `out = norm(x)`, over rows or pieces of rows that are as wide as the weight.
    pub(crate) fn forward(&self, ops: &mut dyn Compute, out: Act, x: Act) {
        let Self { weight, bias, spec } = *self;
        match spec.kind {
            NormKind::Rms => ops.rms_norm(out, x, weight, spec.eps),
            NormKind::Layer => ops.layer_norm(out, x, weight, bias, spec.eps),
        }
    }
}
