//! Requests that wait for a place on a host.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::Thread;
use std::time::Duration;

use mlxk_providers::Cancel;

/// Time after which a waiting request looks again: its client may have left, or a host may have recovered.
const LOOK: Duration = Duration::from_millis(50);

/// The requests for a name that wait, in the order in which they came.
#[derive(Debug)]
pub(super) struct Queue {
    /// Most requests that may wait.
    most: usize,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    next: u64,
    requests: VecDeque<(u64, Thread)>,
}

/// Answer to a request for a place.
pub(super) enum Try<T> {
    /// It has one.
    Got(T),
    /// Every host is full.
    Full,
    /// No host takes requests at all.
    Nowhere,
}

/// The reason why a request gets no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoPlace {
    /// Too many others wait.
    Queue,
    /// No host takes requests.
    Hosts,
    /// The client has left.
    Cancelled,
}

impl Queue {
    pub(super) fn new(most: usize) -> Self {
        Self { most, waiting: Mutex::default() }
    }

    /// Returns the number of waiting requests.
    pub(super) fn len(&self) -> usize {
        self.waiting().requests.len()
    }

    /// Takes a place by `take`, after all requests that came before. Blocks the thread.
    pub(super) fn take<T>(
        &self,
        cancel: &Cancel,
        mut take: impl FnMut() -> Try<T>,
    ) -> Result<T, NoPlace> {
        if self.len() == 0 {
            match take() {
                Try::Got(place) => return Ok(place),
                Try::Full => {}
                Try::Nowhere => return Err(NoPlace::Hosts),
            }
        }
        let number = {
            let mut waiting = self.waiting();
            if waiting.requests.len() >= self.most {
                return Err(NoPlace::Queue);
            }
            waiting.next += 1;
            let number = waiting.next;
            waiting.requests.push_back((number, std::thread::current()));
            number
        };
        let outcome = loop {
            if cancel.is_cancelled() {
                break Err(NoPlace::Cancelled);
            }
            if self.is_first(number) {
                match take() {
                    Try::Got(place) => break Ok(place),
                    Try::Full => {}
                    Try::Nowhere => break Err(NoPlace::Hosts),
                }
            }
            std::thread::park_timeout(LOOK);
        };
        self.waiting().requests.retain(|(other, _)| *other != number);
        // There may be a place for the next one, too.
        self.wake();
        outcome
    }

    /// Lets the first request look for a place again.
    pub(super) fn wake(&self) {
        if let Some((_, thread)) = self.waiting().requests.front() {
            thread.unpark();
        }
    }

    fn is_first(&self, number: u64) -> bool {
        self.waiting().requests.front().is_some_and(|(first, _)| *first == number)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn who_came_first_gets_the_place_first() {
        let (queue, free) = (Queue::new(2), AtomicUsize::new(0));
        let order = Mutex::new(Vec::new());
        let take = || {
            let one = |free: usize| free.checked_sub(1);
            match free.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one) {
                Ok(_) => Try::Got(()),
                Err(_) => Try::Full,
            }
        };
        std::thread::scope(|scope| {
            for name in 0..2 {
                let (queue, order) = (&queue, &order);
                scope.spawn(move || {
                    queue.take(&Cancel::default(), take).unwrap();
                    order.lock().unwrap().push(name);
                });
                while queue.len() <= name {
                    std::thread::yield_now();
                }
            }
            assert_eq!(queue.take(&Cancel::default(), take), Err(NoPlace::Queue));
            for done in 1..=2 {
                free.fetch_add(1, Ordering::SeqCst);
                queue.wake();
                while order.lock().unwrap().len() < done {
                    std::thread::yield_now();
                }
            }
        });
        assert_eq!(*order.lock().unwrap(), [0, 1]);
        let left = Cancel::default();
        left.cancel();
        assert_eq!(queue.take(&left, take), Err(NoPlace::Cancelled));
        let nowhere = || Try::<()>::Nowhere;
        assert_eq!(queue.take(&Cancel::default(), nowhere), Err(NoPlace::Hosts));
        assert_eq!(queue.len(), 0);
    }
}
