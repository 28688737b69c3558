//! Progress of downloads: a bar on a terminal, a line now and then elsewhere, JSON Lines
//! (`docs/reference/pull-events.md`), or nothing.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use mlxk_hub::{PullPlan, Reporter};
use serde_json::{Value, json};

use crate::printer::{Printer, Progress, Unit};
use crate::{format, interrupt, output};

/// Time between two lines in a log.
const LINE_EVERY: Duration = Duration::from_secs(10);
/// Time between two events.
const EVENT_EVERY: Duration = Duration::from_millis(500);
/// Time over which the rate is averaged.
const RATE_OVER: Duration = Duration::from_secs(10);

/// Reports a download.
pub(crate) struct PullProgress<'a> {
    printer: &'a Printer,
    audience: Audience,
    state: RefCell<State>,
}

/// The receiver of the progress.
pub(crate) enum Audience {
    /// None.
    Quiet,
    /// Programs: JSON Lines on standard error.
    Programs,
    /// People: text on standard error.
    People,
}

struct State {
    bar: Option<Progress>,
    label: String,
    /// Bytes received at some moments.
    arrivals: VecDeque<(Instant, u64)>,
    last_line: Instant,
}

impl<'a> PullProgress<'a> {
    pub(crate) fn new(audience: Audience, printer: &'a Printer) -> Self {
        let on_terminal = matches!(audience, Audience::People) && printer.on_terminal();
        let state = State {
            bar: on_terminal.then(|| printer.progress()),
            label: String::new(),
            arrivals: VecDeque::new(),
            last_line: Instant::now(),
        };
        Self { printer, audience, state: RefCell::new(state) }
    }

    /// Reports the plan of a download.
    pub(crate) fn plan(&self, plan: &PullPlan, people: &str) {
        match self.audience {
            Audience::Quiet => {}
            Audience::People => self.note(people),
            Audience::Programs => event(&plan_event(plan)),
        }
    }

    /// Prints a warning, even if progress is off.
    pub(crate) fn warn(&self, text: &str) {
        match self.audience {
            Audience::Programs => event(&json!({"event": "warning", "message": text})),
            Audience::Quiet | Audience::People => {
                self.printer.note(format_args!("warning: {text}"));
            }
        }
    }

    /// Removes the bar.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.state.borrow().bar {
            bar.finish();
        }
    }
}

impl Reporter for PullProgress<'_> {
    fn stage(&self, label: &str) {
        let mut state = self.state.borrow_mut();
        label.clone_into(&mut state.label);
        state.arrivals.clear();
        state.last_line = Instant::now();
        if let Some(bar) = &state.bar {
            bar.begin(label);
        }
        if matches!(self.audience, Audience::Programs) {
            event(&json!({"event": "stage", "label": label}));
        }
    }

    fn advance(&self, done: u64, total: u64) {
        let mut state = self.state.borrow_mut();
        if let Some(bar) = &state.bar {
            bar.update(done, total, Unit::Transfer);
            return;
        }
        let every = match self.audience {
            Audience::Quiet => return,
            Audience::Programs => EVENT_EVERY,
            Audience::People => LINE_EVERY,
        };
        let rate = state.rate(done);
        let ended = total > 0 && done >= total;
        if state.last_line.elapsed() < every
            && !(ended && matches!(self.audience, Audience::Programs))
        {
            return;
        }
        state.last_line = Instant::now();
        let eta =
            rate.filter(|&rate| rate >= 1.0).map(|rate| total.saturating_sub(done) as f64 / rate);
        if let Audience::Programs = self.audience {
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
        match (&self.audience, &self.state.borrow().bar) {
            (Audience::Quiet, _) => {}
            (Audience::Programs, _) => event(&json!({"event": "note", "message": text})),
            (Audience::People, Some(bar)) => bar.note(text),
            (Audience::People, None) => self.printer.note(text),
        }
    }
}

impl State {
    /// Returns the current rate in bytes per second.
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

/// Prints one line of JSON. If standard error is closed, there is no one to tell.
fn event(value: &Value) {
    let _ = output::stderr().json_line(value);
}

/// Formats a duration like `45 s`, `3 min` or `2 h 5 min`.
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
    fn the_rate_ignores_bytes_of_earlier_pulls() {
        let mut state = State {
            bar: None,
            label: String::new(),
            arrivals: VecDeque::new(),
            last_line: Instant::now(),
        };
        // Bytes of an earlier pull do not count.
        assert_eq!(state.rate(1_000_000), None);
        state.arrivals[0].0 -= Duration::from_secs(2);
        let rate = state.rate(1_200_000).unwrap();
        assert!((90_000.0..=100_000.0).contains(&rate), "{rate}");
    }
}
