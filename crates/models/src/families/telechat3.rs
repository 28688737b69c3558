//! TeleChat3 (China Telecom, 2025): Llama with YaRN.

use super::family::{Architecture, Family};
use super::llama;

pub(super) const FAMILY: Family = Family {
    name: "TeleChat3",
    gguf: &[],
    architectures: &[Architecture::new("telechat3", "TeleChat3 36B", llama::spec)],
};
