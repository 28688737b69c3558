//! All sequences of a device.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use mlxk_ops::{AttentionSpec, Batch, CacheSpec, Extent, LayerCache, PageGroup, Result, Sequence};

use crate::checkpoints::Checkpoints;
use crate::pages::{Pages, Table};
use crate::{CacheMemory, Read, Write};

/// Where a layer keeps what it keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// The group, and the layer within the group.
    Pages(LayerPages),
    /// Values within the states of a sequence.
    State(Range<usize>),
    None,
}

/// The pages of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerPages {
    /// Index of the group.
    pub group: usize,
    /// Index of the layer within the group.
    pub layer: usize,
}

/// One sequence.
struct Held<S> {
    len: usize,
    /// One per group.
    tables: Vec<Table>,
    /// As they are after `len` positions.
    states: S,
    checkpoints: Checkpoints<S>,
}

/// The sequences, and the memory that they are in.
pub struct SequenceCache<M: CacheMemory> {
    spec: CacheSpec,
    /// One per group of layers.
    pages: Vec<Pages>,
    /// `[layers]`
    places: Vec<Place>,
    sequences: Vec<Option<Held<M::States>>>,
    memory: M,
}

impl<M: CacheMemory> SequenceCache<M> {
    /// Makes an empty cache. `memory` is that of the groups and states of `spec`.
    pub fn new(spec: &CacheSpec, memory: M) -> Self {
        let groups = spec.groups();
        let mut values = 0;
        let mut places: Vec<Place> = Vec::with_capacity(spec.layers.len());
        for (index, layer) in spec.layers.iter().enumerate() {
            places.push(match *layer {
                LayerCache::Pages { .. } => Place::Pages(place(&groups, index)),
                LayerCache::State { values: count } => {
                    values += count;
                    Place::State(values - count..values)
                }
                LayerCache::SharedWith(earlier) => places[earlier].clone(),
                LayerCache::None => Place::None,
            });
        }
        let groups = groups.into_iter().enumerate();
        let pages = groups.map(|(index, group)| Pages::new(index, group)).collect();
        Self { spec: spec.clone(), pages, places, sequences: vec![], memory }
    }

    /// Returns the memory.
    pub fn memory(&self) -> &M {
        &self.memory
    }

    /// Returns the memory, to write to.
    pub fn memory_mut(&mut self) -> &mut M {
        &mut self.memory
    }

    /// Returns the contents of the cache.
    pub fn spec(&self) -> &CacheSpec {
        &self.spec
    }

    /// Describes the pages and states of the layers.
    pub fn layout(&self) -> String {
        let pages = self.pages.iter().map(|pages| {
            let group = &pages.group;
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

    /// Returns the bytes of all pages that were ever used, free ones included, and of all states.
    pub fn bytes(&self) -> usize {
        let pages = self.pages.iter().enumerate();
        let pages: usize = pages.map(|(group, it)| it.len() * self.memory.page_bytes(group)).sum();
        let held = self.sequences.iter().flatten();
        let states: usize = held.map(|held| 1 + held.checkpoints.count()).sum();
        pages + states * self.memory.states_bytes()
    }

    /// Returns the number of pages of a group that sequences refer to.
    pub fn used_pages(&self, group: usize) -> usize {
        self.pages[group].used()
    }

    fn held(&self, sequence: Sequence) -> &Held<M::States> {
        self.sequences[sequence.0 as usize].as_ref().expect("the sequence has not been freed")
    }

    fn held_mut(&mut self, sequence: Sequence) -> (&mut Held<M::States>, &mut [Pages], &mut M) {
        let held = self.sequences[sequence.0 as usize].as_mut();
        (held.expect("the sequence has not been freed"), &mut self.pages, &mut self.memory)
    }

    fn insert(&mut self, held: Held<M::States>) -> Sequence {
        let index = self.sequences.iter().position(Option::is_none).unwrap_or(self.sequences.len());
        if index == self.sequences.len() {
            self.sequences.push(None);
        }
        self.sequences[index] = Some(held);
        Sequence(index as u32)
    }

    /// See [`mlxk_ops::Cache::new_sequence`].
    ///
    /// # Panics
    /// Panics if there is no memory for its states.
    pub fn new_sequence(&mut self) -> Sequence {
        let tables = self.pages.iter().map(|_| Table::default()).collect();
        let states = self.memory.new_states().expect("there is memory for the states");
        self.insert(Held { len: 0, tables, states, checkpoints: Checkpoints::default() })
    }

    /// Returns the number of positions in the sequence.
    pub fn len(&self, sequence: Sequence) -> usize {
        self.held(sequence).len
    }

    /// Frees the sequence.
    pub fn free_sequence(&mut self, sequence: Sequence) {
        let (held, pages, _) = self.held_mut(sequence);
        for (table, pages) in held.tables.iter_mut().zip(pages) {
            table.truncate(pages, 0);
        }
        self.sequences[sequence.0 as usize] = None;
    }

    /// Returns the largest length up to `len` to which the sequence can be cut.
    pub fn restorable(&self, sequence: Sequence, len: usize) -> usize {
        let held = self.held(sequence);
        if len >= held.len {
            return held.len;
        }
        if self.spec.has_states() {
            return held.checkpoints.last_up_to(len);
        }
        mlxk_ops::restorable(len, |len| {
            let groups = self.pages.iter().map(|pages| &pages.group).zip(&held.tables);
            groups.map(|(group, table)| table.restorable(group, len)).min()
        })
    }

    /// Goes back to the largest length up to `len` that is possible, and returns it.
    pub fn rewind(&mut self, sequence: Sequence, len: usize) -> usize {
        let landed = self.restorable(sequence, len);
        let (held, pages, memory) = self.held_mut(sequence);
        if landed == held.len {
            return landed;
        }
        match held.checkpoints.at(landed) {
            Some(kept) => memory.copy_states(kept, &mut held.states),
            None => memory.clear_states(&mut held.states),
        }
        held.checkpoints.truncate(landed);
        for (table, pages) in held.tables.iter_mut().zip(pages) {
            table.truncate(pages, landed);
        }
        held.len = landed;
        landed
    }

    /// Makes a sequence that shares the first `len` positions, or as many as possible, and returns their
    /// number.
    ///
    /// # Panics
    /// Panics if there is no memory for its states.
    pub fn fork(&mut self, sequence: Sequence, len: usize) -> (Sequence, usize) {
        let landed = self.restorable(sequence, len);
        let (held, pages, memory) = self.held_mut(sequence);
        let mut states = memory.new_states().expect("there is memory for the states");
        if landed == held.len {
            memory.copy_states(&held.states, &mut states);
        } else if let Some(kept) = held.checkpoints.at(landed) {
            memory.copy_states(kept, &mut states);
        }
        let tables = held.tables.iter().zip(pages).map(|(table, pages)| table.fork(pages, landed));
        let tables = tables.collect();
        let checkpoints = held.checkpoints.up_to(landed);
        (self.insert(Held { len: landed, tables, states, checkpoints }), landed)
    }

    /// Keeps the sequence as it is now, so that [`SequenceCache::rewind`] and [`SequenceCache::fork`] can
    /// return here.
    ///
    /// # Panics
    /// Panics if there is no memory for its states.
    pub fn checkpoint(&mut self, sequence: Sequence) {
        let useful = self.spec.forgets();
        let (held, _, memory) = self.held_mut(sequence);
        if useful && held.len > 0 && held.checkpoints.accepts(held.len) {
            let mut states = memory.new_states().expect("there is memory for the states");
            memory.copy_states(&held.states, &mut states);
            held.checkpoints.add(held.len, Arc::new(states));
        }
    }

    /// Returns the lengths of the checkpoints, ascending.
    pub fn checkpoints(&self, sequence: Sequence) -> Vec<usize> {
        self.held(sequence).checkpoints.lengths()
    }

    /// Drops the checkpoint at `len`. Its pages are given back by the next step.
    pub fn drop_checkpoint(&mut self, sequence: Sequence, len: usize) {
        let (held, ..) = self.held_mut(sequence);
        held.checkpoints.remove(len);
        held.tables.iter_mut().for_each(Table::sweep_again);
    }

    /// Makes room for positions `start..start + count`, which follow what the sequence holds or replace the
    /// end of it, and gives back the pages that no row sees any more.
    ///
    /// # Panics
    /// Panics if there is a gap, or if the sequence cannot go back to `start`.
    pub fn reserve(&mut self, sequence: Sequence, start: usize, count: usize) -> Result<()> {
        assert!(start <= self.len(sequence), "positions are appended without gaps");
        let landed = self.rewind(sequence, start);
        assert_eq!(landed, start, "a step starts at a length that can be restored");
        let (held, pages, memory) = self.held_mut(sequence);
        let checkpoints = held.checkpoints.lengths();
        for (table, pages) in held.tables.iter_mut().zip(pages) {
            table.give_back(pages, start, &checkpoints);
            table.reserve(pages, memory, start, start + count)?;
        }
        held.len = start + count;
        Ok(())
    }

    /// Returns the groups of layers with pages.
    pub fn groups(&self) -> impl Iterator<Item = &PageGroup> {
        self.pages.iter().map(|pages| &pages.group)
    }

    /// Returns the block table of a group.
    pub fn table(&self, sequence: Sequence, group: usize) -> &Table {
        &self.held(sequence).tables[group]
    }

    /// Returns where the keys and values of a layer are.
    ///
    /// # Panics
    /// Panics if it has none.
    pub fn pages_of(&self, layer: usize) -> LayerPages {
        match self.places[layer] {
            Place::Pages(pages) => pages,
            _ => panic!("layer {layer} has no keys and values"),
        }
    }

    /// Panics if an attention does not fit what the layer keeps.
    ///
    /// # Panics
    /// See above.
    pub fn check(&self, layer: usize, spec: &AttentionSpec) {
        let group = &self.pages[self.pages_of(layer).group].group;
        assert_eq!(
            [group.kv_heads, group.head_dim, group.value_dim],
            [spec.kv_heads, spec.head_dim, spec.value_dim]
        );
        let held = group.window.unwrap_or(usize::MAX);
        assert!(spec.window.unwrap_or(usize::MAX) <= held, "rows see what is given back");
    }

    /// Returns the values of a layer within the states of a sequence.
    ///
    /// # Panics
    /// Panics if it has none.
    pub fn state_of(&self, layer: usize) -> Range<usize> {
        match &self.places[layer] {
            Place::State(range) => range.clone(),
            _ => panic!("layer {layer} has no state"),
        }
    }

    /// Returns the states of a sequence.
    pub fn states(&self, sequence: Sequence) -> &M::States {
        &self.held(sequence).states
    }

    /// Returns the states of the sequences of a batch, one per segment.
    ///
    /// # Panics
    /// Panics if a sequence of the batch doesn't exist, or occurs twice.
    pub fn states_mut(&mut self, batch: &Batch) -> Vec<&mut M::States> {
        let mut held: Vec<_> = self.sequences.iter_mut().map(Option::as_mut).collect();
        let segments = batch.segments.iter().map(|segment| {
            let held = held[segment.sequence.0 as usize].take();
            &mut held.expect("a sequence of a step is there, and once").states
        });
        segments.collect()
    }

    /// Returns the extent of an export of the first `len` positions, or of as many as can be restored.
    pub fn extent(&self, sequence: Sequence, len: usize) -> Extent {
        let len = self.restorable(sequence, len);
        let held = self.held(sequence);
        let checkpoints = held.checkpoints.up_to(len).lengths();
        let mut extent = Extent { len, checkpoints, pages: vec![] };
        let points = extent.points();
        let groups = self.pages.iter().zip(&held.tables);
        extent.pages = groups.map(|(pages, table)| table.held_for(&pages.group, &points)).collect();
        extent
    }

    /// Returns the bytes of an export.
    pub fn export_bytes(&self, extent: &Extent) -> u64 {
        let groups = extent.pages.iter().enumerate().take(self.pages.len());
        let pages: u64 = groups
            .map(|(group, ranges)| {
                let pages = ranges.iter().map(|range| range.len() as u64).sum::<u64>();
                pages * self.memory.page_bytes(group) as u64
            })
            .sum();
        pages + self.memory.states_bytes() as u64 * extent.points().len() as u64
    }

    /// Passes what `extent` holds of a sequence to `write`: group by group the pages as they are in memory,
    /// then the states at each checkpoint and at the end.
    pub fn export(
        &mut self,
        sequence: Sequence,
        extent: &Extent,
        write: &mut Write<'_>,
    ) -> io::Result<()> {
        let has_states = self.spec.has_states();
        let (held, _, memory) = self.held_mut(sequence);
        let missing = || io::Error::other("the sequence does not hold what is to be exported");
        for (group, (table, ranges)) in held.tables.iter().zip(&extent.pages).enumerate() {
            for index in ranges.iter().cloned().flatten() {
                memory.read_page(group, table.get(index).ok_or_else(missing)?, write)?;
            }
        }
        if has_states {
            for point in extent.points() {
                let kept = held.checkpoints.at(point).map(|kept| &**kept);
                let now = (point == held.len).then_some(&held.states);
                memory.read_states(kept.or(now).ok_or_else(missing)?, write)?;
            }
        }
        Ok(())
    }

    /// Makes a sequence from an export.
    pub fn import(&mut self, extent: &Extent, read: &mut Read<'_>) -> io::Result<Sequence> {
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
        read: &mut Read<'_>,
    ) -> io::Result<()> {
        let has_states = self.spec.has_states();
        let (held, pages, memory) = self.held_mut(sequence);
        let groups = held.tables.iter_mut().zip(pages).zip(&extent.pages).enumerate();
        for (group, ((table, pages), ranges)) in groups {
            let indices = || ranges.iter().cloned().flatten();
            table.allocate(pages, memory, extent.len, indices()).map_err(io::Error::other)?;
            for index in indices() {
                memory.write_page(group, table.page(index), read)?;
            }
        }
        for point in extent.points() {
            if has_states {
                memory.write_states(&mut held.states, read)?;
            }
            if extent.checkpoints.contains(&point) && held.checkpoints.accepts(point) {
                let mut states = memory.new_states().map_err(io::Error::other)?;
                memory.copy_states(&held.states, &mut states);
                held.checkpoints.add(point, Arc::new(states));
            }
        }
        held.len = extent.len;
        Ok(())
    }
}

/// Returns the group of a layer, and the layer within it.
fn place(groups: &[PageGroup], index: usize) -> LayerPages {
    let found = groups.iter().enumerate().find_map(|(group, it)| {
        let layer = it.layers.iter().position(|&at| at == index)?;
        Some(LayerPages { group, layer })
    });
    found.expect("every layer with pages is in a group")
}
