//! Writes a checkpoint folder from numbers in memory, for the small models of tests and for
//! conversions.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::safetensors::{TensorSpec, Writer};
use mlxk_tensor::{Dtype, Mode, affine};

use crate::{ElementType, FormatError};

/// Collects tensors, then writes `config.json` and `model.safetensors`.
///
/// It fills in the quantization table of `config.json`: the mode of the first quantized module is
/// the default, and modules with another mode are listed.
#[derive(Debug)]
pub struct CheckpointWriter {
    config: Map<String, Value>,
    tensors: Vec<(TensorSpec, Vec<u8>)>,
    modes: Vec<(String, Mode)>,
}

impl CheckpointWriter {
    /// Makes an empty checkpoint with this `config.json`.
    ///
    /// # Panics
    /// Panics if `config` is not a JSON object.
    pub fn new(config: Value) -> Self {
        let Value::Object(config) = config else { panic!("`config.json` holds an object") };
        Self { config, tensors: Vec::new(), modes: Vec::new() }
    }

    /// Adds a floating-point tensor by its full name, such as `model.norm.weight`.
    ///
    /// # Panics
    /// Panics if the number of `values` does not match the shape.
    pub fn dense(
        &mut self,
        name: &str,
        shape: &[usize],
        values: &[f32],
        dtype: Dtype,
    ) -> &mut Self {
        assert_eq!(values.len(), shape.iter().product::<usize>(), "`{name}` fills its shape");
        let mut data = Vec::with_capacity(values.len() * dtype.size_bytes());
        put_all(values, dtype, &mut data);
        self.raw(name, dtype.into(), shape, data)
    }

    /// Quantizes the weight of the module `path` and adds its three tensors. `shape` is the shape
    /// of the matrix, `[rows, cols]` or `[experts, rows, cols]`. Scales and biases are stored as
    /// `dtype`.
    ///
    /// # Panics
    /// Panics if the number of `values` does not match the shape, if there is no such mode, or if
    /// the group size does not divide the columns.
    pub fn affine(
        &mut self,
        path: &str,
        shape: &[usize],
        values: &[f32],
        (bits, group_size): (usize, usize),
        dtype: Dtype,
    ) -> &mut Self {
        let mode = Mode::affine(bits as u64, group_size as u64)
            .unwrap_or_else(|| panic!("MLX has no {bits}-bit groups of {group_size}"));
        let (cols, leading) = shape.split_last().expect("a weight has columns");
        assert_eq!(values.len(), shape.iter().product::<usize>(), "`{path}` fills its shape");
        assert!(cols.is_multiple_of(group_size), "`{path}` has whole groups");
        let (mut packed, mut scales, mut biases) = (Vec::new(), Vec::new(), Vec::new());
        let mut row_values = vec![0; *cols];
        let mut row_packed = vec![0; affine::row_bytes(*cols, bits)];
        let mut row_scales = vec![0.0; cols / group_size];
        let mut row_biases = row_scales.clone();
        for row in values.chunks_exact(*cols) {
            affine::quantize_row(
                row,
                bits,
                group_size,
                &mut row_values,
                &mut row_scales,
                &mut row_biases,
            );
            affine::pack_row(&row_values, bits, &mut row_packed);
            packed.extend_from_slice(&row_packed);
            put_all(&row_scales, dtype, &mut scales);
            put_all(&row_biases, dtype, &mut biases);
        }
        let with_last =
            |last: usize| -> Vec<usize> { leading.iter().copied().chain([last]).collect() };
        let groups = with_last(cols / group_size);
        self.modes.push((path.to_owned(), mode));
        self.raw(&format!("{path}.weight"), ElementType::U32, &with_last(cols * bits / 32), packed)
            .raw(&format!("{path}.scales"), dtype.into(), &groups, scales)
            .raw(&format!("{path}.biases"), dtype.into(), &groups, biases)
    }

    /// Adds a tensor given as bytes.
    ///
    /// # Panics
    /// Panics if the length of `data` does not match the shape.
    pub fn raw(
        &mut self,
        name: &str,
        dtype: ElementType,
        shape: &[usize],
        data: Vec<u8>,
    ) -> &mut Self {
        let spec = TensorSpec { name: name.to_owned(), dtype, shape: shape.to_vec() };
        assert_eq!(spec.size_bytes(), Some(data.len() as u64), "`{name}` fills its shape");
        self.tensors.push((spec, data));
        self
    }

    /// Writes both files into an existing folder.
    pub fn write(&self, folder: &Path) -> Result<(), FormatError> {
        let mut config = self.config.clone();
        if let Some(table) = quantization_table(&self.modes) {
            config.insert("quantization".to_owned(), table.clone());
            config.insert("quantization_config".to_owned(), table);
        }
        write_json(&folder.join("config.json"), &config.into())?;
        let specs: Vec<TensorSpec> = self.tensors.iter().map(|(spec, _)| spec.clone()).collect();
        let path = folder.join("model.safetensors");
        let mut file = Writer::create(&path, &specs, &[("format", "mlx")])?;
        for (_, data) in &self.tensors {
            file.write(data)?;
        }
        file.finish()
    }
}

fn put_all(values: &[f32], dtype: Dtype, data: &mut Vec<u8>) {
    for &value in values {
        dtype.put(value, data);
    }
}

/// Returns the `quantization` member of `config.json`, or `None` if nothing is quantized. The first
/// mode is the default; modules with another mode are listed.
pub(crate) fn quantization_table(modes: &[(String, Mode)]) -> Option<Value> {
    let (_, default) = modes.first()?;
    let parameters = |mode: Mode| json!({ "group_size": mode.group_size(), "bits": mode.bits(), "mode": mode.name() });
    let mut table = parameters(*default);
    for (path, mode) in modes.iter().filter(|(_, mode)| mode != default) {
        table[path] = parameters(*mode);
    }
    Some(table)
}

pub(crate) fn write_json(path: &Path, value: &Value) -> Result<(), FormatError> {
    std::fs::write(path, json_bytes(value)).map_err(FormatError::write(path))
}

/// Serializes with indentation and a final line break, because people read these files.
pub(crate) fn json_bytes(value: &Value) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(value).expect("a JSON value serializes");
    bytes.push(b'\n');
    bytes
}
