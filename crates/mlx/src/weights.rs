//! Matrices, vectors and rotary frequencies as arrays of MLX.

use mlxk_ops::{HadamardSpec, Rope, RopeSpec, Vector, Weight};
use mlxk_tensor::{Dense, Dtype, Mode, QuantTensor, Storage};

use crate::array::Array;
use crate::functions::Type;
use crate::graph::Graph;
use crate::operations::{Quantization, Quantized};

/// A matrix, or a stack of them.
pub(crate) struct Matrix {
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    pub(crate) values: Values,
    /// Type of the activations that it is multiplied with.
    pub(crate) type_: Type,
    /// `[rows]`, or `[experts, rows]`
    pub(crate) bias: Option<Array>,
    /// `[experts]` factors of all values.
    pub(crate) factors: Option<Array>,
    /// Rotation of the inputs.
    pub(crate) rotation: Option<Turn>,
}

/// Values of a matrix, `[rows, cols]` or `[experts, rows, cols]`.
pub(crate) enum Values {
    Dense(Array),
    Quantized { packed: Array, scales: Array, biases: Option<Array>, quantization: Quantization },
}

/// A rotation of activations, see [`HadamardSpec`].
pub(crate) struct Turn {
    block: usize,
    /// `[blocks, block]`
    signs: Array,
}

/// A table of rotary frequencies.
pub(crate) struct RopeTable {
    pub(crate) spec: RopeSpec,
    /// `[dims / 2]` positions per radian.
    pub(crate) periods: Array,
}

/// Everything that was loaded.
#[derive(Default)]
pub(crate) struct WeightStore {
    pub(crate) matrices: Vec<Matrix>,
    pub(crate) vectors: Vec<Array>,
    pub(crate) ropes: Vec<RopeTable>,
}

impl WeightStore {
    pub(crate) fn matrix(&self, weight: Weight) -> &Matrix {
        &self.matrices[weight.0 as usize]
    }

    pub(crate) fn vector(&self, vector: Vector) -> &Array {
        &self.vectors[vector.0 as usize]
    }

    pub(crate) fn rope(&self, rope: Rope) -> &RopeTable {
        &self.ropes[rope.0 as usize]
    }
}

impl Values {
    /// Returns the parts of a quantized matrix, or the dense values.
    fn parts(&self) -> Result<Quantized<'_>, &Array> {
        match self {
            Self::Dense(values) => Err(values),
            Self::Quantized { packed, scales, biases, quantization } => {
                let (biases, quantization) = (biases.as_ref(), *quantization);
                Ok(Quantized { packed, scales, biases, quantization })
            }
        }
    }
}

/// Returns the type in which MLX has values like these.
pub(crate) const fn type_of(dtype: Dtype) -> Type {
    match dtype {
        Dtype::F32 => Type::F32,
        Dtype::F16 => Type::F16,
        Dtype::Bf16 => Type::Bf16,
    }
}

/// Returns the type of the values that a tensor is computed in by itself. Block formats have none.
pub(crate) fn own_type(tensor: &QuantTensor) -> Option<Type> {
    match &tensor.storage {
        Storage::Dense(dense) => Some(type_of(dense.dtype)),
        Storage::Affine { scales, .. } => Some(type_of(scales.dtype)),
        Storage::Block { .. } => None,
    }
}

impl Matrix {
    /// Copies a matrix to MLX, to be multiplied with activations of a type.
    pub(crate) fn new(
        graph: &Graph,
        tensor: &QuantTensor,
        bias: Option<&[f32]>,
        type_: Type,
    ) -> Self {
        let QuantTensor { experts, rows, cols, .. } = *tensor;
        let shape = |width: usize| -> Vec<usize> {
            if experts > 1 { vec![experts, rows, width] } else { vec![rows, width] }
        };
        let dense = |dense: &Dense, width: usize| {
            graph.cast(&graph.array(&dense.data, &shape(width), type_of(dense.dtype)), type_)
        };
        let words = |bits: usize| shape(cols * bits / 32);
        let mut factors = None;
        let values = match &tensor.storage {
            Storage::Dense(values) => Values::Dense(dense(values, cols)),
            Storage::Affine { bits, group_size, packed, scales, biases } => Values::Quantized {
                packed: graph.array(packed, &words(*bits), Type::U32),
                scales: dense(scales, cols / group_size),
                biases: Some(dense(biases, cols / group_size)),
                quantization: Quantization {
                    mode: c"affine",
                    bits: *bits,
                    group_size: *group_size,
                },
            },
            Storage::Block { mode, packed, scales, global_scale } => {
                let (bits, group_size) = (mode.bits(), mode.group_size());
                factors = global_scale.as_ref().map(|it| graph.of_f32(it, &[it.len()]));
                let mode = match mode {
                    Mode::Mxfp4 => c"mxfp4",
                    Mode::Mxfp8 => c"mxfp8",
                    Mode::Nvfp4 => c"nvfp4",
                    Mode::Affine { .. } => c"affine",
                };
                Values::Quantized {
                    packed: graph.array(packed, &words(bits), Type::U32),
                    scales: graph.array(scales, &shape(cols / group_size), Type::U8),
                    biases: None,
                    quantization: Quantization { mode, bits, group_size },
                }
            }
        };
        let bias_shape = if experts > 1 { vec![experts, rows] } else { vec![rows] };
        let bias = bias.map(|bias| graph.cast(&graph.of_f32(bias, &bias_shape), type_));
        let matrix = Self { rows, cols, values, type_, bias, factors, rotation: None };
        matrix.settle(graph);
        matrix
    }

    /// Computes all arrays, so that any thread can use them.
    fn settle(&self, graph: &Graph) {
        let values = match &self.values {
            Values::Dense(values) => vec![values],
            Values::Quantized { packed, scales, biases, .. } => {
                [packed, scales].into_iter().chain(biases).collect()
            }
        };
        graph.compute(values.into_iter().chain(&self.bias).chain(&self.factors));
    }

    /// Adds a rotation of the inputs.
    pub(crate) fn turned(mut self, graph: &Graph, spec: &HadamardSpec) -> Self {
        let HadamardSpec { block, signs } = spec;
        let signs = graph.of_f32(signs, &[signs.len() / block, *block]);
        let signs = graph.cast(&signs, self.type_);
        graph.compute([&signs]);
        self.rotation = Some(Turn { block: *block, signs });
        self
    }

    /// Returns rows of a table as they are used, `[ids, cols]`.
    pub(crate) fn look_up(&self, graph: &Graph, ids: &Array) -> Array {
        let rows = match self.values.parts() {
            Err(values) => graph.take(values, ids, 0),
            Ok(w) => {
                let packed = graph.take(w.packed, ids, 0);
                let scales = graph.take(w.scales, ids, 0);
                let biases = w.biases.map(|biases| graph.take(biases, ids, 0));
                let parts =
                    Quantized { packed: &packed, scales: &scales, biases: biases.as_ref(), ..w };
                graph.dequantized(parts, self.type_)
            }
        };
        let rows = self.times_factor(graph, rows);
        match &self.rotation {
            Some(turn) => turn.back(graph, &rows),
            None => rows,
        }
    }

    /// Multiplies by the factor of a single matrix.
    fn times_factor(&self, graph: &Graph, x: Array) -> Array {
        match &self.factors {
            Some(factors) => graph.cast(&graph.multiply(&x, factors), self.type_),
            None => x,
        }
    }

    /// Returns `x · matrixᵀ + bias`; for a stack with a batch of as many inputs.
    pub(crate) fn product(&self, graph: &Graph, x: &Array) -> Array {
        let x = graph.cast(x, self.type_);
        let x = match &self.rotation {
            Some(turn) => turn.forth(graph, &x),
            None => x,
        };
        let product = match self.values.parts() {
            Ok(w) => graph.quantized_product(&x, w),
            Err(values) => graph.matmul(&x, &transposed(graph, values)),
        };
        let product = match &self.factors {
            // One factor per matrix of a stack.
            Some(factors) if factors.dim(0) > 1 => {
                let factors = graph.reshape(factors, &[factors.dim(0), 1, 1]);
                graph.cast(&graph.multiply(&product, &factors), self.type_)
            }
            _ => self.times_factor(graph, product),
        };
        match &self.bias {
            // One per matrix of a stack.
            Some(bias) if product.shape().len() == 3 => {
                graph.add(&product, &graph.reshape(bias, &[bias.dim(0), 1, self.rows]))
            }
            Some(bias) => graph.add(&product, bias),
            None => product,
        }
    }

    /// Returns `x[i] · matrices[experts[i]]ᵀ + bias[experts[i]]`, `[.., 1, rows]` for inputs `[.., 1, cols]`.
    pub(crate) fn routed(&self, graph: &Graph, x: &Array, experts: &Array, sorted: bool) -> Array {
        let x = graph.cast(x, self.type_);
        let product = match self.values.parts() {
            Ok(w) => graph.routed_quantized_product(&x, w, experts, sorted),
            Err(values) => graph.routed_product(&x, &transposed(graph, values), experts, sorted),
        };
        let mut places = experts.shape();
        let product = match &self.factors {
            Some(factors) => {
                places.extend([1, 1]);
                let factors = graph.reshape(&graph.take(factors, experts, 0), &places);
                places.truncate(places.len() - 2);
                graph.cast(&graph.multiply(&product, &factors), self.type_)
            }
            None => product,
        };
        match &self.bias {
            Some(bias) => {
                places.extend([1, self.rows]);
                graph.add(&product, &graph.reshape(&graph.take(bias, experts, 0), &places))
            }
            None => product,
        }
    }
}

/// Returns the values with the last two axes exchanged.
fn transposed(graph: &Graph, values: &Array) -> Array {
    let axes: &[usize] = if values.shape().len() == 3 { &[0, 2, 1] } else { &[1, 0] };
    graph.transpose(values, axes)
}

impl Turn {
    /// Rotates inputs.
    fn forth(&self, graph: &Graph, x: &Array) -> Array {
        let [rows, cols] = [x.dim(0), x.dim(1)];
        let blocks = graph.reshape(x, &[rows, cols / self.block, self.block]);
        let turned = graph.hadamard(&graph.multiply(&blocks, &self.signs));
        graph.reshape(&turned, &[rows, cols])
    }

    /// Rotates rows back.
    fn back(&self, graph: &Graph, x: &Array) -> Array {
        let [rows, cols] = [x.dim(0), x.dim(1)];
        let blocks = graph.reshape(x, &[rows, cols / self.block, self.block]);
        let turned = graph.multiply(&graph.hadamard(&blocks), &self.signs);
        graph.reshape(&turned, &[rows, cols])
    }
}
