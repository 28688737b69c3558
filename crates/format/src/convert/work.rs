//! The work on rows: many at once on several threads, in the order of the file.

use std::num::NonZero;
use std::ops::Range;

use super::input::Input;
use crate::safetensors::Writer;
use crate::{Dtype, FormatError, Mode, affine, block};

/// Values that one thread takes at a time.
const CHUNK_VALUES: usize = 1 << 20;

/// What becomes of an input.
#[derive(Clone, Copy, Debug)]
pub(super) enum Job {
    /// Its bytes as they are.
    Copy,
    /// Its values as `to`, after a cast of what they are computed from.
    Values { cast: Option<Dtype>, to: Dtype },
    /// Packed values, scales and perhaps biases.
    Quantize { cast: Option<Dtype>, mode: Mode },
}

/// Scales and biases of a matrix, which follow its values in the file.
#[derive(Debug, Default)]
struct Made {
    main: Vec<u8>,
    scales: Vec<u8>,
    biases: Vec<u8>,
}

/// Does the job and appends its tensors; `report` hears of bytes written.
pub(super) fn run(
    input: &Input,
    job: Job,
    file: &mut Writer,
    report: &mut dyn FnMut(usize) -> Result<(), FormatError>,
) -> Result<(), FormatError> {
    if matches!(job, Job::Copy) {
        for piece in input.pieces() {
            for chunk in piece.chunks(CHUNK_VALUES) {
                file.write(chunk)?;
                report(chunk.len())?;
            }
        }
        return Ok(());
    }
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    let rows = input.rows();
    let each = (CHUNK_VALUES / input.cols().max(1)).max(1);
    let (mut scales, mut biases) = (Vec::new(), Vec::new());
    let mut first = 0;
    while first < rows {
        let end = rows.min(first.saturating_add(each.saturating_mul(threads)));
        let ranges = (first..end).step_by(each).map(|start| start..end.min(start + each));
        for made in on_threads(input, job, ranges) {
            file.write(&made.main)?;
            report(made.main.len())?;
            scales.extend_from_slice(&made.scales);
            biases.extend_from_slice(&made.biases);
        }
        first = end;
    }
    for rest in [scales, biases] {
        file.write(&rest)?;
        report(rest.len())?;
    }
    Ok(())
}

fn on_threads(input: &Input, job: Job, ranges: impl Iterator<Item = Range<usize>>) -> Vec<Made> {
    std::thread::scope(|scope| {
        let workers: Vec<_> =
            ranges.map(|range| scope.spawn(move || make(input, job, range))).collect();
        let join = |worker: std::thread::ScopedJoinHandle<'_, Made>| {
            worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        workers.into_iter().map(join).collect()
    })
}

fn make(input: &Input, job: Job, rows: Range<usize>) -> Made {
    let cols = input.cols();
    let mut made = Made::default();
    let mut values = vec![0.0; cols];
    match job {
        Job::Copy => {}
        Job::Values { cast, to } => {
            made.main.reserve(rows.len() * cols * to.size_bytes());
            for row in rows {
                input.row(row, cast, &mut values);
                for &value in &values {
                    to.put(value, &mut made.main);
                }
            }
        }
        Job::Quantize { cast, mode } => {
            let dtype = input.dtype(cast);
            let mut quantizer = Quantizer::new(mode, cols, dtype);
            for row in rows {
                input.row(row, cast, &mut values);
                quantizer.row(&values, &mut made);
            }
        }
    }
    made
}

/// The buffers of one row.
struct Quantizer {
    mode: Mode,
    dtype: Dtype,
    codes: Vec<u8>,
    packed: Vec<u8>,
    scales: Vec<f32>,
    biases: Vec<f32>,
    bytes: Vec<u8>,
}

impl Quantizer {
    fn new(mode: Mode, cols: usize, dtype: Dtype) -> Self {
        let groups = cols / mode.group_size();
        Self {
            mode,
            dtype,
            codes: vec![0; cols],
            packed: vec![0; affine::row_bytes(cols, mode.bits())],
            scales: vec![0.0; groups],
            biases: vec![0.0; groups],
            bytes: vec![0; groups],
        }
    }

    fn row(&mut self, values: &[f32], made: &mut Made) {
        if let Mode::Affine { bits, group_size } = self.mode {
            let (bits, size) = (usize::from(bits), usize::from(group_size));
            let (scales, biases) = (&mut self.scales, &mut self.biases);
            affine::quantize_row(values, bits, size, &mut self.codes, scales, biases);
            for &scale in scales.iter() {
                self.dtype.put(scale, &mut made.scales);
            }
            for &bias in biases.iter() {
                self.dtype.put(bias, &mut made.biases);
            }
        } else {
            block::quantize_row(self.mode, values, None, &mut self.codes, &mut self.bytes);
            made.scales.extend_from_slice(&self.bytes);
        }
        affine::pack_row(&self.codes, self.mode.bits(), &mut self.packed);
        made.main.extend_from_slice(&self.packed);
    }
}
