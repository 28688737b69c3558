//! Tokens that the next step can begin with before they are known: those that the device chooses, and those that the
//! processor draws from a survey of the logits.

use mlxk_ops::{Act, Choice, Ranked, Result, Survey};
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
/// Bytes of a value and its column, of a token, and of what a workgroup tells of its part of a row.
const PAIR: usize = 8;

/// The choices that were made last.
#[derive(Default)]
pub(crate) struct Choices {
    made: u32,
    /// `[rows][2]`: the order of a value, and its column, of the last choice. A step reads it before it writes its own.
    /// The columns of a survey are written when they are told.
    best: Option<Buffer>,
    kept: [Option<Made>; KEPT],
    /// Values of the complete rows of the survey that was waited for last.
    values: Vec<f32>,
}

struct Made {
    number: u32,
    rows: usize,
    /// A copy that the processor reads.
    copy: Buffer,
    submission: Option<SubmissionIndex>,
    /// `true` if the step was not submitted yet.
    is_held: bool,
    survey: Option<Surveyed>,
}

/// Where a survey is in its copy.
struct Surveyed {
    /// The logits.
    x: Buffer,
    width: usize,
    scales: Vec<f32>,
    /// `true` if the tokens of the rows are known.
    is_told: bool,
    /// Values of a row in the copy, and how many of them are wanted. Behind those of all rows are the parts, and then
    /// all values of the complete rows.
    ranked: usize,
    wanted: usize,
    complete: Vec<usize>,
}

impl Made {
    fn new(bytes: usize, context: &Context) -> Self {
        let copy = context.device.create_buffer(&BufferDescriptor {
            label: None,
            size: bytes as u64,
            usage: BufferUsages::MAP_READ | BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        Self { number: 0, rows: 0, copy, submission: None, is_held: false, survey: None }
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

    /// Returns `true` if a step that begins with these tokens has to wait for them.
    pub(crate) fn waits(&self, choice: Option<Choice>) -> bool {
        let untold = |made: &Made| made.survey.as_ref().is_some_and(|survey| !survey.is_told);
        choice.is_some_and(|choice| untold(self.get(choice)))
    }

    fn get(&self, choice: Choice) -> &Made {
        let made = self.kept[choice.0 as usize % KEPT].as_ref();
        made.filter(|made| made.number == choice.0).expect("a choice is one of the last")
    }

    /// Numbers a choice for so many rows. Returns its number, a copy of this size, and the memory of the tokens.
    fn begin(&mut self, rows: usize, bytes: usize, context: &Context) -> Result<(Made, Buffer)> {
        let number = self.made;
        self.made = number.wrapping_add(1);
        let made = match self.kept[number as usize % KEPT].take() {
            Some(made) if is_free(&made) && made.copy.size() >= bytes as u64 => made,
            _ => Made::new(bytes, context),
        };
        let best = match self.best.take() {
            Some(best) if best.size() >= (PAIR * rows) as u64 => best,
            _ => context.buffer(PAIR * rows)?,
        };
        self.best = Some(best.clone());
        Ok((Made { number, rows, survey: None, ..made }, best))
    }
}

fn is_free(made: &Made) -> bool {
    made.submission.is_none() && !made.is_held
}

/// Begins to choose, see [`mlxk_ops::Compute::choose`].
pub(crate) fn choose(gpu: &mut Gpu, x: Act, width: usize) -> Result<Choice> {
    let rows = gpu.step.len(x) / width.max(1);
    let (made, best) = gpu.choices.begin(rows, PAIR * rows, &gpu.context)?;
    let parts = gpu.step.act(rows, 2 * GROUPS);
    let (x, parts, to) = (Bind::Act(x), Bind::Act(parts), Bind::Buffer(best.clone()));
    for (first, from, to, width, groups) in
        [(1, x, parts.clone(), width, GROUPS), (0, parts, to, GROUPS, 1)]
    {
        let variant = Variant::new(&kernels::BEST, &[first]);
        gpu.step.dispatch(&variant, vec![from, to], vec![width as u32], [groups, rows, 1]);
    }
    let bytes = (PAIR * rows) as u64;
    gpu.step.copy_after(Copy { buffer: best, from: 0, to: made.copy.clone(), at: 0, bytes });
    submit(gpu, made)
}

/// Begins a survey, see [`mlxk_ops::Compute::survey`].
pub(crate) fn survey(
    gpu: &mut Gpu,
    x: Act,
    [width, k]: [usize; 2],
    scales: &[f32],
    complete: &[usize],
) -> Result<Choice> {
    let rows = gpu.step.len(x) / width.max(1);
    assert_eq!(rows, scales.len(), "each row has a scale");
    let (found, ranked) = if k == 0 { (None, 0) } else { best_of(gpu, x, [width, k], scales) };
    let values = width * size_of::<f32>();
    let sizes = found.map_or([0, 0], |_| [rows * ranked * PAIR, rows * GROUPS * PAIR]);
    let all = sizes[0] + sizes[1] + complete.len() * values;
    let (mut made, _) = gpu.choices.begin(rows, all, &gpu.context)?;
    let x = gpu.step.memory(x).clone();
    let mut to = 0;
    let mut copy = |gpu: &mut Gpu, buffer: &Buffer, from: usize, bytes: usize| {
        let (from, at, bytes_of_copy) = (from as u64, to as u64, bytes as u64);
        let (buffer, target) = (buffer.clone(), made.copy.clone());
        gpu.step.copy_after(Copy { buffer, from, to: target, at, bytes: bytes_of_copy });
        to += bytes;
    };
    if let Some(acts) = found {
        for (act, bytes) in acts.into_iter().zip(sizes) {
            let buffer = gpu.step.memory(act).clone();
            copy(gpu, &buffer, 0, bytes);
        }
    }
    for &row in complete {
        copy(gpu, &x, row * values, values);
    }
    let (scales, wanted, complete) = (scales.to_vec(), k.min(width), complete.to_vec());
    made.survey = Some(Surveyed { x, width, scales, is_told: false, ranked, wanted, complete });
    submit(gpu, made)
}

/// Records the search for the best values, and the sums of weights. Returns both, and the number of values of a row.
fn best_of(
    gpu: &mut Gpu,
    x: Act,
    [width, k]: [usize; 2],
    scales: &[f32],
) -> (Option<[Act; 2]>, usize) {
    let (best, ranked) = top::find(gpu, x, width, k);
    let parts = gpu.step.act(scales.len(), 2 * GROUPS);
    let at = gpu.step.words(scales.iter().map(|scale| scale.to_bits()));
    let buffers = vec![Bind::Act(x), Bind::Words, Bind::Act(parts)];
    let variant = Variant::new(&kernels::WEIGH, &[]);
    gpu.step.dispatch(&variant, buffers, vec![width as u32, at], [GROUPS, scales.len(), 1]);
    (Some([best, parts]), ranked)
}

/// Submits the step that ends with a choice, or holds it until it is told the tokens that it begins with.
fn submit(gpu: &mut Gpu, made: Made) -> Result<Choice> {
    gpu.submit()?;
    let number = made.number;
    let slot = number as usize % KEPT;
    gpu.choices.kept[slot] = Some(Made { is_held: true, ..made });
    if !gpu.step.is_held() {
        was_submitted(gpu);
    }
    Ok(Choice(number))
}

/// Asks for the copies of steps that were submitted.
fn was_submitted(gpu: &mut Gpu) {
    let submission = gpu.step.last_submission();
    for made in gpu.choices.kept.iter_mut().flatten().filter(|made| made.is_held) {
        made.is_held = false;
        made.submission.clone_from(&submission);
        made.copy.map_async(MapMode::Read, .., |_| {});
    }
}

/// Drops a step that was never told its tokens.
pub(crate) fn forget_held(gpu: &mut Gpu) {
    gpu.step.forget_held();
    for kept in &mut gpu.choices.kept {
        kept.take_if(|made| made.is_held);
    }
}

/// Waits for a choice, and passes its bytes to `take`.
fn wait<T>(gpu: &mut Gpu, choice: Choice, take: impl FnOnce(&Made, &[u32]) -> T) -> Result<T> {
    let context = gpu.context.clone();
    let made = gpu.choices.get(choice);
    let wait = PollType::Wait { submission_index: made.submission.clone(), timeout: None };
    context.device.poll(wait).map_err(|error| context.error(&error))?;
    context.check()?;
    let view = made.copy.get_mapped_range(..).map_err(|error| context.error(&error))?;
    let taken = take(made, bytemuck::cast_slice(&view));
    drop(view);
    made.copy.unmap();
    let slot = choice.0 as usize % KEPT;
    if let Some(made) = &mut gpu.choices.kept[slot] {
        made.submission = None;
    }
    Ok(taken)
}

/// Waits for a choice, see [`mlxk_ops::Compute::chosen`].
pub(crate) fn chosen(gpu: &mut Gpu, choice: Choice) -> Result<Vec<Ranked>> {
    wait(gpu, choice, |made, words| ranked(&words[..2 * made.rows]).collect())
}

fn ranked(words: &[u32]) -> impl Iterator<Item = Ranked> {
    words.as_chunks::<2>().0.iter().map(|&[order, column]| top::rank(order, column))
}

/// Waits for a survey, see [`mlxk_ops::Compute::surveyed`].
pub(crate) fn surveyed(gpu: &mut Gpu, choice: Choice) -> Result<Vec<Survey>> {
    let mut values = std::mem::take(&mut gpu.choices.values);
    values.clear();
    let surveys = wait(gpu, choice, |made, words| {
        let survey = made.survey.as_ref().expect("a survey was begun");
        let (pairs, rest) = words.split_at(2 * made.rows * survey.ranked);
        let parts = if survey.ranked == 0 { 0 } else { 2 * made.rows * GROUPS };
        let (parts, rest) = rest.split_at(parts);
        let complete = &rest[..survey.complete.len() * survey.width];
        values.extend_from_slice(bytemuck::cast_slice(complete));
        let summary = |row: usize| {
            if survey.complete.contains(&row) {
                return Survey { width: survey.width, best: vec![], total: 0.0 };
            }
            let pairs = &pairs[2 * survey.ranked * row..][..2 * survey.wanted];
            let parts = &parts[2 * GROUPS * row..][..2 * GROUPS];
            summary_of(pairs, parts, survey.width, survey.scales[row])
        };
        (0..made.rows).map(summary).collect()
    });
    gpu.choices.values = values;
    surveys
}

/// Returns the survey of a row from its best values and its parts.
fn summary_of(pairs: &[u32], parts: &[u32], width: usize, scale: f32) -> Survey {
    let best: Vec<Ranked> = ranked(pairs).collect();
    let largest = best.first().map_or(f32::NAN, |best| best.value);
    let weight = |&[most, sum]: &[u32; 2]| {
        let [most, sum] = [most, sum].map(f32::from_bits);
        let distance = f64::from(most) - f64::from(largest);
        f64::from(sum) * (distance * f64::from(scale)).exp()
    };
    let total = parts.as_chunks::<2>().0.iter().map(weight).sum();
    Survey { width, best, total }
}

/// Reads the values of a row, see [`mlxk_ops::Compute::surveyed_row`].
pub(crate) fn surveyed_row(gpu: &mut Gpu, choice: Choice, row: usize) -> Result<&[f32]> {
    let survey = gpu.choices.get(choice).survey.as_ref().expect("a survey was begun");
    let width = survey.width;
    if let Some(at) = survey.complete.iter().position(|&it| it == row) {
        return Ok(&gpu.choices.values[at * width..][..width]);
    }
    let bytes = width * size_of::<f32>();
    let (read, part) = (&mut gpu.read, (&survey.x, row * bytes));
    read.clear();
    gpu.context.read(&[part], bytes, &mut |bytes| {
        read.extend_from_slice(bytemuck::cast_slice(bytes));
    })?;
    Ok(&gpu.read)
}

/// Tells the tokens of a survey, see [`mlxk_ops::Compute::tell`].
pub(crate) fn tell(gpu: &mut Gpu, choice: Choice, tokens: &[u32]) -> Result<()> {
    assert!(gpu.choices.waits(Some(choice)), "the tokens of a survey are told once");
    let kept = &mut gpu.choices.kept[choice.0 as usize % KEPT];
    if let Some(Made { survey: Some(survey), .. }) = kept {
        survey.is_told = true;
    }
    let words: Vec<u32> = tokens.iter().flat_map(|&token| [0, token]).collect();
    let best = gpu.choices.best.as_ref().expect("a survey was begun");
    gpu.context.write(best, 0, bytemuck::cast_slice(&words));
    gpu.step.release();
    was_submitted(gpu);
    gpu.context.check()
}
