//! Models of random weights. They have the shape of an architecture without needing its checkpoint,
//! for this program and, as GGUF, for others, so that both get equal work.
//!
//! A weight depends only on its name and place, so it stands for the same value in every storage
//! form. Rows are created, quantized and written a few at a time.

mod gguf;
mod presets;
mod rows;
mod tokenizer;
mod values;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use mlxk_format::convert::{ModuleRule, Naming};
use mlxk_format::safetensors::{TensorSpec, Writer};
use mlxk_format::{
    ElementType, FormatError, MAX_CONFIG_BYTES, QuantizedRows, RowQuantizer, read_object,
};
use mlxk_models::{TensorKind, TensorNeed};
use mlxk_tensor::{Dtype, Mode};
use serde_json::{Map, Value, json};

pub use mlxk_format::gguf::RowEncoding;
pub use presets::names as preset_names;

use crate::SyntheticError;
use crate::kernels::WeightForm;
use values::Values;

/// Type of scales, biases and norms.
const FLOATS: Dtype = Dtype::Bf16;
/// Keys of `config.json` that belong to another tokenizer or another quantization.
const FOREIGN: [&str; 6] = [
    "bos_token_id",
    "eos_token_id",
    "pad_token_id",
    "quantization",
    "quantization_config",
    "tokenizer_class",
];

/// Receives the number of bytes written and of all bytes. May stop the work.
pub type Progress<'a> = dyn FnMut(u64, u64) -> ControlFlow<()> + 'a;

/// A model to create.
#[derive(Clone, Debug)]
pub struct Synthetic {
    name: String,
    config: Value,
    tensors: Vec<Tensor>,
}

/// A tensor and its storage form.
#[derive(Clone, Debug)]
struct Tensor {
    need: TensorNeed,
    /// `None` if the tensor is dense.
    mode: Option<Mode>,
    dtype: Dtype,
}

impl Tensor {
    /// Returns `(rows, cols)` of all its matrices together. A vector is one row.
    fn rows(&self) -> (usize, usize) {
        match &self.need.kind {
            TensorKind::Matrix { rows, cols } => (*rows, *cols),
            TensorKind::Stack { count, rows, cols } => (count * rows, *cols),
            TensorKind::Floats(shape) => (1, shape.iter().product()),
        }
    }

    fn shape(&self, cols: usize) -> Vec<usize> {
        match &self.need.kind {
            TensorKind::Matrix { rows, .. } => vec![*rows, cols],
            TensorKind::Stack { count, rows, .. } => vec![*count, *rows, cols],
            TensorKind::Floats(shape) => shape.clone(),
        }
    }

    /// Returns the tensors in the file. A quantized one consists of several.
    fn specs(&self) -> Vec<TensorSpec> {
        let (_, cols) = self.rows();
        let name = &self.need.name;
        let spec = |name: String, dtype: ElementType, shape| TensorSpec { name, dtype, shape };
        let Some(mode) = self.mode else {
            return vec![spec(name.clone(), self.dtype.into(), self.shape(cols))];
        };
        let path = name.trim_end_matches(".weight");
        let groups = cols / mode.group_size();
        let packed = self.shape(cols * mode.bits() / 32);
        let scales = match mode {
            Mode::Affine { .. } => FLOATS.into(),
            _ => ElementType::U8,
        };
        let mut specs = vec![
            spec(name.clone(), ElementType::U32, packed),
            spec(format!("{path}.scales"), scales, self.shape(groups)),
        ];
        if matches!(mode, Mode::Affine { .. }) {
            specs.push(spec(format!("{path}.biases"), FLOATS.into(), self.shape(groups)));
        }
        specs
    }
}

impl Synthetic {
    /// Returns the model of a preset or of a `config.json`, with matrices stored as `form`.
    pub fn new(shape: &str, form: WeightForm) -> Result<Self, SyntheticError> {
        let (name, config) = shape_of(shape)?;
        let naming = mlxk_models::published_names(&config)?;
        let mut config = config;
        let mut default = None;
        let mut others = Map::new();
        let mut tensors = Vec::new();
        for need in mlxk_models::tensors(&config)? {
            let mode = module_mode(&need, form, &naming);
            if let (Some(mode), Some(path)) = (mode, need.name.strip_suffix(".weight")) {
                let parameters = parameters(mode);
                match &default {
                    None => default = Some(parameters),
                    Some(default) if *default == parameters => {}
                    Some(_) => _ = others.insert(path.to_owned(), parameters),
                }
            }
            let dtype = match (&need.kind, form) {
                (TensorKind::Floats(_), _) | (_, WeightForm::Quantized(_)) => FLOATS,
                (_, WeightForm::Dense(dtype)) => dtype,
            };
            tensors.push(Tensor { need, mode, dtype });
        }
        let Value::Object(members) = &mut config else {
            return Err(SyntheticError::NoVocabulary);
        };
        for key in FOREIGN {
            members.remove(key);
        }
        if let Some(mut table) = default {
            if let Some(table) = table.as_object_mut() {
                table.extend(others);
            }
            members.insert("quantization".to_owned(), table);
        }
        Ok(Self { name: format!("{name} {form} synthetic"), config, tensors })
    }

    /// Returns the name of the model.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns `config.json` as it is going to be written.
    pub fn config(&self) -> &Value {
        &self.config
    }

    /// Returns the bytes of the weights.
    pub fn weights_bytes(&self) -> u64 {
        let specs = self.tensors.iter().flat_map(Tensor::specs);
        specs.filter_map(|spec| spec.size_bytes()).sum()
    }

    /// Writes the checkpoint into an existing, empty folder, with a tokenizer whose tokens are
    /// bytes.
    pub fn write(&self, folder: &Path, progress: &mut Progress<'_>) -> Result<(), SyntheticError> {
        let vocabulary = self.vocabulary()?;
        let specs: Vec<TensorSpec> = self.tensors.iter().flat_map(Tensor::specs).collect();
        let path = folder.join("model.safetensors");
        let mut file = Writer::create(&path, &specs, &[("format", "mlx")])?;
        let mut done = Done { bytes: 0, total: self.weights_bytes(), progress };
        for tensor in &self.tensors {
            write_tensor(tensor, &mut file, &mut done)?;
        }
        file.finish()?;
        let texts = [
            ("config.json", &self.config),
            ("tokenizer.json", &tokenizer::tokenizer(&vocabulary)),
            ("tokenizer_config.json", &tokenizer::settings()),
        ];
        for (name, value) in texts {
            let path = folder.join(name);
            let cannot = |source| SyntheticError::Write { path: path.clone(), source };
            std::fs::write(&path, format!("{value:#}\n")).map_err(cannot)?;
        }
        Ok(())
    }

    fn vocabulary(&self) -> Result<mlxk_format::gguf::GgufVocabulary, SyntheticError> {
        let size = mlxk_models::registry::shape_of(&self.config)?.vocab_size;
        mlxk_format::gguf::GgufVocabulary::new(size).ok_or(SyntheticError::NoVocabulary)
    }
}

/// Returns the name and configuration of a preset, of a `config.json`, or of the folder that
/// contains one.
fn shape_of(shape: &str) -> Result<(String, Value), SyntheticError> {
    if let Some(config) = presets::config(shape) {
        return Ok((shape.to_ascii_lowercase(), config));
    }
    let mut path = PathBuf::from(shape);
    if path.is_dir() {
        path.push("config.json");
    }
    if !path.is_file() {
        let presets = presets::names().collect::<Vec<_>>().join(", ");
        return Err(SyntheticError::UnknownShape { shape: shape.to_owned(), presets });
    }
    let config = read_object(&path, MAX_CONFIG_BYTES)?;
    let named = path.parent().and_then(Path::file_name).map(|name| name.to_string_lossy());
    let name = named.unwrap_or_else(|| "model".into()).into_owned();
    Ok((name, config))
}

fn module_mode(need: &TensorNeed, form: WeightForm, naming: &dyn Naming) -> Option<Mode> {
    let (WeightForm::Quantized(usual), false) = (form, matches!(need.kind, TensorKind::Floats(_)))
    else {
        return None;
    };
    let (TensorKind::Matrix { cols, .. } | TensorKind::Stack { cols, .. }) = need.kind else {
        return None;
    };
    let mode = match naming.module(need.name.trim_end_matches(".weight")) {
        ModuleRule::Usual => usual,
        ModuleRule::Own(mode) => mode,
        ModuleRule::Never => return None,
    };
    cols.is_multiple_of(mode.group_size()).then_some(mode)
}

fn parameters(mode: Mode) -> Value {
    json!({ "group_size": mode.group_size(), "bits": mode.bits(), "mode": mode.name() })
}

/// Number of bytes written.
struct Done<'a, 'b> {
    bytes: u64,
    total: u64,
    progress: &'a mut Progress<'b>,
}

impl Done<'_, '_> {
    fn add(&mut self, bytes: usize) -> Result<(), SyntheticError> {
        self.bytes += bytes as u64;
        match (self.progress)(self.bytes.min(self.total), self.total) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(SyntheticError::Format(FormatError::Cancelled)),
        }
    }
}

fn write_tensor(
    tensor: &Tensor,
    file: &mut Writer,
    done: &mut Done<'_, '_>,
) -> Result<(), SyntheticError> {
    let (rows, cols) = tensor.rows();
    let values = Values::of(&tensor.need);
    let make = |range: std::ops::Range<usize>| {
        let mut made = QuantizedRows::default();
        let mut row = vec![0.0; cols];
        let mut quantizer = tensor.mode.map(|mode| RowQuantizer::new(mode, cols, FLOATS));
        for index in range {
            values.row(index, &mut row);
            match &mut quantizer {
                Some(quantizer) => quantizer.row(&row, &mut made),
                None => row.iter().for_each(|&value| tensor.dtype.put(value, &mut made.values)),
            }
        }
        made
    };
    let (mut scales, mut biases) = (Vec::new(), Vec::new());
    rows::in_order(rows, cols, &make, &mut |made| {
        file.write(&made.values)?;
        scales.extend_from_slice(&made.scales);
        biases.extend_from_slice(&made.biases);
        done.add(made.values.len())
    })?;
    for rest in [scales, biases] {
        file.write(&rest)?;
        done.add(rest.len())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
