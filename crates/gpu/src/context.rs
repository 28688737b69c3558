//! The open device: its memory, its queue, and the first failure.
#![expect(unsafe_code, reason = "matrix units are an experimental feature of wgpu")]

use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};

use mlxk_ops::{OpsError, Result};
use wgpu::{
    Adapter, Buffer, BufferDescriptor, BufferUsages, CommandEncoder, CommandEncoderDescriptor,
    Device, DeviceDescriptor, ErrorFilter, ExperimentalFeatures, Features, MapMode, MemoryHints,
    PollType, Queue, SubmissionIndex, Trace,
};

use crate::adapters::{self, AdapterInfo, MATRICES, REQUIRED, WELCOME};
use crate::error::GpuError;

/// Bytes that are handed to the queue at a time. It keeps a copy until it has submitted them.
const UPLOAD_BYTES: usize = 16 << 20;
/// Every size is rounded up to a multiple of this.
const ALIGNMENT: u64 = 16;

/// An open device. Clones share it.
#[derive(Clone)]
pub(crate) struct Context {
    pub device: Device,
    pub queue: Queue,
    pub info: Arc<AdapterInfo>,
    /// `true` if kernels can use matrix units.
    pub has_matrices: bool,
    failure: Arc<Mutex<Option<String>>>,
}

impl Context {
    pub(crate) fn open(adapter: &Adapter) -> std::result::Result<Self, GpuError> {
        adapters::check(adapter)?;
        let info = Arc::new(adapters::describe(adapter));
        let has_matrices = adapters::has_matrices(adapter, &info);
        let matrices = if has_matrices { MATRICES } else { Features::empty() };
        let experimental_features = if has_matrices {
            // SAFETY: kernels use matrices of the sizes that the adapter lists, in memory that has room for them.
            unsafe { ExperimentalFeatures::enabled() }
        } else {
            ExperimentalFeatures::disabled()
        };
        let descriptor = DeviceDescriptor {
            label: None,
            required_features: REQUIRED | adapter.features() & WELCOME | matrices,
            required_limits: adapter.limits(),
            experimental_features,
            memory_hints: MemoryHints::Performance,
            trace: Trace::Off,
        };
        let opened = pollster::block_on(adapter.request_device(&descriptor));
        let (device, queue) = opened.map_err(|error| GpuError::NotOpened {
            name: info.name.clone(),
            problem: error.to_string(),
        })?;
        let failure = Arc::new(Mutex::new(None));
        let first = Arc::clone(&failure);
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            keep_first(&first, error.to_string());
        }));
        let first = Arc::clone(&failure);
        device.set_device_lost_callback(move |reason, message| {
            if reason != wgpu::DeviceLostReason::Destroyed {
                keep_first(&first, format!("the device was lost: {message}"));
            }
        });
        Ok(Self { device, queue, info, has_matrices, failure })
    }

    /// Loses the device, for tests.
    pub(crate) fn lose(&self) {
        keep_first(&self.failure, "the device was lost: a test took it away".to_owned());
        self.device.destroy();
    }

    /// Returns the first failure since the device was opened. What was computed after it is undefined.
    pub(crate) fn check(&self) -> Result<()> {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        match &*failure {
            None => Ok(()),
            Some(problem) => Err(self.error(problem)),
        }
    }

    pub(crate) fn error(&self, problem: &dyn Display) -> OpsError {
        OpsError::Device { device: self.info.name.clone(), problem: problem.to_string() }
    }

    /// Makes a buffer of zeros that kernels read and write, with room for `bytes`.
    pub(crate) fn buffer(&self, bytes: usize) -> Result<Buffer> {
        let size = (bytes as u64).next_multiple_of(ALIGNMENT).max(ALIGNMENT);
        let limits = self.info.limits;
        if size > limits.buffer.min(limits.binding) {
            return Err(OpsError::OutOfMemory { needed: bytes });
        }
        let scope = self.device.push_error_scope(ErrorFilter::OutOfMemory);
        let buffer = self.device.create_buffer(&BufferDescriptor {
            label: None,
            size,
            usage: BufferUsages::STORAGE | BufferUsages::COPY_SRC | BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        match pollster::block_on(scope.pop()) {
            None => Ok(buffer),
            Some(_) => Err(OpsError::OutOfMemory { needed: bytes }),
        }
    }

    /// Submits commands.
    pub(crate) fn encode(&self, commands: impl FnOnce(&mut CommandEncoder)) -> SubmissionIndex {
        let mut encoder = self.device.create_command_encoder(&CommandEncoderDescriptor::default());
        commands(&mut encoder);
        self.queue.submit([encoder.finish()])
    }

    /// Writes bytes to a buffer before anything that is submitted from now on. Their number is a multiple of
    /// four.
    pub(crate) fn write(&self, buffer: &Buffer, offset: usize, bytes: &[u8]) {
        for (index, piece) in bytes.chunks(UPLOAD_BYTES).enumerate() {
            let at = (offset + index * UPLOAD_BYTES) as u64;
            self.queue.write_buffer(buffer, at, piece);
            if piece.len() == UPLOAD_BYTES {
                // Otherwise the queue would hold a copy of all pieces.
                let index = self.queue.submit([]);
                let _ = self
                    .device
                    .poll(PollType::Wait { submission_index: Some(index), timeout: None });
            }
        }
    }

    /// Waits for everything that was submitted, and passes `bytes` of each buffer to `use_bytes`.
    pub(crate) fn read(
        &self,
        parts: &[(&Buffer, usize)],
        bytes: usize,
        use_bytes: &mut dyn FnMut(&[u8]),
    ) -> Result<()> {
        self.check()?;
        let size = (bytes as u64).next_multiple_of(ALIGNMENT).max(ALIGNMENT);
        let target = self.device.create_buffer(&BufferDescriptor {
            label: None,
            size: size * parts.len() as u64,
            usage: BufferUsages::MAP_READ | BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        self.encode(|encoder| {
            let length = (bytes as u64).next_multiple_of(4);
            for (place, &(buffer, offset)) in (0..).zip(parts) {
                encoder.copy_buffer_to_buffer(buffer, offset as u64, &target, place * size, length);
            }
        });
        let (sender, receiver) = std::sync::mpsc::channel();
        target.map_async(MapMode::Read, .., move |result| {
            // The receiver is there until the result has come.
            let _ = sender.send(result);
        });
        self.device.poll(PollType::wait_indefinitely()).map_err(|error| self.error(&error))?;
        self.check()?;
        receiver.recv().map_err(|error| self.error(&error))?.map_err(|error| self.error(&error))?;
        for index in 0..parts.len() as u64 {
            let range = index * size..index * size + bytes as u64;
            let view = target.get_mapped_range(range).map_err(|error| self.error(&error))?;
            use_bytes(&view);
        }
        target.unmap();
        Ok(())
    }
}

fn keep_first(failure: &Mutex<Option<String>>, problem: String) {
    let mut failure = failure.lock().unwrap_or_else(PoisonError::into_inner);
    failure.get_or_insert(problem);
}
