//! The tokens that one step computes.

use std::ops::Range;

use crate::{Choice, Sequence};

/// Consecutive tokens of one sequence: a chunk of a prompt, or one token to continue from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The sequence they are appended to.
    pub sequence: Sequence,
    /// Position of the first token.
    pub start: usize,
    /// Their rows in the batch.
    pub rows: Range<usize>,
}

/// The tokens of one step, from any number of sequences. A sequence occurs at most once.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// `[rows]` token ids.
    pub ids: Vec<u32>,
    /// The sequences they belong to, in the order of their rows.
    pub segments: Vec<Segment>,
    /// `[rows]` types of the tokens, such as those of a second text. Empty if all are 0. Models without types
    /// ignore them.
    pub types: Vec<u32>,
    /// Rows whose logits or states are wanted, in ascending order.
    pub outputs: Vec<usize>,
    /// Tokens that the device has chosen. A row whose id is [`Batch::CHOSEN`] has the token of this row of them.
    pub chosen: Option<Choice>,
}

impl Batch {
    /// Id of a token that only the device knows; see [`Batch::chosen`].
    pub const CHOSEN: u32 = u32::MAX;

    /// Appends `ids` to `sequence`, at the positions from `start` on. If `output` is set, the
    /// logits of the last one are wanted.
    pub fn push(&mut self, sequence: Sequence, start: usize, ids: &[u32], output: bool) {
        let rows = self.ids.len()..self.ids.len() + ids.len();
        if output && !ids.is_empty() {
            self.outputs.push(rows.end - 1);
        }
        self.ids.extend_from_slice(ids);
        self.segments.push(Segment { sequence, start, rows });
    }

    /// Appends `ids` to the segment that was pushed last, and asks for the logits of all of them.
    /// The segment must have been pushed with `output`.
    pub fn extend(&mut self, ids: &[u32]) {
        let Some(segment) = self.segments.last_mut() else { return };
        self.outputs.extend(segment.rows.end..segment.rows.end + ids.len());
        segment.rows.end += ids.len();
        self.ids.extend_from_slice(ids);
    }

    /// Returns the number of tokens.
    pub fn rows(&self) -> usize {
        self.ids.len()
    }
}
