//! Tokens that the device chooses, so that the next step can begin before the processor knows them.

use mlxk_ops::{Act, Choice, Ranked, Result};
use wgpu::{Buffer, BufferDescriptor, BufferUsages, MapMode, PollType, SubmissionIndex};

use crate::context::Context;
use crate::device::Gpu;
use crate::kernels;
use crate::pipelines::Variant;
use crate::step::{Bind, Copy};
use crate::top;

/// Choices that are in memory at a time: one that is waited for, one that a step begins with, and one that it ends with.
const KEPT: usize = 4;
/// Workgroups that share a row.
const GROUPS: usize = 64;

/// The choices that were made last.
#[derive(Default)]
pub(crate) struct Choices {
    made: u32,
    /// `[rows][2]`: the order of a value, and its column, of the last choice. A step reads it before it writes its own.
    best: Option<Buffer>,
    kept: [Option<Made>; KEPT],
}

struct Made {
    number: u32,
    rows: usize,
    /// A copy that the processor reads.
    copy: Buffer,
    submission: Option<SubmissionIndex>,
}

impl Made {
    fn new(rows: usize, context: &Context) -> Self {
        let copy = context.device.create_buffer(&BufferDescriptor {
            label: None,
            size: 8 * rows as u64,
            usage: BufferUsages::MAP_READ | BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        Self { number: 0, rows, copy, submission: None }
    }
}

impl Choices {
    /// Returns the tokens of the last choice, in every second word from the second on.
    ///
    /// # Panics
    /// Panics if the choice is another one.
    pub(crate) fn tokens(&self, choice: Choice) -> Bind {
        assert_eq!(choice.0.wrapping_add(1), self.made, "a step begins with the last choice");
        Bind::Buffer(self.best.clone().expect("a choice was made"))
    }

    fn get(&self, choice: Choice) -> &Made {
        let made = self.kept[choice.0 as usize % KEPT].as_ref();
        made.filter(|made| made.number == choice.0).expect("a choice is one of the last")
    }
}

/// Begins to choose, see [`mlxk_ops::Compute::choose`].
pub(crate) fn choose(gpu: &mut Gpu, x: Act, width: usize) -> Result<Choice> {
    let rows = gpu.step.len(x) / width.max(1);
    let number = gpu.choices.made;
    gpu.choices.made = number.wrapping_add(1);
    let slot = number as usize % KEPT;
    let made = match gpu.choices.kept[slot].take() {
        Some(made) if made.rows >= rows && made.submission.is_none() => made,
        _ => Made::new(rows, &gpu.context),
    };
    let best = match gpu.choices.best.take() {
        Some(best) if best.size() >= 8 * rows as u64 => best,
        _ => gpu.context.buffer(8 * rows)?,
    };
    gpu.choices.best = Some(best.clone());
    let parts = gpu.step.act(rows, 2 * GROUPS);
    let (x, parts, to) = (Bind::Act(x), Bind::Act(parts), Bind::Buffer(best.clone()));
    for (first, from, to, width, groups) in
        [(1, x, parts.clone(), width, GROUPS), (0, parts, to, GROUPS, 1)]
    {
        let variant = Variant::new(&kernels::BEST, &[first]);
        gpu.step.dispatch(&variant, vec![from, to], vec![width as u32], [groups, rows, 1]);
    }
    let bytes = 8 * rows as u64;
    gpu.step.copy_after(Copy { from: best, to: made.copy.clone(), bytes });
    gpu.submit()?;
    let submission = gpu.step.last_submission();
    made.copy.map_async(MapMode::Read, .., |_| {});
    gpu.choices.kept[slot] = Some(Made { number, rows, submission, ..made });
    Ok(Choice(number))
}

/// Waits for a choice, see [`mlxk_ops::Compute::chosen`].
pub(crate) fn chosen(gpu: &mut Gpu, choice: Choice) -> Result<Vec<Ranked>> {
    let context = gpu.context.clone();
    let made = gpu.choices.get(choice);
    let wait = PollType::Wait { submission_index: made.submission.clone(), timeout: None };
    context.device.poll(wait).map_err(|error| context.error(&error))?;
    context.check()?;
    let bytes = 8 * made.rows as u64;
    let view = made.copy.get_mapped_range(..bytes).map_err(|error| context.error(&error))?;
    let words: &[[u32; 2]] = bytemuck::cast_slice(&view);
    let best = words.iter().map(|&[order, column]| top::rank(order, column)).collect();
    drop(view);
    made.copy.unmap();
    let slot = choice.0 as usize % KEPT;
    if let Some(made) = &mut gpu.choices.kept[slot] {
        made.submission = None;
    }
    Ok(best)
}
