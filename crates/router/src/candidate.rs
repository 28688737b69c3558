//! Candidates: programs that could answer.

use std::fmt;

/// Location of a candidate, the nearest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// This process.
    Here,
    /// Another process on this machine.
    Machine,
    /// Another machine.
    Elsewhere,
}

/// A program that could answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Name, unique among the candidates: `mlxk`, `ollama`, or an address.
    pub id: String,
    /// Location of its computations.
    pub place: Place,
    /// Version of the program. Figures of another version don't count.
    pub version: String,
    /// Settings that change its speed, such as its number of threads. Each value has figures of its own.
    pub settings: String,
    /// Price of a million tokens of an answer, in any currency.
    pub price: Option<f64>,
    /// Power that it takes while it answers, in watts.
    pub watts: Option<f64>,
    /// Memory that it takes, in bytes.
    pub memory_bytes: Option<u64>,
}

impl Candidate {
    /// Returns a candidate whose cost is not known.
    pub fn new(id: impl Into<String>, place: Place, version: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            place,
            version: version.into(),
            settings: String::new(),
            price: None,
            watts: None,
            memory_bytes: None,
        }
    }

    /// Adds the settings that change its speed.
    #[must_use]
    pub fn with_settings(self, settings: impl Into<String>) -> Self {
        Self { settings: settings.into(), ..self }
    }
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known: Vec<&str> =
            [&*self.version, &*self.settings].into_iter().filter(|part| !part.is_empty()).collect();
        write!(f, "{} ({})", self.id, known.join(", "))
    }
}
