//! Report of the kernels of a GPU.

use serde::{Deserialize, Serialize};

use crate::Machine;
use crate::statistics::Summary;

/// Version of the JSON form of [`GpuKernelReport`].
pub const GPU_SCHEMA: &str = "mlxk-bench-gpu-kernels/1";

/// The GPU, by one of its drivers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct GpuFacts {
    /// Name that the driver states.
    pub name: String,
    /// Name and version of the driver.
    pub driver: String,
    /// Interface of the driver: Vulkan, Metal or DX12.
    pub interface: String,
    /// Bytes of its memory, if the driver says.
    pub memory_bytes: Option<u64>,
}

/// Measured limits of the GPU.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct GpuLimits {
    /// Bytes read and written per second by a copy.
    pub copy: Summary,
    /// Multiply-adds of f32 per second, in registers.
    pub float: Summary,
    /// Multiply-adds of f16 on matrix units per second, in registers. `None` if the kernels can't use any.
    pub matrix: Option<Summary>,
}

impl GpuLimits {
    /// Returns the rate as a share of the copy's.
    pub fn share_of_copy(&self, bytes_per_second: f64) -> f64 {
        bytes_per_second / self.copy.maximum
    }

    /// Returns the rate as a share of the fastest arithmetic that the GPU has.
    pub fn share_of_peak(&self, multiply_adds_per_second: f64) -> f64 {
        let matrix = self.matrix.as_ref().map_or(0.0, |summary| summary.maximum);
        multiply_adds_per_second / matrix.max(self.float.maximum)
    }

    /// Returns a line such as `4,310 GB/s copied, 30.1 TFLOP/s of f32, 640 TFLOP/s of f16 on matrix units`.
    pub fn line(&self) -> String {
        let tera = |summary: &Summary| 2.0 * summary.maximum / 1e12;
        let matrix = self.matrix.as_ref().map_or_else(String::new, |summary| {
            format!(", {:.0} TFLOP/s of f16 on matrix units", tera(summary))
        });
        let copy = self.copy.maximum / 1e9;
        format!("{copy:.1} GB/s copied, {:.3} TFLOP/s of f32{matrix}", tera(&self.float))
    }
}

/// One measured kernel.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct GpuKernelRow {
    /// `product`, or `attention`.
    pub kernel: String,
    /// Storage form of the weight, or the bits of keys and values.
    pub mode: String,
    /// Output and input features of a product; heads of queries and of keys, and their width, of attention.
    pub shape: Vec<usize>,
    /// Rows of activations.
    pub rows: usize,
    /// Positions before the rows, for attention.
    pub context: Option<usize>,
    /// Bytes of the weight or of keys and values.
    pub bytes: u64,
    /// Seconds of one execution.
    pub seconds: Summary,
    /// Rate of reading those bytes per second, at the median.
    pub bytes_per_second: f64,
    /// That rate as a share of the copy's.
    pub share_of_copy: f64,
    /// Multiply-adds per second, at the median.
    pub multiply_adds_per_second: f64,
    /// That rate as a share of the fastest arithmetic that the GPU has.
    pub share_of_peak: f64,
}

/// A field of the shapes of kernels, and what was tried.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct TunedField {
    /// Name of the field.
    pub field: String,
    /// The fastest value.
    pub chosen: usize,
    /// Value without a measurement.
    pub default: usize,
    /// All values that were tried.
    pub tried: Vec<TriedShape>,
}

/// A value of a field, and the geometric mean of the times that it gave.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct TriedShape {
    pub value: usize,
    pub seconds: f64,
}

/// The results.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct GpuKernelReport {
    /// [`GPU_SCHEMA`].
    pub schema: String,
    /// Version of `mlxk`.
    pub version: String,
    pub machine: Machine,
    pub gpu: GpuFacts,
    /// `true` if the kernels compute in f32 throughout.
    pub exact: bool,
    /// Limits of the GPU.
    pub limits: GpuLimits,
    /// Shapes of kernels that were tried before, if you asked for that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tuned: Vec<TunedField>,
    /// The kernels.
    pub rows: Vec<GpuKernelRow>,
}
