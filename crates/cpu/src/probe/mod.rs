//! Limits of the machine: bytes read per second and multiply-adds per second. Kernels are judged by
//! how close they come to these.

#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::InstructionSet;
use crate::kernels;
use crate::pool::Pool;

/// Bytes that a thread takes at a time: long enough to stream, short enough to distribute evenly.
const PIECE_BYTES: usize = 1 << 20;
/// Number of pieces of arithmetic per thread.
const PIECES_PER_THREAD: usize = 4;

/// An amount of work and the time it took.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Probed {
    /// Bytes read, or multiply-adds done.
    pub amount: u64,
    /// Time it took.
    pub time: Duration,
}

impl Probed {
    /// Returns bytes or multiply-adds per second.
    pub fn per_second(&self) -> f64 {
        self.amount as f64 / self.time.as_secs_f64().max(1e-12)
    }
}

/// Threads like those of [`crate::Cpu`] that only read and multiply.
pub struct Probe {
    pool: Pool,
    instructions: InstructionSet,
}

impl Probe {
    /// Starts the threads. `None` means the same as in [`crate::CpuOptions`].
    pub fn new(
        threads: Option<usize>,
        instructions: Option<InstructionSet>,
    ) -> std::io::Result<Self> {
        let instructions = match instructions {
            None => InstructionSet::best(),
            Some(set) if kernels::of(set).is_some() => set,
            Some(_) => return Err(std::io::ErrorKind::Unsupported.into()),
        };
        Ok(Self { pool: Pool::start(threads)?, instructions })
    }

    /// Returns the number of threads.
    pub fn threads(&self) -> usize {
        self.pool.threads()
    }

    /// Returns the instructions behind the integer products of these kernels, or `None` if there
    /// are no special ones.
    pub fn integer_instructions(&self) -> Option<&'static str> {
        match self.instructions {
            InstructionSet::Avx2 => Some("vpmaddubsw + vpaddw, 256 bits"),
            InstructionSet::AvxVnni => Some("vpdpbusd, 256 bits"),
            InstructionSet::Avx512Vnni => Some("vpdpbusd, 512 bits"),
            InstructionSet::Neon => Some("smlal, 128 bits"),
            InstructionSet::NeonDotprod => Some("sdot, 128 bits"),
            InstructionSet::Portable => None,
        }
    }

    /// Reads every byte of the buffer once. Make the buffer much larger than the last-level cache:
    /// the smaller it is, the more of it comes from caches.
    pub fn read(&mut self, buffer: &[u8]) -> Probed {
        let pieces: Vec<&[u8]> = buffer.chunks(PIECE_BYTES).collect();
        let seen = AtomicU64::new(0);
        let set = self.instructions;
        let started = Instant::now();
        self.pool.run(pieces.len(), &|piece, _| {
            seen.fetch_xor(read(set, pieces[piece]), Ordering::Relaxed);
        });
        let time = started.elapsed();
        black_box(seen.into_inner());
        Probed { amount: buffer.len() as u64, time }
    }

    /// Multiplies bytes in registers, `rounds` times for each of a few pieces per thread. Returns
    /// `None` if the kernels have no instructions for it.
    pub fn integer_multiply_adds(&mut self, rounds: u64) -> Option<Probed> {
        let set = self.instructions;
        let per_round = integer_multiply_adds_per_round(set)?;
        Some(self.multiply_adds(rounds, per_round, &|rounds| integer(set, rounds)))
    }

    /// Like [`Probe::integer_multiply_adds`], in f32, for dense weights and the exact mode.
    pub fn float_multiply_adds(&mut self, rounds: u64) -> Option<Probed> {
        let set = self.instructions;
        let per_round = float_multiply_adds_per_round(set)?;
        Some(self.multiply_adds(rounds, per_round, &|rounds| float(set, rounds)))
    }

    fn multiply_adds(
        &mut self,
        rounds: u64,
        per_round: u64,
        work: &(dyn Fn(u64) -> u64 + Sync),
    ) -> Probed {
        let pieces = self.pool.threads() * PIECES_PER_THREAD;
        let seen = AtomicU64::new(0);
        let started = Instant::now();
        self.pool.run(pieces, &|_, _| {
            seen.fetch_xor(work(rounds), Ordering::Relaxed);
        });
        let time = started.elapsed();
        black_box(seen.into_inner());
        Probed { amount: rounds * per_round * pieces as u64, time }
    }
}

#[cfg(target_arch = "aarch64")]
use neon::{float, float_multiply_adds_per_round, integer, integer_multiply_adds_per_round, read};
#[cfg(target_arch = "x86_64")]
use x86::{float, float_multiply_adds_per_round, integer, integer_multiply_adds_per_round, read};

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
use portable::{
    float, float_multiply_adds_per_round, integer, integer_multiply_adds_per_round, read,
};

#[cfg(test)]
mod tests;
