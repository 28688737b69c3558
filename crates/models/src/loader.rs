//! Carries tensors from a checkpoint to a device, and knows which were asked for; or only lists what a
//! model asks for.

use std::collections::HashSet;
use std::ops::ControlFlow;

use mlxk_format::{Checkpoint, FormatError};
use mlxk_ops::{Rope, RopeSpec, Vector, Weight, Weights};
use mlxk_tensor::{Dense, Dtype, QuantTensor, Storage};

use crate::config::Config;
use crate::{ModelError, Progress};

/// Tensors that a module may have.
const SUFFIXES: [&str; 5] = ["weight", "scales", "biases", "global_scale", "bias"];

/// A tensor that a model consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorNeed {
    /// Its full name, such as `model.norm.weight`.
    pub name: String,
    /// What it is.
    pub kind: TensorKind,
}

/// What a tensor is, and so what shape it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TensorKind {
    /// The matrix `[rows, cols]` of a product, which may be quantized.
    Matrix {
        /// Output features.
        rows: usize,
        /// Input features.
        cols: usize,
    },
    /// A stack of such matrices.
    Stack {
        /// How many.
        count: usize,
        /// Output features of each.
        rows: usize,
        /// Input features of each.
        cols: usize,
    },
    /// Floating values of a norm, a bias and the like.
    Floats(Vec<usize>),
}

/// Where tensors come from and go to.
enum Way<'a> {
    /// From files to a device.
    Load(&'a Checkpoint, &'a mut dyn Weights),
    /// Nowhere: they are listed.
    List(Vec<TensorNeed>),
}

/// The one way from files to a device.
pub(crate) struct Loader<'a> {
    way: Way<'a>,
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
        ops: &'a mut dyn Weights,
        progress: &'a mut Progress<'a>,
    ) -> Self {
        let total_bytes = checkpoint.size_bytes();
        Self { total_bytes, ..Self::over(Way::Load(checkpoint, ops), progress) }
    }

    /// One that only lists what it is asked for.
    pub(crate) fn listing(progress: &'a mut Progress<'a>) -> Self {
        Self::over(Way::List(Vec::new()), progress)
    }

    fn over(way: Way<'a>, progress: &'a mut Progress<'a>) -> Self {
        Self {
            way,
            progress,
            known: HashSet::new(),
            prefix: "",
            skipped: &[],
            done_bytes: 0,
            total_bytes: 0,
        }
    }

    /// What it was asked for, where it is one of [`Loader::listing`].
    pub(crate) fn into_needs(self) -> Vec<TensorNeed> {
        match self.way {
            Way::Load(..) => Vec::new(),
            Way::List(needs) => needs,
        }
    }

    /// From here on all paths are below `prefix`; tensors that start with one of `skipped` have
    /// their reason.
    pub(crate) fn enter(&mut self, prefix: &'static str, skipped: &'static [&'static str]) {
        (self.prefix, self.skipped) = (prefix, skipped);
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
        let keys = self.onto_device(keys, None)?;
        Ok([keys, self.take(values, None)?])
    }

    /// Whether the module `path` has a weight.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.contains(&format!("{}{path}.weight", self.prefix))
    }

    /// Whether the files have a tensor; a list has all that is asked for.
    fn contains(&self, name: &str) -> bool {
        match &self.way {
            Way::Load(checkpoint, _) => checkpoint.contains(name),
            Way::List(_) => true,
        }
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
        let checkpoint = match &mut self.way {
            Way::Load(checkpoint, _) => checkpoint,
            Way::List(needs) => {
                let kind = match count {
                    Some(count) => TensorKind::Stack { count, rows, cols },
                    None => TensorKind::Matrix { rows, cols },
                };
                needs.push(TensorNeed { name: format!("{path}.weight"), kind });
                return Ok(nothing(path, count.unwrap_or(1), rows, cols));
            }
        };
        Ok(match count {
            Some(count) => checkpoint.weight_stack(&path, count, rows, cols)?,
            None => checkpoint.weight(&path, rows, cols)?,
        })
    }

    fn onto_device(
        &mut self,
        tensor: QuantTensor,
        bias: Option<Vec<f32>>,
    ) -> Result<Weight, ModelError> {
        match &mut self.way {
            Way::Load(_, ops) => Ok(ops.load(tensor, bias)?),
            Way::List(_) => Ok(Weight(0)),
        }
    }

    fn take(&mut self, tensor: QuantTensor, bias: Option<Vec<f32>>) -> Result<Weight, ModelError> {
        let bytes = tensor.size_bytes();
        let weight = self.onto_device(tensor, bias)?;
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
        match &mut self.way {
            Way::Load(_, ops) => Ok(ops.load_vector(values)?),
            Way::List(_) => Ok(Vector(0)),
        }
    }

    /// Rotary frequencies, which are in no file.
    pub(crate) fn rope(&mut self, spec: RopeSpec) -> Result<Rope, ModelError> {
        match &mut self.way {
            Way::Load(_, ops) => Ok(ops.load_rope(spec)?),
            Way::List(_) => Ok(Rope(0)),
        }
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
        if tied.unwrap_or_else(|| !self.contains(&format!("{path}.weight"))) {
            // A tied model may store the same matrix twice.
            self.known.extend(SUFFIXES.iter().map(|suffix| format!("{path}.{suffix}")));
            return Ok(embed_tokens);
        }
        self.linear("lm_head", vocab_size, hidden, false)
    }

    /// Refuses tensors that nothing asked for: the model would not be the one that the files hold.
    pub(crate) fn finish(self) -> Result<(), ModelError> {
        // Old conversions store rotary frequencies, which follow from the configuration.
        let Way::Load(checkpoint, _) = self.way else { return Ok(()) };
        let unused = checkpoint.names().find(|name| {
            !self.known.contains(*name)
                && !name.ends_with(".rotary_emb.inv_freq")
                && !self.skipped.iter().any(|skipped| name.starts_with(skipped))
        });
        if let Some(tensor) = unused {
            return Err(ModelError::UnusedTensor {
                tensor: tensor.to_owned(),
                model_type: Config::new(checkpoint.config())
                    .text("model_type")?
                    .unwrap_or_default()
                    .to_owned(),
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
        let checkpoint = match &mut self.way {
            Way::Load(checkpoint, _) => checkpoint,
            Way::List(needs) => {
                needs.push(TensorNeed { name, kind: TensorKind::Floats(expected.to_vec()) });
                return Ok(vec![0.0; expected.iter().product()]);
            }
        };
        let (shape, dense) = checkpoint.dense(&name)?;
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

/// A matrix whose sizes are known, and whose values nobody asks for.
fn nothing(name: String, experts: usize, rows: usize, cols: usize) -> QuantTensor {
    let storage = Storage::Dense(Dense { dtype: Dtype::F32, data: Vec::new().into() });
    QuantTensor { name, experts, rows, cols, storage }
}
