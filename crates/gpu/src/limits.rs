//! Limits of a device: the yardstick for its kernels.

use mlxk_ops::{Batch, Compute, Result};

use crate::device::Gpu;
use crate::kernels;
use crate::pipelines::Variant;
use crate::step::Bind;

/// Bytes of each of the two buffers between which data is copied, if a driver allows that.
const COPY_BYTES: usize = 256 << 20;
/// Workgroups that multiply. Every GPU has fewer places for them.
const PEAK_GROUPS: usize = 4096;
/// Multiply-adds of a thread in a round, see `peak.wgsl`, and of a subgroup, see `matrix_peak.wgsl`.
const THREAD_PRODUCTS: usize = 64;
const SUBGROUP_PRODUCTS: usize = 8 * 16 * 16 * 16;
/// Threads of a workgroup of `peak.wgsl`, and subgroups of one of `matrix_peak.wgsl`.
const PEAK_THREADS: usize = 256;
const PEAK_SUBGROUPS: usize = 4;

impl Gpu {
    /// Submits everything that was recorded as one pass, and returns the seconds that it took the device. A device
    /// without a clock is timed by that of the processor.
    pub fn time_recorded(&mut self) -> Result<f64> {
        self.lower();
        self.step.submit_timed()
    }

    /// Measures how many bytes the device reads and writes per second if it copies.
    pub fn copy_rate(&mut self) -> Result<f64> {
        let limits = self.context.info.limits;
        let bytes = (COPY_BYTES as u64).min(limits.buffer).min(limits.binding) as usize / 16 * 16;
        let buffers = [self.context.buffer(bytes)?, self.context.buffer(bytes)?];
        let [from, to] = buffers.map(Bind::Buffer);
        self.begin(&Batch::default())?;
        let vectors = bytes / 16;
        let variant = Variant::new(&kernels::COPY_ALL, &[]);
        // More threads than any device runs at a time, each with several vectors.
        let groups = [vectors.div_ceil(4 * 256).min(65_535), 1, 1];
        self.step.dispatch(&variant, vec![from, to], vec![vectors as u32], groups);
        Ok(2.0 * bytes as f64 / self.time_recorded()?.max(1e-9))
    }

    /// Measures how many multiply-adds of f32 the device computes per second, in registers. `rounds` sets the length of
    /// the measurement.
    pub fn float_rate(&mut self, rounds: usize) -> Result<f64> {
        let seconds = self.time_peak(&Variant::new(&kernels::PEAK, &[]), rounds)?;
        Ok((PEAK_GROUPS * PEAK_THREADS * THREAD_PRODUCTS * rounds) as f64 / seconds)
    }

    /// Measures how many multiply-adds of f16 with sums of f32 the matrix units compute per second, in registers.
    /// Returns `None` if the kernels can't use any.
    pub fn matrix_rate(&mut self, rounds: usize) -> Result<Option<f64>> {
        if !self.context.has_matrices {
            return Ok(None);
        }
        let seconds = self.time_peak(&Variant::new(&kernels::MATRIX_PEAK, &[]), rounds)?;
        let products = PEAK_GROUPS * PEAK_SUBGROUPS * SUBGROUP_PRODUCTS * rounds;
        Ok(Some(products as f64 / seconds))
    }

    fn time_peak(&mut self, variant: &Variant, rounds: usize) -> Result<f64> {
        self.begin(&Batch::default())?;
        let out = self.act(1, PEAK_GROUPS * PEAK_THREADS);
        let parameters = vec![rounds as u32];
        self.step.dispatch(variant, vec![Bind::Act(out)], parameters, [PEAK_GROUPS, 1, 1]);
        Ok(self.time_recorded()?.max(1e-9))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{GpuOptions, adapters};

    #[test]
    fn limits_are_measured() {
        let Some(adapter) = adapters().first().map(|adapter| adapter.name.clone()) else {
            eprintln!("skipped: there is no GPU, nor Mesa's software driver for Vulkan");
            return;
        };
        let options = GpuOptions { adapter: Some(adapter), ..GpuOptions::default() };
        let mut gpu = Gpu::open(options).unwrap();
        assert!(gpu.copy_rate().unwrap() > 0.0);
        assert!(gpu.float_rate(1).unwrap() > 0.0);
        assert_eq!(gpu.matrix_rate(1).unwrap().is_some(), gpu.context.has_matrices);
    }
}
