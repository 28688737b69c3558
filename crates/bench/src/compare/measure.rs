//! What is measured, and the series that come of it.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::statistics::Summary;

/// A kind of figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// From nothing in memory until the server takes requests.
    LoadSeconds,
    /// From nothing in memory to the first token of an answer.
    ColdFirstTokenSeconds,
    /// Of the serving processes before the model was loaded.
    MemoryBeforeBytes,
    /// Of the serving processes after the answers.
    MemoryAfterBytes,
    /// The difference.
    MemoryDeltaBytes,
    /// The most that was seen meanwhile.
    MemoryPeakBytes,
    /// Cores that others kept busy meanwhile.
    OtherCores,
    /// From the request to the first text, the model in memory, the prompt new to it.
    FirstTokenSeconds,
    /// The same, the prompt known to it.
    RepeatedFirstTokenSeconds,
    /// Tokens of the prompt that had to be computed, over the time to the first text.
    PrefillTokensPerSecond,
    /// Tokens after the first, over the time from the first text to the last.
    DecodeTokensPerSecond,
    /// Tokens of the answer over the time of the whole turn.
    EffectiveTokensPerSecond,
    /// From the request to the end of the answer.
    TotalSeconds,
    /// Seconds of processor time for it, of all serving processes.
    CpuSeconds,
    /// Tokens of the answer.
    ResponseTokens,
}

impl Measure {
    /// What it is called in reports.
    pub fn label(self) -> &'static str {
        match self {
            Self::LoadSeconds => "load",
            Self::ColdFirstTokenSeconds => "first token, cold",
            Self::MemoryBeforeBytes => "memory before",
            Self::MemoryAfterBytes => "memory after",
            Self::MemoryDeltaBytes => "memory delta",
            Self::MemoryPeakBytes => "memory peak",
            Self::OtherCores => "cores busy with other work",
            Self::FirstTokenSeconds => "first token, warm",
            Self::RepeatedFirstTokenSeconds => "first token, repeated prompt",
            Self::PrefillTokensPerSecond => "prefill",
            Self::DecodeTokensPerSecond => "decode",
            Self::EffectiveTokensPerSecond => "whole turn",
            Self::TotalSeconds => "total time",
            Self::CpuSeconds => "processor time",
            Self::ResponseTokens => "response length",
        }
    }

    /// Its unit.
    pub fn unit(self) -> Unit {
        match self {
            Self::LoadSeconds
            | Self::ColdFirstTokenSeconds
            | Self::FirstTokenSeconds
            | Self::RepeatedFirstTokenSeconds
            | Self::TotalSeconds
            | Self::CpuSeconds => Unit::Seconds,
            Self::MemoryBeforeBytes
            | Self::MemoryAfterBytes
            | Self::MemoryDeltaBytes
            | Self::MemoryPeakBytes => Unit::Bytes,
            Self::PrefillTokensPerSecond
            | Self::DecodeTokensPerSecond
            | Self::EffectiveTokensPerSecond => Unit::TokensPerSecond,
            Self::OtherCores => Unit::Cores,
            Self::ResponseTokens => Unit::Tokens,
        }
    }

    /// Whether more of it is better; `None` where it is no merit either way.
    pub fn more_is_better(self) -> Option<bool> {
        match self {
            Self::MemoryBeforeBytes
            | Self::MemoryAfterBytes
            | Self::MemoryDeltaBytes
            | Self::OtherCores
            | Self::ResponseTokens => None,
            _ => Some(self.unit() == Unit::TokensPerSecond),
        }
    }
}

/// The unit of a measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// Tokens per second.
    TokensPerSecond,
    /// Cores.
    Cores,
    /// Tokens.
    Tokens,
}

/// Figures as they come, run by run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures(BTreeMap<Measure, Vec<f64>>);

impl Figures {
    /// Appends a figure, where there is one.
    pub fn push(&mut self, measure: Measure, figure: impl Into<Option<f64>>) {
        if let Some(figure) = figure.into().filter(|figure| figure.is_finite()) {
            self.0.entry(measure).or_default().push(figure);
        }
    }

    /// Appends all figures of another run.
    pub fn extend(&mut self, other: &Self) {
        for (&measure, figures) in &other.0 {
            self.0.entry(measure).or_default().extend(figures);
        }
    }

    /// What the series amount to.
    pub fn summaries(self) -> Series {
        let summary = |(measure, figures)| Some((measure, Summary::of(figures)?));
        self.0.into_iter().filter_map(summary).collect()
    }
}

/// Summaries by measure.
pub type Series = BTreeMap<Measure, Summary>;
