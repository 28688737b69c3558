//! The cache of sequences in the processor's memory: pages of keys and values, and states. What belongs to
//! which sequence is the bookkeeping of [`mlxk_paging`].
//!
//! Within a layer and head of a page, keys are stored `[head_dim][PAGE_POSITIONS]`, so that the scores of a
//! page are computed with positions side by side, and values `[PAGE_POSITIONS][value_dim]`, so that the
//! weighted sum is computed with features side by side. Neither needs a sum across a vector register.

mod codes;
mod memory;
mod page;
mod states;
#[cfg(test)]
mod tests;

use std::ops::{Deref, DerefMut};

use mlxk_ops::{Batch, CacheSpec, KvFormat, PAGE_POSITIONS, Sequence};
use mlxk_paging::Table;

#[cfg(target_arch = "x86_64")]
pub(crate) use codes::{Codes, GROUP, HALF};
use memory::{CpuMemory, Pool};
pub(crate) use page::{PageHead, Widen};

/// All sequences of a device.
pub(crate) struct SequenceCache {
    format: KvFormat,
    sequences: mlxk_paging::SequenceCache<CpuMemory>,
}

impl Deref for SequenceCache {
    type Target = mlxk_paging::SequenceCache<CpuMemory>;

    fn deref(&self) -> &Self::Target {
        &self.sequences
    }
}

impl DerefMut for SequenceCache {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.sequences
    }
}

impl SequenceCache {
    pub(crate) fn new(format: KvFormat) -> Self {
        Self::of(format, &CacheSpec::default())
    }

    fn of(format: KvFormat, spec: &CacheSpec) -> Self {
        let memory = CpuMemory::new(spec, format);
        Self { format, sequences: mlxk_paging::SequenceCache::new(spec, memory) }
    }

    pub(crate) fn configure(&mut self, spec: &CacheSpec) {
        *self = Self::of(self.format, spec);
    }

    pub(crate) fn format(&self) -> KvFormat {
        self.format
    }

    /// Stores the key `[kv_heads · head_dim]` and the value `[kv_heads · value_dim]` of one position, which
    /// must be reserved.
    pub(crate) fn write(
        &mut self,
        sequence: Sequence,
        position: usize,
        layer: usize,
        key: &[f32],
        value: &[f32],
    ) {
        let place = self.pages_of(layer);
        let page = self.table(sequence, place.group).page(position / PAGE_POSITIONS);
        let pool = self.memory_mut().pool_mut(place.group);
        let layout = *pool.layout();
        let page = pool.page_mut(page);
        let slot = position % PAGE_POSITIONS;
        for head in 0..layout.kv_heads {
            let key = &key[head * layout.head_dim..][..layout.head_dim];
            let value = &value[head * layout.value_dim..][..layout.value_dim];
            layout.write(page, (place.layer, head), slot, key, value);
        }
    }

    /// Returns the pages of one layer of a sequence.
    pub(crate) fn layer(&self, sequence: Sequence, layer: usize) -> LayerPages<'_> {
        let place = self.pages_of(layer);
        LayerPages {
            pool: self.memory().pool(place.group),
            table: self.table(sequence, place.group),
            layer: place.layer,
        }
    }

    /// Returns the state of one layer of a sequence.
    #[cfg(test)]
    fn state_mut(&mut self, sequence: Sequence, layer: usize) -> &mut [f32] {
        let mut batch = Batch::default();
        batch.push(sequence, 0, &[0], false);
        self.layer_states_mut(layer, &batch).pop().expect("the batch has one segment")
    }

    /// Returns the states of one layer, one per segment of the batch.
    pub(crate) fn layer_states_mut(&mut self, layer: usize, batch: &Batch) -> Vec<&mut [f32]> {
        let range = self.state_of(layer);
        let states = self.states_mut(batch).into_iter();
        states.map(|states| states.part_mut(range.clone())).collect()
    }
}

/// The pages of one layer of a sequence.
#[derive(Clone, Copy)]
pub(crate) struct LayerPages<'a> {
    pool: &'a Pool,
    table: &'a Table,
    /// Within the group.
    layer: usize,
}

impl<'a> LayerPages<'a> {
    /// Returns one head of page `index` of the sequence, which must be held.
    pub(crate) fn head(&self, index: usize, head: usize) -> PageHead<'a> {
        let mut own = self.pool.head(self.table.page(index), self.layer, head);
        if let PageHead::F16 { next, .. } = &mut own
            && let Some(page) = self.table.get(index + 1)
            && let PageHead::F16 { keys, .. } = self.pool.head(page, self.layer, head)
        {
            *next = keys;
        }
        own
    }
}
