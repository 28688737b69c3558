//! The sizes of a decoder, from its description alone.

use mlxk_ops::KvSpec;

use super::activations::StreamSlots;
use super::spec::DecoderSpec;
use crate::Shape;
use crate::parts::ScratchPlan;

impl DecoderSpec {
    /// Returns the sizes of the model.
    pub(crate) fn shape(&self) -> Shape {
        let mut scratch = ScratchPlan::default();
        StreamSlots::plan(self, &mut scratch);
        let parts = || self.layers.iter().flatten().map(|block| &block.part);
        for part in parts() {
            part.plan(self.hidden, &mut scratch);
        }
        let caches: Vec<_> = parts().filter_map(crate::parts::PartSpec::cache).collect();
        let kv = caches.first().map_or(
            KvSpec { layers: 0, kv_heads: 0, head_dim: 0, value_dim: 0 },
            |cache| KvSpec {
                layers: caches.len(),
                kv_heads: cache.kv_heads,
                head_dim: cache.head_dim,
                value_dim: cache.value_dim,
            },
        );
        Shape {
            kv,
            vocab_size: self.vocab_size,
            max_positions: self.max_positions,
            activation_values: scratch.values(),
        }
    }
}
