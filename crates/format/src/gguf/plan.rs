//! A complete import: everything is read and checked first, then written in one pass.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

use super::blocks::{Affine, Part, append_mxfp4};
use super::reader::{Gguf, Problem, Tensor};
use super::sizes::GgufSizes;
use super::tensors::{Layout, Placed, source_row};
use super::tokenizer::tokenizer;
use super::{GgufArchitecture, GgufLimit, TensorKind, config};
use crate::safetensors::{TensorSpec, Writer, file_bytes};
use crate::writer::{json_bytes, quantization_table};
use mlxk_memory::{Bytes, map_file};
use mlxk_tensor::{Dtype, Mode};

use crate::{ElementType, FormatError};

/// A GGUF file that can be imported, and the resulting checkpoint.
#[derive(Debug)]
pub struct Plan {
    gguf: Gguf,
    sources: Vec<Source>,
    /// Small files: name and content.
    texts: Vec<(&'static str, Vec<u8>)>,
    modes: Vec<(String, Mode)>,
    parameters: u64,
    output_bytes: u64,
}

/// A tensor of the file and its form in the checkpoint.
#[derive(Debug)]
struct Source {
    placed: Placed,
    rows: usize,
    form: Form,
}

#[derive(Debug)]
enum Form {
    Dense(Dtype),
    Affine(Affine),
    /// Blocks of E2M1 values.
    Mxfp4,
}

/// Bytes written between two progress reports.
const CHUNK_BYTES: usize = 1 << 20;
const METADATA: &[(&str, &str)] = &[("format", "mlx")];

impl Plan {
    /// Reads the file and checks that all of it can be translated. It must have one of the
    /// `architectures`.
    pub fn new(path: &Path, architectures: &[GgufArchitecture]) -> Result<Self, FormatError> {
        Self::from_bytes(path, &map_file(path).map_err(FormatError::read(path))?, architectures)
    }

    /// Like [`Plan::new`], but keeps scales in f32 if f16 would round them.
    pub fn lossless(path: &Path, architectures: &[GgufArchitecture]) -> Result<Self, FormatError> {
        Self::parse(path, &map_file(path).map_err(FormatError::read(path))?, architectures, true)
    }

    /// Like [`Plan::new`], for bytes that are already in memory. `path` is only used in error
    /// messages.
    pub fn from_bytes(
        path: &Path,
        file: &Bytes,
        architectures: &[GgufArchitecture],
    ) -> Result<Self, FormatError> {
        Self::parse(path, file, architectures, false)
    }

    fn parse(
        path: &Path,
        file: &Bytes,
        architectures: &[GgufArchitecture],
        lossless: bool,
    ) -> Result<Self, FormatError> {
        let plan = Gguf::parse(path, file)
            .and_then(|gguf| Self::check(gguf, architectures, lossless))
            .map_err(|problem| problem.of(path))?;
        let specs = plan.specs();
        let text_bytes: u64 = plan.texts.iter().map(|(_, text)| text.len() as u64).sum();
        let output_bytes = file_bytes(&specs, METADATA)?.saturating_add(text_bytes);
        Ok(Self { output_bytes, ..plan })
    }

    fn check(
        gguf: Gguf,
        architectures: &[GgufArchitecture],
        lossless: bool,
    ) -> Result<Self, Problem> {
        if let Some(parts) = gguf.u64("split.count")?.filter(|&parts| parts > 1) {
            return Err(GgufLimit::Split(parts).into());
        }
        let sizes = GgufSizes::read(&gguf, architectures)?;
        let layout = Layout::of(&gguf, &sizes)?;
        let mut sources = Vec::with_capacity(layout.placed.len());
        for placed in &layout.placed {
            let tensor = &gguf.tensors[placed.index];
            let form = form(tensor, placed, lossless)?;
            let values: usize = placed.shape.iter().product();
            let reorders = placed.interleaved_heads.is_some() || placed.row_order.is_some();
            let cols = tensor.shape.last().copied().unwrap_or(1);
            let rows = if tensor.shape.len() > 1 || !reorders { values / cols } else { values };
            sources.push(Source { placed: placed.clone(), rows, form });
        }
        let parameters =
            layout.placed.iter().map(|placed| placed.shape.iter().product::<usize>() as u64).sum();
        let modes = modes(&sources, &gguf);
        let tokenizer = tokenizer(&gguf, &sizes, layout.vocabulary)?;
        let mut config = config::config(&gguf, &sizes, &layout, torch_dtype(&sources, &gguf))?;
        if let Some(table) = quantization_table(&modes) {
            config.insert("quantization".to_owned(), table.clone());
            config.insert("quantization_config".to_owned(), table);
        }
        let texts = vec![
            ("config.json", json_bytes(&config.into())),
            ("generation_config.json", json_bytes(&config::generation_config(&gguf, &layout)?)),
            ("tokenizer.json", tokenizer.tokenizer),
            ("tokenizer_config.json", json_bytes(&tokenizer.config)),
        ];
        Ok(Self { gguf, sources, texts, modes, parameters, output_bytes: 0 })
    }

    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.gguf.path
    }

    /// Returns `general.architecture`.
    pub fn architecture(&self) -> &str {
        self.gguf.str("general.architecture").ok().flatten().unwrap_or_default()
    }

    /// Returns `general.name`, if the file has one.
    pub fn name(&self) -> Option<&str> {
        self.gguf.str("general.name").ok().flatten()
    }

    /// Returns `general.license`, if the file has one.
    pub fn license(&self) -> Option<&str> {
        self.gguf.str("general.license").ok().flatten()
    }

    /// Returns the number of trained parameters.
    pub fn parameters(&self) -> u64 {
        self.parameters
    }

    /// Returns the number of bytes that the import will write.
    pub fn output_bytes(&self) -> u64 {
        self.output_bytes
    }

    /// Returns the modes of the quantized modules, each with the number of modules that have it.
    pub fn modes(&self) -> Vec<(Mode, usize)> {
        let mut counts: Vec<(Mode, usize)> = Vec::new();
        for (_, mode) in &self.modes {
            match counts.iter_mut().find(|(counted, _)| counted == mode) {
                Some((_, count)) => *count += 1,
                None => counts.push((*mode, 1)),
            }
        }
        counts
    }

    /// Writes the checkpoint into an existing, empty folder. `progress` receives the bytes written
    /// and the total, and may stop the work. After that, the caller has to remove what was written.
    pub fn write(
        &self,
        folder: &Path,
        progress: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
    ) -> Result<(), FormatError> {
        let mut done = 0;
        let mut report = |bytes: usize| {
            done += bytes as u64;
            match progress(done.min(self.output_bytes), self.output_bytes) {
                ControlFlow::Continue(()) => Ok(()),
                ControlFlow::Break(()) => Err(FormatError::Cancelled),
            }
        };
        let path = folder.join("model.safetensors");
        let mut file = Writer::create(&path, &self.specs(), METADATA)?;
        let mut buffer = Vec::with_capacity(2 * CHUNK_BYTES);
        for source in &self.sources {
            let tensor = &self.gguf.tensors[source.placed.index];
            for &part in source.parts() {
                for row in 0..source.rows {
                    source.append(part, tensor, row, &mut buffer);
                    if buffer.len() >= CHUNK_BYTES {
                        file.write(&buffer)?;
                        report(buffer.len())?;
                        buffer.clear();
                    }
                }
                file.write(&buffer)?;
                report(buffer.len())?;
                buffer.clear();
            }
        }
        file.finish()?;
        for (name, text) in &self.texts {
            let path = folder.join(name);
            std::fs::write(&path, text).map_err(FormatError::write(&path))?;
            report(text.len())?;
        }
        Ok(())
    }

    fn specs(&self) -> Vec<TensorSpec> {
        let spec = |source: &'_ Source| -> Vec<TensorSpec> {
            source.parts().iter().map(|&part| source.spec(part)).collect()
        };
        self.sources.iter().flat_map(spec).collect()
    }
}

impl Source {
    fn parts(&self) -> &'static [Part] {
        match self.form {
            Form::Dense(_) => &[Part::Weight],
            Form::Affine(_) => &[Part::Weight, Part::Scales, Part::Biases],
            Form::Mxfp4 => &[Part::Weight, Part::Scales],
        }
    }

    fn spec(&self, part: Part) -> TensorSpec {
        let Placed { module, suffix, shape, .. } = &self.placed;
        let cols = shape.last().copied().unwrap_or(0);
        let with_last = |last: usize| {
            let mut shape = shape.clone();
            shape.pop();
            shape.push(last);
            shape
        };
        let groups = cols / super::blocks::GROUP;
        let (suffix, dtype, shape) = match (&self.form, part) {
            (Form::Dense(dtype), _) => (*suffix, (*dtype).into(), shape.clone()),
            (Form::Affine(form), Part::Weight) => {
                (*suffix, ElementType::U32, with_last(cols * form.bits / 32))
            }
            (Form::Affine(form), Part::Scales) => ("scales", form.dtype.into(), with_last(groups)),
            (Form::Affine(form), Part::Biases) => ("biases", form.dtype.into(), with_last(groups)),
            (Form::Mxfp4, Part::Weight) => (*suffix, ElementType::U32, with_last(cols / 8)),
            (Form::Mxfp4, _) => ("scales", ElementType::U8, with_last(groups)),
        };
        let name = if suffix.is_empty() { module.clone() } else { format!("{module}.{suffix}") };
        TensorSpec { name, dtype, shape }
    }

    /// Appends a part of row `row` of the checkpoint.
    fn append(&self, part: Part, tensor: &Tensor, row: usize, out: &mut Vec<u8>) {
        let placed = &self.placed;
        let values: usize = tensor.shape.iter().product();
        let here: usize = placed.shape.iter().product();
        let length = tensor.data.len() / (self.rows * (values / here));
        let from = placed.first_row + self.source_row(row);
        let bytes = &tensor.data[from * length..][..length];
        let start = out.len();
        match &self.form {
            Form::Dense(dtype) => match placed.values {
                Some(function) => {
                    for index in 0..bytes.len() / dtype.size_bytes() {
                        dtype.put(function(dtype.get(bytes, index)), out);
                    }
                }
                None => out.extend_from_slice(bytes),
            },
            Form::Affine(form) => form.append(part, bytes, out),
            Form::Mxfp4 => append_mxfp4(part, bytes, out),
        }
        if let Some(order) = &placed.column_order {
            let row = out.split_off(start);
            let piece = row.len() / order.len();
            for from in order {
                out.extend_from_slice(&row[from * piece..][..piece]);
            }
        }
    }

    /// Returns the row of the file that belongs at `row` of the checkpoint.
    fn source_row(&self, row: usize) -> usize {
        match &self.placed.row_order {
            None => source_row(row, self.rows, self.placed.interleaved_heads),
            Some(order) => {
                let piece = self.rows / order.len();
                order[row / piece] * piece + row % piece
            }
        }
    }
}

/// Returns the form of a tensor in the checkpoint.
fn form(tensor: &Tensor, placed: &Placed, lossless: bool) -> Result<Form, Problem> {
    let dense = match tensor.kind {
        Ok(TensorKind::F32) => Some(Dtype::F32),
        Ok(TensorKind::F16) => Some(Dtype::F16),
        Ok(TensorKind::BF16) => Some(Dtype::Bf16),
        _ => None,
    };
    if let Some(dtype) = dense {
        return Ok(Form::Dense(dtype));
    }
    // Vectors stay dense in MLX, and no known file quantizes one. Groups can be moved, but not single columns.
    let cols = tensor.shape.last().copied().unwrap_or(0);
    let keeps_groups = |order: &Vec<usize>| cols.is_multiple_of(order.len() * super::blocks::GROUP);
    let is_matrix = tensor.shape.len() >= 2
        && placed.shape.last() == Some(&cols)
        && placed.values.is_none()
        && placed.column_order.as_ref().is_none_or(keeps_groups);
    if is_matrix && tensor.kind == Ok(TensorKind::MXFP4) {
        return Ok(Form::Mxfp4);
    }
    if is_matrix && let Some(affine) = Affine::plan(tensor, lossless)? {
        return Ok(Form::Affine(affine));
    }
    let kind = match tensor.kind {
        Ok(kind) => kind.name.to_owned(),
        Err(id) => format!("number {id}"),
    };
    Err(GgufLimit::TensorType { tensor: tensor.name.clone(), kind }.into())
}

/// Returns the mode of every quantized module, ordered so that the mode with the most bytes comes
/// first: it becomes the default of the table.
fn modes(sources: &[Source], gguf: &Gguf) -> Vec<(String, Mode)> {
    let mut bytes_by_mode: BTreeMap<String, usize> = BTreeMap::new();
    let mut modes = Vec::new();
    for source in sources {
        let group_size = super::blocks::GROUP as u64;
        let mode = match &source.form {
            Form::Dense(_) => None,
            Form::Affine(form) => Mode::affine(form.bits as u64, group_size),
            Form::Mxfp4 => Some(Mode::Mxfp4),
        };
        let Some(mode) = mode else { continue };
        *bytes_by_mode.entry(mode.to_string()).or_default() +=
            gguf.tensors[source.placed.index].data.len();
        modes.push((source.placed.module.clone(), mode));
    }
    modes.sort_by_key(|(_, mode)| {
        std::cmp::Reverse(bytes_by_mode.get(&mode.to_string()).copied().unwrap_or(0))
    });
    modes
}

/// Returns the type that activations of such a model usually have.
fn torch_dtype(sources: &[Source], gguf: &Gguf) -> &'static str {
    let is_matrix = |source: &&Source| gguf.tensors[source.placed.index].shape.len() > 1;
    let mut types = sources.iter().filter(is_matrix).map(|source| match &source.form {
        Form::Dense(dtype) => *dtype,
        Form::Affine(_) | Form::Mxfp4 => Dtype::F16,
    });
    match types.next() {
        Some(first) if types.all(|dtype| dtype == first) => match first {
            Dtype::F32 => "float32",
            Dtype::Bf16 => "bfloat16",
            Dtype::F16 => "float16",
        },
        _ => "float16",
    }
}
