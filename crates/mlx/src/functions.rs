//! The C functions that the device calls, as mlx-c 0.6 declares them (for MLX 0.31).
//!
//! Only their addresses are looked up, when the library is opened. Nothing of MLX is needed to build this crate.
#![expect(unsafe_code, reason = "the functions of a C library are looked up by their names")]

use std::ffi::{c_char, c_int, c_void};

use libloading::Library;

/// `mlx_array`: a reference to a node of a graph.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct RawArray {
    pub(crate) ctx: *mut c_void,
}

impl RawArray {
    /// An array that is empty, which some functions take for one that is missing.
    pub(crate) const NONE: Self = Self { ctx: std::ptr::null_mut() };
}

/// `mlx_stream`
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct RawStream {
    pub(crate) ctx: *mut c_void,
}

/// `mlx_device`
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct RawDevice {
    pub(crate) ctx: *mut c_void,
}

/// `mlx_device_info`
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct RawDeviceInfo {
    pub(crate) ctx: *mut c_void,
}

/// `mlx_string`
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct RawString {
    pub(crate) ctx: *mut c_void,
}

/// `mlx_vector_array`
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct RawArrays {
    pub(crate) ctx: *mut c_void,
}

/// `mlx_optional_int`
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct OptionalInt {
    pub(crate) value: c_int,
    pub(crate) has_value: bool,
}

impl OptionalInt {
    pub(crate) fn of(value: usize) -> Self {
        Self { value: value as c_int, has_value: true }
    }
}

/// `mlx_optional_float`
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct OptionalFloat {
    pub(crate) value: f32,
    pub(crate) has_value: bool,
}

impl OptionalFloat {
    pub(crate) const NONE: Self = Self { value: 0.0, has_value: false };
}

/// `mlx_optional_dtype`
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct OptionalType {
    pub(crate) value: Type,
    pub(crate) has_value: bool,
}

/// `mlx_dtype`, the types that are used here.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Bool = 0,
    U8 = 1,
    U32 = 3,
    I32 = 7,
    F16 = 9,
    F32 = 10,
    Bf16 = 12,
}

/// `mlx_device_type`
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) enum DeviceType {
    Gpu = 1,
}

/// `mlx_error_handler_func`
pub(crate) type ErrorHandler = unsafe extern "C" fn(*const c_char, *mut c_void);

type Unary = unsafe extern "C" fn(*mut RawArray, RawArray, RawStream) -> c_int;
type Binary = unsafe extern "C" fn(*mut RawArray, RawArray, RawArray, RawStream) -> c_int;
type Axis = unsafe extern "C" fn(*mut RawArray, RawArray, c_int, bool, RawStream) -> c_int;

macro_rules! functions {
    ($($name:ident: $type:ty;)*) => {
        /// Addresses of functions, each named after the C function without `mlx_`. A word that Rust has reserved has `_`
        /// behind it.
        pub(crate) struct Functions {
            $(pub(crate) $name: $type,)*
            /// Keeps the functions in memory.
            _library: Library,
        }

        impl Functions {
            /// Looks all functions up.
            ///
            /// # Safety
            /// The library must have these functions with the signatures that mlx-c 0.6 declares.
            pub(crate) unsafe fn find(library: Library) -> Result<Self, libloading::Error> {
                // SAFETY: see above. The library is kept as long as the addresses.
                unsafe {
                    Ok(Self {
                        $($name: *library.get::<$type>(symbol(stringify!($name)).as_bytes())?,)*
                        _library: library,
                    })
                }
            }
        }
    };
}

/// Returns the name of a C function.
fn symbol(name: &str) -> String {
    format!("mlx_{}\0", name.trim_end_matches('_'))
}

functions! {
    set_error_handler: unsafe extern "C" fn(ErrorHandler, *mut c_void, Option<unsafe extern "C" fn(*mut c_void)>);
    default_cpu_stream_new: unsafe extern "C" fn() -> RawStream;
    default_gpu_stream_new: unsafe extern "C" fn() -> RawStream;
    stream_free: unsafe extern "C" fn(RawStream) -> c_int;
    device_new_type: unsafe extern "C" fn(DeviceType, c_int) -> RawDevice;
    device_free: unsafe extern "C" fn(RawDevice) -> c_int;
    device_is_available: unsafe extern "C" fn(*mut bool, RawDevice) -> c_int;
    device_info_new: unsafe extern "C" fn() -> RawDeviceInfo;
    device_info_get: unsafe extern "C" fn(*mut RawDeviceInfo, RawDevice) -> c_int;
    device_info_free: unsafe extern "C" fn(RawDeviceInfo) -> c_int;
    device_info_has_key: unsafe extern "C" fn(*mut bool, RawDeviceInfo, *const c_char) -> c_int;
    device_info_get_string: unsafe extern "C" fn(*mut *const c_char, RawDeviceInfo, *const c_char) -> c_int;
    device_info_get_size: unsafe extern "C" fn(*mut usize, RawDeviceInfo, *const c_char) -> c_int;
    set_cache_limit: unsafe extern "C" fn(*mut usize, usize) -> c_int;

    array_new: unsafe extern "C" fn() -> RawArray;
    array_free: unsafe extern "C" fn(RawArray) -> c_int;
    array_set: unsafe extern "C" fn(*mut RawArray, RawArray) -> c_int;
    array_new_data: unsafe extern "C" fn(*const c_void, *const c_int, c_int, Type) -> RawArray;
    array_size: unsafe extern "C" fn(RawArray) -> usize;
    array_itemsize: unsafe extern "C" fn(RawArray) -> usize;
    array_ndim: unsafe extern "C" fn(RawArray) -> usize;
    array_shape: unsafe extern "C" fn(RawArray) -> *const c_int;
    array_eval: unsafe extern "C" fn(RawArray) -> c_int;
    array_data_uint8: unsafe extern "C" fn(RawArray) -> *const u8;
    vector_array_new_data: unsafe extern "C" fn(*const RawArray, usize) -> RawArrays;
    vector_array_free: unsafe extern "C" fn(RawArrays) -> c_int;
    eval: unsafe extern "C" fn(RawArrays) -> c_int;
    async_eval: unsafe extern "C" fn(RawArrays) -> c_int;

    exp: Unary;
    tanh: Unary;
    erf: Unary;
    sigmoid: Unary;
    sqrt: Unary;
    square: Unary;
    negative: Unary;
    abs: Unary;
    add: Binary;
    subtract: Binary;
    multiply: Binary;
    divide: Binary;
    maximum: Binary;
    minimum: Binary;
    logaddexp: Binary;
    floor_divide: Binary;
    remainder: Binary;
    equal: Binary;
    less: Binary;
    less_equal: Binary;
    logical_and: Binary;
    logical_or: Binary;
    matmul: Binary;
    sum_axis: Axis;
    mean_axis: Axis;
    max_axis: Axis;
    argmax_axis: Axis;
    softmax_axis: Axis;
    round: unsafe extern "C" fn(*mut RawArray, RawArray, c_int, RawStream) -> c_int;
    argsort_axis: unsafe extern "C" fn(*mut RawArray, RawArray, c_int, RawStream) -> c_int;
    astype: unsafe extern "C" fn(*mut RawArray, RawArray, Type, RawStream) -> c_int;
    contiguous: unsafe extern "C" fn(*mut RawArray, RawArray, bool, RawStream) -> c_int;
    where_: unsafe extern "C" fn(*mut RawArray, RawArray, RawArray, RawArray, RawStream) -> c_int;
    zeros: unsafe extern "C" fn(*mut RawArray, *const c_int, usize, Type, RawStream) -> c_int;
    arange: unsafe extern "C" fn(*mut RawArray, f64, f64, f64, Type, RawStream) -> c_int;
    reshape: unsafe extern "C" fn(*mut RawArray, RawArray, *const c_int, usize, RawStream) -> c_int;
    broadcast_to: unsafe extern "C" fn(*mut RawArray, RawArray, *const c_int, usize, RawStream) -> c_int;
    transpose_axes: unsafe extern "C" fn(*mut RawArray, RawArray, *const c_int, usize, RawStream) -> c_int;
    slice: unsafe extern "C" fn(
        *mut RawArray, RawArray,
        *const c_int, usize, *const c_int, usize, *const c_int, usize,
        RawStream,
    ) -> c_int;
    slice_update: unsafe extern "C" fn(
        *mut RawArray, RawArray, RawArray,
        *const c_int, usize, *const c_int, usize, *const c_int, usize,
        RawStream,
    ) -> c_int;
    scatter: unsafe extern "C" fn(
        *mut RawArray, RawArray, RawArrays, RawArray, *const c_int, usize, RawStream,
    ) -> c_int;
    take_axis: unsafe extern "C" fn(*mut RawArray, RawArray, RawArray, c_int, RawStream) -> c_int;
    take_along_axis: unsafe extern "C" fn(*mut RawArray, RawArray, RawArray, c_int, RawStream) -> c_int;
    concatenate_axis: unsafe extern "C" fn(*mut RawArray, RawArrays, c_int, RawStream) -> c_int;
    hadamard_transform: unsafe extern "C" fn(*mut RawArray, RawArray, OptionalFloat, RawStream) -> c_int;
    quantized_matmul: unsafe extern "C" fn(
        *mut RawArray, RawArray, RawArray, RawArray, RawArray,
        bool, OptionalInt, OptionalInt, *const c_char, RawStream,
    ) -> c_int;
    gather_qmm: unsafe extern "C" fn(
        *mut RawArray, RawArray, RawArray, RawArray, RawArray, RawArray, RawArray,
        bool, OptionalInt, OptionalInt, *const c_char, bool, RawStream,
    ) -> c_int;
    gather_mm: unsafe extern "C" fn(
        *mut RawArray, RawArray, RawArray, RawArray, RawArray, bool, RawStream,
    ) -> c_int;
    dequantize: unsafe extern "C" fn(
        *mut RawArray, RawArray, RawArray, RawArray,
        OptionalInt, OptionalInt, *const c_char, RawArray, OptionalType, RawStream,
    ) -> c_int;
    fast_rms_norm: unsafe extern "C" fn(*mut RawArray, RawArray, RawArray, f32, RawStream) -> c_int;
    fast_layer_norm: unsafe extern "C" fn(*mut RawArray, RawArray, RawArray, RawArray, f32, RawStream) -> c_int;
    fast_rope: unsafe extern "C" fn(
        *mut RawArray, RawArray, c_int, bool, OptionalFloat, f32, c_int, RawArray, RawStream,
    ) -> c_int;
    fast_rope_dynamic: unsafe extern "C" fn(
        *mut RawArray, RawArray, c_int, bool, OptionalFloat, f32, RawArray, RawArray, RawStream,
    ) -> c_int;
    fast_scaled_dot_product_attention: unsafe extern "C" fn(
        *mut RawArray, RawArray, RawArray, RawArray, f32, *const c_char, RawArray, RawArray, RawStream,
    ) -> c_int;
}

/// Functions that are needed before the others can be trusted.
pub(crate) struct Version {
    pub(crate) tell: unsafe extern "C" fn(*mut RawString) -> c_int,
    pub(crate) string_new: unsafe extern "C" fn() -> RawString,
    pub(crate) string_data: unsafe extern "C" fn(RawString) -> *const c_char,
    pub(crate) string_free: unsafe extern "C" fn(RawString) -> c_int,
}

impl Version {
    /// Looks the functions up that tell the version. They have been the same in every version of mlx-c.
    pub(crate) fn find(library: &Library) -> Result<Self, libloading::Error> {
        // SAFETY: the signatures are those of mlx-c. The caller keeps the library.
        unsafe {
            Ok(Self {
                tell: *library.get(b"mlx_version\0")?,
                string_new: *library.get(b"mlx_string_new\0")?,
                string_data: *library.get(b"mlx_string_data\0")?,
                string_free: *library.get(b"mlx_string_free\0")?,
            })
        }
    }
}
