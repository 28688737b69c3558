//! Resolves a module path to a checked weight.

use crate::error::FormatError;
use crate::safetensors::{ElementType, Entry};
use mlxk_tensor::{Mode, QuantTensor, Storage};

use super::Checkpoint;
use super::table::Override;

/// Divisor of nvfp4's global scale: the largest product of an E4M3 scale and an E2M1 value (448 ·
/// 6).
const NVFP4_RANGE: f32 = 448.0 * 6.0;

impl Checkpoint {
    pub(super) fn resolve(
        &self,
        path: &str,
        experts: Option<usize>,
        rows: usize,
        cols: usize,
    ) -> Result<QuantTensor, FormatError> {
        let name = format!("{path}.weight");
        let weight = self.entry(&name)?;
        if let (None, Some(factor)) = (experts, self.ternary_factor(path, weight)) {
            return self.ternary(path, [weight, factor], [rows, cols]);
        }
        let leading: Vec<usize> = experts.into_iter().chain([rows]).collect();
        let said = self.table.overrides.get(path).copied();
        let scales_name = format!("{path}.scales");
        let storage = match self.tensors.get(&scales_name) {
            None => {
                expect_shape(&name, weight, &leading, cols)?;
                let dense = self.floats(&name, weight)?;
                if let Some(Override::Default | Override::Claim(_)) = said {
                    return Err(self.mismatch(path, said, "dense"));
                }
                Storage::Dense(dense)
            }
            Some(scales) => {
                let mode = self.mode_from_shapes(path, weight, scales, cols)?;
                let agrees = match said {
                    None => true,
                    Some(Override::Dense) => false,
                    Some(Override::Default) => {
                        self.table.default.is_none_or(|claim| claim.allows(mode))
                    }
                    Some(Override::Claim(claim)) => claim.allows(mode),
                };
                if !agrees {
                    return Err(self.mismatch(path, said, &mode.to_string()));
                }
                expect_shape(&name, weight, &leading, cols * mode.bits() / 32)?;
                let groups = cols / mode.group_size();
                expect_shape(&scales_name, scales, &leading, groups)?;
                match mode {
                    Mode::Affine { bits, group_size } => {
                        let biases_name = format!("{path}.biases");
                        let biases = self.entry(&biases_name)?;
                        expect_shape(&biases_name, biases, &leading, groups)?;
                        Storage::Affine {
                            bits: usize::from(bits),
                            group_size: usize::from(group_size),
                            packed: weight.data.clone(),
                            scales: self.floats(&scales_name, scales)?,
                            biases: self.floats(&biases_name, biases)?,
                        }
                    }
                    Mode::Mxfp4 | Mode::Mxfp8 | Mode::Nvfp4 => Storage::Block {
                        mode,
                        packed: weight.data.clone(),
                        scales: scales.data.clone(),
                        global_scale: self.global_scale(path, mode, experts)?,
                    },
                }
            }
        };
        Ok(QuantTensor {
            name: path.to_owned(),
            experts: experts.unwrap_or(1),
            rows,
            cols,
            storage,
        })
    }

    /// Returns the mode that the table states, if the shapes allow it, or else the only mode that
    /// the shapes allow.
    pub(super) fn stated_mode(
        &self,
        path: &str,
        weight: &Entry,
        scales: &Entry,
    ) -> Result<Mode, FormatError> {
        let words = weight.shape.last().copied().unwrap_or(0);
        let groups = scales.shape.last().copied().unwrap_or(0);
        let in_blocks = scales.dtype == ElementType::U8;
        let fits = |mode: &Mode| {
            let values = groups.checked_mul(mode.group_size() * mode.bits());
            matches!(mode, Mode::Affine { .. }) != in_blocks && values == words.checked_mul(32)
        };
        let claim = match self.table.overrides.get(path) {
            Some(Override::Claim(claim)) => Some(*claim),
            _ => self.table.default,
        };
        if let Some(mode) = claim.and_then(|claim| claim.mode()).filter(fits) {
            return Ok(mode);
        }
        let mut possible = Mode::all().filter(fits);
        match (possible.next(), possible.next()) {
            (Some(mode), None) => Ok(mode),
            _ => Err(FormatError::UnknownMode {
                module: path.to_owned(),
                bits: format!("{words}·32/inputs"),
                group_size: format!("inputs/{groups}"),
                quant_method: self.table.quant_method.clone(),
            }),
        }
    }

    /// Returns the mode that the shapes and the type of the scales imply.
    fn mode_from_shapes(
        &self,
        path: &str,
        weight: &Entry,
        scales: &Entry,
        cols: usize,
    ) -> Result<Mode, FormatError> {
        let element = |suffix: &str, entry: &Entry, expected| FormatError::ElementType {
            tensor: format!("{path}.{suffix}"),
            found: entry.dtype.name(),
            expected,
            quant_method: self.table.quant_method.clone(),
        };
        if weight.dtype != ElementType::U32 {
            return Err(element("weight", weight, "U32 with `.scales`"));
        }
        let words = weight.shape.last().copied().unwrap_or(0);
        let groups = scales.shape.last().copied().unwrap_or(0);
        let bits = exact_quotient(words.saturating_mul(32), cols);
        let group_size = exact_quotient(cols, groups);
        let mode = match (bits, group_size, scales.dtype) {
            (Some(4), Some(16), ElementType::U8) => Some(Mode::Nvfp4),
            (Some(4), Some(32), ElementType::U8) => Some(Mode::Mxfp4),
            (Some(8), Some(32), ElementType::U8) => Some(Mode::Mxfp8),
            (Some(bits), Some(group_size), dtype) if dtype.dense().is_some() => {
                Mode::affine(bits as u64, group_size as u64)
            }
            (_, _, dtype) if dtype != ElementType::U8 && dtype.dense().is_none() => {
                return Err(element("scales", scales, "F32, F16, BF16 or U8"));
            }
            _ => None,
        };
        mode.ok_or_else(|| FormatError::UnknownMode {
            module: path.to_owned(),
            bits: fraction(words.saturating_mul(32), cols),
            group_size: fraction(cols, groups),
            quant_method: self.table.quant_method.clone(),
        })
    }

    /// Returns nvfp4's factors, one per expert, in the form that is multiplied into the values.
    fn global_scale(
        &self,
        path: &str,
        mode: Mode,
        experts: Option<usize>,
    ) -> Result<Option<Vec<f32>>, FormatError> {
        let name = format!("{path}.global_scale");
        let Some(entry) = self.tensors.get(&name).filter(|_| mode == Mode::Nvfp4) else {
            return Ok(None);
        };
        let values = self.floats(&name, entry)?.to_f32();
        let expected = experts.unwrap_or(1);
        if values.len() != expected {
            return Err(FormatError::Shape {
                tensor: name,
                found: entry.shape.clone(),
                expected: format!("{:?}", [expected]),
            });
        }
        Ok(Some(values.into_iter().map(|value| value / NVFP4_RANGE).collect()))
    }

    fn mismatch(&self, path: &str, said: Option<Override>, shapes: &str) -> FormatError {
        let config = match said {
            None | Some(Override::Dense) => "not quantized".to_owned(),
            Some(Override::Default) => {
                self.table.default.map_or_else(|| "quantized".to_owned(), |claim| claim.to_string())
            }
            Some(Override::Claim(claim)) => claim.to_string(),
        };
        FormatError::ModeMismatch { module: path.to_owned(), config, shapes: shapes.to_owned() }
    }
}

fn expect_shape(
    name: &str,
    entry: &Entry,
    leading: &[usize],
    last: usize,
) -> Result<(), FormatError> {
    let expected: Vec<usize> = leading.iter().copied().chain([last]).collect();
    if entry.shape == expected {
        return Ok(());
    }
    Err(FormatError::Shape {
        tensor: name.to_owned(),
        found: entry.shape.clone(),
        expected: format!("{expected:?}"),
    })
}

fn exact_quotient(dividend: usize, divisor: usize) -> Option<usize> {
    (divisor != 0 && dividend.is_multiple_of(divisor)).then(|| dividend / divisor)
}

fn fraction(dividend: usize, divisor: usize) -> String {
    exact_quotient(dividend, divisor)
        .map_or_else(|| format!("{dividend}/{divisor}"), |quotient| quotient.to_string())
}
