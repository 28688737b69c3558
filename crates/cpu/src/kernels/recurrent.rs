//! Steps of recurrent layers, in plain Rust that the compiler turns into vectors. The kernels of an
//! instruction set compile the same code for its registers, so they add in the same order.
#![expect(
    clippy::inline_always,
    reason = "code that isn't inlined has no instructions of its caller's set"
)]

use mlxk_ops::STATE_COLUMNS;

/// Values of [`STATE_COLUMNS`] columns.
pub(crate) type Columns = [f32; STATE_COLUMNS];

/// `true` if every processor of this architecture rounds a product and a sum once.
pub(super) const FUSED: bool = cfg!(target_arch = "aarch64");

/// Partial sums of squares.
const LANES: usize = 16;

/// One step of a state: `S = decay · S + key ⊗ change`, then `query · S` is read.
#[derive(Clone, Copy)]
pub(crate) struct StateStep<'a> {
    pub decay: f32,
    /// `[rows]`
    pub key: &'a [f32],
    pub change: &'a Columns,
    /// `[rows]`
    pub query: &'a [f32],
    /// `[rows]` key of the next step, which will need what the state has for it.
    pub next_key: Option<&'a [f32]>,
}

/// Numbers that a step reads.
#[derive(Clone, Copy)]
pub(crate) struct StateReads {
    /// `query · S`.
    pub out: Columns,
    /// `next_key · S`, or zeros.
    pub next: Columns,
}

#[inline(always)]
fn multiply_add<const FUSED: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FUSED { a.mul_add(b, c) } else { a * b + c }
}

/// Sums of the even and of the odd rows of a state, so that one need not wait for the one before.
#[derive(Clone, Copy)]
struct Sums([Columns; 2]);

impl Sums {
    const ZERO: Self = Self([[0.0; STATE_COLUMNS]; 2]);

    /// Adds `factor · values` to one of the sums.
    #[inline(always)]
    fn add<const FUSED: bool>(&mut self, sum: usize, factor: f32, values: &Columns) {
        for (sum, value) in self.0[sum].iter_mut().zip(values) {
            *sum = multiply_add::<FUSED>(factor, *value, *sum);
        }
    }

    #[inline(always)]
    fn total(self) -> Columns {
        let [even, odd] = self.0;
        std::array::from_fn(|column| even[column] + odd[column])
    }
}

/// `values = decay · values + key · change`.
#[inline(always)]
fn learn<const FUSED: bool>(values: &mut Columns, decay: f32, key: f32, change: &Columns) {
    // An array of its own, which the compiler keeps in registers.
    let mut learned = [0.0; STATE_COLUMNS];
    for ((learned, change), value) in learned.iter_mut().zip(change).zip(&*values) {
        *learned = multiply_add::<FUSED>(key, *change, decay * value);
    }
    *values = learned;
}

/// One row of a step. Its sum is 0 for even rows and 1 for odd ones.
#[inline(always)]
fn step_row<const FUSED: bool, const READS_NEXT: bool>(
    values: &mut Columns,
    (sum, row): (usize, usize),
    step: &StateStep<'_>,
    next_key: &[f32],
    [out, next]: [&mut Sums; 2],
) {
    learn::<FUSED>(values, step.decay, step.key[row], step.change);
    out.add::<FUSED>(sum, step.query[row], values);
    if READS_NEXT {
        next.add::<FUSED>(sum, next_key[row], values);
    }
}

/// All rows of a step, two at a time: the compiler does not make vectors of a sum that is chosen at run time,
/// nor of closures.
#[inline(always)]
fn step_rows<const FUSED: bool, const READS_NEXT: bool>(
    state: &mut [Columns],
    step: &StateStep<'_>,
    next_key: &[f32],
) -> StateReads {
    let (change, rows) = (*step.change, state.len());
    let (key, query) = (&step.key[..rows], &step.query[..rows]);
    let step = StateStep { key, query, change: &change, ..*step };
    let next_key = if READS_NEXT { &next_key[..rows] } else { next_key };
    let (mut out, mut next) = (Sums::ZERO, Sums::ZERO);
    let (pairs, rest) = state.as_chunks_mut::<2>();
    for (pair, [even, odd]) in pairs.iter_mut().enumerate() {
        let (a, b) = ((0, 2 * pair), (1, 2 * pair + 1));
        step_row::<FUSED, READS_NEXT>(even, a, &step, next_key, [&mut out, &mut next]);
        step_row::<FUSED, READS_NEXT>(odd, b, &step, next_key, [&mut out, &mut next]);
    }
    for values in rest {
        let last = (0, rows - 1);
        step_row::<FUSED, READS_NEXT>(values, last, &step, next_key, [&mut out, &mut next]);
    }
    StateReads { out: out.total(), next: next.total() }
}

/// See [`super::Kernels::state_step`].
#[inline(always)]
pub(super) fn state_step<const FUSED: bool>(
    state: &mut [Columns],
    step: &StateStep<'_>,
) -> StateReads {
    match step.next_key {
        Some(next_key) => step_rows::<FUSED, true>(state, step, next_key),
        None => step_rows::<FUSED, false>(state, step, &[]),
    }
}

/// See [`super::Kernels::state_read`].
#[inline(always)]
pub(super) fn state_read<const FUSED: bool>(state: &[Columns], key: &[f32]) -> Columns {
    let key = &key[..state.len()];
    let mut sums = Sums::ZERO;
    let (pairs, rest) = state.as_chunks::<2>();
    for (pair, [even, odd]) in pairs.iter().enumerate() {
        sums.add::<FUSED>(0, key[2 * pair], even);
        sums.add::<FUSED>(1, key[2 * pair + 1], odd);
    }
    for values in rest {
        sums.add::<FUSED>(0, key[state.len() - 1], values);
    }
    sums.total()
}

/// See [`super::Kernels::convolve`].
#[inline(always)]
pub(super) fn convolve(out: &mut [f32], taps: &[&[f32]], weights: &[&[f32]], bias: Option<&[f32]>) {
    match bias {
        Some(bias) => out.copy_from_slice(bias),
        None => out.fill(0.0),
    }
    for (tap, weight) in taps.iter().zip(weights) {
        for ((out, x), weight) in out.iter_mut().zip(*tap).zip(*weight) {
            *out += weight * x;
        }
    }
}

/// See [`super::Kernels::normalize`].
#[inline(always)]
pub(super) fn normalize(x: &mut [f32], eps: f32, scale: f32) {
    let mut squares = [0.0_f32; LANES];
    for x in x.chunks(LANES) {
        for (square, x) in squares.iter_mut().zip(x) {
            *square += x * x;
        }
    }
    let factor = scale / (squares.iter().sum::<f32>() + eps).sqrt();
    for x in x {
        *x *= factor;
    }
}
