//! The operations of MLX, as functions of arrays.
//!
//! An operation that fails returns an empty array, with which every further one fails. The first failure is kept.
#![expect(unsafe_code, reason = "the operations are C functions")]

use std::ffi::{CStr, c_int, c_void};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;

use crate::array::{Array, Arrays};
use crate::error::MlxError;
use crate::functions::{
    DeviceType, Functions, OptionalFloat, OptionalInt, OptionalType, RawArray, RawStream, Type,
};
use crate::library::{Library, take_error};

/// Most bytes of freed memory that MLX keeps for later. The memory plan doesn't count them.
const KEPT_BYTES: usize = 256 << 20;

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
    /// Those where an array is true, `[rows, positions]` or `[heads, rows, positions]`.
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

/// Where the operations run, and what failed.
pub(crate) struct Graph {
    pub(crate) library: Arc<Library>,
    /// `true` if MLX has a GPU.
    pub(crate) has_gpu: bool,
    stream: Mutex<Option<Stream>>,
    failure: Mutex<Option<String>>,
}

/// The stream of a thread. A thread can't compute on that of another.
#[derive(Clone, Copy)]
struct Stream {
    thread: ThreadId,
    raw: RawStream,
}

// SAFETY: it is only used by the thread that it belongs to, see `Graph::stream`.
unsafe impl Send for Stream {}

impl Drop for Graph {
    fn drop(&mut self) {
        if let Some(stream) = locked(&self.stream).take() {
            self.free(stream);
        }
    }
}

fn locked<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Graph {
    pub(crate) fn new(library: Arc<Library>) -> Self {
        let functions = &library.functions;
        let mut has_gpu = false;
        // SAFETY: the device is made, asked, and freed.
        unsafe {
            let device = (functions.device_new_type)(DeviceType::Gpu, 0);
            if (functions.device_is_available)(&raw mut has_gpu, device) != 0 {
                has_gpu = false;
            }
            (functions.device_free)(device);
            let mut before = 0;
            (functions.set_cache_limit)(&raw mut before, KEPT_BYTES);
        }
        Self { library, has_gpu, stream: Mutex::new(None), failure: Mutex::new(None) }
    }

    fn functions(&self) -> &Functions {
        &self.library.functions
    }

    fn free(&self, stream: Stream) {
        // SAFETY: it was made by `Graph::stream`. MLX keeps the stream itself.
        unsafe { (self.functions().stream_free)(stream.raw) };
    }

    /// Returns the stream of this thread.
    fn stream(&self) -> RawStream {
        let thread = std::thread::current().id();
        let mut known = locked(&self.stream);
        if let Some(stream) = known.filter(|stream| stream.thread == thread) {
            return stream.raw;
        }
        let functions = self.functions();
        // SAFETY: the functions have no preconditions.
        let raw = unsafe {
            if self.has_gpu {
                (functions.default_gpu_stream_new)()
            } else {
                (functions.default_cpu_stream_new)()
            }
        };
        if let Some(before) = known.replace(Stream { thread, raw }) {
            self.free(before);
        }
        raw
    }

    /// Returns a property of the GPU.
    fn with_info<T>(
        &self,
        key: &CStr,
        get: impl FnOnce(&Functions, crate::functions::RawDeviceInfo) -> Option<T>,
    ) -> Option<T> {
        if !self.has_gpu {
            return None;
        }
        let functions = self.functions();
        // SAFETY: device and information are made, asked, and freed. `get` copies what it returns.
        unsafe {
            let device = (functions.device_new_type)(DeviceType::Gpu, 0);
            let mut info = (functions.device_info_new)();
            let mut exists = false;
            let known = (functions.device_info_get)(&raw mut info, device) == 0
                && (functions.device_info_has_key)(&raw mut exists, info, key.as_ptr()) == 0
                && exists;
            let value = if known { get(functions, info) } else { None };
            (functions.device_info_free)(info);
            (functions.device_free)(device);
            value
        }
    }

    /// Returns the name of the GPU.
    pub(crate) fn gpu_name(&self) -> Option<String> {
        let key = c"device_name";
        self.with_info(key, |functions, info| {
            let mut text = std::ptr::null();
            // SAFETY: the text belongs to `info`, and is copied.
            unsafe {
                let result = (functions.device_info_get_string)(&raw mut text, info, key.as_ptr());
                (result == 0 && !text.is_null())
                    .then(|| CStr::from_ptr(text).to_string_lossy().into_owned())
            }
        })
    }

    /// Returns the bytes that the GPU uses without becoming slow.
    pub(crate) fn gpu_bytes(&self) -> Option<u64> {
        let key = c"max_recommended_working_set_size";
        self.with_info(key, |functions, info| {
            let mut bytes = 0;
            // SAFETY: `info` is there.
            let result =
                unsafe { (functions.device_info_get_size)(&raw mut bytes, info, key.as_ptr()) };
            (result == 0).then_some(bytes as u64)
        })
    }

    /// Keeps a failure, if it is the first one.
    pub(crate) fn fail(&self, problem: String) {
        locked(&self.failure).get_or_insert(problem);
    }

    /// Returns the first failure and forgets it.
    pub(crate) fn take_failure(&self) -> Option<String> {
        locked(&self.failure).take()
    }

    /// Calls a function that makes an array.
    fn call(&self, function: impl FnOnce(&Functions, *mut RawArray, RawStream) -> c_int) -> Array {
        let mut raw = RawArray::NONE;
        if function(self.functions(), &raw mut raw, self.stream()) != 0 {
            self.fail(take_error());
        }
        Array::new(raw, &self.library)
    }

    /// Makes an array of these bytes, which are copied.
    pub(crate) fn array(&self, bytes: &[u8], shape: &[usize], of: Type) -> Array {
        let sizes = sizes(shape);
        let expected: usize = shape.iter().product::<usize>() * bytes_of(of);
        assert_eq!(bytes.len(), expected, "an array has as many bytes as its shape says");
        // SAFETY: there are as many bytes as the function copies.
        let raw = unsafe {
            (self.functions().array_new_data)(
                bytes.as_ptr().cast::<c_void>(),
                sizes.as_ptr(),
                sizes.len() as c_int,
                of,
            )
        };
        if raw.ctx.is_null() {
            self.fail(take_error());
        }
        Array::new(raw, &self.library)
    }

    pub(crate) fn of_f32(&self, values: &[f32], shape: &[usize]) -> Array {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_ne_bytes()).collect();
        self.array(&bytes, shape, Type::F32)
    }

    pub(crate) fn of_u32(&self, values: &[u32], shape: &[usize]) -> Array {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_ne_bytes()).collect();
        self.array(&bytes, shape, Type::U32)
    }

    /// Returns a number without axes, of the type of the array that it is combined with.
    pub(crate) fn number(&self, value: f32, of: Type) -> Array {
        self.cast(&self.of_f32(&[value], &[]), of)
    }

    pub(crate) fn integer(&self, value: usize) -> Array {
        self.array(&(value as i32).to_ne_bytes(), &[], Type::I32)
    }

    /// Begins to compute arrays without waiting.
    pub(crate) fn begin(&self, arrays: &[Array]) {
        let arrays = Arrays::new(arrays, &self.library);
        // SAFETY: the arrays are valid.
        if unsafe { (self.functions().async_eval)(arrays.raw()) } != 0 {
            self.fail(take_error());
        }
    }

    /// Computes arrays.
    pub(crate) fn compute<'a>(&self, arrays: impl IntoIterator<Item = &'a Array>) {
        let arrays = Arrays::new(arrays, &self.library);
        // SAFETY: the arrays are valid.
        if unsafe { (self.functions().eval)(arrays.raw()) } != 0 {
            self.fail(take_error());
        }
    }

    /// Computes an array and passes its bytes to `read`, row by row. Returns `None` if it failed.
    pub(crate) fn read<T>(&self, x: &Array, read: impl FnOnce(&[u8]) -> T) -> Option<T> {
        // SAFETY: the array is valid.
        let rows = self.call(|f, out, s| unsafe { (f.contiguous)(out, x.raw(), false, s) });
        if locked(&self.failure).is_some() {
            return None;
        }
        // SAFETY: the array is valid.
        if unsafe { (self.functions().array_eval)(rows.raw()) } != 0 {
            self.fail(take_error());
            return None;
        }
        // SAFETY: it was computed, and `contiguous` put its rows one after the other.
        Some(read(unsafe { rows.bytes() }))
    }
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

/// Returns an error if a device has failed.
pub(crate) fn check(graph: &Graph) -> Result<(), MlxError> {
    match graph.take_failure() {
        None => Ok(()),
        Some(problem) => Err(MlxError::Incomplete { path: graph.library.path.clone(), problem }),
    }
}

fn raw(array: Option<&Array>) -> RawArray {
    array.map_or(RawArray::NONE, Array::raw)
}

fn sizes(of: &[usize]) -> Vec<c_int> {
    of.iter().map(|&size| size as c_int).collect()
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

/// Returns the bytes of a value.
pub(crate) const fn bytes_of(of: Type) -> usize {
    match of {
        Type::Bool | Type::U8 => 1,
        Type::F16 | Type::Bf16 => 2,
        Type::U32 | Type::I32 | Type::F32 => 4,
    }
}
