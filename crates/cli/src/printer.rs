//! Prints notes, errors and progress to stderr. Standard output is only for answers.

use std::cell::{Cell, RefCell};
use std::fmt::Display;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use mlxk_hub::Reporter;
use serde_json::Map;

use crate::terminal::sanitize_line;
use crate::{failure, interrupt, log, output, terminal};

/// Time before progress is shown.
const PATIENCE: Duration = Duration::from_secs(1);
/// Most lines about the steps of a measurement in a log.
const MOST_LINES: usize = 60;

/// Writes to stderr.
pub(crate) struct Printer {
    terminal: bool,
    /// `true` if standard output takes colors and other styles.
    styles_stdout: bool,
    /// `true` if notes are lines of a JSON log.
    as_json: Cell<bool>,
}

impl Printer {
    /// Creates a printer. `plain` turns off colors and other styles.
    pub(crate) fn new(plain: bool) -> Self {
        let styles_stdout = !plain && output::stdout_is_terminal() && understands_escapes();
        Self { terminal: output::stderr_is_terminal(), styles_stdout, as_json: Cell::new(false) }
    }

    /// Prints notes and errors as lines of the JSON log from now on, and no progress.
    pub(crate) fn log_as_json(&self) {
        self.as_json.set(true);
    }

    /// Returns `true` if standard output is a terminal that takes colors and other styles.
    pub(crate) fn styles_stdout(&self) -> bool {
        self.styles_stdout
    }

    /// Returns `true` if standard error is a terminal.
    pub(crate) fn on_terminal(&self) -> bool {
        self.terminal && !self.as_json.get()
    }

    /// Prints text to stderr, and ends its last line.
    pub(crate) fn note(&self, text: impl Display) {
        if self.as_json.get() {
            let text = text.to_string();
            let line = match text.strip_prefix("warning: ") {
                Some(warning) => log::line("WARN", warning, Map::new()),
                None => log::line("INFO", &text, Map::new()),
            };
            let _ = output::stderr().json_text(&line);
            return;
        }
        // If stderr is closed, there is no one to tell.
        let _ = output::stderr().text(format_args!("{}\n", self.folded(&text.to_string())));
    }

    /// Returns the text with line breaks between words, on a terminal.
    fn folded(&self, text: &str) -> String {
        if self.terminal { terminal::fold(text, terminal::width()) } else { text.to_owned() }
    }

    /// Prints a sentence that ends the command. Line breaks inside it become spaces.
    pub(crate) fn sentence(&self, text: &str) {
        // If stderr is closed, there is no one to tell.
        let _ = output::stderr().text(format_args!("{}\n", self.folded(&sanitize_line(text))));
    }

    /// Prints the error that ended the command, and its hint.
    pub(crate) fn error(&self, error: &anyhow::Error) {
        self.error_with(error, failure::hint(failure::split(error).0));
    }

    /// Prints an error with a hint of the caller.
    pub(crate) fn error_with(&self, error: &anyhow::Error, hint: Option<String>) {
        let (error, _) = failure::split(error);
        let mut out = output::stderr();
        if self.as_json.get() {
            let mut fields = Map::new();
            if let Some(hint) = hint {
                fields.insert("hint".into(), hint.into());
            }
            let _ = out.json_text(&log::line("ERROR", &failure::message(error), fields));
            return;
        }
        drop(out);
        self.sentence(&format!("error: {}", failure::message(error)));
        if let Some(hint) = hint {
            self.sentence(&format!("hint: {hint}"));
        }
    }

    /// Returns the steps of a measurement that takes a while.
    pub(crate) fn steps(&self) -> Steps<'_> {
        let progress = self.progress();
        progress.begin("Measuring");
        Steps { progress, printer: self, told: Cell::new(0) }
    }

    /// Returns a progress bar, which appears after a second.
    pub(crate) fn progress(&self) -> Progress {
        Progress { terminal: self.on_terminal(), state: RefCell::new(None) }
    }
}

/// Turns on escape sequences in a Windows console. Older ones don't support them.
#[cfg(windows)]
fn understands_escapes() -> bool {
    anstyle_query::windows::enable_ansi_colors() == Some(true)
}

#[cfg(not(windows))]
fn understands_escapes() -> bool {
    true
}

/// A progress bar that appears only for work that takes a while.
pub(crate) struct Progress {
    terminal: bool,
    state: RefCell<Option<Stage>>,
}

/// The steps of a long measurement: a bar on a terminal, otherwise lines, so that a log shows how far it is.
pub(crate) struct Steps<'a> {
    progress: Progress,
    printer: &'a Printer,
    /// Number of the step in the last line.
    told: Cell<usize>,
}

impl Steps<'_> {
    /// Begins a step after `done` others. It gets a line, so a log also shows the one that hangs. Of many steps, only every
    /// second, third, … has one.
    pub(crate) fn begin(&self, what: &str, done: usize, total: usize) {
        self.progress.label(what);
        self.progress.update(done as u64, total as u64, Unit::Steps);
        let number = done + 1;
        if self.printer.on_terminal() || !has_line(self.told.get(), number, total) {
            return;
        }
        self.told.set(number);
        self.printer.note(format_args!("[{number}/{total}] {what}"));
    }
}

/// Returns `true` if the step with this number has a line, and the last line was about the step `told`.
fn has_line(told: usize, number: usize, total: usize) -> bool {
    let stride = total.div_ceil(MOST_LINES).max(1);
    // Steps may be skipped, as those of an engine that failed.
    number / stride > told / stride
}

struct Stage {
    label: String,
    since: Instant,
    bar: Option<ProgressBar>,
}

/// Unit of the numbers of a stage.
#[derive(Clone, Copy)]
pub(crate) enum Unit {
    Bytes,
    /// Bytes over a network, shown with the rate and the remaining time.
    Transfer,
    Tokens,
    Windows,
    Answers,
    Questions,
    Texts,
    Steps,
}

impl Progress {
    /// Begins a stage.
    pub(crate) fn begin(&self, label: &str) {
        self.finish();
        let stage = Stage { label: sanitize_line(label), since: Instant::now(), bar: None };
        *self.state.borrow_mut() = Some(stage);
    }

    /// Renames the current stage.
    pub(crate) fn label(&self, label: impl Into<String>) {
        if let Some(stage) = self.state.borrow_mut().as_mut() {
            stage.label = sanitize_line(&label.into());
            if let Some(bar) = &stage.bar {
                bar.set_message(stage.label.clone());
            }
        }
    }

    /// Moves the bar of the current stage.
    pub(crate) fn update(&self, done: u64, total: u64, unit: Unit) {
        let mut state = self.state.borrow_mut();
        let Some(stage) = state.as_mut() else { return };
        if !self.terminal || stage.since.elapsed() < PATIENCE {
            return;
        }
        let bar = stage.bar.get_or_insert_with(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            bar.set_message(stage.label.clone());
            if let Unit::Transfer = unit {
                // Bytes of an earlier download do not count for the rate.
                bar.set_position(done);
                bar.reset_eta();
            }
            bar
        });
        let counts = match unit {
            Unit::Bytes => "{decimal_bytes} of {decimal_total_bytes}",
            Unit::Transfer => {
                "{decimal_bytes} of {decimal_total_bytes}, {decimal_bytes_per_sec}, {eta} left"
            }
            Unit::Tokens => "{pos} of {len} tokens",
            Unit::Windows => "{pos} of {len} windows",
            Unit::Answers => "{pos} of {len} answers",
            Unit::Questions => "{pos} of {len} questions",
            Unit::Texts => "{pos} of {len} texts",
            Unit::Steps => "{pos} of {len} steps",
        };
        let template = match total {
            0 => "{msg} {spinner}".to_owned(),
            _ => format!("{{msg}} [{{bar:30}}] {counts}"),
        };
        if let Ok(style) = ProgressStyle::with_template(&template) {
            bar.set_style(style.progress_chars("=> "));
        }
        if total > 0 {
            bar.set_length(total);
            bar.set_position(done);
        } else {
            bar.tick();
        }
    }

    /// Prints a line above the bar.
    pub(crate) fn note(&self, text: &str) {
        let print = || {
            // If stderr is closed, there is no one to tell.
            let _ = output::stderr().text(format_args!("{text}\n"));
        };
        match self.state.borrow().as_ref() {
            Some(Stage { bar: Some(bar), .. }) => bar.suspend(print),
            _ => print(),
        }
    }

    /// Removes the bar.
    pub(crate) fn finish(&self) {
        if let Some(Stage { bar: Some(bar), .. }) = self.state.borrow_mut().take() {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Reporter for Progress {
    fn stage(&self, label: &str) {
        self.begin(label);
    }

    fn advance(&self, done: u64, total: u64) {
        self.update(done, total, Unit::Bytes);
    }

    fn cancelled(&self) -> bool {
        interrupt::requested()
    }

    fn note(&self, text: &str) {
        Self::note(self, text);
    }
}

#[cfg(test)]
mod tests {
    use super::has_line;

    #[test]
    fn steps_in_a_log_are_counted_regularly() {
        let lines = |steps: &[usize], total: usize| {
            let mut told = 0;
            let mut lines = steps.to_vec();
            lines.retain(|&number| {
                let has_line = has_line(told, number, total);
                told = if has_line { number } else { told };
                has_line
            });
            lines
        };
        let all = |total: usize| (1..=total).collect::<Vec<_>>();
        assert_eq!(lines(&all(60), 60), all(60));
        let even: Vec<usize> = all(64).into_iter().filter(|step| step % 2 == 0).collect();
        assert_eq!(lines(&all(64), 64), even);
        assert_eq!(lines(&all(1000), 1000).len(), 58);
        assert_eq!(lines(&[1, 2, 5, 6, 7], 64), [2, 5, 6]);
        assert!(lines(&[], 0).is_empty());
    }
}
