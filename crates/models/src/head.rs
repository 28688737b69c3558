//! Layers behind the pooled state of a text: the projections of embedding models, and the classifiers of
//! rerankers.

use mlxk_format::Checkpoint;
use mlxk_ops::{Act, Activation, Compute, Weight, Weights};

use crate::config::{Config, limit};
use crate::error::ModelError;
use crate::loader::Loader;
use crate::model::Progress;
use crate::parts::{Norm, NormSpec};

/// Description of a head: its steps, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct HeadSpec {
    pub(crate) steps: Vec<HeadStep>,
}

/// A step of a head.
#[derive(Clone, Debug)]
pub(crate) enum HeadStep {
    /// The linear layer at this path, with this number of results.
    Dense {
        path: &'static str,
        rows: usize,
        bias: bool,
    },
    /// Like [`HeadStep::Dense`] without a bias, if the files have it. They decide about the number of results.
    DenseIfPresent {
        path: &'static str,
    },
    Activate(HeadActivation),
    Norm {
        path: &'static str,
        norm: NormSpec,
    },
}

/// Activation of a head.
#[derive(Clone, Copy, Debug)]
pub(crate) enum HeadActivation {
    Tanh,
    Of(Activation),
}

/// A loaded head.
pub struct Head {
    layers: Vec<HeadLayer>,
    width: usize,
}

enum HeadLayer {
    /// `[rows, width before]`
    Dense {
        weight: Weight,
        rows: usize,
    },
    Activate(HeadActivation),
    Norm(Norm),
}

impl Head {
    /// Loads the steps behind a state of `width` values.
    pub(crate) fn load(
        loader: &mut Loader<'_>,
        spec: &HeadSpec,
        mut width: usize,
    ) -> Result<Self, ModelError> {
        let mut layers = Vec::with_capacity(spec.steps.len());
        for step in &spec.steps {
            layers.push(match step {
                HeadStep::Dense { path, rows, bias } => {
                    let weight = loader.linear(path, [*rows, width], *bias)?;
                    width = *rows;
                    HeadLayer::Dense { weight, rows: *rows }
                }
                HeadStep::DenseIfPresent { path } => {
                    let Some(rows) = loader.rows_of(path) else { continue };
                    let weight = loader.linear(path, [rows, width], false)?;
                    width = rows;
                    HeadLayer::Dense { weight, rows }
                }
                HeadStep::Activate(activation) => HeadLayer::Activate(*activation),
                HeadStep::Norm { path, norm } => {
                    HeadLayer::Norm(Norm::load(loader, path, width, *norm)?)
                }
            });
        }
        Ok(Self { layers, width })
    }

    /// Loads a `Dense` module of sentence-transformers from its folder, behind a state of `width` values.
    pub fn open_dense(
        checkpoint: &Checkpoint,
        ops: &mut dyn Weights,
        progress: &mut Progress<'_>,
    ) -> Result<Self, ModelError> {
        let config = Config::new(checkpoint.config());
        let width = config.size("in_features", limit::WIDTH)?;
        let rows = config.size("out_features", limit::WIDTH)?;
        let bias = config.flag_or("bias", true)?;
        let mut steps = vec![HeadStep::Dense { path: "linear", rows, bias }];
        let name =
            config.text("activation_function")?.unwrap_or("torch.nn.modules.activation.Tanh");
        match name.rsplit('.').next().unwrap_or(name) {
            "Identity" => {}
            "Tanh" => steps.push(HeadStep::Activate(HeadActivation::Tanh)),
            "GELU" => steps.push(HeadStep::Activate(HeadActivation::Of(Activation::Gelu))),
            "SiLU" => steps.push(HeadStep::Activate(HeadActivation::Of(Activation::Silu))),
            _ => {
                let supported = "`Identity`, `Tanh`, `GELU`, `SiLU`";
                return Err(config.unsupported("activation_function", name, supported));
            }
        }
        let mut loader = Loader::new(checkpoint, ops, progress);
        let head = Self::load(&mut loader, &HeadSpec { steps }, width)?;
        loader.finish()?;
        Ok(head)
    }

    /// Returns the number of values in a row of the result.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Returns the results `[rows, width]` of the states `x`.
    pub fn forward(&self, ops: &mut dyn Compute, mut x: Act, count: usize, width: usize) -> Act {
        let mut width = width;
        for layer in &self.layers {
            match layer {
                HeadLayer::Dense { weight, rows } => {
                    let out = ops.act(count, *rows);
                    ops.linear(&[out], x, &[*weight]);
                    (x, width) = (out, *rows);
                }
                // A cap of one is the hyperbolic tangent itself.
                HeadLayer::Activate(HeadActivation::Tanh) => ops.soft_cap(x, 1.0),
                HeadLayer::Activate(HeadActivation::Of(activation)) => ops.activate(x, *activation),
                HeadLayer::Norm(norm) => {
                    let out = ops.act(count, width);
                    norm.forward(ops, out, x);
                    x = out;
                }
            }
        }
        x
    }
}
