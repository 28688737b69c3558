//! Loads the modules of a model, and keeps track of the tensors that it uses.

mod packed;
mod source;

use std::collections::HashSet;
use std::ops::ControlFlow;

use mlxk_format::{Checkpoint, FormatError};
use mlxk_ops::{Rope, RopeSpec, Vector, Weight, Weights};
use mlxk_tensor::{Dense, QuantTensor, Storage, unit_row_divisor};

use self::packed::PackedModules;
use self::source::Source;
use crate::config::Config;
use crate::error::ModelError;
use crate::model::Progress;
use crate::tensors::TensorNeed;
pub(crate) use packed::PackedModule;

/// Tensors that the weight of a module may consist of.
const WEIGHT_SUFFIXES: &[&str] = &["weight", "scales", "biases", "global_scale", "weight_scale"];

/// Path of the body of most models, without their output projection.
const BODY: &str = "model.";

/// Layouts of filters that a family accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FilterLayout {
    /// MLX's. Other tensors of published checkpoints differ as well, so that these have to be converted.
    Mlx,
    /// MLX's, or `[cols, 1, kernel]` as in published checkpoints that differ in nothing else.
    Either,
}

/// Loads or lists the tensors of a model. Both go through the same calls, so a list of tensors
/// cannot differ from what is loaded.
pub(crate) struct Loader<'a> {
    source: Source<'a>,
    progress: &'a mut Progress<'a>,
    /// Names of the tensors that the model uses or leaves out on purpose.
    known: HashSet<String>,
    /// Prefix of the tensors of the language model.
    prefix: &'static str,
    /// `true` if the files lack [`BODY`] in their names.
    is_bare: bool,
    /// Prefixes of the tensors of other modalities.
    skipped: &'static [&'static str],
    /// Modules whose inputs are rotated, with the widths of the blocks, until they are loaded.
    packed: PackedModules,
    done_bytes: u64,
    total_bytes: u64,
}

impl<'a> Loader<'a> {
    /// Returns a loader that carries tensors from a checkpoint to a device.
    pub(crate) fn new(
        checkpoint: &'a Checkpoint,
        ops: &'a mut dyn Weights,
        progress: &'a mut Progress<'a>,
    ) -> Self {
        let total_bytes = checkpoint.size_bytes();
        Self { total_bytes, ..Self::over(Source::Files(checkpoint, ops), progress) }
    }

    /// Returns a loader that only lists the tensors that it is asked for.
    pub(crate) fn listing(progress: &'a mut Progress<'a>) -> Self {
        Self::over(Source::List(Vec::new()), progress)
    }

    fn over(source: Source<'a>, progress: &'a mut Progress<'a>) -> Self {
        Self {
            source,
            progress,
            known: HashSet::new(),
            prefix: "",
            is_bare: false,
            skipped: &[],
            packed: PackedModules::default(),
            done_bytes: 0,
            total_bytes: 0,
        }
    }

    /// Returns the list of [`Loader::listing`]; it is empty for any other loader.
    pub(crate) fn into_needs(self) -> Vec<TensorNeed> {
        match self.source {
            Source::Files(..) => Vec::new(),
            Source::List(needs) => needs,
        }
    }

    /// Chooses among prefixes by the tensors that the files have, for a model whose embedding is at `embedding`.
    /// Returns the prefix to [`Loader::enter`].
    pub(crate) fn choose_prefix(
        &mut self,
        usual: &'static str,
        others: &[&'static str],
        embedding: &str,
    ) -> &'static str {
        let Source::Files(checkpoint, _) = &self.source else { return usual };
        let has = |prefix: &str, path: &str| checkpoint.contains(&format!("{prefix}{path}.weight"));
        if let Some(other) = others.iter().find(|prefix| has(prefix, embedding)) {
            return other;
        }
        // Files of a model without its output projection often lack the name of its body.
        let bare = embedding.strip_prefix(BODY);
        self.is_bare = !has(usual, embedding) && bare.is_some_and(|path| has(usual, path));
        usual
    }

    /// Puts `prefix` before all paths from here on. Tensors that start with one of `skipped` may be
    /// left over.
    pub(crate) fn enter(&mut self, prefix: &'static str, skipped: &'static [&'static str]) {
        (self.prefix, self.skipped) = (prefix, skipped);
    }

    /// Loads the matrix `[rows, cols]` of the module `path`, with its `.bias` if `bias` is set.
    pub(crate) fn linear(
        &mut self,
        path: &str,
        shape: [usize; 2],
        bias: bool,
    ) -> Result<Weight, ModelError> {
        let tensor = self.matrix(path, shape)?;
        let bias = self.bias(path, &shape[..1], bias)?;
        self.load_module(path, tensor, bias)
    }

    /// Loads the stack `[count, rows, cols]` of the module `path`, with its `.bias` `[count, rows]` if
    /// `bias` is set.
    pub(crate) fn stack(
        &mut self,
        path: &str,
        shape: [usize; 3],
        bias: bool,
    ) -> Result<Weight, ModelError> {
        let full = self.use_weight(path);
        let tensor = self.source.stack(&full, shape)?;
        let bias = self.bias(path, &shape[..2], bias)?;
        self.load(tensor, bias)
    }

    /// Loads the matrices `[rows[i], cols]` whose rows follow each other in the module `path`.
    pub(crate) fn fused<const N: usize>(
        &mut self,
        path: &str,
        rows: [usize; N],
        cols: usize,
        bias: bool,
    ) -> Result<[Weight; N], ModelError> {
        let total = rows.iter().sum();
        let tensor = self.matrix(path, [total, cols])?;
        let bias = self.bias(path, &[total], bias)?;
        let mut weights = [Weight(0); N];
        let mut first = 0;
        for (weight, rows) in weights.iter_mut().zip(rows) {
            let range = first..first + rows;
            first = range.end;
            let bias = bias.as_ref().map(|bias| bias[range.clone()].to_vec());
            *weight = self.load_module(path, tensor.row_range(range), bias)?;
        }
        Ok(weights)
    }

    /// Loads matrices whose rows alternate in the module `path`: `groups` times `rows[0]` of the
    /// first, `rows[1]` of the second, and so on.
    pub(crate) fn interleaved<const N: usize>(
        &mut self,
        path: &str,
        rows: [usize; N],
        groups: usize,
        cols: usize,
        bias: bool,
    ) -> Result<[Weight; N], ModelError> {
        let group: usize = rows.iter().sum();
        let tensor = self.matrix(path, [groups * group, cols])?;
        let bias = self.bias(path, &[groups * group], bias)?;
        let mut weights = [Weight(0); N];
        let mut first = 0;
        for (weight, rows) in weights.iter_mut().zip(rows) {
            let ranges: Vec<_> =
                (0..groups).map(|i| i * group + first..i * group + first + rows).collect();
            first += rows;
            let bias = bias.as_ref().map(|bias| {
                ranges.iter().flat_map(|range| &bias[range.clone()]).copied().collect()
            });
            *weight = self.load_module(path, tensor.joined_rows(&ranges), bias)?;
        }
        Ok(weights)
    }

    /// Loads the output projection, or returns `embed_tokens` if the two are tied. If `tied` is
    /// `None`, the files decide, because libraries differ in their default.
    pub(crate) fn head(
        &mut self,
        path: &str,
        tied: Option<bool>,
        embed_tokens: Weight,
        shape: [usize; 2],
        bias: bool,
    ) -> Result<Weight, ModelError> {
        if tied.unwrap_or_else(|| !self.has(path)) {
            // A tied model may store the same matrix twice.
            let full = self.use_weight(path);
            self.known.insert(format!("{full}.bias"));
            return Ok(embed_tokens);
        }
        self.linear(path, shape, bias)
    }

    /// Loads the matrix `[rows, cols]` of floats named `name`, which has no suffix.
    pub(crate) fn bare_matrix(
        &mut self,
        name: &str,
        shape: [usize; 2],
    ) -> Result<Weight, ModelError> {
        let tensor = self.bare(name, shape)?;
        self.load(tensor, None)
    }

    /// Reads the matrix `[rows, cols]` of floats named `name`, which has no suffix, without loading it.
    pub(crate) fn bare(
        &mut self,
        name: &str,
        shape: [usize; 2],
    ) -> Result<QuantTensor, ModelError> {
        let name = self.full(name);
        let tensor = self.source.bare_matrix(&name, shape)?;
        self.known.insert(name);
        Ok(tensor)
    }

    /// Loads the matrix `[rows, cols]` of the module `path`. If it isn't quantized, each of its rows is divided by its
    /// length plus `eps`, and rounded to the type of the file.
    pub(crate) fn unit_rows(
        &mut self,
        path: &str,
        shape: [usize; 2],
        eps: f32,
    ) -> Result<Weight, ModelError> {
        let mut tensor = self.matrix(path, shape)?;
        let is_list = matches!(self.source, Source::List(_));
        if let (Storage::Dense(Dense { dtype, data }), false) = (&mut tensor.storage, is_list) {
            let (cols, mut bytes) = (shape[1], Vec::with_capacity(data.len()));
            let mut row = vec![0.0; cols];
            for index in 0..shape[0] {
                let first = index * cols;
                (first..).zip(&mut row).for_each(|(at, value)| *value = dtype.get(data, at));
                let divisor = unit_row_divisor(&row, eps);
                for value in &row {
                    dtype.put(value / divisor, &mut bytes);
                }
            }
            *data = bytes.into();
        }
        self.load(tensor, None)
    }

    /// Loads the vector `[len]` named `name`.
    pub(crate) fn vector(&mut self, name: &str, len: usize) -> Result<Vector, ModelError> {
        self.vector_plus(name, len, 0.0)
    }

    /// Loads the vector `[len]` named `name`, with `more` added to every value.
    pub(crate) fn vector_plus(
        &mut self,
        name: &str,
        len: usize,
        more: f32,
    ) -> Result<Vector, ModelError> {
        let mut values = self.values(name, &[len])?;
        for value in &mut values {
            *value += more;
        }
        self.put_vector(values)
    }

    /// Loads the filters of several modules, whose columns follow each other.
    pub(crate) fn joined_filters(
        &mut self,
        paths: &[String],
        kernel: usize,
        cols: &[usize],
    ) -> Result<Vector, ModelError> {
        let mut each = Vec::with_capacity(paths.len());
        for (path, &cols) in paths.iter().zip(cols) {
            each.push(self.filter_values(path, [kernel, cols], FilterLayout::Either)?);
        }
        let row = |row: usize| {
            let parts = each.iter().zip(cols);
            parts.flat_map(move |(values, &cols)| values[row * cols..][..cols].iter().copied())
        };
        self.put_vector((0..kernel).flat_map(row).collect())
    }

    /// Loads the tensor `[rows, cols]` of floats named `name` as `[cols][rows]`.
    pub(crate) fn turned_vector(
        &mut self,
        name: &str,
        [rows, cols]: [usize; 2],
    ) -> Result<Vector, ModelError> {
        let values = self.values(name, &[rows, cols])?;
        let turned = (0..cols).flat_map(|col| values.iter().skip(col).step_by(cols).copied());
        self.put_vector(turned.collect())
    }

    /// Reads the number named `name`, a tensor without dimensions.
    pub(crate) fn number(&mut self, name: &str) -> Result<f32, ModelError> {
        let found = match self.values(name, &[]) {
            // Published files have a dimension of 1.
            Err(ModelError::Format(FormatError::Shape { .. })) => self.values(name, &[1])?,
            found => found?,
        };
        Ok(found[0])
    }

    /// Loads a vector that was made from others, or is not in any file.
    pub(crate) fn put_vector(&mut self, values: Vec<f32>) -> Result<Vector, ModelError> {
        self.source.put_vector(values)
    }

    /// Loads the vector `[len]` named `name` if it is `wanted`.
    pub(crate) fn optional_vector(
        &mut self,
        name: &str,
        len: usize,
        wanted: bool,
    ) -> Result<Option<Vector>, ModelError> {
        if wanted { self.vector(name, len).map(Some) } else { Ok(None) }
    }

    /// Loads the filters of the module `path`, `[cols, kernel, 1]`, for [`mlxk_ops::ConvSpec`].
    pub(crate) fn filters(
        &mut self,
        path: &str,
        [kernel, cols]: [usize; 2],
        layout: FilterLayout,
    ) -> Result<Vector, ModelError> {
        let values = self.filter_values(path, [kernel, cols], layout)?;
        self.source.put_vector(values)
    }

    /// Reads the filters of the module `path`, `[cols, kernel, 1]`, as `[kernel][cols]`.
    pub(crate) fn filter_values(
        &mut self,
        path: &str,
        [kernel, cols]: [usize; 2],
        layout: FilterLayout,
    ) -> Result<Vec<f32>, ModelError> {
        let name = format!("{path}.weight");
        let published = [cols, 1, kernel];
        let is_published = layout == FilterLayout::Either
            && self.shape_of(&name).is_some_and(|shape| shape == published);
        let shape = if is_published { published } else { [cols, kernel, 1] };
        let values = self.values(&name, &shape)?;
        let by_row = (0..kernel).flat_map(|row| values.iter().skip(row).step_by(kernel).copied());
        Ok(by_row.collect())
    }

    /// Loads rotary frequencies, which are not in any file.
    pub(crate) fn rope(&mut self, spec: RopeSpec) -> Result<Rope, ModelError> {
        self.source.put_rope(spec)
    }

    /// Reads the matrix `[rows, cols]` of the module `path` without loading it.
    pub(crate) fn matrix(
        &mut self,
        path: &str,
        shape: [usize; 2],
    ) -> Result<QuantTensor, ModelError> {
        let path = self.use_weight(path);
        self.source.matrix(&path, shape)
    }

    /// Loads a tensor that was read before, or made from one.
    pub(crate) fn put(
        &mut self,
        tensor: QuantTensor,
        bias: Option<Vec<f32>>,
    ) -> Result<Weight, ModelError> {
        self.source.put(tensor, bias)
    }

    /// Leaves out the weight of the module `path`, if the files have it.
    pub(crate) fn leave_out(&mut self, path: &str) {
        self.use_weight(path);
    }

    /// Returns `true` if the module `path` has a weight.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.source.contains(&self.full(&format!("{path}.weight")))
    }

    /// Returns `true` if there is a tensor of this name.
    pub(crate) fn has_tensor(&self, name: &str) -> bool {
        self.source.contains(&self.full(name))
    }

    /// Reports `bytes` more of the files as loaded.
    pub(crate) fn advance(&mut self, bytes: usize) -> Result<(), ModelError> {
        self.done_bytes = self.total_bytes.min(self.done_bytes + bytes as u64);
        self.report(self.done_bytes)
    }

    /// Refuses tensors that were not asked for, because the model would not be the one in the files.
    pub(crate) fn finish(mut self) -> Result<(), ModelError> {
        let Source::Files(checkpoint, _) = &self.source else { return Ok(()) };
        self.packed.check_used()?;
        let unused = checkpoint.names().find(|name| {
            !self.known.contains(*name)
                // Old conversions store rotary frequencies, which follow from the configuration.
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
        self.report(self.total_bytes)
    }

    /// Returns the number of rows of the weight of the module `path`, if the files have it.
    pub(crate) fn rows_of(&self, path: &str) -> Option<usize> {
        let Source::Files(checkpoint, _) = &self.source else { return None };
        let name = self.full(&format!("{path}.weight"));
        let found = checkpoint.tensors().find(|tensor| tensor.name == name)?;
        found.shape.first().copied()
    }

    /// Returns the name of a tensor in the files.
    fn full(&self, path: &str) -> String {
        let path = if self.is_bare { path.strip_prefix(BODY).unwrap_or(path) } else { path };
        format!("{}{path}", self.prefix)
    }

    /// Marks the tensors of a weight as used. Returns the full path of its module.
    fn use_weight(&mut self, path: &str) -> String {
        let path = self.full(path);
        self.known.extend(WEIGHT_SUFFIXES.iter().map(|suffix| format!("{path}.{suffix}")));
        path
    }

    fn bias(
        &mut self,
        path: &str,
        shape: &[usize],
        wanted: bool,
    ) -> Result<Option<Vec<f32>>, ModelError> {
        if wanted { self.values(&format!("{path}.bias"), shape).map(Some) } else { Ok(None) }
    }

    /// Loads a tensor that was read, and reports its bytes as loaded.
    pub(crate) fn load(
        &mut self,
        tensor: QuantTensor,
        bias: Option<Vec<f32>>,
    ) -> Result<Weight, ModelError> {
        let bytes = tensor.size_bytes();
        let weight = self.source.put(tensor, bias)?;
        self.advance(bytes)?;
        Ok(weight)
    }

    /// Reads the floats of this shape named `name` without loading them.
    pub(crate) fn values(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, ModelError> {
        let name = self.full(name);
        let (values, bytes) = self.source.floats(&name, shape)?;
        self.known.insert(name);
        self.advance(bytes)?;
        Ok(values)
    }

    /// Returns the shape of a tensor of floats, if the files have it.
    fn shape_of(&self, name: &str) -> Option<Vec<usize>> {
        self.source.shape(&self.full(name))
    }

    fn report(&mut self, bytes: u64) -> Result<(), ModelError> {
        match (self.progress)(bytes, self.total_bytes) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(ModelError::Cancelled),
        }
    }
}
