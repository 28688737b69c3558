//! Finds the best tokens without sorting the vocabulary.

use std::cmp::Ordering;

/// A token and its logit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Candidate {
    pub(crate) id: u32,
    pub(crate) logit: f32,
}

impl Candidate {
    /// Orders by falling logit, and by rising id among equals.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "sorting wants this signature")]
    pub(super) fn order(&self, other: &Self) -> Ordering {
        other.logit.total_cmp(&self.logit).then(self.id.cmp(&other.id))
    }
}

/// Collects all tokens whose logit is at least `threshold`, by id.
pub(super) fn above(logits: &[f32], threshold: f32, out: &mut Vec<Candidate>) {
    out.clear();
    // Few pass. A block is ruled out by its maximum, which the compiler vectorizes.
    for (block, chunk) in logits.chunks(32).enumerate() {
        if chunk.iter().copied().fold(f32::NEG_INFINITY, f32::max) >= threshold {
            let first = 32 * block as u32;
            let passing = (first..).zip(chunk).filter(|&(_, &logit)| logit >= threshold);
            out.extend(passing.map(|(id, &logit)| Candidate { id, logit }));
        }
    }
}

/// Collects the `count` best tokens, in order.
pub(crate) fn best(logits: &[f32], count: usize, out: &mut Vec<Candidate>) {
    out.clear();
    if count == 0 {
        return;
    }
    // Ids rise, so a token that only equals the worst of a full selection loses.
    let mut worst = f32::NEG_INFINITY;
    let mut full = false;
    let room = count.saturating_mul(2).max(1024);
    for (id, &logit) in (0..).zip(logits) {
        if full && logit <= worst {
            continue;
        }
        out.push(Candidate { id, logit });
        if out.len() == room {
            keep(out, count);
            worst = out[count - 1].logit;
            full = true;
        }
    }
    keep(out, count);
    out.sort_unstable_by(Candidate::order);
}

/// Keeps the `count` best. If any were dropped, the worst that is kept comes last.
fn keep(candidates: &mut Vec<Candidate>, count: usize) {
    if candidates.len() > count {
        candidates.select_nth_unstable_by(count - 1, Candidate::order);
        candidates.truncate(count);
    }
}
