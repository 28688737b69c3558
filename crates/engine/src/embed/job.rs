//! The job that computes vectors of texts.
//!
//! Texts of like length share a step. A text of an encoder is computed in one step. A long text of a decoder is
//! computed in chunks if only its last state is wanted.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::Sender;

use mlxk_models::{Head, Output};
use mlxk_ops::{Batch, Reduction, Sequence};

use super::Pooling;
use crate::background::{Background, Tools};
use crate::error::EngineError;
use crate::generation::CancelHandle;
use crate::panic::{free_guarded, message_of};

/// Rows of a step if no request is waiting for the next one.
const IDLE_ROWS: usize = 512;

/// A text as the model reads it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tokens {
    /// Token ids, not empty.
    pub(crate) ids: Vec<u32>,
    /// Start of the second text of a pair, and the type of its tokens.
    pub(crate) second: Option<(usize, u32)>,
}

/// Vectors, each with the index of its text.
pub(crate) type Vectors = Vec<(usize, Vec<f32>)>;

/// Texts to turn into vectors.
pub(crate) struct EmbedJob {
    pub(crate) texts: Vec<Tokens>,
    pub(crate) pooling: Pooling,
    /// Heads behind that of the model.
    pub(crate) dense: Arc<[Head]>,
    /// Receives the vectors as they are computed.
    pub(crate) reply: Sender<Result<Vectors, EngineError>>,
    /// Ends the job early.
    pub(crate) cancel: CancelHandle,
}

/// A job in progress.
pub(crate) struct Embedding {
    job: EmbedJob,
    /// Indices of the texts, by length.
    order: Vec<usize>,
    /// Number of texts that are done, in this order.
    done: usize,
    /// The text that is computed in chunks, and the number of its tokens that are computed.
    partial: Option<(Sequence, usize)>,
    /// Sequences of the current step.
    sequences: Vec<Sequence>,
}

impl Embedding {
    pub(crate) fn new(job: EmbedJob) -> Self {
        let mut order: Vec<usize> = (0..job.texts.len()).collect();
        order.sort_by_key(|&index| job.texts[index].ids.len());
        Self { job, order, done: 0, partial: None, sequences: Vec::new() }
    }

    /// Computes the next vectors. Returns `true` if there are more.
    fn compute(&mut self, tools: &mut Tools<'_>) -> Result<bool, EngineError> {
        let Some(&first) = self.order.get(self.done) else { return Ok(false) };
        let length = self.job.texts[first].ids.len();
        let in_chunks = tools.model.shape().output == Output::Logits
            && self.job.pooling == Pooling::Last
            && length > tools.chunk;
        let vectors =
            if in_chunks { self.compute_chunk(first, tools)? } else { self.compute_texts(tools)? };
        if !vectors.is_empty() {
            self.done += vectors.len();
            // If the caller has left, the handle says so before the next step.
            let _ = self.job.reply.send(Ok(vectors));
        }
        Ok(self.done < self.order.len())
    }

    /// Computes as many texts as fit in a step.
    fn compute_texts(&mut self, tools: &mut Tools<'_>) -> Result<Vectors, EngineError> {
        let Self { job, order, done, sequences, .. } = self;
        let most = if tools.has_requests { tools.chunk } else { tools.chunk.max(IDLE_ROWS) };
        let mut batch = Batch::default();
        let mut indices = Vec::new();
        for &index in &order[*done..] {
            let text = &job.texts[index];
            if !indices.is_empty() && batch.rows() + text.ids.len() > most {
                break;
            }
            let sequence = tools.ops.new_sequence();
            sequences.push(sequence);
            push(&mut batch, sequence, text);
            indices.push(index);
        }
        let ranges: Vec<_> = batch.segments.iter().map(|segment| segment.rows.clone()).collect();
        batch.outputs = match job.pooling {
            Pooling::First => ranges.iter().map(|range| range.start).collect(),
            Pooling::Last => ranges.iter().map(|range| range.end - 1).collect(),
            Pooling::Mean | Pooling::Max => (0..batch.rows()).collect(),
        };
        let (count, hidden) = (ranges.len(), tools.model.shape().hidden);
        let mut x = tools.model.states(tools.ops, &batch)?;
        if let Some(reduction) = job.pooling.reduction() {
            let pooled = tools.ops.act(count, hidden);
            tools.ops.reduce_rows(pooled, x, &ranges, reduction);
            x = pooled;
        }
        let vectors = finish(tools, x, count, &job.dense)?;
        for sequence in sequences.drain(..) {
            tools.ops.free_sequence(sequence);
        }
        Ok(indices.into_iter().zip(vectors).collect())
    }

    /// Computes the next chunk of a text. Returns its vector after the last one.
    fn compute_chunk(
        &mut self,
        index: usize,
        tools: &mut Tools<'_>,
    ) -> Result<Vectors, EngineError> {
        let (sequence, computed) =
            *self.partial.get_or_insert_with(|| (tools.ops.new_sequence(), 0));
        let ids = &self.job.texts[index].ids;
        let count = (ids.len() - computed).min(tools.chunk);
        let is_last = computed + count == ids.len();
        let mut batch = Batch::default();
        batch.push(sequence, computed, &ids[computed..computed + count], is_last);
        let x = tools.model.states(tools.ops, &batch)?;
        if !is_last {
            self.partial = Some((sequence, computed + count));
            return Ok(Vec::new());
        }
        let vectors = finish(tools, x, 1, &self.job.dense)?;
        self.partial = None;
        tools.ops.free_sequence(sequence);
        Ok(vectors.into_iter().map(|vector| (index, vector)).collect())
    }

    fn free(&mut self, tools: &mut Tools<'_>) {
        let partial = self.partial.take().map(|(sequence, _)| sequence);
        for sequence in self.sequences.drain(..).chain(partial) {
            free_guarded(tools.ops, sequence);
        }
    }
}

impl Background for Embedding {
    fn step(&mut self, mut tools: Tools<'_>) -> bool {
        if self.job.cancel.is_cancelled() {
            self.free(&mut tools);
            return false;
        }
        let result = catch_unwind(AssertUnwindSafe(|| self.compute(&mut tools)));
        let error = match result {
            Ok(Ok(has_more)) => return has_more,
            Ok(Err(error)) => error,
            Err(panic) => EngineError::Panicked { reason: message_of(&*panic) },
        };
        self.free(&mut tools);
        let _ = self.job.reply.send(Err(error));
        false
    }
}

/// Appends a text to the batch, with the types of its tokens.
fn push(batch: &mut Batch, sequence: Sequence, text: &Tokens) {
    let first = batch.rows();
    batch.push(sequence, 0, &text.ids, false);
    if let Some((start, kind)) = text.second {
        batch.types.resize(first + start, 0);
        batch.types.resize(batch.rows(), kind);
    } else if !batch.types.is_empty() {
        batch.types.resize(batch.rows(), 0);
    }
}

/// Puts the heads behind `count` pooled states, and reads the result.
fn finish(
    tools: &mut Tools<'_>,
    pooled: mlxk_ops::Act,
    count: usize,
    dense: &[Head],
) -> Result<Vec<Vec<f32>>, EngineError> {
    let mut width = tools.model.shape().hidden;
    let mut x = pooled;
    for head in [tools.model.head()].into_iter().chain(dense) {
        x = head.forward(tools.ops, x, count, width);
        width = head.width();
    }
    let values = tools.ops.read(x)?;
    if values.iter().any(|value| !value.is_finite()) {
        return Err(EngineError::InvalidVector);
    }
    Ok(values.chunks_exact(width).map(<[f32]>::to_vec).collect())
}

impl Pooling {
    /// Returns the reduction of all states of a text, if it is one.
    const fn reduction(self) -> Option<Reduction> {
        match self {
            Self::Mean => Some(Reduction::Mean),
            Self::Max => Some(Reduction::Max),
            Self::First | Self::Last => None,
        }
    }
}
