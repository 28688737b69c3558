//! Rules by which a candidate is chosen.

use std::str::FromStr;

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Always the candidate with this name.
    Fixed(String),
    /// The one with the shortest time for a typical request, as measured.
    Fastest,
    /// The one with the lowest cost.
    Cheapest(Measure),
    /// The nearest that works: this process, this machine, then others. Of equally near ones, the fastest, if there
    /// are figures.
    LocalFirst,
}

impl Policy {
    /// Returns `true` if the rule compares measured figures.
    pub fn needs_figures(&self) -> bool {
        match self {
            Self::Fastest | Self::Cheapest(Measure::Energy) => true,
            Self::Fixed(_)
            | Self::LocalFirst
            | Self::Cheapest(Measure::Price | Measure::Memory) => false,
        }
    }
}

/// Measure of cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Configured price of a token.
    Price,
    /// Energy of a token: configured power times measured time.
    Energy,
    /// Memory that is taken.
    Memory,
}

impl Measure {
    /// Returns the name in configurations.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Price => "price",
            Self::Energy => "energy",
            Self::Memory => "memory",
        }
    }
}

/// The text names no policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a policy; use `fastest`, `local-first`, `cheapest-price`, `cheapest-energy`, `cheapest-memory` or \
     `fixed:NAME`"
)]
pub struct UnknownPolicy(pub String);

impl FromStr for Policy {
    type Err = UnknownPolicy;

    fn from_str(text: &str) -> Result<Self, UnknownPolicy> {
        Ok(match text {
            "fastest" => Self::Fastest,
            "local-first" => Self::LocalFirst,
            "cheapest" | "cheapest-price" => Self::Cheapest(Measure::Price),
            "cheapest-energy" => Self::Cheapest(Measure::Energy),
            "cheapest-memory" => Self::Cheapest(Measure::Memory),
            text => match text.strip_prefix("fixed:").filter(|name| !name.is_empty()) {
                Some(name) => Self::Fixed(name.to_owned()),
                None => return Err(UnknownPolicy(text.to_owned())),
            },
        })
    }
}
