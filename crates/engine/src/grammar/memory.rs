//! Memory of compiled grammars, which grows while answers are written.

use std::sync::atomic::{AtomicUsize, Ordering};

use llguidance::TokenParser;

use crate::error::EngineError;

/// Most bytes that all grammars use together.
const MAX_BYTES: usize = 1 << 30;
/// Bytes of a grammar apart from its lexer, roughly.
const BASE_BYTES: usize = 64 << 10;

static TOTAL: AtomicUsize = AtomicUsize::new(0);

/// One grammar's share of the memory, until it is dropped.
#[derive(Debug, Default)]
pub(super) struct Share(AtomicUsize);

impl Share {
    /// Counts what the grammar uses by now. Fails if all of them use too much.
    pub(super) fn count(&self, parser: &TokenParser) -> Result<(), EngineError> {
        let bytes = BASE_BYTES + parser.parser.lexer_stats().num_bytes;
        let before = self.0.swap(bytes, Ordering::Relaxed);
        TOTAL.fetch_sub(before, Ordering::Relaxed);
        let others = TOTAL.fetch_add(bytes, Ordering::Relaxed);
        if others + bytes > MAX_BYTES && bytes > before {
            let reason = format!(
                "the formats of all answers use more than {} MiB; try again later",
                MAX_BYTES >> 20
            );
            return Err(EngineError::AnswerFormat { reason });
        }
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        TOTAL.fetch_sub(*self.0.get_mut(), Ordering::Relaxed);
    }
}
