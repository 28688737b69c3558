//! One turn of one engine: load the model, ask it, unload it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use mlxk_providers::{Answer, Connections};

use super::CompareOptions;
use super::engine::{Engine, Settings};
use super::failure::Failure;
use super::load::Background;
use super::measure::{Figures, Measure};
use super::server::Server;
use super::workload::{Prompt, Workload, is_repeated};

/// Length of answers that only measure the first token.
const FIRST_TOKEN: usize = 1;

/// Results of a turn.
#[derive(Clone, Debug, Default)]
pub(super) struct Turn {
    /// Samples of the turn as a whole.
    pub(super) figures: Figures,
    /// Results by the number of the workload, as far as the turn got.
    pub(super) asked: BTreeMap<usize, Asked>,
    /// Workloads that failed, by number.
    pub(super) failed: BTreeMap<usize, Failure>,
}

/// Results of one workload.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) figures: Figures,
    pub(super) response: String,
    pub(super) reasoning: String,
    pub(super) prompt_tokens: Option<usize>,
    pub(super) cached_tokens: Option<usize>,
    /// Number of prompt tokens that were computed, if it is known.
    pub(super) computed_tokens: Option<usize>,
    /// Seconds of prefill and decoding by the server's own clock.
    pub(super) native: Option<mlxk_providers::Native>,
    pub(super) counted_here: bool,
}

/// Data that all turns share.
pub(super) struct Turns<'a> {
    pub(super) options: &'a CompareOptions,
    pub(super) settings: &'a Settings,
    pub(super) http: &'a Connections,
    /// Mark of this run, if prompts carry it and the number of the turn because the server remembers earlier ones.
    pub(super) mark: Option<String>,
    /// Counts the tokens of a text, for servers that don't.
    pub(super) count: &'a dyn Fn(&str) -> Option<usize>,
}

impl Turns<'_> {
    /// Runs the turn of an engine with all workloads except those that failed before. A workload
    /// that fails doesn't take the others away: they get a server of their own. If the engine
    /// fails, the results before the failure are kept.
    pub(super) fn take(
        &self,
        engine: &Engine,
        number: usize,
        failed: &BTreeMap<usize, Failure>,
    ) -> (Turn, Option<Failure>) {
        let mut turn = Turn { failed: failed.clone(), ..Turn::default() };
        let failure = self.try_take(engine, number, &mut turn).err();
        (turn, failure)
    }

    fn try_take(&self, engine: &Engine, number: usize, turn: &mut Turn) -> Result<(), Failure> {
        let within = self.options.timeout;
        let background = Background::begin();
        let begun = Instant::now();
        let mut server = Server::load(engine, self.settings, self.http, within)?;
        let mut is_first = server.forgets();
        if is_first {
            turn.figures.push(Measure::LoadSeconds, server.load_seconds);
        }
        // The server may have ended, or may still be computing.
        let mut must_restart = false;
        let mut restarted = false;
        for (index, workload) in self.options.workloads.iter().enumerate() {
            if turn.failed.contains_key(&index) {
                continue;
            }
            if must_restart {
                drop(server);
                server = Server::load(engine, self.settings, self.http, within)?;
                (must_restart, restarted) = (false, true);
            }
            let mut step = || {
                if is_first {
                    first_answer(&server, workload, turn, within)?;
                    is_first = false;
                }
                self.ask(&mut server, index, workload, number)
            };
            match step() {
                Ok(asked) => {
                    turn.asked.insert(index, asked);
                }
                Err(failure) if failure.cancelled => return Err(failure),
                Err(failure) => {
                    turn.failed.insert(index, failure);
                    must_restart = true;
                }
            }
        }
        if restarted || must_restart {
            // These figures would belong to a part of the turn.
            return Ok(());
        }
        if let (Some(before), Some(after)) = (server.before, server.taken()) {
            let serving = after.cpu_seconds - before.cpu_seconds;
            let others = background.and_then(|it| it.other_cores(serving, begun.elapsed()));
            turn.figures.push(Measure::OtherCores, others);
            let (before, after) = (before.memory_bytes as f64, after.memory_bytes as f64);
            let peak = server.peak_bytes().map_or(after, |peak| (peak as f64).max(after));
            turn.figures.push(Measure::MemoryBeforeBytes, before);
            turn.figures.push(Measure::MemoryAfterBytes, after);
            turn.figures.push(Measure::MemoryDeltaBytes, after - before);
            turn.figures.push(Measure::MemoryPeakBytes, peak);
        }
        Ok(())
    }

    fn ask(
        &self,
        server: &mut Server<'_>,
        index: usize,
        workload: &Workload,
        number: usize,
    ) -> Result<Asked, Failure> {
        let within = self.options.timeout;
        let mark = |prompt: &Prompt| match &self.mark {
            Some(mark) => prompt.marked(&format!("run {mark}, turn {number}")),
            None => prompt.clone(),
        };
        if let Some(before) = &workload.before {
            server.ask(&mark(before), FIRST_TOKEN, within)?;
        }
        let prompt = mark(&workload.prompt);
        let before = server.taken();
        if workload.clients > 1 {
            return self.ask_together(server, workload, &prompt, within);
        }
        let answer = server.ask(&prompt, workload.max_tokens, within)?;
        let after = server.taken();
        let mut asked = self.asked(&answer, is_repeated(&self.options.workloads, index));
        if let (Some(before), Some(after)) = (before, after) {
            asked.figures.push(Measure::CpuSeconds, after.cpu_seconds - before.cpu_seconds);
        }
        let again = server.ask(&prompt, FIRST_TOKEN, within)?;
        let first = again.heard.arrivals.first().copied().unwrap_or(again.heard.total);
        asked.figures.push(Measure::RepeatedFirstTokenSeconds, first.as_secs_f64());
        Ok(asked)
    }

    /// Asks with several clients at once. Measures the time until all are served, and the tokens
    /// that they received.
    fn ask_together(
        &self,
        server: &Server<'_>,
        workload: &Workload,
        prompt: &Prompt,
        within: Duration,
    ) -> Result<Asked, Failure> {
        let begun = Instant::now();
        let answers: Vec<Result<Answer, Failure>> = std::thread::scope(|scope| {
            let ask = |client: usize| {
                let prompt = prompt.marked(&format!("client {client}"));
                move || server.ask(&prompt, workload.max_tokens, within)
            };
            let asking: Vec<_> = (0..workload.clients).map(|it| scope.spawn(ask(it))).collect();
            let gone = || Failure::new("A client of the benchmark panicked", None);
            asking.into_iter().map(|it| it.join().unwrap_or_else(|_| Err(gone()))).collect()
        });
        let total = begun.elapsed().as_secs_f64();
        let answers = answers.into_iter().collect::<Result<Vec<_>, _>>()?;
        let each: Vec<Asked> = answers.iter().map(|answer| self.asked(answer, false)).collect();
        let Some(first) = each.first() else {
            return Err(Failure::new("No client sent a request", None));
        };
        let mut asked = first.clone();
        let tokens: usize = answers.iter().map(|answer| self.tokens(answer).0.unwrap_or(0)).sum();
        let mut waits: Vec<f64> = answers.iter().map(first_text).collect();
        waits.sort_by(f64::total_cmp);
        asked.figures = Figures::default();
        asked.figures.push(Measure::TotalSeconds, total);
        asked.figures.push(Measure::ResponseTokens, tokens as f64);
        asked.figures.push(Measure::EffectiveTokensPerSecond, tokens as f64 / total);
        asked.figures.push(Measure::FirstTokenSeconds, waits.get(waits.len() / 2).copied());
        Ok(asked)
    }

    /// Returns the figures of an answer. `repeated` says that the server has seen the beginning of the prompt.
    fn asked(&self, answer: &Answer, repeated: bool) -> Asked {
        let mut figures = Figures::default();
        let (tokens, counted_here) = self.tokens(answer);
        let total = answer.heard.total.as_secs_f64();
        let first = first_text(answer);
        figures.push(Measure::TotalSeconds, total);
        figures.push(Measure::FirstTokenSeconds, first);
        figures.push(Measure::ResponseTokens, tokens.map(|tokens| tokens as f64));
        figures.push(
            Measure::EffectiveTokensPerSecond,
            tokens.map(|tokens| tokens as f64 / total.max(f64::MIN_POSITIVE)),
        );
        let computed = computed_tokens(answer, repeated);
        if let (Some(computed), true) = (computed, first > 0.0) {
            figures.push(Measure::PrefillTokensPerSecond, computed as f64 / first);
        }
        figures.push(
            Measure::DecodeTokensPerSecond,
            tokens.and_then(|tokens| decode_rate(answer, tokens)),
        );
        Asked {
            figures,
            response: answer.text.clone(),
            reasoning: answer.reasoning.clone(),
            prompt_tokens: answer.usage.prompt_tokens,
            cached_tokens: answer.usage.cached_tokens,
            computed_tokens: computed,
            native: answer.native,
            counted_here,
        }
    }

    /// Returns the number of tokens of an answer, and `true` if we counted them.
    fn tokens(&self, answer: &Answer) -> (Option<usize>, bool) {
        if let Some(tokens) = answer.usage.completion_tokens {
            return (Some(tokens), false);
        }
        ((self.count)(&format!("{}{}", answer.reasoning, answer.text)), true)
    }
}

/// Returns the number of prompt tokens that the server computed. `None` if it doesn't say how many it had in its cache, and
/// the prompt is `repeated`, so that it may have had most of them.
fn computed_tokens(answer: &Answer, repeated: bool) -> Option<usize> {
    let cached = match answer.usage.cached_tokens {
        None if repeated => return None,
        cached => cached.unwrap_or(0),
    };
    Some(answer.usage.prompt_tokens?.saturating_sub(cached))
}

/// Sends the first request after loading. It continues the workload's text without a template, so the server doesn't see the conversation that is measured later.
fn first_answer(
    server: &Server<'_>,
    workload: &Workload,
    turn: &mut Turn,
    within: Duration,
) -> Result<(), Failure> {
    let text = workload.prompt.text();
    let raw = Prompt::Raw(text.to_owned()).marked("cold");
    let sent = server.begun.elapsed();
    let answer = server.ask(&raw, FIRST_TOKEN, within)?;
    let first = answer.heard.arrivals.first().unwrap_or(&answer.heard.total);
    turn.figures.push(Measure::ColdFirstTokenSeconds, (sent + *first).as_secs_f64());
    Ok(())
}

/// Returns the tokens after the first over the time from the first text to the last. If texts
/// arrive rarely, several tokens at once, that time is meaningless, so the server's own figure is
/// used.
fn decode_rate(answer: &Answer, tokens: usize) -> Option<f64> {
    let arrivals = &answer.heard.arrivals;
    let seconds = if 2 * arrivals.len() >= tokens {
        arrivals.last()?.saturating_sub(*arrivals.first()?).as_secs_f64()
    } else {
        answer.native?.decode_seconds
    };
    (tokens > 1 && seconds > 0.0).then(|| (tokens - 1) as f64 / seconds)
}

/// Returns the seconds to the first text, or to the end if there was none.
fn first_text(answer: &Answer) -> f64 {
    answer.heard.arrivals.first().unwrap_or(&answer.heard.total).as_secs_f64()
}
