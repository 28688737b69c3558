//! The sizes of a decoder, from its description alone.

use mlxk_ops::CacheSpec;

use super::activations::StreamSlots;
use super::spec::DecoderSpec;
use crate::model::Shape;
use crate::parts::{NgramsSpec, ScratchPlan};

impl DecoderSpec {
    /// Returns the sizes of the model.
    pub(crate) fn shape(&self) -> Shape {
        let mut scratch = ScratchPlan::default();
        StreamSlots::plan(self, &mut scratch);
        if let Some(ngrams) = &self.ngrams {
            ngrams.plan(self.hidden, &mut scratch);
        }
        if let Some(inputs) = &self.layer_inputs {
            inputs.plan(&mut scratch);
        }
        if let Some(streams) = self.streams {
            streams.plan(self.hidden, &mut scratch);
        }
        let parts = || self.layers.iter().flatten().map(|block| &block.part);
        for part in parts() {
            part.plan(self.hidden, &mut scratch);
        }
        let ngrams = self.ngrams.iter().map(NgramsSpec::cache);
        let mut layers: Vec<_> =
            ngrams.chain(parts().flat_map(|part| part.caches(self.hidden))).collect();
        if self.sees_all() {
            layers.truncate(1);
        }
        Shape {
            cache: CacheSpec { layers },
            output: self.output,
            hidden: self.hidden,
            vocab_size: self.vocab_size,
            max_positions: self.max_positions,
            activation_values: scratch.values(),
        }
    }
}
