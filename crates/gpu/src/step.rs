//! Recording of one step: activations, words from the host, and the dispatches that use them.

use std::collections::HashMap;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Instant;

use mlxk_ops::{
    Act, Activation, AttentionSpec, IndexInputs, IndexSpec, OpsError, Result, Rope, Vector, Weight,
};
use wgpu::{
    BindGroup, BindGroupDescriptor, BindGroupEntry, Buffer, CommandBuffer, CommandEncoder,
    CommandEncoderDescriptor, ComputePass, ComputePassDescriptor, SubmissionIndex,
};

use crate::adapters::IMMEDIATE_BYTES;
use crate::context::Context;
use crate::device::SegmentWords;
use crate::pipelines::{Pipelines, Variant};
use crate::profile::{self, Profile};

/// Number of bind groups from which on all are made again.
const MAX_GROUPS: usize = 1 << 16;

/// Dispatches that are submitted before the others are encoded.
const FIRST_PIECE: usize = 32;

/// Rows from which on products use matrix units, if the device has any.
pub(crate) const MATRIX_FROM: usize = 9;
/// Rows are padded to a multiple of this for them.
const MATRIX_ROWS: usize = 64;

/// Returns the rows that an activation has memory for.
pub(crate) const fn padded_rows(rows: usize) -> usize {
    if rows < MATRIX_FROM { rows } else { rows.next_multiple_of(MATRIX_ROWS) }
}

/// A matrix of the step, in a buffer of its own.
#[derive(Clone)]
struct Slot {
    rows: usize,
    cols: usize,
}

/// A buffer that a dispatch uses.
#[derive(Clone, PartialEq)]
pub(crate) enum Bind {
    Buffer(Buffer),
    Act(Act),
    /// An activation as tiles of f16.
    Tiles(Act),
    /// The words of the step.
    Words,
}

/// One execution of a kernel.
#[derive(Clone, PartialEq)]
pub(crate) struct Dispatch {
    pipeline: usize,
    buffers: Vec<Bind>,
    /// Parameters; see the structure `P` of the kernel.
    parameters: Vec<u32>,
    /// Number of workgroups.
    groups: [u32; 3],
}

/// An operation of a step. Those that may become part of another kernel stay as they are until the step is submitted.
#[derive(Clone, PartialEq)]
pub(crate) enum Op {
    Dispatch(Dispatch),
    RmsNorm {
        out: Act,
        x: Act,
        weight: Vector,
        eps: f32,
    },
    Linear {
        out: Act,
        x: Act,
        weight: Weight,
    },
    /// A product with matrices that routes choose. A row of `x` has `fan` results.
    Routed {
        out: Act,
        x: Act,
        weight: Weight,
        routes: Act,
        fan: usize,
    },
    /// The sum of the weighted results of experts.
    Combine {
        out: Act,
        x: Act,
        routes: Act,
    },
    Glu {
        gate: Act,
        up: Act,
        activation: Activation,
    },
    Add {
        out: Act,
        x: Act,
    },
    Rope {
        x: Act,
        heads: usize,
        rope: Rope,
    },
    Attend(Box<Attend>),
    /// One that was turned into dispatches.
    Done,
}

/// A copy from one buffer to another.
pub(crate) struct Copy {
    pub buffer: Buffer,
    /// First byte.
    pub from: u64,
    pub to: Buffer,
    /// First byte of the place.
    pub at: u64,
    pub bytes: u64,
}

/// Attention of a step.
#[derive(Clone, PartialEq)]
pub(crate) struct Attend {
    pub out: Act,
    pub q: Act,
    /// Keys and values that are stored before; `None` if an earlier part of the step has stored them.
    pub kv: Option<[Act; 2]>,
    pub layer: usize,
    pub spec: AttentionSpec,
    pub rows: usize,
    /// First word of the factors of rows.
    pub factors: u32,
    /// The indexer that chooses the positions that rows see.
    pub index: Option<(IndexInputs, IndexSpec)>,
}

impl Op {
    /// Returns `true` if the operation may read an activation.
    pub(crate) fn reads(&self, act: Act) -> bool {
        match self {
            // Kernels that write only a part of an activation count, too.
            Op::Dispatch(dispatch) => {
                dispatch.buffers.iter().any(|bind| matches!(bind, Bind::Act(it) if *it == act))
            }
            Op::RmsNorm { x, .. } | Op::Linear { x, .. } | Op::Rope { x, .. } => *x == act,
            Op::Glu { gate: a, up: b, .. } | Op::Add { out: a, x: b } => [*a, *b].contains(&act),
            Op::Routed { x, routes, .. } | Op::Combine { x, routes, .. } => {
                [*x, *routes].contains(&act)
            }
            Op::Done => false,
            Op::Attend(attend) => {
                let index = attend.index.map(|(it, _)| [it.queries, it.keys, it.weights]);
                let is_index = index.is_some_and(|inputs| inputs.contains(&act));
                is_index || attend.q == act || attend.kv.is_some_and(|kv| kv.contains(&act))
            }
        }
    }

    /// Returns `true` if the operation may write to an activation.
    pub(crate) fn writes(&self, act: Act) -> bool {
        match self {
            Op::Dispatch(_) => self.reads(act),
            Op::Rope { x, .. } => *x == act,
            Op::Glu { gate: out, .. } | Op::Add { out, .. } => *out == act,
            _ => self.overwrites(act),
        }
    }

    /// Returns `true` if the operation writes all of an activation.
    pub(crate) fn overwrites(&self, act: Act) -> bool {
        match self {
            Op::RmsNorm { out, .. }
            | Op::Linear { out, .. }
            | Op::Routed { out, .. }
            | Op::Combine { out, .. } => *out == act,
            Op::Attend(attend) => attend.out == act,
            _ => false,
        }
    }
}

/// Everything that the dispatches of a step depend on, but for its operations.
#[derive(Clone, PartialEq)]
pub(crate) struct PlanKey {
    pub positions: u32,
    pub places: u32,
    pub tables: Vec<u32>,
    /// Sequences, if they have more than a row each.
    pub segments: Vec<SegmentWords>,
    pub rows: usize,
    pub is_decode: bool,
    /// `true` if operations of the same step follow.
    pub is_partial: bool,
    pub chunks: usize,
    pub pages: usize,
    pub ropes: u64,
}

/// The dispatches of the last step. The next step has the same if its operations are the same, which is so for most
/// tokens.
struct Plan {
    key: PlanKey,
    ops: Vec<Op>,
    /// Empty until the step is encoded.
    ready: Vec<Ready>,
}

/// A dispatch with everything it needs.
struct Ready {
    pipeline: usize,
    group: BindGroup,
    parameters: [u32; IMMEDIATE_BYTES as usize / 4],
    groups: [u32; 3],
}

/// Commands that are not submitted yet, and the memory of activations.
pub(crate) struct Step {
    /// Times of kernels, if they are measured.
    pub(crate) profile: Option<Profile>,
    context: Context,
    pipelines: Pipelines,
    slots: Vec<Slot>,
    /// Buffers of the slots of all steps so far. They grow to the size that the largest step needed.
    buffers: Vec<Buffer>,
    /// Buffers of those that were needed as tiles.
    tiles: HashMap<Act, Buffer>,
    /// Data of the host that dispatches refer to by the index of a word.
    words: Vec<u32>,
    /// Number of words that stay until the step ends.
    kept_words: usize,
    words_buffer: Buffer,
    ops: Vec<Op>,
    plan: Option<Plan>,
    /// `true` if the next submission is that of the plan.
    is_planned: bool,
    /// Copies at the end of the next submission.
    copies: Vec<Copy>,
    submission: Option<SubmissionIndex>,
    /// `true` if commands are held until [`Step::release`].
    holds: bool,
    held: Vec<CommandBuffer>,
    groups: HashMap<(usize, Vec<Buffer>), BindGroup>,
    /// First failure of a recording, reported when results are read.
    failure: Option<OpsError>,
}

impl Step {
    /// `kernels` is the file of compiled kernels.
    pub(crate) fn new(context: Context, kernels: Option<PathBuf>) -> Result<Self> {
        let words_buffer = context.buffer(4096)?;
        Ok(Self {
            profile: None,
            pipelines: Pipelines::new(context.device.clone(), kernels),
            context,
            slots: vec![],
            buffers: vec![],
            tiles: HashMap::new(),
            words: vec![],
            kept_words: 0,
            words_buffer,
            ops: vec![],
            plan: None,
            is_planned: false,
            copies: vec![],
            submission: None,
            holds: false,
            held: vec![],
            groups: HashMap::new(),
            failure: None,
        })
    }

    /// Drops all activations. Everything must have been submitted.
    pub(crate) fn clear(&mut self) {
        debug_assert!(self.ops.is_empty(), "a step ends before the next one");
        self.slots.clear();
        self.words.clear();
        self.kept_words = 0;
    }

    /// Keeps the words so far until the step ends, however often something is submitted.
    pub(crate) fn keep_words(&mut self) {
        self.kept_words = self.words.len();
    }

    /// Makes the next submission fail.
    pub(crate) fn fail(&mut self, failure: OpsError) {
        self.failure.get_or_insert(failure);
    }

    /// Makes an activation.
    pub(crate) fn act(&mut self, rows: usize, cols: usize) -> Act {
        let index = self.slots.len();
        self.slots.push(Slot { rows, cols });
        let bytes = padded_rows(rows) * cols * size_of::<f32>();
        let known = self.buffers.get(index).map_or(0, Buffer::size);
        if bytes as u64 > known || known == 0 {
            // A step of a few more rows should not need new memory.
            let roomy = bytes.saturating_add(bytes / 4);
            let made = self.context.buffer(roomy).or_else(|_| self.context.buffer(bytes));
            let buffer = made.unwrap_or_else(|error| {
                self.fail(error);
                self.words_buffer.clone()
            });
            if index == self.buffers.len() {
                self.buffers.push(buffer);
            } else {
                self.buffers[index] = buffer;
            }
            self.forget_groups();
        }
        Act(index as u32)
    }

    /// Returns the tiles of an activation, which get memory if they have none.
    pub(crate) fn tiles(&mut self, act: Act) -> Bind {
        let (rows, cols) = self.shape(act);
        let bytes = padded_rows(rows) * cols * size_of::<u16>();
        if self.tiles.get(&act).is_none_or(|buffer| buffer.size() < bytes as u64) {
            match self.context.buffer(bytes) {
                Ok(buffer) => {
                    self.tiles.insert(act, buffer);
                }
                Err(error) => {
                    self.fail(error);
                    return Bind::Words;
                }
            }
            self.forget_groups();
        }
        Bind::Tiles(act)
    }

    /// Returns `(rows, cols)`.
    pub(crate) fn shape(&self, act: Act) -> (usize, usize) {
        let Slot { rows, cols } = self.slots[act.0 as usize];
        (rows, cols)
    }

    /// Returns the number of values.
    pub(crate) fn len(&self, act: Act) -> usize {
        let (rows, cols) = self.shape(act);
        rows * cols
    }

    /// Returns the memory of an activation.
    pub(crate) fn memory(&self, act: Act) -> &Buffer {
        &self.buffers[act.0 as usize]
    }

    /// Records an operation.
    pub(crate) fn record(&mut self, op: Op) {
        self.ops.push(op);
    }

    /// Drops all groups of buffers, because one of them is another one now.
    fn forget_groups(&mut self) {
        self.groups.clear();
        self.plan = None;
    }

    /// Drops the dispatches of the last step.
    pub(crate) fn forget_plan(&mut self) {
        self.plan = None;
    }

    /// Returns the number of words.
    pub(crate) fn words_len(&self) -> usize {
        self.words.len()
    }

    /// Uses the dispatches of the last step if they are those of these operations.
    pub(crate) fn reuse_plan(&mut self, key: &PlanKey, ops: &[Op]) -> bool {
        let known = self.plan.as_ref().filter(|_| self.profile.is_none());
        let known = known.filter(|plan| !plan.ready.is_empty());
        self.is_planned = known.is_some_and(|plan| plan.key == *key && plan.ops == ops);
        self.is_planned
    }

    /// Keeps the dispatches of this step for the next one. `ops` are its operations.
    pub(crate) fn plan(&mut self, key: PlanKey, ops: Vec<Op>) {
        self.plan = Some(Plan { key, ops, ready: vec![] });
    }

    /// Takes the operations that were recorded, so that they are recorded again as dispatches.
    pub(crate) fn take_ops(&mut self) -> Vec<Op> {
        std::mem::take(&mut self.ops)
    }

    /// Adds data of the host, and returns the index of its first word.
    pub(crate) fn words(&mut self, words: impl IntoIterator<Item = u32>) -> u32 {
        let start = self.words.len();
        self.words.extend(words);
        start as u32
    }

    /// Records an execution of a kernel. Nothing is recorded if there are no workgroups.
    pub(crate) fn dispatch(
        &mut self,
        variant: &Variant,
        buffers: Vec<Bind>,
        parameters: Vec<u32>,
        groups: [usize; 3],
    ) {
        if groups.contains(&0) {
            return;
        }
        debug_assert!(parameters.len() * 4 <= IMMEDIATE_BYTES as usize);
        let pipeline = self.pipelines.index(variant);
        let groups = groups.map(|count| count as u32);
        self.ops.push(Op::Dispatch(Dispatch { pipeline, buffers, parameters, groups }));
    }

    /// Submits everything that was recorded.
    pub(crate) fn submit(&mut self) -> Result<()> {
        if let Some(failure) = self.failure.take() {
            self.ops.clear();
            self.is_planned = false;
            self.copies.clear();
            self.words.truncate(self.kept_words);
            return Err(failure);
        }
        if self.ops.is_empty() && !self.is_planned {
            return Ok(());
        }
        self.pipelines.compile();
        self.upload_words()?;
        let is_planned = std::mem::take(&mut self.is_planned);
        if let Some(profile) = self.profile.take() {
            self.profile = Some(self.measure(profile)?);
        } else if is_planned {
            if let Some(plan) = self.plan.take() {
                self.send(&plan.ready, true);
                self.plan = Some(plan);
            }
        } else {
            self.send_pieces();
        }
        self.ops.clear();
        self.words.truncate(self.kept_words);
        Ok(())
    }

    /// Sends what was recorded in pieces that grow, so that the device begins while the rest is encoded.
    fn send_pieces(&mut self) {
        let (count, mut all) = (self.ops.len(), Vec::new());
        let mut start = 0;
        while start < count {
            let end = if start < FIRST_PIECE { FIRST_PIECE } else { 2 * start };
            // A small rest belongs to the last piece, and all that is held to the first.
            let end = if end + end / 2 < count && !self.holds { end } else { count };
            let ready = self.ready(start..end);
            self.send(&ready, end == count);
            all.extend(ready);
            start = end;
        }
        if let Some(plan) = &mut self.plan {
            plan.ready = all;
        }
    }

    /// Submits dispatches as one pass, or holds them. The last ones of a submission are followed by its copies.
    fn send(&mut self, dispatches: &[Ready], is_last: bool) {
        let descriptor = CommandEncoderDescriptor::default();
        let mut encoder = self.context.device.create_command_encoder(&descriptor);
        self.encode(dispatches, &mut encoder.begin_compute_pass(&ComputePassDescriptor::default()));
        if is_last {
            self.copy(&mut encoder);
        }
        let commands = encoder.finish();
        if self.holds {
            self.held.push(commands);
        } else {
            self.submission = Some(self.context.queue.submit([commands]));
        }
    }

    /// Submits everything that was recorded as one pass, and returns the seconds that it took: by the clock of the
    /// device, or by that of the processor if it has none.
    pub(crate) fn submit_timed(&mut self) -> Result<f64> {
        self.is_planned = false;
        self.plan = None;
        if let Some(failure) = self.failure.take() {
            self.ops.clear();
            self.words.truncate(self.kept_words);
            return Err(failure);
        }
        self.pipelines.compile();
        self.upload_words()?;
        let ready = self.ready(0..self.ops.len());
        let has_clock = self.context.info.timestamps;
        let queries = has_clock.then(|| profile::Queries::new(&self.context, 1));
        let mut encoder =
            self.context.device.create_command_encoder(&CommandEncoderDescriptor::default());
        let descriptor = queries.as_ref().map_or_else(Default::default, |it| it.pass(0));
        self.encode(&ready, &mut encoder.begin_compute_pass(&descriptor));
        if let Some(queries) = &queries {
            queries.resolve(&mut encoder);
        }
        self.copy(&mut encoder);
        let commands = encoder.finish();
        let began = Instant::now();
        self.submission = Some(self.context.queue.submit([commands]));
        // Reading anything waits for all.
        let words = &self.words_buffer;
        let seconds = if let Some(queries) = queries {
            queries.read(&self.context)?[0]
        } else {
            self.context.read(&[(words, 0)], 4, &mut |_| {})?;
            began.elapsed().as_secs_f64()
        };
        self.ops.clear();
        self.words.truncate(self.kept_words);
        Ok(seconds)
    }

    /// Copies when everything that is recorded so far is done. Something must be recorded.
    pub(crate) fn copy_after(&mut self, copy: Copy) {
        self.copies.push(copy);
    }

    fn copy(&mut self, encoder: &mut CommandEncoder) {
        for Copy { buffer, from, to, at, bytes } in self.copies.drain(..) {
            encoder.copy_buffer_to_buffer(&buffer, from, &to, at, bytes);
        }
    }

    /// Holds what is submitted from now on.
    pub(crate) fn hold(&mut self) {
        debug_assert!(self.profile.is_none(), "kernels are measured when they run");
        self.holds = true;
    }

    /// Returns `true` if something is held.
    pub(crate) fn is_held(&self) -> bool {
        !self.held.is_empty()
    }

    /// Submits what is held.
    pub(crate) fn release(&mut self) {
        self.holds = false;
        if self.is_held() {
            self.submission = Some(self.context.queue.submit(self.held.drain(..)));
        }
    }

    /// Drops what is held.
    pub(crate) fn forget_held(&mut self) {
        self.holds = false;
        self.held.clear();
    }

    /// Returns the last submission.
    pub(crate) fn last_submission(&self) -> Option<SubmissionIndex> {
        self.submission.clone()
    }

    fn upload_words(&mut self) -> Result<()> {
        let bytes: &[u8] = bytemuck::cast_slice(&self.words);
        if bytes.len() as u64 > self.words_buffer.size() {
            self.words_buffer = self.context.buffer(bytes.len().next_power_of_two())?;
            self.groups.clear();
            if let Some(plan) = &mut self.plan {
                plan.ready.clear();
            }
        }
        self.context.write(&self.words_buffer, 0, bytes);
        Ok(())
    }

    /// Submits every dispatch in a pass of its own, and adds up their times.
    fn measure(&mut self, mut profile: Profile) -> Result<Profile> {
        let began = Instant::now();
        for start in (0..self.ops.len()).step_by(profile::MOST) {
            let range = start..self.ops.len().min(start + profile::MOST);
            let queries = profile::Queries::new(&self.context, range.len());
            let descriptor = CommandEncoderDescriptor::default();
            let mut encoder = self.context.device.create_command_encoder(&descriptor);
            for (query, at) in range.clone().enumerate() {
                let descriptor = queries.pass(query);
                let ready = self.ready(at..at + 1);
                self.encode(&ready, &mut encoder.begin_compute_pass(&descriptor));
            }
            queries.resolve(&mut encoder);
            if range.end == self.ops.len() {
                self.copy(&mut encoder);
            }
            self.submission = Some(self.context.queue.submit([encoder.finish()]));
            let times = queries.read(&self.context)?;
            for (at, seconds) in range.zip(times) {
                let Op::Dispatch(Dispatch { pipeline, groups, .. }) = &self.ops[at] else {
                    continue;
                };
                profile.add(self.pipelines.name(*pipeline), *groups, seconds);
            }
        }
        profile.steps += 1;
        profile.seconds += began.elapsed().as_secs_f64();
        Ok(profile)
    }

    /// Returns dispatches with everything they need.
    fn ready(&mut self, range: Range<usize>) -> Vec<Ready> {
        if self.groups.len() > MAX_GROUPS {
            self.groups.clear();
        }
        let mut all = Vec::with_capacity(range.len());
        for op in &self.ops[range] {
            let Op::Dispatch(dispatch) = op else { continue };
            let Dispatch { pipeline: index, buffers, parameters, groups } = dispatch;
            let pipeline = self.pipelines.get(*index);
            let buffers: Vec<Buffer> = buffers
                .iter()
                .map(|bind| match bind {
                    Bind::Buffer(buffer) => buffer.clone(),
                    Bind::Act(act) => self.buffers[act.0 as usize].clone(),
                    Bind::Tiles(act) => self.tiles[act].clone(),
                    Bind::Words => self.words_buffer.clone(),
                })
                .collect();
            let group = self.groups.entry((*index, buffers)).or_insert_with_key(|(_, buffers)| {
                let entries: Vec<BindGroupEntry<'_>> = (0..)
                    .zip(buffers)
                    .map(|(binding, buffer)| BindGroupEntry {
                        binding,
                        resource: buffer.as_entire_binding(),
                    })
                    .collect();
                self.context.device.create_bind_group(&BindGroupDescriptor {
                    label: None,
                    layout: &pipeline.layout,
                    entries: &entries,
                })
            });
            // All of them, because a driver may keep those of an earlier kernel.
            let mut parameters_of_all = [0_u32; IMMEDIATE_BYTES as usize / 4];
            parameters_of_all[..parameters.len()].copy_from_slice(parameters);
            let (parameters, groups) = (parameters_of_all, *groups);
            all.push(Ready { pipeline: *index, group: group.clone(), parameters, groups });
        }
        all
    }

    fn encode(&self, dispatches: &[Ready], pass: &mut ComputePass<'_>) {
        let mut current = None;
        for Ready { pipeline, group, parameters, groups } in dispatches {
            if current != Some(*pipeline) {
                pass.set_pipeline(&self.pipelines.get(*pipeline).pipeline);
                current = Some(*pipeline);
            }
            pass.set_bind_group(0, group, &[]);
            pass.set_immediates(0, bytemuck::cast_slice(parameters));
            let [x, y, z] = *groups;
            pass.dispatch_workgroups(x, y, z);
        }
    }
}
