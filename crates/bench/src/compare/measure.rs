//! The measures and their series.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::statistics::Summary;

/// A measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Time from an empty memory until the server takes requests.
    LoadSeconds,
    /// Time from an empty memory to the first token of an answer.
    ColdFirstTokenSeconds,
    /// Memory of the serving processes before the model was loaded.
    MemoryBeforeBytes,
    /// Memory of the serving processes after the answers.
    MemoryAfterBytes,
    /// The difference of the two.
    MemoryDeltaBytes,
    /// Highest memory seen during the turn.
    MemoryPeakBytes,
    /// Cores that other programs kept busy during the turn.
    OtherCores,
    /// Time from the request to the first text, with the model in memory and a new prompt.
    FirstTokenSeconds,
    /// The same with a prompt that the server has seen.
    RepeatedFirstTokenSeconds,
    /// Computed tokens of the prompt over the time to the first text. Missing if their number is unknown.
    PrefillTokensPerSecond,
    /// Tokens after the first, over the time from the first text to the last.
    DecodeTokensPerSecond,
    /// Tokens of the answer over the time of the whole turn.
    EffectiveTokensPerSecond,
    /// Time from the request to the end of the answer.
    TotalSeconds,
    /// Processor time of all serving processes for the answer.
    CpuSeconds,
    /// Tokens of the answer.
    ResponseTokens,
}

impl Measure {
    /// Returns the name in reports.
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

    /// Returns the unit.
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

    /// Returns `true` if other programs and the clock speed change the figure. Amounts of memory don't depend on them.
    pub fn depends_on_pace(self) -> bool {
        !matches!(self.unit(), Unit::Bytes | Unit::Tokens)
    }

    /// Returns the measure that states the same fact in other words. Reports show that one, and
    /// this one only where the other is missing.
    pub fn same_fact_as(self) -> Option<Self> {
        match self {
            Self::TotalSeconds | Self::ResponseTokens => Some(Self::EffectiveTokensPerSecond),
            Self::PrefillTokensPerSecond => Some(Self::FirstTokenSeconds),
            Self::MemoryBeforeBytes | Self::MemoryAfterBytes => Some(Self::MemoryDeltaBytes),
            _ => None,
        }
    }

    /// Returns `true` if more is better, `false` if less is better, and `None` if neither is.
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

/// Unit of a measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Seconds,
    Bytes,
    TokensPerSecond,
    Cores,
    Tokens,
}

/// Samples of all measures, each with its round.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures(BTreeMap<Measure, Vec<(usize, f64)>>);

impl Figures {
    /// Appends a sample of the first round, if there is one.
    pub fn push(&mut self, measure: Measure, figure: impl Into<Option<f64>>) {
        if let Some(figure) = figure.into().filter(|figure| figure.is_finite()) {
            self.0.entry(measure).or_default().push((0, figure));
        }
    }

    /// Appends all samples of a turn, which was in this round.
    pub fn extend(&mut self, round: usize, turn: &Self) {
        for (&measure, figures) in &turn.0 {
            let figures = figures.iter().map(|&(_, figure)| (round, figure));
            self.0.entry(measure).or_default().extend(figures);
        }
    }

    /// Summarizes every series.
    pub fn summaries(self) -> Series {
        let summary = |(measure, figures): (Measure, Vec<(usize, f64)>)| {
            let (rounds, figures) = figures.into_iter().unzip();
            Some((measure, Summary { rounds, ..Summary::of(figures)? }))
        };
        self.0.into_iter().filter_map(summary).collect()
    }
}

/// Summaries by measure.
pub type Series = BTreeMap<Measure, Summary>;
