//! Finds the C library of MLX and opens it.
#![expect(unsafe_code, reason = "a library is opened, and asked for its version")]

use std::ffi::{CStr, c_char, c_void};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::MlxError;
use crate::functions::{Functions, Version};

/// Name of the library.
pub(crate) const FILE: &str = if cfg!(target_os = "macos") {
    "libmlxc.dylib"
} else if cfg!(windows) {
    "mlxc.dll"
} else {
    "libmlxc.so"
};

/// Versions of MLX whose C functions have the signatures that are used here.
pub(crate) const VERSIONS: &str = "0.31 and 0.32";

/// Folders in which Homebrew and Ollama install the library.
#[cfg(target_os = "macos")]
const FOLDERS: &[&str] = &[
    "/opt/homebrew/lib",
    "/usr/local/lib",
    "/Applications/Ollama.app/Contents/Resources/mlx_metal_v4",
    "/Applications/Ollama.app/Contents/Resources/mlx_metal_v3",
];
/// Folders in which packages and Ollama install the library.
#[cfg(not(target_os = "macos"))]
const FOLDERS: &[&str] = &[
    "/usr/local/lib",
    "/usr/lib",
    "/usr/local/lib/ollama/mlx_cuda_v13",
    "/usr/lib/ollama/mlx_cuda_v13",
];

/// Returns the first library in the folders of Homebrew, packages and Ollama.
pub fn installed() -> Option<PathBuf> {
    FOLDERS.iter().map(|folder| Path::new(folder).join(FILE)).find(|path| path.is_file())
}

/// The open library.
pub(crate) struct Library {
    pub(crate) functions: Functions,
    /// Version of MLX.
    pub(crate) version: String,
    pub(crate) path: PathBuf,
}

impl Library {
    /// Opens the library of this path, or the first one in the usual places.
    pub(crate) fn open(path: Option<&Path>) -> Result<Arc<Self>, MlxError> {
        let path = path.map(Path::to_owned).or_else(installed).ok_or(MlxError::NotFound)?;
        let incomplete = |problem: libloading::Error| MlxError::Incomplete {
            path: path.clone(),
            problem: problem.to_string(),
        };
        // SAFETY: MLX's initializers have no preconditions. A file that was put in the place of the library could do
        // anything, as could any program that is run.
        let library = unsafe { libloading::Library::new(&path) }.map_err(|problem| {
            MlxError::NotLoaded { path: path.clone(), problem: problem.to_string() }
        })?;
        let version = version(&Version::find(&library).map_err(incomplete)?);
        let known = version.strip_prefix("0.31.").or_else(|| version.strip_prefix("0.32."));
        if known.is_none() {
            return Err(MlxError::OtherVersion { path, found: version });
        }
        // SAFETY: these versions have the signatures.
        let functions = unsafe { Functions::find(library) }.map_err(incomplete)?;
        // SAFETY: the handler is a function of this program, and uses no data.
        unsafe { (functions.set_error_handler)(keep_error, std::ptr::null_mut(), None) };
        Ok(Arc::new(Self { functions, version, path }))
    }
}

fn version(functions: &Version) -> String {
    // SAFETY: the string is made, filled, read while it is there, and freed.
    unsafe {
        let mut string = (functions.string_new)();
        (functions.tell)(&raw mut string);
        let data = (functions.string_data)(string);
        let text = if data.is_null() {
            String::new()
        } else {
            CStr::from_ptr(data).to_string_lossy().into_owned()
        };
        (functions.string_free)(string);
        text
    }
}

thread_local! {
    /// Message of the last error.
    static ERROR: std::cell::RefCell<Option<String>> = const { std::cell::RefCell::new(None) };
}

/// Keeps the message of an error. Without a handler, the library would end the process.
///
/// # Safety
/// `message` must be a C string.
unsafe extern "C" fn keep_error(message: *const c_char, _: *mut c_void) {
    // SAFETY: see above.
    let message = unsafe { CStr::from_ptr(message) }.to_string_lossy().into_owned();
    // The place in mlx-c that the message ends with tells a user nothing.
    let message = message.split(" at ").next().map(str::to_owned).unwrap_or(message);
    ERROR.with_borrow_mut(|error| *error = Some(message));
}

/// Returns the message of the last error of this thread, and forgets it.
pub(crate) fn take_error() -> String {
    ERROR.take().unwrap_or_else(|| "it gave no reason".to_owned())
}
