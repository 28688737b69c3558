//! Threads of their own for compiling grammars.
//!
//! Compiling is work before a model computes, on a text that a client chose. So it has two threads with large stacks,
//! and nothing else waits for them: if both are busy, only requests with a format queue. The grammar library cannot be
//! interrupted, so a thread whose job takes too long stays busy until the job ends; the client is told at once.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// Niceness of the threads: a third of the time that a model's thread gets, if both want the same core.
#[cfg(target_os = "linux")]
const LESS_URGENT: i32 = 5;
/// Time for one grammar. Our own code stops then; the library's limits end its part about that soon.
pub(crate) const BUDGET: Duration =
    Duration::from_secs(if cfg!(debug_assertions) { 30 } else { 2 });
/// Most jobs that wait.
const MAX_WAITING: usize = 256;
const THREADS: usize = 2;
/// The library and our own walk recurse into a schema. The system provides what is touched.
const STACK_BYTES: usize = 256 << 20;

/// State of a job, shared by its thread and by its ticket.
#[derive(Debug, Default)]
struct Progress {
    is_unwanted: AtomicBool,
    started: OnceLock<Instant>,
}

/// Tells a job if its result is still wanted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watch(Arc<Progress>);

impl Watch {
    /// Returns `true` if the client has left, or the time is over.
    pub(crate) fn is_over(&self) -> bool {
        self.0.is_unwanted.load(Ordering::Relaxed) || self.is_late()
    }

    fn is_late(&self) -> bool {
        self.0.started.get().is_some_and(|started| started.elapsed() > BUDGET)
    }
}

/// A place in the queue, and on a thread. Dropping it gives the place up.
#[derive(Debug)]
pub(crate) struct Ticket(Watch);

impl Ticket {
    /// Returns `true` if the job has used up its time.
    pub(crate) fn is_late(&self) -> bool {
        self.0.is_late()
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.0.is_unwanted.store(true, Ordering::Relaxed);
        if let Some(pool) = POOL.get() {
            let mut state = pool.state();
            state.queue.retain(|job| !Arc::ptr_eq(&job.progress, &self.0.0));
        }
    }
}

struct Job {
    progress: Arc<Progress>,
    work: Box<dyn FnOnce() + Send>,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    running: Vec<Arc<Progress>>,
    threads: usize,
}

#[derive(Default)]
struct Pool {
    state: Mutex<State>,
    has_work: Condvar,
}

static POOL: OnceLock<Pool> = OnceLock::new();

impl Pool {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        yield_to_models();
        loop {
            let job = {
                let mut state = self.state();
                loop {
                    if let Some(job) = state.queue.pop_front() {
                        state.running.push(Arc::clone(&job.progress));
                        break job;
                    }
                    state = self.has_work.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
            };
            let progress = job.progress;
            let _ = progress.started.set(Instant::now());
            if !progress.is_unwanted.load(Ordering::Relaxed) {
                // A panic has dropped the sender of the result, which tells the client.
                let _ = catch_unwind(AssertUnwindSafe(job.work));
            }
            self.state().running.retain(|running| !Arc::ptr_eq(running, &progress));
        }
    }
}

/// Lowers the priority of this thread, so that answers keep their speed while formats are compiled. Only Linux has a
/// priority for each thread.
fn yield_to_models() {
    #[cfg(target_os = "linux")]
    {
        // Without it, everything works, only a little slower.
        let _ = rustix::process::setpriority_process(None, LESS_URGENT);
    }
}

/// Queues a job. Returns `None` if too many wait already, or if the system has no thread for it.
pub(crate) fn submit(work: impl FnOnce(&Watch) + Send + 'static) -> Option<Ticket> {
    let pool = POOL.get_or_init(Pool::default);
    let progress = Arc::new(Progress::default());
    let watch = Watch(Arc::clone(&progress));
    let ticket = Ticket(watch.clone());
    let mut state = pool.state();
    if state.queue.len() >= MAX_WAITING {
        return None;
    }
    if state.threads < THREADS {
        let name = format!("grammar-{}", state.threads);
        let thread = std::thread::Builder::new().name(name).stack_size(STACK_BYTES);
        match thread.spawn(|| POOL.get().into_iter().for_each(Pool::work)) {
            Ok(_) => state.threads += 1,
            Err(_) if state.threads == 0 => return None,
            Err(_) => {}
        }
    }
    state.queue.push_back(Job { progress, work: Box::new(move || work(&watch)) });
    drop(state);
    pool.has_work.notify_one();
    Some(ticket)
}

/// Returns what is wrong with the threads that compile the formats of answers, or `None` if they work.
///
/// They are stuck if each of them has been busy with one format for longer than a format may take.
pub fn stuck_formats() -> Option<String> {
    stuck(&POOL.get()?.state().running)
}

fn stuck(running: &[Arc<Progress>]) -> Option<String> {
    let late = running.iter().filter(|job| Watch(Arc::clone(job)).is_late()).count();
    (late >= THREADS).then(|| {
        let seconds = BUDGET.as_secs();
        format!(
            "all {THREADS} threads that compile answer formats have been busy for over {seconds} s"
        )
    })
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{channel, sync_channel};

    use super::*;

    #[test]
    fn the_pool_is_stuck_if_all_threads_are_late() {
        let started = |ago: Duration| {
            let progress = Arc::new(Progress::default());
            progress.started.set(Instant::now().checked_sub(ago).unwrap()).unwrap();
            progress
        };
        let (late, new) = (BUDGET + Duration::from_secs(1), Duration::ZERO);
        let waiting = Arc::new(Progress::default());
        assert_eq!(stuck(&[started(late), started(new)]), None);
        assert_eq!(stuck(&[started(late), waiting]), None);
        let reason = stuck(&[started(late), started(late)]).unwrap();
        assert!(reason.contains("all 2 threads"), "{reason}");
    }

    /// Jobs of other tests share the pool, so all of this is one test.
    #[test]
    fn places_are_given_up_and_panics_are_contained() {
        let (started, starts) = channel();
        let held: Vec<_> = (0..THREADS)
            .map(|_| {
                let (release, wait) = sync_channel::<()>(0);
                let started = started.clone();
                let job = move |_: &Watch| {
                    let _ = started.send(());
                    let _ = wait.recv();
                };
                (submit(job).unwrap(), release)
            })
            .collect();
        for _ in &held {
            starts.recv().unwrap();
        }
        let (ran, runs) = channel();
        let left = ran.clone();
        let dropped = submit(move |_| left.send("dropped").unwrap()).unwrap();
        let panicking = submit(|_| panic!("a job failed")).unwrap();
        let kept = submit(move |watch| {
            assert!(!watch.is_over());
            ran.send("kept").unwrap();
        });
        drop(dropped);
        drop(held);
        assert_eq!(runs.recv(), Ok("kept"));
        assert!(runs.recv().is_err());
        assert!(stuck_formats().is_none());
        drop((panicking, kept));
    }
}
