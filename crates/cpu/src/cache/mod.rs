//! The cache of sequences: pages of keys and values, states, and checkpoints to return to.
//!
//! Layers whose pages have the same shape and window form a group with a [`Pool`] of pages and a block
//! table per sequence. Within a layer and head of a page, keys are stored `[head_dim][PAGE_POSITIONS]`, so
//! that the scores of a page are computed with positions side by side, and values
//! `[PAGE_POSITIONS][value_dim]`, so that the weighted sum is computed with features side by side. Neither
//! needs a sum across a vector register.
//!
//! Invariant: a page is in a table if a row from the start of the last step on may see it, if a checkpoint
//! needs it, or if nothing has swept it yet. So a sequence can be rewound to any length that the last step
//! started at or passed, and to every checkpoint.

mod checkpoints;
mod codes;
mod page;
mod pages;
mod states;
#[cfg(test)]
mod tests;

use std::io;
use std::ops::Range;

use bytemuck::{cast_slice, cast_slice_mut};
use mlxk_ops::{
    AttentionSpec, Batch, CacheSpec, Extent, KvFormat, LayerCache, PAGE_POSITIONS, Result, Sequence,
};

use checkpoints::Checkpoints;
#[cfg(target_arch = "x86_64")]
pub(crate) use codes::{Codes, GROUP, HALF};
pub(crate) use page::{PageHead, Widen};
use pages::{Pool, Table};
use states::States;

/// Where a layer keeps what it keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// The group, and the layer within the group.
    Pages(usize, usize),
    /// Values within the states of a sequence.
    State(Range<usize>),
    None,
}

/// One sequence.
#[derive(Default)]
struct Held {
    len: usize,
    /// One per group.
    tables: Vec<Table>,
    /// As they are after `len` positions.
    states: States,
    checkpoints: Checkpoints,
}

/// All sequences of a device.
pub(crate) struct SequenceCache {
    spec: CacheSpec,
    format: KvFormat,
    /// One per group of layers.
    pools: Vec<Pool>,
    /// `[layers]`
    places: Vec<Place>,
    sequences: Vec<Option<Held>>,
}

impl SequenceCache {
    pub(crate) fn new(format: KvFormat) -> Self {
        Self {
            spec: CacheSpec::default(),
            format,
            pools: vec![],
            places: vec![],
            sequences: vec![],
        }
    }

    pub(crate) fn configure(&mut self, spec: &CacheSpec) {
        let groups = spec.groups();
        let mut values = 0;
        let mut places: Vec<Place> = Vec::with_capacity(spec.layers.len());
        for (index, layer) in spec.layers.iter().enumerate() {
            places.push(match *layer {
                LayerCache::Pages { .. } => groups
                    .iter()
                    .enumerate()
                    .find_map(|(group, it)| {
                        Some(Place::Pages(group, it.layers.iter().position(|&at| at == index)?))
                    })
                    .expect("every layer with pages is in a group"),
                LayerCache::State { values: count } => {
                    values += count;
                    Place::State(values - count..values)
                }
                LayerCache::SharedWith(earlier) => places[earlier].clone(),
                LayerCache::None => Place::None,
            });
        }
        let pools = groups.into_iter().map(|group| Pool::new(group, self.format)).collect();
        *self = Self { spec: spec.clone(), pools, places, ..Self::new(self.format) };
    }

    pub(crate) fn format(&self) -> KvFormat {
        self.format
    }

    /// Describes the pages and states of the layers.
    pub(crate) fn layout(&self) -> String {
        let pages = self.pools.iter().map(|pool| {
            let group = &pool.group;
            let window = group.window.map(|window| format!(" in a window of {window}"));
            format!(
                "{} layers of {} heads of {} and {}{}",
                group.layers.len(),
                group.kv_heads,
                group.head_dim,
                group.value_dim,
                window.unwrap_or_default()
            )
        });
        let states = self.spec.layers.iter().filter_map(|layer| match layer {
            LayerCache::State { values } => Some(format!("a state of {values}")),
            _ => None,
        });
        pages.chain(states).collect::<Vec<_>>().join(", ")
    }

    /// Returns the bytes of all pages, free ones included, and of all states.
    pub(crate) fn bytes(&self) -> usize {
        let pages: usize = self.pools.iter().map(Pool::bytes).sum();
        let states = self.sequences.iter().flatten();
        let states = states.map(|held| size_of_val(held.states.all()) + held.checkpoints.bytes());
        pages + states.sum::<usize>()
    }

    fn held(&self, sequence: Sequence) -> &Held {
        self.sequences[sequence.0 as usize].as_ref().expect("the sequence has not been freed")
    }

    fn held_mut(&mut self, sequence: Sequence) -> (&mut Held, &mut [Pool]) {
        let held = self.sequences[sequence.0 as usize].as_mut();
        (held.expect("the sequence has not been freed"), &mut self.pools)
    }

    fn insert(&mut self, held: Held) -> Sequence {
        let index = self.sequences.iter().position(Option::is_none).unwrap_or(self.sequences.len());
        if index == self.sequences.len() {
            self.sequences.push(None);
        }
        self.sequences[index] = Some(held);
        Sequence(index as u32)
    }

    pub(crate) fn new_sequence(&mut self) -> Sequence {
        let tables = self.pools.iter().map(|_| Table::default()).collect();
        let states = States::zeros(self.spec.state_values());
        self.insert(Held { tables, states, ..Held::default() })
    }

    pub(crate) fn len(&self, sequence: Sequence) -> usize {
        self.held(sequence).len
    }

    pub(crate) fn free_sequence(&mut self, sequence: Sequence) {
        let (held, pools) = self.held_mut(sequence);
        for (table, pool) in held.tables.iter_mut().zip(pools) {
            table.truncate(pool, 0);
        }
        self.sequences[sequence.0 as usize] = None;
    }

    /// Returns the largest length up to `len` to which the sequence can be cut.
    pub(crate) fn restorable(&self, sequence: Sequence, len: usize) -> usize {
        let held = self.held(sequence);
        if len >= held.len {
            return held.len;
        }
        if self.spec.has_states() {
            return held.checkpoints.last_up_to(len);
        }
        mlxk_ops::restorable(len, |len| {
            let groups = self.pools.iter().map(|pool| &pool.group).zip(&held.tables);
            groups.map(|(group, table)| table.restorable(group, len)).min()
        })
    }

    /// Goes back to the largest length up to `len` that is possible, and returns it.
    pub(crate) fn rewind(&mut self, sequence: Sequence, len: usize) -> usize {
        let landed = self.restorable(sequence, len);
        let (held, pools) = self.held_mut(sequence);
        if landed == held.len {
            return landed;
        }
        match held.checkpoints.at(landed) {
            Some(kept) => held.states.restore(kept),
            None => held.states.clear(),
        }
        held.checkpoints.truncate(landed);
        for (table, pool) in held.tables.iter_mut().zip(pools) {
            table.truncate(pool, landed);
        }
        held.len = landed;
        landed
    }

    /// Makes a sequence that shares the first `len` positions, or as many as possible, and returns their
    /// number.
    pub(crate) fn fork(&mut self, sequence: Sequence, len: usize) -> (Sequence, usize) {
        let landed = self.restorable(sequence, len);
        let (held, pools) = self.held_mut(sequence);
        let mut states = held.states.clone();
        if landed < held.len {
            match held.checkpoints.at(landed) {
                Some(kept) => states.restore(kept),
                None => states.clear(),
            }
        }
        let tables = held.tables.iter().zip(pools).map(|(table, pool)| table.fork(pool, landed));
        let tables = tables.collect();
        let checkpoints = held.checkpoints.up_to(landed);
        (self.insert(Held { len: landed, tables, states, checkpoints }), landed)
    }

    /// Keeps the sequence as it is now, so that [`SequenceCache::rewind`] and [`SequenceCache::fork`] can
    /// return here.
    pub(crate) fn checkpoint(&mut self, sequence: Sequence) {
        let useful = self.spec.forgets();
        let (held, _) = self.held_mut(sequence);
        if useful && held.len > 0 {
            held.checkpoints.add(held.len, held.states.keep());
        }
    }

    /// Returns the lengths of the checkpoints, ascending.
    pub(crate) fn checkpoints(&self, sequence: Sequence) -> Vec<usize> {
        self.held(sequence).checkpoints.lengths()
    }

    /// Drops the checkpoint at `len`. Its pages are given back by the next step.
    pub(crate) fn drop_checkpoint(&mut self, sequence: Sequence, len: usize) {
        let (held, _) = self.held_mut(sequence);
        held.checkpoints.remove(len);
        held.tables.iter_mut().for_each(Table::sweep_again);
    }

    /// Makes room for positions `start..start + count`, which follow what the sequence holds or replace the
    /// end of it, and gives back the pages that no row sees any more.
    pub(crate) fn reserve(&mut self, sequence: Sequence, start: usize, count: usize) -> Result<()> {
        assert!(start <= self.len(sequence), "positions are appended without gaps");
        let landed = self.rewind(sequence, start);
        assert_eq!(landed, start, "a step starts at a length that can be restored");
        let (held, pools) = self.held_mut(sequence);
        let checkpoints = held.checkpoints.lengths();
        for (table, pool) in held.tables.iter_mut().zip(pools) {
            table.give_back(pool, start, &checkpoints);
            table.reserve(pool, start, start + count)?;
        }
        held.len = start + count;
        Ok(())
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
        let (group, layer) = self.pages_of(layer);
        let (held, pools) = self.held_mut(sequence);
        let pool = &mut pools[group];
        let page = held.tables[group].page(position / PAGE_POSITIONS);
        let layout = *pool.layout();
        let page = pool.page_mut(page);
        let slot = position % PAGE_POSITIONS;
        for head in 0..layout.kv_heads {
            let key = &key[head * layout.head_dim..][..layout.head_dim];
            let value = &value[head * layout.value_dim..][..layout.value_dim];
            layout.write(page, (layer, head), slot, key, value);
        }
    }

    fn pages_of(&self, layer: usize) -> (usize, usize) {
        let Place::Pages(group, layer) = self.places[layer] else {
            panic!("layer {layer} has no keys and values")
        };
        (group, layer)
    }

    /// Returns the pages of one layer of a sequence.
    pub(crate) fn layer(&self, sequence: Sequence, layer: usize) -> LayerPages<'_> {
        let (group, layer) = self.pages_of(layer);
        LayerPages { pool: &self.pools[group], table: &self.held(sequence).tables[group], layer }
    }

    /// Returns the state of one layer of a sequence.
    #[cfg(test)]
    fn state_mut(&mut self, sequence: Sequence, layer: usize) -> &mut [f32] {
        let Place::State(range) = self.places[layer].clone() else {
            panic!("layer {layer} has no state")
        };
        self.held_mut(sequence).0.states.part_mut(range)
    }

    /// Returns the states of one layer, one per segment of the batch.
    pub(crate) fn states_mut(&mut self, layer: usize, batch: &Batch) -> Vec<&mut [f32]> {
        let Place::State(range) = self.places[layer].clone() else {
            panic!("layer {layer} has no state")
        };
        let mut held: Vec<_> = self.sequences.iter_mut().map(Option::as_mut).collect();
        let segments = batch.segments.iter().map(|segment| {
            let held = held[segment.sequence.0 as usize].take();
            held.expect("a sequence of a step is there, and once").states.part_mut(range.clone())
        });
        segments.collect()
    }

    /// Returns the extent of an export of the first `len` positions, or of as many as can be restored.
    pub(crate) fn extent(&self, sequence: Sequence, len: usize) -> Extent {
        let len = self.restorable(sequence, len);
        let held = self.held(sequence);
        let checkpoints = held.checkpoints.up_to(len).lengths();
        let mut extent = Extent { len, checkpoints, pages: vec![] };
        let points = extent.points();
        let groups = self.pools.iter().zip(&held.tables);
        extent.pages = groups.map(|(pool, table)| table.held_for(&pool.group, &points)).collect();
        extent
    }

    /// Returns the bytes of an export.
    pub(crate) fn export_bytes(&self, extent: &Extent) -> u64 {
        let pages: u64 = self
            .pools
            .iter()
            .zip(&extent.pages)
            .map(|(pool, ranges)| {
                let pages = ranges.iter().map(|range| range.len() as u64).sum::<u64>();
                pages * pool.layout().page_bytes() as u64
            })
            .sum();
        pages + 4 * self.spec.state_values() as u64 * extent.points().len() as u64
    }

    /// Passes what `extent` holds of a sequence to `write`: group by group the pages as they are in memory,
    /// then the states at each checkpoint and at the end.
    pub(crate) fn export(
        &self,
        sequence: Sequence,
        extent: &Extent,
        write: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let held = self.held(sequence);
        let missing = || io::Error::other("the sequence does not hold what is to be exported");
        for ((pool, table), ranges) in self.pools.iter().zip(&held.tables).zip(&extent.pages) {
            for index in ranges.iter().cloned().flatten() {
                write(pool.page(table.get(index).ok_or_else(missing)?))?;
            }
        }
        if self.spec.has_states() {
            for point in extent.points() {
                let kept = held.checkpoints.at(point).map(|kept| &**kept);
                let now = (point == held.len).then(|| held.states.all());
                write(cast_slice(kept.or(now).ok_or_else(missing)?))?;
            }
        }
        Ok(())
    }

    /// Makes a sequence from an export.
    pub(crate) fn import(
        &mut self,
        extent: &Extent,
        read: &mut dyn FnMut(&mut [u8]) -> io::Result<()>,
    ) -> io::Result<Sequence> {
        let sequence = self.new_sequence();
        let result = self.import_into(sequence, extent, read);
        if result.is_err() {
            self.free_sequence(sequence);
        }
        result.map(|()| sequence)
    }

    fn import_into(
        &mut self,
        sequence: Sequence,
        extent: &Extent,
        read: &mut dyn FnMut(&mut [u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let has_states = self.spec.has_states();
        let (held, pools) = self.held_mut(sequence);
        for ((table, pool), ranges) in held.tables.iter_mut().zip(pools).zip(&extent.pages) {
            let indices = || ranges.iter().cloned().flatten();
            table.allocate(pool, extent.len, indices()).map_err(io::Error::other)?;
            for index in indices() {
                read(pool.page_mut(table.page(index)))?;
            }
        }
        for point in extent.points() {
            if has_states {
                read(cast_slice_mut(held.states.all_mut()))?;
            }
            if extent.checkpoints.contains(&point) {
                held.checkpoints.add(point, held.states.keep());
            }
        }
        held.len = extent.len;
        Ok(())
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
    /// Panics if an attention does not fit what the layer keeps.
    pub(crate) fn check(&self, spec: &AttentionSpec) {
        let group = &self.pool.group;
        assert_eq!(
            [group.kv_heads, group.head_dim, group.value_dim],
            [spec.kv_heads, spec.head_dim, spec.value_dim]
        );
        let held = group.window.unwrap_or(usize::MAX);
        assert!(spec.window.unwrap_or(usize::MAX) <= held, "rows see what is given back");
    }

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
