//! The two things that loading can be: carrying tensors from files to a device, or listing them.

use mlxk_format::{Checkpoint, FormatError};
use mlxk_ops::{HadamardSpec, Rope, RopeSpec, Vector, Weight, Weights};
use mlxk_tensor::{Dense, Dtype, QuantTensor, Storage};

use crate::error::ModelError;
use crate::tensors::{TensorKind, TensorNeed};

/// Origin and destination of tensors.
pub(super) enum Source<'a> {
    /// From files to a device.
    Files(&'a Checkpoint, &'a mut dyn Weights),
    /// A list of the tensors that were asked for.
    List(Vec<TensorNeed>),
}

impl Source<'_> {
    /// Returns `true` if the files have a tensor of this name. A list has every tensor.
    pub(super) fn contains(&self, name: &str) -> bool {
        match self {
            Self::Files(checkpoint, _) => checkpoint.contains(name),
            Self::List(_) => true,
        }
    }

    /// Returns the shape of a tensor of floats, if there are files that have it.
    pub(super) fn shape(&self, name: &str) -> Option<Vec<usize>> {
        match self {
            Self::Files(checkpoint, _) => Some(checkpoint.dense(name).ok()?.0),
            Self::List(_) => None,
        }
    }

    /// Returns the matrix `[rows, cols]` of the module `path`.
    pub(super) fn matrix(
        &mut self,
        path: &str,
        [rows, cols]: [usize; 2],
    ) -> Result<QuantTensor, ModelError> {
        match self {
            Self::Files(checkpoint, _) => Ok(checkpoint.weight(path, rows, cols)?),
            Self::List(needs) => {
                needs.push(TensorNeed {
                    name: format!("{path}.weight"),
                    kind: TensorKind::Matrix { rows, cols },
                });
                Ok(without_values(path, [1, rows, cols]))
            }
        }
    }

    /// Returns the matrix `[rows, cols]` of floats of this name.
    pub(super) fn bare_matrix(
        &mut self,
        name: &str,
        [rows, cols]: [usize; 2],
    ) -> Result<QuantTensor, ModelError> {
        let checkpoint = match self {
            Self::Files(checkpoint, _) => checkpoint,
            Self::List(needs) => {
                let kind = TensorKind::Floats(vec![rows, cols]);
                needs.push(TensorNeed { name: name.to_owned(), kind });
                return Ok(without_values(name, [1, rows, cols]));
            }
        };
        let dense = floats_of(checkpoint, name, &[rows, cols])?;
        let (name, storage) = (name.to_owned(), Storage::Dense(dense));
        Ok(QuantTensor { name, experts: 1, rows, cols, storage })
    }

    /// Returns the stack `[count, rows, cols]` of the module `path`.
    pub(super) fn stack(
        &mut self,
        path: &str,
        shape: [usize; 3],
    ) -> Result<QuantTensor, ModelError> {
        let [count, rows, cols] = shape;
        match self {
            Self::Files(checkpoint, _) => Ok(checkpoint.weight_stack(path, count, rows, cols)?),
            Self::List(needs) => {
                needs.push(TensorNeed {
                    name: format!("{path}.weight"),
                    kind: TensorKind::Stack { count, rows, cols },
                });
                Ok(without_values(path, shape))
            }
        }
    }

    /// Returns the values of a tensor of floats of this shape, and their size in the file.
    pub(super) fn floats(
        &mut self,
        name: &str,
        expected: &[usize],
    ) -> Result<(Vec<f32>, usize), ModelError> {
        let checkpoint = match self {
            Self::Files(checkpoint, _) => checkpoint,
            Self::List(needs) => {
                let kind = TensorKind::Floats(expected.to_vec());
                needs.push(TensorNeed { name: name.to_owned(), kind });
                return Ok((vec![0.0; expected.iter().product()], 0));
            }
        };
        let dense = floats_of(checkpoint, name, expected)?;
        Ok((dense.to_f32(), dense.data.len()))
    }

    pub(super) fn put(
        &mut self,
        tensor: QuantTensor,
        bias: Option<Vec<f32>>,
    ) -> Result<Weight, ModelError> {
        match self {
            Self::Files(_, ops) => Ok(ops.load(tensor, bias)?),
            Self::List(_) => Ok(Weight(0)),
        }
    }

    pub(super) fn put_rotated(
        &mut self,
        tensor: QuantTensor,
        rotation: HadamardSpec,
    ) -> Result<Weight, ModelError> {
        match self {
            Self::Files(_, ops) => Ok(ops.load_rotated(tensor, rotation)?),
            Self::List(_) => Ok(Weight(0)),
        }
    }

    pub(super) fn put_vector(&mut self, values: Vec<f32>) -> Result<Vector, ModelError> {
        match self {
            Self::Files(_, ops) => Ok(ops.load_vector(values)?),
            Self::List(_) => Ok(Vector(0)),
        }
    }

    pub(super) fn put_rope(&mut self, spec: RopeSpec) -> Result<Rope, ModelError> {
        match self {
            Self::Files(_, ops) => Ok(ops.load_rope(spec)?),
            Self::List(_) => Ok(Rope(0)),
        }
    }
}

/// Returns the tensor of floats of this name and shape.
fn floats_of(checkpoint: &Checkpoint, name: &str, expected: &[usize]) -> Result<Dense, ModelError> {
    let (shape, dense) = checkpoint.dense(name)?;
    if shape == expected {
        return Ok(dense);
    }
    Err(ModelError::Format(FormatError::Shape {
        tensor: name.to_owned(),
        found: shape,
        expected: format!("{expected:?}"),
    }))
}

/// Returns a tensor of this shape without values: a list never reads them.
fn without_values(path: &str, [experts, rows, cols]: [usize; 3]) -> QuantTensor {
    let storage = Storage::Dense(Dense { dtype: Dtype::F32, data: Vec::new().into() });
    QuantTensor { name: path.to_owned(), experts, rows, cols, storage }
}
