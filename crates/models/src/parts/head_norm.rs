//! Norms of queries and keys.

use mlxk_ops::{Act, Compute, Vector};

use super::norm::{Norm, NormSpec};
use crate::error::ModelError;
use crate::loader::Loader;

/// Norms of queries and keys.
#[derive(Clone, Copy, Debug)]
pub(crate) enum QkNorm {
    /// One norm per head.
    Heads(NormSpec),
    /// One norm over all heads of a row.
    Rows(NormSpec),
    /// One norm per head, with weights of its own.
    EachHead(NormSpec, HeadWeights),
}

/// Tensors of norms with weights for each head.
#[derive(Clone, Copy, Debug)]
pub(crate) enum HeadWeights {
    /// `.weight [heads, head_dim]`
    Matrix,
    /// `.norms.HEAD.weight [head_dim]`
    List,
    /// `[heads, head_dim]`, without a suffix.
    Bare,
    /// `[heads]`, without a suffix: a number for each head of queries. Keys have none.
    QueryFactors,
}

impl QkNorm {
    /// Returns the norm of keys.
    pub(super) const fn of_keys(self) -> Self {
        match self {
            Self::EachHead(norm, HeadWeights::QueryFactors) => Self::Heads(norm.without_weight()),
            other => other,
        }
    }
}

/// A norm, and weights of each head if they differ.
pub(super) struct HeadNorm {
    norm: Norm,
    /// `[heads · head_dim]`
    weights: Option<Vector>,
}

impl HeadNorm {
    pub(super) fn load(
        loader: &mut Loader<'_>,
        path: &str,
        norm: QkNorm,
        [heads, head_dim]: [usize; 2],
    ) -> Result<Self, ModelError> {
        let (norm, tensors) = match norm {
            QkNorm::Heads(norm) => {
                return Ok(Self::one(Norm::load(loader, path, head_dim, norm)?));
            }
            QkNorm::Rows(norm) => {
                return Ok(Self::one(Norm::load(loader, path, heads * head_dim, norm)?));
            }
            QkNorm::EachHead(norm, tensors) => (norm.without_weight(), tensors),
        };
        let mut weights = Vec::with_capacity(heads * head_dim);
        match tensors {
            HeadWeights::Matrix => {
                weights = loader.values(&format!("{path}.weight"), &[heads, head_dim])?;
            }
            HeadWeights::Bare => weights = loader.values(path, &[heads, head_dim])?,
            HeadWeights::QueryFactors => {
                for factor in loader.values(path, &[heads])? {
                    weights.extend(std::iter::repeat_n(factor, head_dim));
                }
            }
            HeadWeights::List => {
                for head in 0..heads {
                    let name = format!("{path}.norms.{head}.weight");
                    weights.extend(loader.values(&name, &[head_dim])?);
                }
            }
        }
        let weights = Some(loader.put_vector(weights)?);
        Ok(Self { norm: Norm::load(loader, path, head_dim, norm)?, weights })
    }

    const fn one(norm: Norm) -> Self {
        Self { norm, weights: None }
    }

    pub(super) fn forward(&self, ops: &mut dyn Compute, out: Act, x: Act) {
        self.norm.forward(ops, out, x);
        if let Some(weights) = self.weights {
            ops.scale_columns(out, weights);
        }
    }
}
