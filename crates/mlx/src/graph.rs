//! [`Graph`]: where arrays are made, computed and read.
//!
//! An operation that fails returns an empty array, with which every further one fails. The first failure is kept.
#![expect(unsafe_code, reason = "arrays and devices are used through C functions")]

use std::ffi::{CStr, c_int, c_void};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;

use crate::array::{Array, Arrays};
use crate::error::MlxError;
use crate::functions::{DeviceType, Functions, RawArray, RawStream, Type};
use crate::library::{Library, take_error};

/// Most bytes of freed memory that MLX keeps for later. The memory plan doesn't count them.
const KEPT_BYTES: usize = 256 << 20;

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
    pub(crate) fn call(
        &self,
        function: impl FnOnce(&Functions, *mut RawArray, RawStream) -> c_int,
    ) -> Array {
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

/// Returns an error if a device has failed.
pub(crate) fn check(graph: &Graph) -> Result<(), MlxError> {
    match graph.take_failure() {
        None => Ok(()),
        Some(problem) => Err(MlxError::Incomplete { path: graph.library.path.clone(), problem }),
    }
}

/// Returns the bytes of a value.
pub(crate) const fn bytes_of(of: Type) -> usize {
    match of {
        Type::Bool | Type::U8 => 1,
        Type::F16 | Type::Bf16 => 2,
        Type::U32 | Type::I32 | Type::F32 => 4,
    }
}

/// Returns sizes, or numbers of axes, as C functions take them.
pub(crate) fn sizes(of: &[usize]) -> Vec<c_int> {
    of.iter().map(|&size| size as c_int).collect()
}
