//! The operations of MLX, as functions of arrays.
#![expect(unsafe_code, reason = "the operations are C functions")]

use std::ffi::{CStr, c_int};

use crate::array::{Array, Arrays};
use crate::functions::{OptionalFloat, OptionalInt, OptionalType, RawArray, Type};
use crate::graph::{Graph, sizes};

/// Quantization of a matrix, as the functions take it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quantization {
    pub(crate) mode: &'static CStr,
    pub(crate) bits: usize,
    pub(crate) group_size: usize,
}

/// A quantized matrix, or a stack of them.
#[derive(Clone, Copy)]
pub(crate) struct Quantized<'a> {
    pub(crate) packed: &'a Array,
    pub(crate) scales: &'a Array,
    pub(crate) biases: Option<&'a Array>,
    pub(crate) quantization: Quantization,
}

/// Inputs of an attention.
pub(crate) struct Attention<'a> {
    /// `[1, heads, rows, head_dim]`
    pub(crate) q: &'a Array,
    /// `[1, kv_heads, positions, head_dim]`
    pub(crate) k: &'a Array,
    /// `[1, kv_heads, positions, value_dim]`
    pub(crate) v: &'a Array,
    pub(crate) scale: f32,
    pub(crate) sinks: Option<&'a Array>,
}

/// Positions that rows see.
#[derive(Clone)]
pub(crate) enum Seen {
    /// All of them.
    All,
    /// The last row sees all, and each row before it one less.
    Causal,
    /// Positions at which an array is true, `[rows, positions]` or `[heads, rows, positions]`.
    Where(Array),
}

/// A rotation of heads.
pub(crate) struct Rotation<'a> {
    /// Columns that turn, the first ones.
    pub(crate) dims: usize,
    pub(crate) interleaved: bool,
    /// `[dims / 2]` positions per radian.
    pub(crate) periods: &'a Array,
}

/// Operations of one and of two arrays.
macro_rules! simple {
    ($($name:ident($($x:ident),*);)*) => {
        impl Graph {
            $(pub(crate) fn $name(&self, $($x: &Array),*) -> Array {
                // SAFETY: the arrays are valid.
                self.call(|f, out, s| unsafe { (f.$name)(out, $($x.raw(),)* s) })
            })*
        }
    };
}

simple! {
    exp(x);
    tanh(x);
    erf(x);
    sigmoid(x);
    sqrt(x);
    square(x);
    negative(x);
    abs(x);
    add(a, b);
    subtract(a, b);
    multiply(a, b);
    divide(a, b);
    maximum(a, b);
    minimum(a, b);
    logaddexp(a, b);
    floor_divide(a, b);
    remainder(a, b);
    equal(a, b);
    less(a, b);
    less_equal(a, b);
    logical_and(a, b);
    logical_or(a, b);
    matmul(a, b);
    where_(condition, a, b);
}

/// Operations along an axis, which stays with a size of 1.
macro_rules! along {
    ($($name:ident = $function:ident;)*) => {
        impl Graph {
            $(pub(crate) fn $name(&self, x: &Array, axis: i32) -> Array {
                // SAFETY: the array is valid.
                self.call(|f, out, s| unsafe { (f.$function)(out, x.raw(), axis, true, s) })
            })*
        }
    };
}

along! {
    sum = sum_axis;
    mean = mean_axis;
    max = max_axis;
    argmax = argmax_axis;
    softmax = softmax_axis;
}

impl Graph {
    /// Rounds to whole numbers, those in the middle to even ones.
    pub(crate) fn round(&self, x: &Array) -> Array {
        // SAFETY: the array is valid.
        self.call(|f, out, s| unsafe { (f.round)(out, x.raw(), 0, s) })
    }

    /// Returns the order of the values along the last axis, ascending.
    pub(crate) fn argsort(&self, x: &Array) -> Array {
        // SAFETY: the array is valid.
        self.call(|f, out, s| unsafe { (f.argsort_axis)(out, x.raw(), -1, s) })
    }

    pub(crate) fn cast(&self, x: &Array, to: Type) -> Array {
        // SAFETY: the array is valid.
        self.call(|f, out, s| unsafe { (f.astype)(out, x.raw(), to, s) })
    }

    pub(crate) fn zeros(&self, shape: &[usize], of: Type) -> Array {
        let shape = sizes(shape);
        // SAFETY: the shape has this many sizes.
        self.call(|f, out, s| unsafe { (f.zeros)(out, shape.as_ptr(), shape.len(), of, s) })
    }

    /// Returns the whole numbers `from..to`.
    pub(crate) fn range(&self, from: usize, to: usize) -> Array {
        let (from, to) = (from as f64, to as f64);
        // SAFETY: it has no preconditions.
        self.call(|f, out, s| unsafe { (f.arange)(out, from, to, 1.0, Type::I32, s) })
    }

    pub(crate) fn reshape(&self, x: &Array, shape: &[usize]) -> Array {
        let shape = sizes(shape);
        // SAFETY: the array is valid, and the shape has this many sizes.
        self.call(|f, out, s| unsafe { (f.reshape)(out, x.raw(), shape.as_ptr(), shape.len(), s) })
    }

    pub(crate) fn broadcast(&self, x: &Array, shape: &[usize]) -> Array {
        let shape = sizes(shape);
        // SAFETY: the array is valid, and the shape has this many sizes.
        self.call(|f, out, s| unsafe {
            (f.broadcast_to)(out, x.raw(), shape.as_ptr(), shape.len(), s)
        })
    }

    /// Returns the array with its axes in another order.
    pub(crate) fn transpose(&self, x: &Array, axes: &[usize]) -> Array {
        let axes = sizes(axes);
        // SAFETY: the array is valid, and there are this many axes.
        self.call(|f, out, s| unsafe {
            (f.transpose_axes)(out, x.raw(), axes.as_ptr(), axes.len(), s)
        })
    }

    /// Returns a part of an array: along `axis`, only `from..to`.
    pub(crate) fn part(&self, x: &Array, axis: usize, from: usize, to: usize) -> Array {
        let [start, stop, steps] = bounds(&x.shape(), axis, from, to);
        let count = start.len();
        // SAFETY: the array is valid, and each list has as many numbers as there are axes.
        self.call(|f, out, s| unsafe {
            (f.slice)(
                out,
                x.raw(),
                start.as_ptr(),
                count,
                stop.as_ptr(),
                count,
                steps.as_ptr(),
                count,
                s,
            )
        })
    }

    /// Returns the array with the part `from..` along `axis` replaced by `part`.
    pub(crate) fn replaced(&self, x: &Array, part: &Array, axis: usize, from: usize) -> Array {
        let [start, stop, steps] = bounds(&x.shape(), axis, from, from + part.dim(axis));
        let count = start.len();
        // SAFETY: the arrays are valid, and each list has as many numbers as there are axes.
        self.call(|f, out, s| unsafe {
            (f.slice_update)(
                out,
                x.raw(),
                part.raw(),
                start.as_ptr(),
                count,
                stop.as_ptr(),
                count,
                steps.as_ptr(),
                count,
                s,
            )
        })
    }

    /// Returns the array with what is at `places` along axis 1 replaced. The other axes of an update `[places, a, 1, b]`
    /// are those of the array, `[a, _, b]`.
    pub(crate) fn scattered(&self, x: &Array, places: &Array, updates: &Array) -> Array {
        let indices = Arrays::new([places], &self.library);
        let axes = [1];
        // SAFETY: the arrays are valid, and there is one axis.
        self.call(|f, out, s| unsafe {
            (f.scatter)(out, x.raw(), indices.raw(), updates.raw(), axes.as_ptr(), 1, s)
        })
    }

    /// Returns what is at `places` along an axis.
    pub(crate) fn take(&self, x: &Array, places: &Array, axis: i32) -> Array {
        // SAFETY: the arrays are valid.
        self.call(|f, out, s| unsafe { (f.take_axis)(out, x.raw(), places.raw(), axis, s) })
    }

    /// Returns what is at the places of each row, along the last axis.
    pub(crate) fn take_along(&self, x: &Array, places: &Array) -> Array {
        // SAFETY: the arrays are valid.
        self.call(|f, out, s| unsafe { (f.take_along_axis)(out, x.raw(), places.raw(), -1, s) })
    }

    pub(crate) fn joined(&self, parts: &[Array], axis: i32) -> Array {
        if let [part] = parts {
            return part.clone();
        }
        let parts = Arrays::new(parts, &self.library);
        // SAFETY: the arrays are valid.
        self.call(|f, out, s| unsafe { (f.concatenate_axis)(out, parts.raw(), axis, s) })
    }

    /// Multiplies the last axis, a power of two, by the Walsh-Hadamard matrix over the root of its size.
    pub(crate) fn hadamard(&self, x: &Array) -> Array {
        // SAFETY: the array is valid.
        self.call(|f, out, s| unsafe {
            (f.hadamard_transform)(out, x.raw(), OptionalFloat::NONE, s)
        })
    }

    /// Returns `x · wᵀ`.
    pub(crate) fn quantized_product(&self, x: &Array, w: Quantized<'_>) -> Array {
        let Quantization { mode, bits, group_size } = w.quantization;
        let (bits, group_size) = (OptionalInt::of(bits), OptionalInt::of(group_size));
        // SAFETY: the arrays are valid, biases that are missing are empty, and the mode is a C string.
        self.call(|f, out, s| unsafe {
            (f.quantized_matmul)(
                out,
                x.raw(),
                w.packed.raw(),
                w.scales.raw(),
                raw(w.biases),
                true,
                group_size,
                bits,
                mode.as_ptr(),
                s,
            )
        })
    }

    /// Returns `x · w[experts]ᵀ`.
    pub(crate) fn routed_quantized_product(
        &self,
        x: &Array,
        w: Quantized<'_>,
        experts: &Array,
        sorted: bool,
    ) -> Array {
        let Quantization { mode, bits, group_size } = w.quantization;
        let (bits, group_size) = (OptionalInt::of(bits), OptionalInt::of(group_size));
        // SAFETY: the arrays are valid, those that are missing are empty, and the mode is a C string.
        self.call(|f, out, s| unsafe {
            (f.gather_qmm)(
                out,
                x.raw(),
                w.packed.raw(),
                w.scales.raw(),
                raw(w.biases),
                RawArray::NONE,
                experts.raw(),
                true,
                group_size,
                bits,
                mode.as_ptr(),
                sorted,
                s,
            )
        })
    }

    /// Returns `x · w[experts]`.
    pub(crate) fn routed_product(
        &self,
        x: &Array,
        w: &Array,
        experts: &Array,
        sorted: bool,
    ) -> Array {
        // SAFETY: the arrays are valid, and the one that is missing is empty.
        self.call(|f, out, s| unsafe {
            let none = RawArray::NONE;
            (f.gather_mm)(out, x.raw(), w.raw(), none, experts.raw(), sorted, s)
        })
    }

    /// Returns the values of a quantized matrix.
    pub(crate) fn dequantized(&self, w: Quantized<'_>, to: Type) -> Array {
        let Quantization { mode, bits, group_size } = w.quantization;
        let (bits, group_size) = (OptionalInt::of(bits), OptionalInt::of(group_size));
        let to = OptionalType { value: to, has_value: true };
        // SAFETY: the arrays are valid, those that are missing are empty, and the mode is a C string.
        self.call(|f, out, s| unsafe {
            (f.dequantize)(
                out,
                w.packed.raw(),
                w.scales.raw(),
                raw(w.biases),
                group_size,
                bits,
                mode.as_ptr(),
                RawArray::NONE,
                to,
                s,
            )
        })
    }

    pub(crate) fn rms_norm(&self, x: &Array, weight: &Array, eps: f32) -> Array {
        // SAFETY: the arrays are valid.
        self.call(|f, out, s| unsafe { (f.fast_rms_norm)(out, x.raw(), weight.raw(), eps, s) })
    }

    pub(crate) fn layer_norm(
        &self,
        x: &Array,
        weight: &Array,
        bias: Option<&Array>,
        eps: f32,
    ) -> Array {
        // SAFETY: the arrays are valid, and a bias that is missing is empty.
        self.call(|f, out, s| unsafe {
            (f.fast_layer_norm)(out, x.raw(), weight.raw(), raw(bias), eps, s)
        })
    }

    /// Rotates `[batch, heads, rows, dim]`, the first row by the position `first`, and each further one by one more.
    pub(crate) fn rope(&self, x: &Array, rotation: &Rotation<'_>, first: usize) -> Array {
        let Rotation { dims, interleaved, periods } = *rotation;
        let (dims, first, none) = (dims as c_int, first as c_int, OptionalFloat::NONE);
        // SAFETY: the arrays are valid.
        self.call(|f, out, s| unsafe {
            (f.fast_rope)(out, x.raw(), dims, interleaved, none, 1.0, first, periods.raw(), s)
        })
    }

    /// Like [`Graph::rope`], with a first position for each entry of the batch.
    pub(crate) fn rope_each(&self, x: &Array, rotation: &Rotation<'_>, first: &Array) -> Array {
        let Rotation { dims, interleaved, periods } = *rotation;
        let (dims, first, none) = (dims as c_int, first.raw(), OptionalFloat::NONE);
        // SAFETY: the arrays are valid.
        self.call(|f, out, s| unsafe {
            let periods = periods.raw();
            (f.fast_rope_dynamic)(out, x.raw(), dims, interleaved, none, 1.0, first, periods, s)
        })
    }

    pub(crate) fn attention(&self, inputs: &Attention<'_>, seen: &Seen) -> Array {
        let Attention { q, k, v, scale, sinks } = *inputs;
        let (mode, mask) = match seen {
            Seen::All => (c"", RawArray::NONE),
            Seen::Causal => (c"causal", RawArray::NONE),
            Seen::Where(mask) => (c"array", mask.raw()),
        };
        // SAFETY: the arrays are valid, those that are missing are empty, and the mode is a C string.
        self.call(|f, out, s| unsafe {
            (f.fast_scaled_dot_product_attention)(
                out,
                q.raw(),
                k.raw(),
                v.raw(),
                scale,
                mode.as_ptr(),
                mask,
                raw(sinks),
                s,
            )
        })
    }
}

fn raw(array: Option<&Array>) -> RawArray {
    array.map_or(RawArray::NONE, Array::raw)
}

/// Returns starts, ends and steps of a part of an array.
fn bounds(shape: &[usize], axis: usize, from: usize, to: usize) -> [Vec<c_int>; 3] {
    let mut start = vec![0; shape.len()];
    let mut stop = sizes(shape);
    if let (Some(start), Some(stop)) = (start.get_mut(axis), stop.get_mut(axis)) {
        (*start, *stop) = (from as c_int, to as c_int);
    }
    let steps = vec![1; shape.len()];
    [start, stop, steps]
}
