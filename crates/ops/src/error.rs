//! What can go wrong on a device.

/// An operation that could not be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpsError {
    /// A storage that the device has no kernel for.
    #[error("`{tensor}` is stored as {storage}, which this build cannot run; it runs {supported}")]
    Unsupported {
        /// Name of the tensor.
        tensor: String,
        /// Its quantization or element type.
        storage: String,
        /// What the device runs.
        supported: &'static str,
    },
    /// The KV cache cannot grow.
    #[error("Out of memory: the KV cache needs {needed} more bytes")]
    OutOfMemory {
        /// Bytes that were asked for.
        needed: usize,
    },
}
