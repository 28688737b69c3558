//! Processes rows on several threads and writes them in order.

use std::num::NonZero;
use std::ops::Range;

use super::input::Input;
use crate::safetensors::Writer;
use mlxk_tensor::{Dtype, Mode};

use crate::{FormatError, QuantizedRows, RowQuantizer};

/// Number of values that one thread processes at a time.
const CHUNK_VALUES: usize = 1 << 20;

/// Operation on an input.
#[derive(Clone, Copy, Debug)]
pub(super) enum Job {
    /// Copy the bytes.
    Copy,
    /// Convert the values to `to`, after casting what they are computed from.
    Values { cast: Option<Dtype>, to: Dtype },
    /// Quantize into packed values, scales and, for affine groups, biases.
    Quantize { cast: Option<Dtype>, mode: Mode },
}

/// Does the job and appends its tensors. Calls `report` with the number of bytes written.
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
            file.write(&made.values)?;
            report(made.values.len())?;
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

fn on_threads(
    input: &Input,
    job: Job,
    ranges: impl Iterator<Item = Range<usize>>,
) -> Vec<QuantizedRows> {
    std::thread::scope(|scope| {
        let workers: Vec<_> =
            ranges.map(|range| scope.spawn(move || make(input, job, range))).collect();
        let join = |worker: std::thread::ScopedJoinHandle<'_, QuantizedRows>| {
            worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        workers.into_iter().map(join).collect()
    })
}

fn make(input: &Input, job: Job, rows: Range<usize>) -> QuantizedRows {
    let cols = input.cols();
    let mut made = QuantizedRows::default();
    let mut values = vec![0.0; cols];
    match job {
        Job::Copy => {}
        Job::Values { cast, to } => {
            made.values.reserve(rows.len() * cols * to.size_bytes());
            for row in rows {
                input.row(row, cast, &mut values);
                for &value in &values {
                    to.put(value, &mut made.values);
                }
            }
        }
        Job::Quantize { cast, mode } => {
            let dtype = input.dtype(cast);
            let mut quantizer = RowQuantizer::new(mode, cols, dtype);
            for row in rows {
                input.row(row, cast, &mut values);
                quantizer.row(&values, &mut made);
            }
        }
    }
    made
}
