//! What the machine could do at best: bytes read per second, multiply-adds per second. A kernel is
//! judged by the share of them that it reaches.

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

/// Bytes that a thread takes at a time: long enough to stream, short enough to be dealt out evenly.
const PIECE_BYTES: usize = 1 << 20;
/// Pieces of arithmetic that each thread gets.
const PIECES_PER_THREAD: usize = 4;

/// Some work and how long it took.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Probed {
    /// Bytes read, or multiply-adds done.
    pub amount: u64,
    /// How long that took.
    pub time: Duration,
}

impl Probed {
    /// Bytes or multiply-adds per second.
    pub fn per_second(&self) -> f64 {
        self.amount as f64 / self.time.as_secs_f64().max(1e-12)
    }
}

/// Threads like those of [`crate::Cpu`], which read and multiply and do nothing else.
pub struct Probe {
    pool: Pool,
    instructions: InstructionSet,
}

impl Probe {
    /// Starts the threads; `None` as in [`crate::CpuOptions`].
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

    /// Threads that work.
    pub fn threads(&self) -> usize {
        self.pool.threads()
    }

    /// The instructions that the integer products of these kernels are made of; `None` where they
    /// have none of their own.
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

    /// Reads every byte of the buffer once. Cores and caches are the faster the smaller it is: make
    /// it much larger than the last-level cache.
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

    /// Multiplies bytes in registers, `rounds` times for each of a few pieces per thread; `None` where
    /// the kernels have no instructions for it.
    pub fn integer_multiply_adds(&mut self, rounds: u64) -> Option<Probed> {
        let set = self.instructions;
        let per_round = integer_multiply_adds_per_round(set)?;
        Some(self.multiply_adds(rounds, per_round, &|rounds| integer(set, rounds)))
    }

    /// The same in f32, for dense weights and the exact mode.
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
