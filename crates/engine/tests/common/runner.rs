//! Runs a model step by step on a device, and gives the logits of every token, bit by bit.
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use std::ops::{ControlFlow, Range};
use std::path::Path;

use mlxk_cpu::{Cpu, CpuOptions};
use mlxk_format::Checkpoint;
use mlxk_models::{Model, ModelError};
use mlxk_ops::{Batch, Ops, Sequence};

/// The bits of `[tokens][vocab]` logits.
pub(crate) type Rows = Vec<Vec<u32>>;

/// A model on a device of its own.
pub(crate) struct Runner {
    pub(crate) ops: Box<dyn Ops>,
    model: Box<dyn Model>,
}

impl Runner {
    pub(crate) fn load(folder: &Path, exact: bool, threads: usize) -> Result<Self, ModelError> {
        Self::load_with(
            folder,
            CpuOptions { threads: Some(threads), exact, ..CpuOptions::default() },
        )
    }

    pub(crate) fn load_with(folder: &Path, options: CpuOptions) -> Result<Self, ModelError> {
        Self::on(Box::new(Cpu::new(options).unwrap()), folder)
    }

    /// Loads a model onto a device.
    pub(crate) fn on(mut ops: Box<dyn Ops>, folder: &Path) -> Result<Self, ModelError> {
        let checkpoint = Checkpoint::open(folder).unwrap();
        let model =
            mlxk_models::load(&checkpoint, &mut *ops, &mut |_, _| ControlFlow::Continue(()))?;
        ops.configure_cache(model.cache());
        Ok(Self { ops, model })
    }

    /// Computes a prompt, and returns the failure of the device if there is one.
    #[allow(dead_code, reason = "not every test has a device that fails")]
    pub(crate) fn try_prompt(&mut self, ids: &[u32]) -> mlxk_ops::Result<()> {
        let mut batch = Batch::default();
        batch.push(self.ops.new_sequence(), 0, ids, true);
        let logits = self.model.forward(&mut *self.ops, &batch)?;
        self.ops.read(logits).map(|_| ())
    }

    /// Computes parts of sequences in one step, and returns all their rows.
    pub(crate) fn step(&mut self, parts: &[(Sequence, &[u32], Range<usize>)]) -> Rows {
        let mut batch = Batch::default();
        for (sequence, ids, range) in parts {
            batch.push(*sequence, range.start, &ids[range.clone()], false);
        }
        batch.outputs = (0..batch.rows()).collect();
        let logits = self.model.forward(&mut *self.ops, &batch).unwrap();
        let logits = self.ops.read(logits).unwrap();
        assert!(logits.iter().all(|logit| logit.is_finite()));
        let rows = logits.chunks(self.model.vocab_size());
        rows.map(|row| row.iter().map(|logit| logit.to_bits()).collect()).collect()
    }

    /// Computes one sequence in steps of these sizes.
    pub(crate) fn in_steps(&mut self, ids: &[u32], sizes: impl IntoIterator<Item = usize>) -> Rows {
        let sequence = self.ops.new_sequence();
        let mut rows = Vec::new();
        for size in sizes {
            let end = ids.len().min(rows.len() + size);
            rows.extend(self.step(&[(sequence, ids, rows.len()..end)]));
        }
        assert_eq!(rows.len(), ids.len());
        assert_eq!(self.ops.sequence_len(sequence), ids.len());
        self.ops.free_sequence(sequence);
        rows
    }

    /// Computes a sequence up to `len`, goes astray with other tokens, and comes back. Returns the rows
    /// from `len` on of that sequence and of a fork of it.
    pub(crate) fn resumed(&mut self, ids: &[u32], len: usize, astray: &[u32]) -> [Rows; 2] {
        let sequence = self.ops.new_sequence();
        self.step(&[(sequence, ids, 0..len)]);
        self.ops.checkpoint(sequence);
        let wrong = [&ids[..len], astray].concat();
        self.step(&[(sequence, &wrong, len..wrong.len())]);
        assert_eq!(self.ops.rewind(sequence, len), len);
        let (fork, forked) = self.ops.fork(sequence, len);
        assert_eq!(forked, len);
        let rows = [sequence, fork].map(|one| self.step(&[(one, ids, len..ids.len())]));
        for one in [sequence, fork] {
            self.ops.free_sequence(one);
        }
        rows
    }

    /// Computes a sequence up to `len`, saves it, and returns the rows from `len` on of the sequence that is read back.
    pub(crate) fn reloaded(&mut self, ids: &[u32], len: usize) -> Rows {
        let sequence = self.ops.new_sequence();
        self.step(&[(sequence, ids, 0..len)]);
        let (extent, mut bytes) = (self.ops.extent(sequence, len), Vec::new());
        assert_eq!(extent.len, len);
        let mut write = |piece: &[u8]| {
            bytes.extend_from_slice(piece);
            Ok(())
        };
        self.ops.export(sequence, &extent, &mut write).unwrap();
        self.ops.free_sequence(sequence);
        let mut rest = &bytes[..];
        let mut read = |piece: &mut [u8]| {
            let (first, others) = rest.split_at(piece.len());
            piece.copy_from_slice(first);
            rest = others;
            Ok(())
        };
        let again = self.ops.import(&extent, &mut read).unwrap();
        assert!(rest.is_empty(), "{} bytes are left", rest.len());
        let rows = self.step(&[(again, ids, len..ids.len())]);
        self.ops.free_sequence(again);
        rows
    }

    /// Computes sequences side by side, each in steps of its own size.
    pub(crate) fn side_by_side(&mut self, all: &[(&[u32], usize)]) -> Vec<Rows> {
        let sequences: Vec<Sequence> = all.iter().map(|_| self.ops.new_sequence()).collect();
        let mut done = vec![Rows::new(); all.len()];
        while all.iter().zip(&done).any(|((ids, _), rows)| rows.len() < ids.len()) {
            let mut parts: Vec<(Sequence, &[u32], Range<usize>)> = Vec::new();
            let mut owners = Vec::new();
            for (index, (ids, size)) in all.iter().enumerate() {
                let start = done[index].len();
                let range = start..ids.len().min(start + size);
                if !range.is_empty() {
                    owners.extend(vec![index; range.len()]);
                    parts.push((sequences[index], ids, range));
                }
            }
            for (owner, row) in owners.into_iter().zip(self.step(&parts)) {
                done[owner].push(row);
            }
        }
        for sequence in sequences {
            self.ops.free_sequence(sequence);
        }
        done
    }
}

pub(crate) fn assert_same(found: &[Vec<u32>], expected: &[Vec<u32>], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (position, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!(found == expected, "{what}: row {position} differs");
    }
}
