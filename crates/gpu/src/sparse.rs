//! The choice of the positions that rows attend to, by the scores of an indexer.
//!
//! The scores of rows are computed, then a bit for each position says whether a row sees it. The kernel of attention
//! that takes any rows passes over the others. It is the same kernel if a row may see all positions, and a score has one
//! order of arithmetic, so a result depends neither on the batch nor on the division into steps.

use mlxk_ops::{AttentionSpec, IndexInputs, IndexSpec, PAGE_POSITIONS};

use crate::cache::element_bits;
use crate::compute::ELEMENT_THREADS;
use crate::device::Gpu;
use crate::experts::{CHOSEN_ACT, SCORES_ACT};
use crate::kernels;
use crate::pipelines::Variant;
use crate::step::Bind;

/// Most scores that are kept at a time, but for those of a single row.
const MOST_SCORES: usize = 1 << 23;

/// The positions that rows see.
pub(crate) struct ChosenPositions {
    /// `[rows, words]` a bit for each position. Rows that see all positions have none.
    pub bits: Bind,
    /// The most positions that a row sees, and the words of a row.
    pub parameters: [u32; 2],
}

impl Gpu {
    /// Records that an indexer stores its keys and chooses the positions of each row.
    pub(crate) fn choose_positions(
        &mut self,
        inputs: IndexInputs,
        index: &IndexSpec,
        rows: usize,
    ) -> ChosenPositions {
        let IndexInputs { queries, keys, weights } = inputs;
        let IndexSpec { heads, head_dim, keep, layer } = *index;
        let spec = AttentionSpec { value_dim: 0, ..AttentionSpec::causal(1, 1, head_dim) };
        self.append([keys, keys], layer, &spec, rows);
        // Whole chunks, so that the dispatches of most steps are those of the step before.
        let stride = self.batch.end.next_multiple_of(self.tuning.chunk);
        let stride = stride.next_multiple_of(PAGE_POSITIONS);
        let parameters = [keep, stride / PAGE_POSITIONS].map(|it| it.min(1 << 31) as u32);
        if stride <= keep {
            return ChosenPositions { bits: Bind::Words, parameters };
        }
        let (pages, tables) = self.layer(layer, &spec);
        let [key_bits, _] = element_bits(self.options().kv_format());
        let sizes = [heads as u32, head_dim as u32, key_bits];
        let score = Variant::new(&kernels::INDEX_SCORES, &sizes);
        let choose = Variant::new(&kernels::CHOOSE_POSITIONS, &[]);
        let most = (MOST_SCORES / stride).clamp(1, rows.max(1));
        let scores = Bind::Act(self.shared_act(most, stride, SCORES_ACT));
        let bits = Bind::Act(self.shared_act(rows, stride / PAGE_POSITIONS, CHOSEN_ACT));
        let [queries, weights] = [queries, weights].map(Bind::Act);
        for first in (0..rows).step_by(most) {
            let count = most.min(rows - first);
            let sizes = [first, stride, keep].map(|it| it.min(1 << 31) as u32);
            let words = [self.batch.positions, tables];
            let (queries, weights) = (queries.clone(), weights.clone());
            let pages = Bind::Buffer(pages.clone());
            let buffers = vec![Bind::Words, queries, weights, pages, scores.clone()];
            let groups = [stride.div_ceil(ELEMENT_THREADS), count, 1];
            self.step.dispatch(&score, buffers, [&sizes[..], &words].concat(), groups);
            let buffers = vec![Bind::Words, scores.clone(), bits.clone()];
            let parameters = [&sizes[..], &words[..1]].concat();
            self.step.dispatch(&choose, buffers, parameters, [count, 1, 1]);
        }
        ChosenPositions { bits, parameters }
    }
}
