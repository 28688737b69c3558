//! Carries tensors from a checkpoint to a device, and knows which were asked for.

use std::collections::HashSet;
use std::ops::ControlFlow;

use mlxk_format::{Checkpoint, Dense, FormatError};
use mlxk_ops::{Ops, Rope, RopeSpec, Vector, Weight};

use crate::config::Config;
use crate::{ModelError, Progress};

/// Tensors that a module may have.
const SUFFIXES: [&str; 5] = ["weight", "scales", "biases", "global_scale", "bias"];

/// The one way from files to a device.
pub(crate) struct Loader<'a> {
    checkpoint: &'a Checkpoint,
    ops: &'a mut dyn Ops,
    progress: &'a mut Progress<'a>,
    /// Names of the tensors that the model uses or leaves out on purpose.
    known: HashSet<String>,
    done_bytes: u64,
    total_bytes: u64,
}

impl<'a> Loader<'a> {
    pub(crate) fn new(
        checkpoint: &'a Checkpoint,
        ops: &'a mut dyn Ops,
        progress: &'a mut Progress<'a>,
    ) -> Self {
        let total_bytes = checkpoint.size_bytes();
        Self { checkpoint, ops, progress, known: HashSet::new(), done_bytes: 0, total_bytes }
    }

    /// `config.json`.
    pub(crate) fn config(&self) -> Config<'a> {
        Config::new(self.checkpoint.config())
    }

    /// The matrix `[rows, cols]` of the module `path`, with its additive `.bias` where `bias` says so.
    pub(crate) fn linear(
        &mut self,
        path: &str,
        rows: usize,
        cols: usize,
        bias: bool,
    ) -> Result<Weight, ModelError> {
        let tensor = self.checkpoint.weight(path, rows, cols)?;
        let mut bytes = tensor.size_bytes();
        for suffix in &SUFFIXES[..4] {
            self.known.insert(format!("{path}.{suffix}"));
        }
        let bias = if bias {
            let dense = self.dense(&format!("{path}.bias"), rows)?;
            bytes += dense.data.len();
            Some(dense.to_f32())
        } else {
            None
        };
        let weight = self.ops.load(tensor, bias)?;
        self.advance(bytes)?;
        Ok(weight)
    }

    /// The vector `[len]` named `name`.
    pub(crate) fn vector(&mut self, name: &str, len: usize) -> Result<Vector, ModelError> {
        let dense = self.dense(name, len)?;
        let vector = self.ops.load_vector(dense.to_f32())?;
        self.advance(dense.data.len())?;
        Ok(vector)
    }

    /// Rotary frequencies, which are in no file.
    pub(crate) fn rope(&mut self, spec: RopeSpec) -> Result<Rope, ModelError> {
        Ok(self.ops.load_rope(spec)?)
    }

    /// The output projection `lm_head`, or the embedding in its stead where `tied` says so. Where
    /// the configuration is silent (libraries differ in their default), the files decide.
    pub(crate) fn head(
        &mut self,
        tied: Option<bool>,
        embed_tokens: Weight,
        vocab_size: usize,
        hidden: usize,
    ) -> Result<Weight, ModelError> {
        let path = "lm_head";
        if tied.unwrap_or_else(|| !self.checkpoint.contains(&format!("{path}.weight"))) {
            // A tied model may store the same matrix twice.
            self.known.extend(SUFFIXES.iter().map(|suffix| format!("{path}.{suffix}")));
            return Ok(embed_tokens);
        }
        self.linear(path, vocab_size, hidden, false)
    }

    /// Refuses tensors that nothing asked for: the model would not be the one that the files hold.
    pub(crate) fn finish(self) -> Result<(), ModelError> {
        // Old conversions store rotary frequencies, which follow from the configuration.
        let unused = self
            .checkpoint
            .names()
            .find(|name| !self.known.contains(*name) && !name.ends_with(".rotary_emb.inv_freq"));
        if let Some(tensor) = unused {
            return Err(ModelError::UnusedTensor {
                tensor: tensor.to_owned(),
                model_type: self.config().text("model_type")?.unwrap_or_default().to_owned(),
            });
        }
        match (self.progress)(self.total_bytes, self.total_bytes) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(ModelError::Cancelled),
        }
    }

    fn dense(&mut self, name: &str, len: usize) -> Result<Dense, ModelError> {
        let (shape, dense) = self.checkpoint.dense(name)?;
        if shape != [len] {
            return Err(ModelError::Format(FormatError::Shape {
                tensor: name.to_owned(),
                found: shape,
                expected: format!("[{len}]"),
            }));
        }
        self.known.insert(name.to_owned());
        Ok(dense)
    }

    fn advance(&mut self, bytes: usize) -> Result<(), ModelError> {
        self.done_bytes = self.total_bytes.min(self.done_bytes + bytes as u64);
        match (self.progress)(self.done_bytes, self.total_bytes) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(ModelError::Cancelled),
        }
    }
}
