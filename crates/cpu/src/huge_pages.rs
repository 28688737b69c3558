//! Moves weights from the small pages of a file to huge pages while the model is in use.

use std::collections::VecDeque;

use mlxk_memory::{SmallPages, move_to_huge_pages};

use crate::weights::Matrix;

/// Matrices are moved together until they reach this many bytes.
const PIECE: u64 = 16 << 20;

/// Progress of the migration.
#[derive(Default)]
pub(crate) struct Migration {
    /// Indices of the matrices that are still to be moved; `None` before the first step.
    waiting: Option<VecDeque<usize>>,
}

impl Migration {
    /// See [`mlxk_ops::Weights::migrate_weights`].
    pub(crate) fn step(&mut self, matrices: &mut [Matrix], room: u64) -> bool {
        let waiting = self.waiting.get_or_insert_with(|| find(matrices, room));
        let (mut bytes, mut parts) = (0, Vec::new());
        let mut rest = matrices.iter_mut().enumerate();
        while bytes < PIECE {
            let Some(index) = waiting.pop_front() else { break };
            let Some((_, matrix)) = rest.find(|&(i, _)| i == index) else { break };
            bytes += matrix.tensor.size_bytes() as u64;
            parts.extend(matrix.tensor.bytes_mut());
        }
        if bytes > room || move_to_huge_pages(&mut parts).is_err() {
            waiting.clear();
        }
        !waiting.is_empty()
    }
}

/// Returns the indices of the matrices in small pages, in order; none if they don't all fit into
/// `room` bytes. Stacks of experts stay where they are: a token reads few of them, so copying them would cost more
/// time than it saves.
fn find(matrices: &mut [Matrix], room: u64) -> VecDeque<usize> {
    let small = SmallPages::find();
    let mut bytes = 0;
    let mut found = VecDeque::new();
    for (index, Matrix { tensor, .. }) in matrices.iter_mut().enumerate() {
        if tensor.experts == 1 && tensor.bytes_mut().iter().all(|part| small.hold(part)) {
            bytes += tensor.size_bytes() as u64;
            found.push_back(index);
        }
    }
    if bytes > room { VecDeque::new() } else { found }
}

#[cfg(test)]
mod tests;
