//! Carries tensors from a checkpoint to a device, and knows which were asked for.

use std::collections::HashSet;
use std::ops::ControlFlow;

use mlxk_format::{Checkpoint, Dense, Dtype, FormatError, QuantTensor, Storage};
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
    /// Leads to all tensors of the language model.
    prefix: &'static str,
    /// Tensors of other modalities start so.
    skipped: &'static [&'static str],
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
        Self {
            checkpoint,
            ops,
            progress,
            known: HashSet::new(),
            prefix: "",
            skipped: &[],
            done_bytes: 0,
            total_bytes,
        }
    }

    /// From here on all paths are below `prefix`; tensors that start with one of `skipped` have
    /// their reason.
    pub(crate) fn enter(&mut self, prefix: &'static str, skipped: &'static [&'static str]) {
        (self.prefix, self.skipped) = (prefix, skipped);
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
        let tensor = self.tensor(path, None, (rows, cols))?;
        let bias = if bias { Some(self.floats(&format!("{path}.bias"), &[rows])?) } else { None };
        self.take(tensor, bias)
    }

    /// The stack `[count, rows, cols]` of the module `path`, with its `.bias` `[count, rows]`.
    pub(crate) fn stack(
        &mut self,
        path: &str,
        count: usize,
        (rows, cols): (usize, usize),
        bias: bool,
    ) -> Result<Weight, ModelError> {
        let tensor = self.tensor(path, Some(count), (rows, cols))?;
        let shape = [count, rows];
        let bias = if bias { Some(self.floats(&format!("{path}.bias"), &shape)?) } else { None };
        self.take(tensor, bias)
    }

    /// The matrices `[rows[i], cols]` that lie one behind the other in the module `path`.
    pub(crate) fn fused<const N: usize>(
        &mut self,
        path: &str,
        rows: [usize; N],
        cols: usize,
        bias: bool,
    ) -> Result<[Weight; N], ModelError> {
        let total = rows.iter().sum();
        let tensor = self.tensor(path, None, (total, cols))?;
        let bias = if bias { Some(self.floats(&format!("{path}.bias"), &[total])?) } else { None };
        let mut weights = [Weight(0); N];
        let mut first = 0;
        for (weight, rows) in weights.iter_mut().zip(rows) {
            let range = first..first + rows;
            first = range.end;
            let bias = bias.as_ref().map(|bias| bias[range.clone()].to_vec());
            *weight = self.take(tensor.row_range(range), bias)?;
        }
        Ok(weights)
    }

    /// The two halves of DeepSeek's `kv_b_proj` `[heads · (nope + value), rank]` as stacks: keys
    /// turned around, `[heads, rank, nope]`, and values, `[heads, value, rank]`. Checkpoints of V3
    /// from before mlx-lm stored them so have it; turned around, keys cannot stay quantized.
    pub(crate) fn split_kv_b(
        &mut self,
        path: &str,
        heads: usize,
        [nope, value, rank]: [usize; 3],
    ) -> Result<[Weight; 2], ModelError> {
        let tensor = self.tensor(path, None, (heads * (nope + value), rank))?;
        let first = |head: usize| head * (nope + value);
        let mut keys = vec![0.0f32; heads * rank * nope];
        let mut row = vec![0.0; rank];
        for head in 0..heads {
            for column in 0..nope {
                tensor.dequantize_row(0, first(head) + column, &mut row);
                for (i, value) in row.iter().enumerate() {
                    keys[(head * rank + i) * nope + column] = *value;
                }
            }
        }
        let data: Vec<u8> = keys.iter().flat_map(|value| value.to_le_bytes()).collect();
        let keys = QuantTensor {
            name: tensor.name.clone(),
            experts: heads,
            rows: rank,
            cols: nope,
            storage: Storage::Dense(Dense { dtype: Dtype::F32, data: data.into() }),
        };
        let ranges: Vec<_> =
            (0..heads).map(|head| first(head) + nope..first(head) + nope + value).collect();
        let values = tensor.stack_of_rows(&ranges);
        let keys = self.ops.load(keys, None)?;
        Ok([keys, self.take(values, None)?])
    }

    /// Whether the module `path` has a weight.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.checkpoint.contains(&format!("{}{path}.weight", self.prefix))
    }

    fn tensor(
        &mut self,
        path: &str,
        count: Option<usize>,
        (rows, cols): (usize, usize),
    ) -> Result<QuantTensor, ModelError> {
        let path = format!("{}{path}", self.prefix);
        for suffix in &SUFFIXES[..4] {
            self.known.insert(format!("{path}.{suffix}"));
        }
        Ok(match count {
            Some(count) => self.checkpoint.weight_stack(&path, count, rows, cols)?,
            None => self.checkpoint.weight(&path, rows, cols)?,
        })
    }

    fn take(&mut self, tensor: QuantTensor, bias: Option<Vec<f32>>) -> Result<Weight, ModelError> {
        let bytes = tensor.size_bytes();
        let weight = self.ops.load(tensor, bias)?;
        self.advance(bytes)?;
        Ok(weight)
    }

    /// The vector `[len]` named `name`.
    pub(crate) fn vector(&mut self, name: &str, len: usize) -> Result<Vector, ModelError> {
        self.vector_plus(name, len, 0.0)
    }

    /// The same, with `more` added to every value.
    pub(crate) fn vector_plus(
        &mut self,
        name: &str,
        len: usize,
        more: f32,
    ) -> Result<Vector, ModelError> {
        let mut values = self.floats(name, &[len])?;
        for value in &mut values {
            *value += more;
        }
        Ok(self.ops.load_vector(values)?)
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
        let path = format!("{}lm_head", self.prefix);
        if tied.unwrap_or_else(|| !self.checkpoint.contains(&format!("{path}.weight"))) {
            // A tied model may store the same matrix twice.
            self.known.extend(SUFFIXES.iter().map(|suffix| format!("{path}.{suffix}")));
            return Ok(embed_tokens);
        }
        self.linear("lm_head", vocab_size, hidden, false)
    }

    /// Refuses tensors that nothing asked for: the model would not be the one that the files hold.
    pub(crate) fn finish(self) -> Result<(), ModelError> {
        // Old conversions store rotary frequencies, which follow from the configuration.
        let unused = self.checkpoint.names().find(|name| {
            !self.known.contains(*name)
                && !name.ends_with(".rotary_emb.inv_freq")
                && !self.skipped.iter().any(|skipped| name.starts_with(skipped))
        });
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

    /// The values of a floating tensor of this shape.
    fn floats(&mut self, name: &str, expected: &[usize]) -> Result<Vec<f32>, ModelError> {
        let name = format!("{}{name}", self.prefix);
        let (shape, dense) = self.checkpoint.dense(&name)?;
        if shape != expected {
            return Err(ModelError::Format(FormatError::Shape {
                tensor: name,
                found: shape,
                expected: format!("{expected:?}"),
            }));
        }
        self.known.insert(name);
        self.advance(dense.data.len())?;
        Ok(dense.to_f32())
    }

    fn advance(&mut self, bytes: usize) -> Result<(), ModelError> {
        self.done_bytes = self.total_bytes.min(self.done_bytes + bytes as u64);
        match (self.progress)(self.done_bytes, self.total_bytes) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(ModelError::Cancelled),
        }
    }
}
