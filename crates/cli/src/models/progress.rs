//! What a download tells on the way: a bar on a terminal, a line now and then elsewhere, lines of
//! JSON (`docs/reference/pull-events.md`), or nothing.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::Write;
use std::time::{Duration, Instant};

use mlxk_hub::{PullPlan, Reporter};
use serde_json::{Value, json};

use crate::printer::{Printer, Progress, Unit};
use crate::{format, interrupt};

/// How often a log is told.
const LINE_EVERY: Duration = Duration::from_secs(10);
const EVENT_EVERY: Duration = Duration::from_millis(500);
/// The rate is that of the last seconds.
const RATE_OVER: Duration = Duration::from_secs(10);

/// Reports a download.
pub(crate) struct Transfer<'a> {
    printer: &'a Printer,
    how: How,
    state: RefCell<State>,
}

/// Where the news go.
pub(crate) enum How {
    /// Nowhere.
    Quiet,
    /// To standard error, as lines of JSON.
    Events,
    /// To standard error, for people.
    People,
}

struct State {
    bar: Option<Progress>,
    label: String,
    /// Bytes that had arrived, and when.
    arrivals: VecDeque<(Instant, u64)>,
    told: Instant,
}

impl<'a> Transfer<'a> {
    pub(crate) fn new(how: How, printer: &'a Printer) -> Self {
        let on_terminal = matches!(how, How::People) && printer.on_terminal();
        let state = State {
            bar: on_terminal.then(|| printer.progress()),
            label: String::new(),
            arrivals: VecDeque::new(),
            told: Instant::now(),
        };
        Self { printer, how, state: RefCell::new(state) }
    }

    /// Tells what is about to be fetched.
    pub(crate) fn plan(&self, plan: &PullPlan, people: &str) {
        match self.how {
            How::Quiet => {}
            How::People => self.note(people),
            How::Events => event(&plan_event(plan)),
        }
    }

    /// A note that matters even where progress is not wanted.
    pub(crate) fn warn(&self, text: &str) {
        match self.how {
            How::Events => event(&json!({"event": "warning", "message": text})),
            How::Quiet | How::People => self.printer.note(format_args!("warning: {text}")),
        }
    }

    /// Ends what is drawn.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.state.borrow().bar {
            bar.finish();
        }
    }
}

impl Reporter for Transfer<'_> {
    fn stage(&self, label: &str) {
        let mut state = self.state.borrow_mut();
        label.clone_into(&mut state.label);
        state.arrivals.clear();
        state.told = Instant::now();
        if let Some(bar) = &state.bar {
            bar.begin(label);
        }
        if matches!(self.how, How::Events) {
            event(&json!({"event": "stage", "label": label}));
        }
    }

    fn advance(&self, done: u64, total: u64) {
        let mut state = self.state.borrow_mut();
        if let Some(bar) = &state.bar {
            bar.update(done, total, Unit::Transfer);
            return;
        }
        let every = match self.how {
            How::Quiet => return,
            How::Events => EVENT_EVERY,
            How::People => LINE_EVERY,
        };
        let rate = state.rate(done);
        let ended = total > 0 && done >= total;
        if state.told.elapsed() < every && !(ended && matches!(self.how, How::Events)) {
            return;
        }
        state.told = Instant::now();
        let eta =
            rate.filter(|&rate| rate >= 1.0).map(|rate| total.saturating_sub(done) as f64 / rate);
        if let How::Events = self.how {
            event(&json!({
                "event": "progress",
                "stage": state.label,
                "done_bytes": done,
                "total_bytes": total,
                "bytes_per_second": rate.map(f64::round),
                "eta_seconds": eta.map(f64::ceil),
            }));
            return;
        }
        let rate =
            rate.map(|rate| format!(", {}/s", format::size(rate as u64))).unwrap_or_default();
        let eta = eta.map(|eta| format!(", {} left", duration(eta))).unwrap_or_default();
        self.printer.note(format_args!(
            "{}: {} of {}{rate}{eta}",
            state.label,
            format::size(done),
            format::size(total)
        ));
    }

    fn cancelled(&self) -> bool {
        interrupt::requested()
    }

    fn note(&self, text: &str) {
        match (&self.how, &self.state.borrow().bar) {
            (How::Quiet, _) => {}
            (How::Events, _) => event(&json!({"event": "note", "message": text})),
            (How::People, Some(bar)) => bar.note(text),
            (How::People, None) => self.printer.note(text),
        }
    }
}

impl State {
    /// Bytes per second of late.
    fn rate(&mut self, done: u64) -> Option<f64> {
        let now = Instant::now();
        self.arrivals.push_back((now, done));
        while self.arrivals.front().is_some_and(|(at, _)| now - *at > RATE_OVER) {
            self.arrivals.pop_front();
        }
        let (since, before) = *self.arrivals.front()?;
        let seconds = (now - since).as_secs_f64();
        (seconds > 0.2).then(|| done.saturating_sub(before) as f64 / seconds)
    }
}

fn plan_event(plan: &PullPlan) -> Value {
    let files: Vec<Value> = plan
        .files
        .iter()
        .map(|file| {
            json!({
                "name": file.name,
                "size_bytes": file.size_bytes,
                "missing_bytes": file.missing_bytes,
            })
        })
        .collect();
    json!({
        "event": "plan",
        "model": plan.name,
        "revision": plan.revision,
        "commit": plan.commit,
        "model_type": plan.model_type,
        "quantization": plan.quantization,
        "context_length": plan.context_length,
        "total_bytes": plan.total_bytes,
        "download_bytes": plan.download_bytes,
        "free_bytes": plan.free_bytes,
        "memory_bytes": plan.inspection.memory_bytes,
        "memory_context": plan.inspection.context,
        "runs": plan.inspection.problem.is_none(),
        "problem": plan.inspection.problem,
        "files": files,
    })
}

/// One line of JSON; a closed standard error leaves nobody to tell.
fn event(value: &Value) {
    let _ = writeln!(std::io::stderr().lock(), "{value}");
}

/// `45 s`, `3 min`, `2 h 5 min`.
fn duration(seconds: f64) -> String {
    let seconds = seconds.ceil() as u64;
    match seconds {
        0..90 => format!("{seconds} s"),
        90..5400 => format!("{} min", seconds.div_ceil(60)),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_for_people() {
        let texts = [0.0, 1.2, 89.0, 90.0, 3600.0, 7500.0].map(duration);
        assert_eq!(texts, ["0 s", "2 s", "89 s", "2 min", "60 min", "2 h 5 min"]);
    }

    #[test]
    fn the_rate_is_that_of_what_arrived_here() {
        let mut state = State {
            bar: None,
            label: String::new(),
            arrivals: VecDeque::new(),
            told: Instant::now(),
        };
        // What a former pull brought is no speed.
        assert_eq!(state.rate(1_000_000), None);
        state.arrivals[0].0 -= Duration::from_secs(2);
        let rate = state.rate(1_200_000).unwrap();
        assert!((90_000.0..=100_000.0).contains(&rate), "{rate}");
    }
}
