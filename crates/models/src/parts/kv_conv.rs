//! A convolution over the keys and values of the last few tokens, before their rotation (Baichuan-M1, 2025,
//! arXiv:2502.12671).

use mlxk_ops::{Act, Batch, Compute, ConvSpec, StatePlace};

use super::kv_widths::KvWidths;
use super::part::Place;
use super::scratch::{Scratch, ScratchPlan, Slot};
use crate::error::ModelError;
use crate::loader::Loader;

/// Description of the convolution. All columns of a head have the same filter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KvConvSpec {
    /// Number of tokens that a key or a value depends on.
    pub(crate) kernel: usize,
    /// Names of the filters of keys and values, `[1, 1, kv_heads, 1, kernel]`.
    pub(crate) names: [&'static str; 2],
}

pub(crate) struct KvConv {
    /// Of keys and of values.
    convs: [(ConvSpec, StatePlace); 2],
    slots: [Slot; 2],
}

impl KvConvSpec {
    /// Returns the number of values in the states of keys and of values.
    const fn states(self, widths: KvWidths) -> [usize; 2] {
        let KvWidths { kv_heads, head_dim, value_dim } = widths;
        [
            ConvSpec::state_values(self.kernel, kv_heads * head_dim),
            ConvSpec::state_values(self.kernel, kv_heads * value_dim),
        ]
    }

    pub(super) fn state_values(self, widths: KvWidths) -> usize {
        self.states(widths).iter().sum()
    }

    pub(super) fn plan(widths: KvWidths, scratch: &mut ScratchPlan) -> [Slot; 2] {
        let KvWidths { kv_heads, head_dim, value_dim } = widths;
        [
            scratch.row("kv_conv.k", kv_heads * head_dim),
            scratch.row("kv_conv.v", kv_heads * value_dim),
        ]
    }

    /// Loads the filters. Their states are in the cache behind that of the keys and values.
    pub(super) fn load(
        self,
        loader: &mut Loader<'_>,
        place: &Place<'_>,
        widths: KvWidths,
        scratch: &mut ScratchPlan,
    ) -> Result<KvConv, ModelError> {
        let Self { kernel, names } = self;
        let KvWidths { kv_heads, head_dim, value_dim } = widths;
        let layer = place.cache + 1;
        let [keys, _] = self.states(widths);
        let mut conv = |name, width: usize, offset| -> Result<_, ModelError> {
            let filters = loader.values(&place.of(name), &[1, 1, kv_heads, 1, kernel])?;
            let row = |row: usize| {
                let of_heads = filters.iter().skip(row).step_by(kernel);
                of_heads.flat_map(move |factor| std::iter::repeat_n(*factor, width))
            };
            let weight = loader.put_vector((0..kernel).flat_map(row).collect())?;
            let spec = ConvSpec { kernel, weight, bias: None, activation: None };
            Ok((spec, StatePlace { layer, offset }))
        };
        let convs = [conv(names[0], head_dim, 0)?, conv(names[1], value_dim, keys)?];
        Ok(KvConv { convs, slots: Self::plan(widths, scratch) })
    }
}

impl KvConv {
    /// Returns keys and values after the convolution.
    pub(super) fn forward(
        &self,
        ops: &mut dyn Compute,
        kv: [Act; 2],
        scratch: &Scratch,
        batch: &Batch,
    ) -> [Act; 2] {
        let outs = self.slots.map(|slot| scratch[slot]);
        for ((out, x), (spec, state)) in outs.into_iter().zip(kv).zip(&self.convs) {
            ops.short_conv(out, x, spec, *state, batch);
        }
        outs
    }
}
