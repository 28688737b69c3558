//! Continuous batching: decides which tokens the next step computes.
//!
//! A step consists of one row of every sequence that generates, and as many rows of prompts as fit in a chunk,
//! in the order of their arrival. If the KV cache is full, the youngest request gives up its place and is
//! computed again later. Its answer is the same, because a token depends neither on the batch nor on the time
//! when it is computed.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mlxk_models::Model;
use mlxk_ops::{Batch, Ops, PAGE_POSITIONS, Sequence, SequenceCost};

mod ahead;

use self::ahead::Ahead;
use crate::background::{Background, Tools};
use crate::cache::checkpoints::{self, Reuse, Stops};
use crate::cache::common_prefix::common_prefix;
use crate::cache::disk::DiskCache;
use crate::cache::prefix::{PrefixCache, Start};
use crate::choices::{ChoicesJob, Choosing};
use crate::draft::{Draft, DraftModel, MAX_DRAFT, Step, StepTimes};
use crate::embed::{EmbedJob, Embedding};
use crate::error::EngineError;
use crate::huge_pages::Migration;
use crate::panic::{free_guarded, message_of};
use crate::score::{ScoreJob, Scoring};
use crate::task::{Role, Task};

/// Limits of a step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Most rows of prompts.
    pub(crate) chunk: usize,
    /// Most requests that run at once.
    pub(crate) sequences: usize,
    /// Bytes of the KV cache that all sequences may take together.
    pub(crate) kv_bytes: u64,
    /// Positions of sequences that are kept for later requests.
    pub(crate) kept_positions: usize,
    /// Most positions of a sequence.
    pub(crate) context: usize,
    /// `true` if drafts are looked up in the text so far.
    pub(crate) prompt_lookup: bool,
    /// `true` if drafts are computed even if they don't pay.
    pub(crate) draft_always: bool,
    /// `true` if weights may be migrated to faster memory.
    pub(crate) migrate_weights: bool,
}

/// Owner of model, device and running requests.
pub(crate) struct Scheduler {
    pub(crate) model: Box<dyn Model>,
    pub(crate) ops: Box<dyn Ops>,
    pub(crate) limits: Limits,
    draft_model: Option<DraftModel>,
    waiting: VecDeque<Task>,
    /// Running requests, in the order of their arrival.
    active: Vec<Task>,
    /// Jobs that take turns with the requests, and with each other.
    background: VecDeque<Box<dyn Background>>,
    kept: PrefixCache,
    /// Bytes that a sequence takes.
    cost: SequenceCost,
    reuse: Reuse,
    /// A step that the device computes while the processor deals with the one before.
    ahead: Option<Ahead>,
    /// Times of steps without prompts.
    step_times: StepTimes,
    /// `None` if there are no weights left to migrate.
    migration: Option<Migration>,
    /// Size of the KV cache in bytes, which other threads read.
    kv_bytes: Arc<AtomicU64>,
}

/// The part of a step that belongs to a task.
struct Part {
    /// Index among the active tasks.
    task: usize,
    role: Role,
    /// Number of tokens to compute.
    count: usize,
    /// `true` if no more are pending, so that a token is drawn.
    draws: bool,
    /// Drafted tokens to compute after these.
    draft: Vec<u32>,
    /// `true` if the draft is by the draft model.
    guessed: bool,
}

impl Part {
    fn generates(&self) -> bool {
        self.role == Role::Generate
    }
}

impl Scheduler {
    pub(crate) fn new(
        model: Box<dyn Model>,
        ops: Box<dyn Ops>,
        draft_model: Option<DraftModel>,
        spill: Option<DiskCache>,
        limits: Limits,
        cost: SequenceCost,
        kv_bytes: Arc<AtomicU64>,
    ) -> Self {
        let kept = PrefixCache::new(limits.kept_positions, cost.clone(), spill);
        Self {
            model,
            ops,
            limits,
            draft_model,
            waiting: VecDeque::new(),
            active: Vec::new(),
            background: VecDeque::new(),
            kept,
            cost,
            reuse: Reuse::default(),
            ahead: None,
            step_times: StepTimes::default(),
            migration: limits.migrate_weights.then(Migration::default),
            kv_bytes,
        }
    }

    pub(crate) fn submit(&mut self, task: Task) {
        self.waiting.push_back(task);
    }

    pub(crate) fn submit_score(&mut self, job: ScoreJob) {
        let scoring = Scoring::new(job, &mut *self.ops);
        self.background.push_back(Box::new(scoring));
    }

    pub(crate) fn submit_choices(&mut self, job: ChoicesJob) {
        self.background.push_back(Box::new(Choosing::new(job)));
    }

    pub(crate) fn submit_embed(&mut self, job: EmbedJob) {
        self.background.push_back(Box::new(Embedding::new(job)));
    }

    pub(crate) fn has_requests(&self) -> bool {
        !(self.waiting.is_empty() && self.active.is_empty())
    }

    pub(crate) fn is_idle(&self) -> bool {
        !self.has_requests() && self.background.is_empty()
    }

    /// Computes one step of all requests that can take part. If it fails, these requests end. `lost` is set before they
    /// do if the device stopped working.
    pub(crate) fn step(&mut self, lost: &AtomicBool) {
        let ahead = self.ahead.take();
        let mut parts = if let Some(ahead) = &ahead {
            self.parts_of(ahead)
        } else {
            self.remove_ended();
            self.admit();
            self.plan()
        };
        let result = catch_unwind(AssertUnwindSafe(|| {
            if let Some(ahead) = &ahead {
                return self.finish_ahead(ahead, &parts);
            }
            self.draft(&mut parts)?;
            self.compute(&parts)
        }));
        let reason = match result {
            Ok(Ok(())) => return self.remove_ended(),
            Ok(Err(error)) => Failure::Refused(error.to_string()),
            Err(panic) => Failure::Panicked(message_of(&*panic)),
        };
        lost.fetch_or(self.ops.is_lost(), Ordering::Relaxed);
        self.ahead = None;
        for part in &parts {
            self.active[part.task].fail(reason.error());
        }
        // The step may have left anything behind, so nothing of it is reused.
        if matches!(reason, Failure::Panicked(_)) {
            self.draft_model = None;
        }
        let kept = self.kept.drain();
        let failed = self.active.extract_if(.., |task| task.has_failed());
        let mut failed: Vec<Task> = failed.collect();
        let sequences = failed.iter_mut().filter_map(|task| Some(task.release()?.0));
        for sequence in kept.into_iter().chain(sequences).collect::<Vec<_>>() {
            free_guarded(&mut *self.ops, sequence);
        }
    }

    /// Computes one step of one background job.
    pub(crate) fn background_step(&mut self) {
        let Some(mut job) = self.background.pop_front() else { return };
        let has_requests = self.has_requests();
        let kept_bytes = self.limits.kv_bytes.saturating_sub(self.active_bytes());
        let Self { model, ops, limits, kept, .. } = self;
        let (model, ops, chunk) = (&**model, &mut **ops, limits.chunk);
        let tools = Tools { model, ops, kept, kept_bytes, chunk, has_requests };
        if job.step(tools) {
            self.background.push_back(job);
        }
    }

    /// Keeps a sequence that contains `ids`, for requests with the same beginning.
    pub(crate) fn keep(&mut self, sequence: Sequence, ids: &[u32]) {
        self.kept.insert(&mut *self.ops, sequence, ids);
    }

    /// Returns the sequence that was kept last.
    pub(crate) fn last_kept(&self) -> Option<(Sequence, &[u32])> {
        self.kept.last()
    }

    /// Returns `true` if weights may be migrated while the engine is idle.
    pub(crate) fn has_more_to_migrate(&self) -> bool {
        self.migration.as_ref().is_some_and(Migration::has_begun)
    }

    /// Migrates some weights while the engine is idle.
    pub(crate) fn migrate_weights(&mut self) {
        self.migration.take_if(|_| !Migration::migrate_some(&mut *self.ops));
    }

    /// Returns `true` if a kept sequence is not yet on disk, but should be.
    pub(crate) fn has_more_to_spill(&self) -> bool {
        self.kept.has_more_to_spill()
    }

    /// Writes one kept sequence to disk.
    pub(crate) fn spill_one(&mut self) {
        self.kept.spill_one(&mut *self.ops, &mut || Ok(()));
    }

    /// Writes all kept sequences to disk, up to what time allows.
    pub(crate) fn spill_all(&mut self, within: Duration) {
        let started = Instant::now();
        let mut goes_on = || {
            let late = started.elapsed() > within;
            if late {
                Err(io::Error::other("the program ends before it is written"))
            } else {
                Ok(())
            }
        };
        while self.has_more_to_spill() {
            self.kept.spill_one(&mut *self.ops, &mut goes_on);
        }
    }

    /// Ends all requests.
    pub(crate) fn stop(&mut self) {
        for mut task in self.active.drain(..).chain(self.waiting.drain(..)) {
            task.fail(EngineError::Stopped);
        }
    }

    /// Drops requests that have ended or were cancelled, and keeps their sequences for later requests.
    fn remove_ended(&mut self) {
        self.waiting.retain_mut(|task| !task.check_cancelled());
        self.active.iter_mut().for_each(|task| _ = task.check_cancelled());
        self.leave_ahead();
        for mut task in self.active.extract_if(.., |task| task.has_ended()) {
            let failed = task.has_failed();
            match task.release() {
                Some((sequence, _)) if failed => self.ops.free_sequence(sequence),
                Some((sequence, ids)) => self.kept.insert(&mut *self.ops, sequence, ids),
                None => {}
            }
        }
        self.kv_bytes.store(self.ops.cache_bytes() as u64, Ordering::Relaxed);
    }

    /// Admits waiting requests while there is room. If a request begins with tokens that another is computing,
    /// it waits for them, because computing them twice gains nothing.
    fn admit(&mut self) {
        let mut next = 0;
        while self.active.len() < self.limits.sequences {
            let Some(task) = self.waiting.get(next) else { return };
            let needed = self.cost.bytes(pages(task.ids().len() + 1));
            if !self.active.is_empty() && self.active_bytes() + needed > self.limits.kv_bytes {
                return;
            }
            let beginning = self.beginning(task.ids());
            if let Beginning::IsComputed { by, shared } = beginning {
                if self.keeps_checkpoints() {
                    self.active[by].stop_at(shared);
                }
                next += 1;
                continue;
            }
            let Some(mut task) = self.waiting.remove(next) else { return };
            let start = if let Beginning::Active(active, shared) = beginning {
                let (sequence, cached) = self.ops.fork(active, shared);
                Start { sequence, cached, shared }
            } else {
                let room = self.limits.kv_bytes.saturating_sub(self.active_bytes());
                self.kept.start(&mut *self.ops, task.ids(), room)
            };
            self.start(&mut task, &start);
            self.active.push(task);
        }
    }

    /// Starts a request with the part of it that was computed before.
    fn start(&mut self, task: &mut Task, start: &Start) {
        let &Start { sequence, cached, shared } = start;
        let mut stops = Stops::default();
        if self.keeps_checkpoints() {
            stops = Stops::new(self.model.cache(), task.prompt_len(), shared, cached);
            // Two prompts diverge here, or soon after.
            if cached > 0 {
                checkpoints::keep(&mut *self.ops, sequence);
            }
        }
        self.reuse.count(self.model.cache(), shared, cached);
        task.start(sequence, cached, stops);
    }

    /// Returns `true` if sequences can't be cut everywhere, and later requests may want to.
    fn keeps_checkpoints(&self) -> bool {
        self.limits.kept_positions > 0 && self.model.cache().forgets()
    }

    /// Finds the sequence with most of the first tokens of `ids`.
    fn beginning(&self, ids: &[u32]) -> Beginning {
        if self.limits.kept_positions == 0 {
            return Beginning::Kept;
        }
        let kept = self.kept.known(&*self.ops, ids);
        let active = self.active.iter().enumerate().filter_map(|(by, task)| {
            let shared = common_prefix(task.ids(), ids);
            Some((shared, task.computed(), by, task.sequence()?))
        });
        match active.max_by_key(|&(shared, computed, ..)| (shared, computed)) {
            Some((shared, computed, by, _)) if computed < shared => {
                let is_much = shared >= kept + PAGE_POSITIONS;
                if is_much { Beginning::IsComputed { by, shared } } else { Beginning::Kept }
            }
            Some((shared, _, _, sequence)) if self.ops.restorable(sequence, shared) > kept => {
                Beginning::Active(sequence, shared)
            }
            _ => Beginning::Kept,
        }
    }

    /// Returns the bytes that the active requests take or are about to take.
    fn active_bytes(&self) -> u64 {
        self.active.iter().map(|task| self.cost.bytes(pages(task.ids().len()))).sum()
    }

    /// Divides the step among the running requests, and makes room for it.
    fn plan(&mut self) -> Vec<Part> {
        while self.active_bytes() + self.kept.bytes() > self.limits.kv_bytes {
            if self.kept.evict(&mut *self.ops) {
                continue;
            }
            if self.active.len() < 2 {
                break;
            }
            let Some(mut youngest) = self.active.pop() else { break };
            if let Some((sequence, _)) = youngest.release() {
                self.ops.free_sequence(sequence);
            }
            self.waiting.push_front(youngest);
        }
        let mut room = self.limits.chunk;
        let mut parts = Vec::with_capacity(self.active.len());
        for (task, state) in self.active.iter().enumerate() {
            let (pending, role) = (state.pending().len(), state.role());
            let count = match role {
                // A generating request always takes part. Prompts share the chunk.
                Role::Generate => pending,
                Role::Prefill => {
                    let count = state.stops().limit(state.computed(), pending.min(room));
                    room -= count;
                    count
                }
            };
            if count > 0 {
                let draws = count == pending;
                parts.push(Part { task, role, count, draws, draft: Vec::new(), guessed: false });
            }
        }
        parts
    }

    /// Adds drafts to the parts that generate, if they pay.
    fn draft(&mut self, parts: &mut [Part]) -> Result<(), EngineError> {
        // After a wrong draft, a state would have to go back to a checkpoint.
        if !parts.iter().all(Part::generates) || self.model.cache().has_states() {
            return Ok(());
        }
        if let Some(model) = &mut self.draft_model {
            model.keep(|sequence| self.active.iter().any(|it| it.sequence() == Some(sequence)));
        }
        let free = self.limits.kv_bytes.saturating_sub(self.active_bytes() + self.kept.bytes());
        // A draft may start a new page.
        let mut pages = free / (self.cost.position_bytes() * PAGE_POSITIONS as u64).max(1);
        let keeps_checkpoints = self.keeps_checkpoints();
        let (mut rows, mut tokens, mut left) = (parts.len(), parts.len() as f64, MAX_DRAFT);
        let always = self.limits.draft_always;
        let worthwhile = |rows, tokens, draft: &Draft| {
            if always {
                draft.ids.len()
            } else {
                self.step_times.worthwhile(rows, tokens, &draft.odds)
            }
        };
        for part in parts.iter_mut() {
            if pages == 0 || left == 0 {
                break;
            }
            let task = &mut self.active[part.task];
            // The checkpoint at the end of a prompt is taken before anything behind it is computed.
            if keeps_checkpoints && task.computed() < task.prompt_len() {
                continue;
            }
            let most = task.room().min(left);
            let mut draft = Draft::default();
            let mut length = 0;
            if self.limits.prompt_lookup {
                draft = task.look_up(most);
                length = worthwhile(rows, tokens, &draft);
            }
            let sequence = task.sequence().filter(|_| length == 0);
            if let (Some(model), Some(sequence)) = (&mut self.draft_model, sequence) {
                let step = Step { times: &self.step_times, rows, tokens, always };
                draft = model.draft(sequence, task.ids(), most, step)?;
                length = worthwhile(rows, tokens, &draft);
                part.guessed = true;
            }
            if length > 0 {
                pages -= 1;
                left -= length;
                rows += length;
                tokens += draft.odds[..length].iter().sum::<f64>();
                part.draft = draft.ids;
                part.draft.truncate(length);
            }
        }
        Ok(())
    }

    /// Computes the parts and draws their tokens.
    fn compute(&mut self, parts: &[Part]) -> Result<(), EngineError> {
        if parts.is_empty() {
            return Ok(());
        }
        let started = Instant::now();
        let mut batch = Batch::default();
        for part in parts {
            let task = &self.active[part.task];
            let sequence = task.sequence().expect("an active request has a sequence");
            batch.push(sequence, task.computed(), &task.pending()[..part.count], part.draws);
            batch.extend(&part.draft);
        }
        let logits = self.model.forward(&mut *self.ops, &batch)?;
        let vocab_size = self.model.vocab_size();
        let drawing = parts.iter().any(|part| part.draws);
        if let Some(choice) = self.begin_choice(parts, logits)? {
            let rows = 0..parts.iter().filter(|part| part.draws).count();
            return self.take_chosen(parts, choice, &rows.collect::<Vec<_>>(), started);
        }
        let logits = if drawing { self.ops.read(logits)? } else { &[] };
        let mut rows = logits.chunks_exact(vocab_size);
        for part in parts {
            let task = &mut self.active[part.task];
            task.advance(part.count);
            if !part.draws {
                continue;
            }
            let logits: Vec<&[f32]> = rows.by_ref().take(1 + part.draft.len()).collect();
            let accepted = task.accept_all(&logits, &part.draft);
            if let Some(model) = self.draft_model.as_mut().filter(|_| part.guessed) {
                model.learn(part.draft.len(), accepted);
            }
        }
        for part in parts.iter().filter(|part| !part.draft.is_empty()) {
            let task = &mut self.active[part.task];
            if let Some(sequence) = task.sequence() {
                task.went_back(self.ops.rewind(sequence, task.computed()));
            }
        }
        self.keep_checkpoints(parts);
        self.learn_time(parts, started);
        Ok(())
    }

    /// Learns the time of a step without prompts.
    fn learn_time(&mut self, parts: &[Part], started: Instant) {
        if parts.iter().all(Part::generates) {
            let rows = parts.iter().map(|part| 1 + part.draft.len()).sum();
            let elapsed = started.elapsed();
            self.step_times.learn(rows, elapsed.as_secs_f64());
            self.migration.take_if(|migration| !migration.after_step(elapsed, &mut *self.ops));
        }
    }

    /// Keeps the checkpoints that are due after a step.
    fn keep_checkpoints(&mut self, parts: &[Part]) {
        if !self.keeps_checkpoints() {
            return;
        }
        for part in parts {
            let task = &self.active[part.task];
            let Some(sequence) = task.sequence() else { continue };
            let len = task.computed();
            let last = self.ops.checkpoints(sequence).last().copied().unwrap_or(0);
            if task.stops().is_due(len, last, part.role == Role::Prefill) {
                checkpoints::keep(&mut *self.ops, sequence);
            }
        }
    }
}

/// Place of the first tokens of a request.
enum Beginning {
    /// In this sequence of a running request, and the number of tokens.
    Active(Sequence, usize),
    /// The running request of this index is about to compute `shared` of them, a page or more.
    IsComputed { by: usize, shared: usize },
    /// In a sequence that was kept, or nowhere.
    Kept,
}

enum Failure {
    Refused(String),
    Panicked(String),
}

impl Failure {
    fn error(&self) -> EngineError {
        match self {
            Self::Refused(reason) => EngineError::Step { reason: reason.clone() },
            Self::Panicked(reason) => EngineError::Panicked { reason: reason.clone() },
        }
    }
}

/// Rounds up to complete pages.
fn pages(positions: usize) -> usize {
    positions.next_multiple_of(PAGE_POSITIONS)
}
