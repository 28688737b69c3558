//! Creates rows on several threads and delivers them in order.

use std::num::NonZero;
use std::ops::Range;

/// Number of values that one thread creates at a time.
const CHUNK_VALUES: usize = 1 << 19;

/// Calls `make` for ranges of `rows` rows, and `take` with the results in order.
pub(super) fn in_order<T: Send, E>(
    rows: usize,
    cols: usize,
    make: &(dyn Fn(Range<usize>) -> T + Sync),
    take: &mut dyn FnMut(T) -> Result<(), E>,
) -> Result<(), E> {
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    let each = (CHUNK_VALUES / cols.max(1)).max(1);
    let mut first = 0;
    while first < rows {
        let end = rows.min(first + each * threads);
        let ranges = (first..end).step_by(each).map(|start| start..end.min(start + each));
        let made: Vec<T> = std::thread::scope(|scope| {
            let workers: Vec<_> = ranges.map(|range| scope.spawn(move || make(range))).collect();
            let join = |worker: std::thread::ScopedJoinHandle<'_, T>| {
                worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            workers.into_iter().map(join).collect()
        });
        made.into_iter().try_for_each(&mut *take)?;
        first = end;
    }
    Ok(())
}
