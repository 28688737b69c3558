//! Bounds on schemas, and what is left of them while one is read.
//!
//! The grammar library works off a schema by recursion and has no clock, so a schema is kept small enough here.
//! `docs/reference/security.md` lists the numbers.

use super::place::{Place, Problem};

/// Deepest nesting: keywords with schemas, and distinct references on the way.
pub(super) const MAX_DEPTH: usize = 256;
/// Most schemas that can be reached, with the values of `enum` and `const`.
pub(super) const MAX_NODES: usize = 10_000;
/// Most bytes of names, patterns and constants.
pub(super) const MAX_TEXT_BYTES: usize = 256 * 1024;
/// Most properties of one object.
pub(super) const MAX_PROPERTIES: usize = 1_000;
/// Most entries of `patternProperties` of one object. Each pair of patterns is compared.
pub(super) const MAX_PATTERNS: usize = 16;
/// Most optional properties next to `minProperties` or `maxProperties`, each of which makes a case of its own.
pub(super) const MAX_CASES: usize = 64;
/// Most nodes after `allOf`, `$ref` and the cases of `anyOf` have been merged.
pub(super) const MAX_MERGED: u64 = 50_000;
/// Largest `minItems`, and what a larger `maxItems` is lowered to.
pub(super) const MAX_ITEMS: u64 = 10_000;
/// Largest `minLength`, and what a larger `maxLength` is lowered to.
pub(super) const MAX_LENGTH: u64 = 16_384;
/// Most bytes of a pattern, and most parts after its repetitions are written out.
pub(super) const MAX_PATTERN_BYTES: usize = 4_096;
pub(super) const MAX_PATTERN_PARTS: u64 = 16_384;
/// Largest `multipleOf`, in units of its last digit: a lexer has a state for each remainder.
pub(super) const MAX_DIVISOR: u32 = 1_000;
/// Most digits after the point of `multipleOf`.
pub(super) const MAX_DIVISOR_SCALE: u32 = 6;
/// Most steps to find the names that closed objects have in common.
const MAX_STEPS: usize = 2_000_000;

/// Counts what a schema uses.
pub(super) struct Budget<'a> {
    nodes: usize,
    text_bytes: usize,
    steps: usize,
    is_over: &'a dyn Fn() -> bool,
}

impl<'a> Budget<'a> {
    /// `is_over` returns `true` if the result is not wanted any more.
    pub(super) fn new(is_over: &'a dyn Fn() -> bool) -> Self {
        Self { nodes: 0, text_bytes: 0, steps: 0, is_over }
    }

    /// Counts a schema or a constant.
    pub(super) fn node(&mut self, place: &Place<'_>) -> Result<(), Problem> {
        self.nodes += 1;
        if self.nodes.is_multiple_of(64) && (self.is_over)() {
            return Err(Problem::Interrupted);
        }
        if place.depth > MAX_DEPTH {
            return place.refuse(format!("is nested deeper than {MAX_DEPTH} levels"));
        }
        if self.nodes > MAX_NODES {
            let text = format!("The schema has more than {MAX_NODES} parts; make it smaller");
            return Err(Problem::Refused(text));
        }
        Ok(())
    }

    /// Counts a name, a pattern or a text.
    pub(super) fn text(&mut self, text: &str) -> Result<(), Problem> {
        self.text_bytes += text.len();
        if self.text_bytes > MAX_TEXT_BYTES {
            let text = format!(
                "The schema has more than {} kB of names, patterns and constants; make it smaller",
                MAX_TEXT_BYTES / 1024
            );
            return Err(Problem::Refused(text));
        }
        Ok(())
    }

    /// Counts work that makes no node.
    pub(super) fn steps(&mut self, count: usize) -> Result<(), Problem> {
        self.steps += count;
        if self.steps > MAX_STEPS {
            let text =
                "The schema combines too many objects by `allOf` and `anyOf`; make it smaller";
            return Err(Problem::Refused(text.to_owned()));
        }
        if (self.is_over)() { Err(Problem::Interrupted) } else { Ok(()) }
    }
}
