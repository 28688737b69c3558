//! Candidates: programs that could answer.

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
    /// Version of the program and the settings that change its speed. Figures of another version don't count.
    pub version: String,
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
            price: None,
            watts: None,
            memory_bytes: None,
        }
    }
}
