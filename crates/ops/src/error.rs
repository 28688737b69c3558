//! Errors of devices.

/// A device could not do an operation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpsError {
    /// The device has no kernel for this storage.
    #[error("`{tensor}` is stored as {storage}, which this build cannot run; it runs {supported}")]
    Unsupported {
        /// Name of the tensor.
        tensor: String,
        /// Quantization or element type of the tensor.
        storage: String,
        /// Types that the device has kernels for.
        supported: &'static str,
    },
    /// The KV cache cannot grow.
    #[error("Out of memory: the KV cache needs {needed} more bytes")]
    OutOfMemory {
        /// Bytes that were requested.
        needed: usize,
    },
    /// A matrix is larger than the device allows.
    #[error("`{tensor}` takes {bytes} bytes, but the device takes at most {most} at a time")]
    TooLarge {
        /// Name of the tensor.
        tensor: String,
        /// Size of the tensor.
        bytes: usize,
        /// Limit of the device.
        most: u64,
    },
    /// The device stopped working. Nothing that it computed since is valid.
    #[error("`{device}` failed: {problem}")]
    Device {
        /// Name of the device.
        device: String,
        /// Message of its driver.
        problem: String,
    },
}
