//! Uploads of weights. Threads write pieces to a ring of buffers that the processor sees, and the device copies one
//! while they write the next.

use std::thread;

use mlxk_ops::Result;
use wgpu::{Buffer, BufferDescriptor, BufferUsages, MapMode, PollType, SubmissionIndex, WriteOnly};

use crate::context::Context;

/// Bytes of a buffer of the ring.
const PIECE: usize = 16 << 20;
/// Buffers of the ring.
const SLOTS: usize = 4;
/// Bytes that a thread writes at a time.
const BLOCK: usize = 1 << 20;
/// Most threads that write. A few are as fast as the memory.
const MOST_THREADS: usize = 8;

/// Function that writes bytes from an offset on.
pub(crate) type Fill<'a> = &'a (dyn Fn(usize, WriteOnly<'_, [u8]>) + Sync);

/// A ring of buffers. They are made when they are first needed.
#[derive(Default)]
pub(crate) struct Ring {
    slots: Vec<Slot>,
    next: usize,
}

struct Slot {
    buffer: Buffer,
    /// The copy that has to end before it is written again.
    copy: Option<SubmissionIndex>,
}

impl Ring {
    /// Frees the buffers.
    pub(crate) fn clear(&mut self) {
        self.slots.clear();
        self.next = 0;
    }

    /// Writes `bytes`, a multiple of four, to the beginning of a buffer.
    pub(crate) fn upload(
        &mut self,
        context: &Context,
        target: &Buffer,
        bytes: usize,
        fill: Fill<'_>,
    ) -> Result<()> {
        if bytes < BLOCK {
            let mut piece = vec![0; bytes];
            fill(0, WriteOnly::from_mut(&mut piece[..]));
            context.write(target, 0, &piece);
            return Ok(());
        }
        for start in (0..bytes).step_by(PIECE) {
            let length = PIECE.min(bytes - start);
            let slot = self.take(context)?;
            let range = ..length as u64;
            let view = slot.buffer.get_mapped_range_mut(range);
            let mut view = view.map_err(|error| context.error(&error))?;
            write_in_threads(view.slice(..), &|offset, out| fill(start + offset, out));
            drop(view);
            slot.buffer.unmap();
            slot.copy = Some(context.encode(|encoder| {
                let (from, at) = (&slot.buffer, start as u64);
                encoder.copy_buffer_to_buffer(from, 0, target, at, length as u64);
            }));
            // It is mapped as soon as the copy has ended. A failure is reported by the view.
            slot.buffer.map_async(MapMode::Write, .., |_| {});
        }
        context.check()
    }

    /// Returns the next buffer, which is mapped.
    fn take(&mut self, context: &Context) -> Result<&mut Slot> {
        let index = self.next % SLOTS;
        self.next += 1;
        if index == self.slots.len() {
            let buffer = context.device.create_buffer(&BufferDescriptor {
                label: None,
                size: PIECE as u64,
                usage: BufferUsages::MAP_WRITE | BufferUsages::COPY_SRC,
                mapped_at_creation: true,
            });
            self.slots.push(Slot { buffer, copy: None });
        }
        let slot = &mut self.slots[index];
        if let Some(submission_index) = slot.copy.take() {
            let wait = PollType::Wait { submission_index: Some(submission_index), timeout: None };
            context.device.poll(wait).map_err(|error| context.error(&error))?;
        }
        Ok(slot)
    }
}

/// Divides a piece among threads.
fn write_in_threads(piece: WriteOnly<'_, [u8]>, fill: Fill<'_>) {
    // Threads take blocks of a fixed size, because wgpu doesn't let them have any other part.
    let (blocks, rest) = piece.into_chunks::<BLOCK>();
    let mut blocks: Vec<WriteOnly<'_, [u8; BLOCK]>> = blocks.into_iter().collect();
    let end = blocks.len() * BLOCK;
    let threads = thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
    let share = blocks.len().div_ceil(threads).max(1);
    thread::scope(|scope| {
        let mut at = 0;
        while !blocks.is_empty() {
            let own: Vec<_> = blocks.drain(..share.min(blocks.len())).collect();
            let (start, count) = (at, own.len());
            let write = move || {
                for (index, block) in own.into_iter().enumerate() {
                    fill(start + index * BLOCK, block.into());
                }
            };
            // The last of them is this thread's.
            if blocks.is_empty() {
                write();
            } else {
                scope.spawn(write);
            }
            at += count * BLOCK;
        }
        if !rest.is_empty() {
            fill(end, rest);
        }
    });
}
