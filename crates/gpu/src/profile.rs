//! Times of kernels, by the clock of the device.

use std::collections::BTreeMap;

use mlxk_ops::Result;
use wgpu::{
    Buffer, BufferDescriptor, BufferUsages, CommandEncoder, ComputePassDescriptor,
    ComputePassTimestampWrites, QuerySet, QuerySetDescriptor, QueryType,
};

use crate::context::Context;

/// Most kernels that are measured in a submission.
pub(crate) const MOST: usize = 2048;

/// Times of all kernels since the measurement began.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    /// Number of submissions.
    pub steps: usize,
    /// Time that they took with all that the processor does.
    pub seconds: f64,
    /// Kernels by name and number of workgroups.
    pub kernels: BTreeMap<(String, [u32; 3]), KernelTime>,
}

/// Times of a kernel.
#[derive(Clone, Copy, Debug, Default)]
pub struct KernelTime {
    /// Number of executions.
    pub count: usize,
    /// Sum of their times.
    pub seconds: f64,
}

impl Profile {
    pub(crate) fn add(&mut self, name: &str, groups: [u32; 3], seconds: f64) {
        let time = self.kernels.entry((name.to_owned(), groups)).or_default();
        time.count += 1;
        time.seconds += seconds;
    }
}

/// Clock readings before and after each kernel of a submission.
pub(crate) struct Queries {
    set: QuerySet,
    resolved: Buffer,
    count: usize,
}

impl Queries {
    pub(crate) fn new(context: &Context, count: usize) -> Self {
        let device = &context.device;
        let set = device.create_query_set(&QuerySetDescriptor {
            label: None,
            ty: QueryType::Timestamp,
            count: 2 * count as u32,
        });
        let resolved = device.create_buffer(&BufferDescriptor {
            label: None,
            size: 16 * count as u64,
            usage: BufferUsages::QUERY_RESOLVE | BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        });
        Self { set, resolved, count }
    }

    /// Returns the description of a pass that is measured.
    pub(crate) fn pass(&self, index: usize) -> ComputePassDescriptor<'_> {
        ComputePassDescriptor {
            label: None,
            timestamp_writes: Some(ComputePassTimestampWrites {
                query_set: &self.set,
                beginning_of_pass_write_index: Some(2 * index as u32),
                end_of_pass_write_index: Some(2 * index as u32 + 1),
            }),
        }
    }

    pub(crate) fn resolve(&self, encoder: &mut CommandEncoder) {
        encoder.resolve_query_set(&self.set, 0..2 * self.count as u32, &self.resolved, 0);
    }

    /// Returns the seconds of each pass.
    pub(crate) fn read(&self, context: &Context) -> Result<Vec<f64>> {
        let tick = f64::from(context.queue.get_timestamp_period()) * 1e-9;
        let mut times = Vec::new();
        context.read(&[(&self.resolved, 0)], 16 * self.count, &mut |bytes| {
            let ticks: &[u64] = bytemuck::cast_slice(bytes);
            times.extend(ticks.chunks_exact(2).map(|it| it[1].saturating_sub(it[0]) as f64 * tick));
        })?;
        Ok(times)
    }
}
