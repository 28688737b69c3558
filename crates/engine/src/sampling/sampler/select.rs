//! Finds the best tokens, if possible without sorting the vocabulary.

use std::cmp::Ordering;

/// Number of candidates from which on they are sorted digit by digit.
const MANY: usize = 4096;
/// Bits of a digit.
const DIGIT: u32 = 8;
const DIGITS: usize = (u32::BITS / DIGIT) as usize;

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

    /// Returns a number that rises as the logit falls.
    const fn key(self) -> u32 {
        let bits = self.logit.to_bits();
        if bits & 0x8000_0000 == 0 { !bits ^ 0x8000_0000 } else { bits }
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

/// Sorts candidates whose ids rise, best first. `spare` is a buffer that is reused.
///
/// A flat distribution has as many candidates as the vocabulary has tokens. Comparing them takes longer than a step of a
/// GPU, so many are sorted by the digits of their logits, the last digit first.
pub(super) fn sort(candidates: &mut Vec<Candidate>, spare: &mut Vec<Candidate>) {
    if candidates.len() < MANY {
        return candidates.sort_unstable_by(Candidate::order);
    }
    let digit = |key: u32, at: usize| (key >> (DIGIT * at as u32)) as usize & ((1 << DIGIT) - 1);
    let mut places = [[0_u32; 1 << DIGIT]; DIGITS];
    for candidate in &*candidates {
        let key = candidate.key();
        for (at, places) in places.iter_mut().enumerate() {
            places[digit(key, at)] += 1;
        }
    }
    for (at, places) in places.iter_mut().enumerate() {
        let mut next = 0;
        for place in &mut *places {
            next += std::mem::replace(place, next);
        }
        spare.clear();
        spare.resize(candidates.len(), Candidate { id: 0, logit: 0.0 });
        for candidate in &*candidates {
            let place = &mut places[digit(candidate.key(), at)];
            spare[*place as usize] = *candidate;
            *place += 1;
        }
        std::mem::swap(candidates, spare);
    }
}

/// Keeps the `count` best. If any were dropped, the worst that is kept comes last.
fn keep(candidates: &mut Vec<Candidate>, count: usize) {
    if candidates.len() > count {
        candidates.select_nth_unstable_by(count - 1, Candidate::order);
        candidates.truncate(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_candidates_are_sorted_as_few_are() {
        for (count, spread) in [(10, 3), (MANY, 5), (MANY + 1, 100_000), (40_000, 3_000)] {
            let logit = |id: u32| {
                let number = id.wrapping_mul(2_654_435_761) >> 8;
                [0.0, -0.0, f32::NEG_INFINITY, -1.5]
                    .get(number as usize % 97)
                    .copied()
                    .unwrap_or((number % spread) as f32 / 40.0 - 20.0)
            };
            let all = (0..count as u32).map(|id| Candidate { id, logit: logit(id) });
            let mut found: Vec<Candidate> = all.collect();
            let mut expected = found.clone();
            expected.sort_by(Candidate::order);
            sort(&mut found, &mut Vec::new());
            let bits = |all: &[Candidate]| -> Vec<(u32, u32)> {
                all.iter().map(|it| (it.id, it.logit.to_bits())).collect()
            };
            assert_eq!(bits(&found), bits(&expected), "{count}");
        }
    }
}
