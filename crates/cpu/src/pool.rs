//! The worker pool. A parallel region is a number of blocks that threads claim one by one.
//!
//! Decoding opens hundreds of short regions per token, so a worker that has just worked spins for a
//! moment, then yields, then parks. The caller takes part. A worker that is late for a region, for
//! example because it was preempted, claims nothing and delays no one: a region only waits for
//! claimed blocks.
//!
//! Invariant: `ticket` contains the number of the region (upper half) and its unclaimed blocks
//! (lower half). A successful compare-and-swap on it both proves that the region is still open and
//! claims one of its blocks, so the job that the claimant then reads outlives the claim.
#![expect(unsafe_code, reason = "workers borrow the caller's closure for the length of a region")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

/// Rounds of spinning, then of yielding, before a worker parks.
const SPINS: u32 = 20_000;
const YIELDS: u32 = 50;

/// The closure of a region: `(block, worker)`. The caller is worker 0.
type Job<'a> = &'a (dyn Fn(usize, usize) + Sync);

struct Shared {
    ticket: AtomicU64,
    /// Number of blocks that have not finished, claimed or not.
    pending: AtomicUsize,
    /// Points to a `Job` on the caller's stack while `pending > 0`.
    job: AtomicPtr<()>,
    panicked: AtomicBool,
    stop: AtomicBool,
    /// Number of parked workers. `bell` wakes them.
    parked: Mutex<usize>,
    bell: Condvar,
    any_parked: AtomicBool,
}

/// Threads that run the blocks of parallel regions together with the caller.
pub(crate) struct Pool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

impl Pool {
    /// Starts a pool of `threads` threads, or of all that this process may use if `None`.
    pub(crate) fn start(threads: Option<usize>) -> std::io::Result<Self> {
        let available = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self::new(threads.unwrap_or_else(available))
    }

    /// Starts a pool of `threads` threads, including the caller.
    pub(crate) fn new(threads: usize) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            ticket: AtomicU64::new(0),
            pending: AtomicUsize::new(0),
            job: AtomicPtr::new(std::ptr::null_mut()),
            panicked: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            parked: Mutex::new(0),
            bell: Condvar::new(),
            any_parked: AtomicBool::new(false),
        });
        let workers = (1..threads.max(1))
            .map(|worker| {
                let shared = Arc::clone(&shared);
                std::thread::Builder::new()
                    .name(format!("mlxk-cpu-{worker}"))
                    .spawn(move || serve(&shared, worker))
            })
            .collect::<std::io::Result<_>>()?;
        Ok(Self { shared, workers })
    }

    /// Returns the number of threads, including the caller.
    pub(crate) fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Runs `job` for every block in `0..blocks`. Returns when all are done. The exclusive borrow
    /// prevents nested regions.
    ///
    /// # Panics
    /// Panics if a block panicked. The pool stays usable.
    pub(crate) fn run(&mut self, blocks: usize, job: Job<'_>) {
        if self.workers.is_empty() || blocks <= 1 {
            for block in 0..blocks {
                job(block, 0);
            }
            return;
        }
        let shared = &*self.shared;
        let blocks = u32::try_from(blocks).expect("a region has fewer than 2^32 blocks");
        shared.job.store((&raw const job).cast_mut().cast(), Ordering::Relaxed);
        shared.pending.store(blocks as usize, Ordering::Relaxed);
        let region = (shared.ticket.load(Ordering::Relaxed) >> 32) + 1;
        shared.ticket.store(region << 32 | u64::from(blocks), Ordering::SeqCst);
        if shared.any_parked.load(Ordering::SeqCst) {
            let _parked = shared.parked.lock().unwrap_or_else(PoisonError::into_inner);
            shared.bell.notify_all();
        }
        take_part(shared, 0);
        let mut rounds = 0u32;
        while shared.pending.load(Ordering::Acquire) > 0 {
            wait(&mut rounds);
        }
        assert!(
            !shared.panicked.swap(false, Ordering::Relaxed),
            "a block of a parallel region panicked"
        );
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        // A region without blocks wakes the workers that spin; the bell wakes those that are
        // parked.
        let region = (self.shared.ticket.load(Ordering::Relaxed) >> 32) + 1;
        self.shared.ticket.store(region << 32, Ordering::SeqCst);
        {
            let _parked = self.shared.parked.lock().unwrap_or_else(PoisonError::into_inner);
            self.shared.bell.notify_all();
        }
        for worker in self.workers.drain(..) {
            let _ = worker.join();
        }
    }
}

/// Waits for one round: spins first, yields later. Returns `false` when it is time to park.
fn wait(rounds: &mut u32) -> bool {
    *rounds = rounds.saturating_add(1);
    if *rounds < SPINS {
        std::hint::spin_loop();
    } else {
        std::thread::yield_now();
    }
    *rounds < SPINS + YIELDS
}

/// Claims and runs blocks of the open region until none is left.
fn take_part(shared: &Shared, worker: usize) {
    let mut ticket = shared.ticket.load(Ordering::Acquire);
    while ticket & u64::from(u32::MAX) > 0 {
        match shared.ticket.compare_exchange_weak(
            ticket,
            ticket - 1,
            Ordering::AcqRel,
            Ordering::Acquire,
        ) {
            Ok(_) => {
                let block = (ticket & u64::from(u32::MAX)) as usize - 1;
                // SAFETY: the claim succeeded, so the region is open and stays open until this
                // block is counted down below. Until then, `run` keeps the job alive, and it stored
                // the pointer before it opened the region.
                let job = unsafe { *shared.job.load(Ordering::Relaxed).cast::<Job<'_>>() };
                if catch_unwind(AssertUnwindSafe(|| job(block, worker))).is_err() {
                    shared.panicked.store(true, Ordering::Relaxed);
                }
                shared.pending.fetch_sub(1, Ordering::Release);
                ticket = shared.ticket.load(Ordering::Acquire);
            }
            Err(current) => ticket = current,
        }
    }
}

/// Main loop of a worker.
fn serve(shared: &Shared, worker: usize) {
    let mut seen = 0u64;
    let mut rounds = 0u32;
    loop {
        let ticket = shared.ticket.load(Ordering::Acquire);
        if ticket >> 32 != seen {
            if shared.stop.load(Ordering::Acquire) {
                return;
            }
            seen = ticket >> 32;
            take_part(shared, worker);
            rounds = 0;
        } else if !wait(&mut rounds) {
            park(shared, seen);
            rounds = 0;
        }
    }
}

/// Sleeps until the region is no longer `seen`.
fn park(shared: &Shared, seen: u64) {
    let mut parked = shared.parked.lock().unwrap_or_else(PoisonError::into_inner);
    *parked += 1;
    shared.any_parked.store(true, Ordering::SeqCst);
    while shared.ticket.load(Ordering::SeqCst) >> 32 == seen {
        parked = shared.bell.wait(parked).unwrap_or_else(PoisonError::into_inner);
    }
    *parked -= 1;
    if *parked == 0 {
        shared.any_parked.store(false, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_runs_once_in_every_region() {
        let mut pool = Pool::new(4).unwrap();
        for blocks in (0..200).chain([5000]) {
            let counts: Vec<AtomicUsize> = (0..blocks).map(|_| AtomicUsize::new(0)).collect();
            pool.run(blocks, &|block, worker| {
                assert!(worker < 4);
                counts[block].fetch_add(1, Ordering::Relaxed);
            });
            assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 1));
        }
    }

    #[test]
    fn parked_workers_wake_and_a_panic_leaves_the_pool_usable() {
        let mut pool = Pool::new(3).unwrap();
        pool.run(8, &|_, _| {});
        std::thread::sleep(std::time::Duration::from_millis(50));
        let caught = catch_unwind(AssertUnwindSafe(|| {
            pool.run(8, &|block, _| assert!(block != 5, "planted"));
        }));
        assert!(caught.is_err());
        let sum = AtomicUsize::new(0);
        pool.run(100, &|block, _| {
            sum.fetch_add(block, Ordering::Relaxed);
        });
        assert_eq!(sum.into_inner(), 4950);
    }
}
