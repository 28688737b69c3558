//! Policy for checkpoints: the lengths to which a sequence can return once a window has moved on,
//! or a state.
//!
//! A checkpoint is kept at the end of every prompt, because the next turn of a conversation begins
//! with it; at the junction of two prompts, because a third one probably begins alike; and every
//! [`EVERY`] tokens of prefill, because later prompts may branch off anywhere. A sequence keeps the
//! [`MAX_CHECKPOINTS`] that save most. Models whose layers all see every position need none of
//! this.

use mlxk_ops::{Cache, CacheSpec, PAGE_POSITIONS, Sequence};

/// Most checkpoints of a sequence. Each costs a window of keys and values, or a copy of the states.
pub(crate) const MAX_CHECKPOINTS: usize = 8;
/// Tokens of prefill between two checkpoints.
const EVERY: usize = 1024;

/// Lengths at which a request wants a checkpoint. No step of its prefill passes one of them.
#[derive(Default)]
pub(crate) struct Stops(Vec<usize>);

impl Stops {
    /// Returns the stops of a request with this many tokens of prompt, `shared` of which another request has
    /// in common with it, and `cached` of which are reused.
    pub(crate) fn new(spec: &CacheSpec, prompt: usize, shared: usize, cached: usize) -> Self {
        let mut stops = Self::default();
        if spec.forgets() {
            stops.add(prompt);
            // A state cannot go back by one token, which the same prompt wants: its last is computed again.
            if spec.has_states() {
                stops.add(prompt - 1);
            }
            if shared >= cached + PAGE_POSITIONS {
                stops.add(shared);
            }
        }
        stops
    }

    pub(crate) fn add(&mut self, len: usize) {
        if !self.0.contains(&len) {
            self.0.push(len);
        }
    }

    /// Returns how many of `count` tokens a step takes from `start` on.
    pub(crate) fn limit(&self, start: usize, count: usize) -> usize {
        let next =
            self.0.iter().filter_map(|stop| stop.checked_sub(start).filter(|&ahead| ahead > 0));
        next.min().map_or(count, |ahead| ahead.min(count))
    }

    /// Returns `true` if a sequence that has come to `len` gets a checkpoint; `last` is the length of its last
    /// one. `prefill` is `true` while it computes a prompt.
    pub(crate) fn is_due(&self, len: usize, last: usize, prefill: bool) -> bool {
        self.0.contains(&len) || prefill && len >= last + EVERY
    }
}

/// Adds a checkpoint at the end of a sequence, and drops the one that saves least if there are too many.
pub(crate) fn keep(ops: &mut dyn Cache, sequence: Sequence) {
    ops.checkpoint(sequence);
    let lengths = ops.checkpoints(sequence);
    if lengths.len() > MAX_CHECKPOINTS
        && let Some(len) = least_useful(&lengths)
    {
        ops.drop_checkpoint(sequence, len);
    }
}

/// Returns the checkpoint whose loss costs least. Without it, prompts that branch off before the next one
/// compute the tokens from the one before it again. The last is never chosen: it is the newest.
fn least_useful(lengths: &[usize]) -> Option<usize> {
    let before = [0].iter().chain(lengths);
    let cost = before.zip(lengths).zip(&lengths[1..]).map(|((before, len), next)| {
        let (computed_again, prompts) = (len - before, next - len);
        (computed_again * prompts, *len)
    });
    Some(cost.min()?.1)
}

/// Tokens that requests had in common with earlier ones, and how many of them were reused.
#[derive(Default)]
pub(crate) struct Reuse {
    shared: u64,
    reused: u64,
}

impl Reuse {
    /// Counts a request and logs it, by the kind of layer that decides what can be reused.
    pub(crate) fn count(&mut self, spec: &CacheSpec, shared: usize, reused: usize) {
        self.shared += shared as u64;
        self.reused += reused as u64;
        if shared == 0 {
            return;
        }
        let layers = match (spec.has_states(), spec.forgets()) {
            (true, _) => "recurrent",
            (false, true) => "windowed",
            (false, false) => "full attention",
        };
        let (all_shared, all_reused) = (self.shared, self.reused);
        tracing::debug!(layers, shared, reused, all_shared, all_reused, "reused a prompt prefix");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mlxk_ops::LayerCache;

    fn windowed() -> CacheSpec {
        let layer = LayerCache::Pages { kv_heads: 1, head_dim: 8, value_dim: 8, window: Some(64) };
        CacheSpec { layers: vec![layer] }
    }

    #[test]
    fn a_step_ends_at_a_stop() {
        let stops = Stops::new(&windowed(), 500, 300, 100);
        assert_eq!([100, 250, 300, 499].map(|start| stops.limit(start, 256)), [200, 50, 200, 1]);
        assert!(stops.is_due(300, 100, true) && stops.is_due(500, 300, false));
        assert!(!stops.is_due(400, 100, true) && stops.is_due(1124, 100, true));
        let plain = Stops::new(&CacheSpec::uniform(1, 1, 8, 8), 500, 300, 100);
        assert_eq!(plain.limit(100, 256), 256);
        // The same prompt again stops a token before its end.
        let spec = CacheSpec { layers: vec![LayerCache::State { values: 8 }] };
        assert_eq!(Stops::new(&spec, 500, 0, 0).limit(400, 256), 99);
    }

    #[test]
    fn checkpoints_thin_out_evenly_and_junctions_stay() {
        let mut lengths: Vec<usize> = Vec::new();
        for len in (1..=64).map(|i| i * 1024) {
            lengths.push(len);
            if lengths.len() > MAX_CHECKPOINTS {
                let least = least_useful(&lengths).unwrap();
                lengths.retain(|&len| len != least);
            }
        }
        let gaps = lengths.windows(2).map(|pair| pair[1] - pair[0]);
        assert!(lengths.len() == MAX_CHECKPOINTS && lengths[0] <= 16 * 1024, "{lengths:?}");
        assert!(gaps.max().unwrap() <= 16 * 1024, "{lengths:?}");
        // The ends of short turns go before the junction of a long system prompt.
        assert_eq!(least_useful(&[7000, 14_000, 20_000, 28_000, 28_900, 29_000]), Some(28_900));
    }
}
