//! Steps that begin before the tokens of the one before are known.
//!
//! A device with a memory of its own chooses tokens by itself if the best one is wanted. The next step is then
//! recorded with them while the device computes, and the processor reads the tokens of a step while the device
//! computes the next one. If a request ends, its row of the next step was computed in vain, and the rows of the others
//! are used.
//!
//! Tokens that are sampled are drawn by the processor, from the best logits, or from all if those don't decide. The next
//! step is recorded meanwhile, and the device computes it as soon as it is told them.

use std::time::Instant;

use mlxk_ops::{Act, Batch, Choice, Sequence};

use super::{Part, Scheduler};
use crate::error::EngineError;
use crate::sampling::Wish;
use crate::task::Role;

/// A step that was begun.
pub(super) struct Ahead {
    /// Sequences of its rows.
    sequences: Vec<Sequence>,
    /// Tokens of its rows.
    choice: Chosen,
}

/// Tokens of a step, of which the processor knows none yet.
#[derive(Clone, Copy)]
pub(super) enum Chosen {
    /// The tokens with the largest logits.
    Best(Choice),
    /// Tokens that are drawn from a survey.
    Drawn(Choice),
}

impl Scheduler {
    /// Begins to find the tokens of a step on the device, or what the processor draws them from.
    pub(super) fn begin_choice(
        &mut self,
        parts: &[Part],
        logits: Act,
    ) -> Result<Option<Chosen>, EngineError> {
        let drawing = || parts.iter().filter(|part| part.draws);
        if drawing().next().is_none() || drawing().any(|part| !part.draft.is_empty()) {
            return Ok(None);
        }
        let width = self.model.vocab_size();
        if drawing().all(|part| self.active[part.task].takes_best()) {
            let choice = self.ops.choose(logits, width).transpose()?;
            return Ok(choice.map(Chosen::Best));
        }
        let wishes = drawing().map(|part| self.active[part.task].wish());
        let Some(wishes) = wishes.collect::<Option<Vec<_>>>() else { return Ok(None) };
        let scales: Vec<f32> = wishes.iter().map(|wish| wish.scale).collect();
        let count = wishes.iter().map(|wish| wish.count).max().unwrap_or(1);
        let complete = wishes.iter().enumerate().filter(|(_, wish)| **wish == Wish::ALL);
        let complete: Vec<usize> = complete.map(|(row, _)| row).collect();
        let choice = self.ops.survey(logits, width, count, &scales, &complete).transpose()?;
        Ok(choice.map(Chosen::Drawn))
    }

    /// Takes the tokens of a step: those of `rows`, one for each part that draws. Begins the next step before, if it is
    /// certain what it will compute.
    pub(super) fn take_chosen(
        &mut self,
        parts: &[Part],
        choice: Chosen,
        rows: &[usize],
        started: Instant,
    ) -> Result<(), EngineError> {
        for part in parts {
            self.active[part.task].advance(part.count);
        }
        // The device finds the token of a row in the same row of the step before.
        let is_aligned = rows.iter().copied().eq(0..parts.len());
        self.ahead = if is_aligned { self.begin_next(parts, choice)? } else { None };
        match choice {
            Chosen::Best(choice) => {
                let best = self.ops.chosen(choice)?;
                for (part, &row) in parts.iter().filter(|part| part.draws).zip(rows) {
                    self.active[part.task].accept_best(best[row]);
                }
            }
            Chosen::Drawn(choice) => self.draw_surveyed(parts, choice, rows)?,
        }
        self.keep_checkpoints(parts);
        self.learn_time(parts, started);
        Ok(())
    }

    /// Draws tokens from a survey, and lets the device compute the step that begins with them.
    fn draw_surveyed(
        &mut self,
        parts: &[Part],
        choice: Choice,
        rows: &[usize],
    ) -> Result<(), EngineError> {
        let surveys = self.ops.surveyed(choice)?;
        let mut tokens = vec![0; surveys.len()];
        for (part, &row) in parts.iter().filter(|part| part.draws).zip(rows) {
            let task = &mut self.active[part.task];
            if !task.accept_surveyed(&surveys[row]) {
                task.accept_all(&[self.ops.surveyed_row(choice, row)?], &[]);
            }
            // If the request has ended, its row is computed in vain, with any token.
            tokens[row] = task.ids().last().copied().unwrap_or(0);
        }
        if self.ahead.is_some() {
            self.ops.tell(choice, &tokens)?;
        }
        Ok(())
    }

    /// Begins the step after one whose tokens the processor doesn't know.
    fn begin_next(&mut self, parts: &[Part], choice: Chosen) -> Result<Option<Ahead>, EngineError> {
        if !self.can_begin_next(parts) {
            return Ok(None);
        }
        let (Chosen::Best(tokens) | Chosen::Drawn(tokens)) = choice;
        let mut batch = Batch { chosen: Some(tokens), ..Batch::default() };
        let mut sequences = Vec::with_capacity(parts.len());
        for part in parts {
            let task = &self.active[part.task];
            let sequence = task.sequence().expect("an active request has a sequence");
            batch.push(sequence, task.computed(), &[Batch::CHOSEN], true);
            sequences.push(sequence);
        }
        let logits = self.model.forward(&mut *self.ops, &batch)?;
        let choice = self.begin_choice(parts, logits)?;
        Ok(choice.map(|choice| Ahead { sequences, choice }))
    }

    /// Returns `true` if the next step will compute one token of each part, and nothing else.
    fn can_begin_next(&mut self, parts: &[Part]) -> bool {
        let cache = self.model.cache();
        let room = self.cost.bytes(mlxk_ops::PAGE_POSITIONS) * parts.len() as u64;
        let is_alone = self.waiting.is_empty()
            && self.background.is_empty()
            && parts.len() == self.active.len()
            && self.draft_model.is_none()
            && !self.limits.draft_always;
        // A state can't go back if a token turns out to be the last.
        let can_go_back = !cache.has_states() && !self.keeps_checkpoints();
        let fits = self.active_bytes() + self.kept.bytes() + room <= self.limits.kv_bytes;
        let (looks_up, rows) = (self.limits.prompt_lookup, parts.len());
        is_alone
            && can_go_back
            && fits
            && parts.iter().all(|part| {
                let task = &mut self.active[part.task];
                let most = task.room();
                let odds = if looks_up { task.look_up(most).odds } else { vec![] };
                let drafts = self.step_times.worthwhile(rows, rows as f64, &odds) > 0;
                part.draws && most > 0 && !task.has_ended() && !drafts
            })
    }

    /// Returns the parts of a step that was begun.
    pub(super) fn parts_of(&self, ahead: &Ahead) -> Vec<Part> {
        let rows = ahead.sequences.iter().filter_map(|&sequence| {
            let task = self.active.iter().position(|task| task.sequence() == Some(sequence))?;
            let (draft, role) = (Vec::new(), Role::Generate);
            Some(Part { task, role, count: 1, draws: true, draft, guessed: false })
        });
        rows.collect()
    }

    /// Takes the tokens of a step that was begun.
    pub(super) fn finish_ahead(
        &mut self,
        ahead: &Ahead,
        parts: &[Part],
    ) -> Result<(), EngineError> {
        let row = |part: &Part| {
            let sequence = self.active[part.task].sequence();
            ahead.sequences.iter().position(|&it| Some(it) == sequence)
        };
        let rows: Vec<usize> = parts.iter().filter_map(row).collect();
        self.take_chosen(parts, ahead.choice, &rows, Instant::now())
    }

    /// Takes the rows of requests that have ended out of the step that was begun, before their sequences go.
    pub(super) fn leave_ahead(&mut self) {
        let Some(ahead) = &self.ahead else { return };
        let mut is_used = false;
        for task in &self.active {
            let sequence = task.sequence().filter(|it| ahead.sequences.contains(it));
            let Some(sequence) = sequence else { continue };
            if task.has_ended() {
                let landed = self.ops.rewind(sequence, task.computed());
                debug_assert_eq!(landed, task.computed(), "the last position can be taken back");
            } else {
                is_used = true;
            }
        }
        if !is_used {
            self.ahead = None;
        }
    }
}
