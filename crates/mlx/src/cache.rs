//! Pages in the memory of MLX.
//!
//! Keys of a layer are one array `[kv_heads, positions, head_dim]`, and so are its values. Page `n` has the positions
//! from `32 · n` on, so pages that follow each other are one part of the array.

use std::io;
use std::sync::Arc;

use mlxk_ops::{CacheSpec, PAGE_POSITIONS, PageGroup, Result};
use mlxk_paging::{CacheMemory, LayerPages, Read, Write};

use crate::array::Array;
use crate::functions::Type;
use crate::graph::{Graph, bytes_of};
use crate::states::States;

/// Number of pages that there is memory for at first.
const FIRST_PAGES: usize = 8;

/// Keys and values of a layer.
#[derive(Clone)]
pub(crate) struct LayerArrays {
    /// `[kv_heads, positions, head_dim]`
    pub(crate) keys: Array,
    /// `[kv_heads, positions, value_dim]`
    pub(crate) values: Array,
}

impl LayerArrays {
    fn both(&self) -> [&Array; 2] {
        [&self.keys, &self.values]
    }

    /// Applies a function to keys and values.
    fn map(&self, change: impl Fn(&Array) -> Array) -> Self {
        Self { keys: change(&self.keys), values: change(&self.values) }
    }
}

/// Layers of a group.
struct Pool {
    group: PageGroup,
    /// Empty until there are pages.
    layers: Vec<LayerArrays>,
    /// Layers that were written since they were computed.
    changed: Vec<bool>,
    /// Number of pages that there is memory for.
    capacity: usize,
}

/// The memory of all groups.
pub(crate) struct MlxMemory {
    graph: Arc<Graph>,
    spec: CacheSpec,
    type_: Type,
    pools: Vec<Pool>,
}

impl MlxMemory {
    pub(crate) fn new(spec: &CacheSpec, type_: Type, graph: &Arc<Graph>) -> Self {
        let pools = spec.groups().into_iter().map(|group| {
            let changed = vec![false; group.layers.len()];
            Pool { group, layers: vec![], changed, capacity: 0 }
        });
        Self { graph: graph.clone(), spec: spec.clone(), type_, pools: pools.collect() }
    }

    /// Returns keys and values of a layer.
    pub(crate) fn layer(&self, place: LayerPages) -> &LayerArrays {
        &self.pools[place.group].layers[place.layer]
    }

    /// Replaces keys and values of a layer.
    pub(crate) fn set_layer(&mut self, place: LayerPages, arrays: LayerArrays) {
        let pool = &mut self.pools[place.group];
        pool.layers[place.layer] = arrays;
        pool.changed[place.layer] = true;
    }

    /// Returns the arrays that were changed since the last call.
    pub(crate) fn take_changed(&mut self) -> Vec<Array> {
        let mut all = Vec::new();
        for pool in &mut self.pools {
            for (layer, changed) in pool.layers.iter().zip(&mut pool.changed) {
                if std::mem::take(changed) {
                    all.extend(layer.both().map(Array::clone));
                }
            }
        }
        all
    }

    /// Returns the bytes of keys and of values of a page of one layer.
    fn layer_bytes(&self, group: usize) -> [usize; 2] {
        let group = &self.pools[group].group;
        let of = |dim: usize| group.kv_heads * PAGE_POSITIONS * dim * bytes_of(self.type_);
        [of(group.head_dim), of(group.value_dim)]
    }
}

impl CacheMemory for MlxMemory {
    type States = States;

    fn add_pages(&mut self, group: usize) -> Result<usize> {
        let Self { graph, type_, pools, .. } = self;
        let pool = &mut pools[group];
        let more = pool.capacity.max(FIRST_PAGES);
        let empty =
            |dim: usize| graph.zeros(&[pool.group.kv_heads, more * PAGE_POSITIONS, dim], *type_);
        if pool.layers.is_empty() {
            let PageGroup { head_dim, value_dim, .. } = pool.group;
            let layer = || LayerArrays { keys: empty(head_dim), values: empty(value_dim) };
            pool.layers = pool.group.layers.iter().map(|_| layer()).collect();
        } else {
            for layer in &mut pool.layers {
                *layer = layer.map(|x| graph.joined(&[x.clone(), empty(x.dim(2))], 1));
            }
        }
        pool.changed.fill(true);
        pool.capacity += more;
        Ok(more)
    }

    fn copy_page(&mut self, group: usize, from: u32, to: u32) {
        let Self { graph, pools, .. } = self;
        let pool = &mut pools[group];
        let [from, to] = [from, to].map(|page| page as usize * PAGE_POSITIONS);
        for layer in &mut pool.layers {
            *layer = layer.map(|x| {
                let page = graph.part(x, 1, from, from + PAGE_POSITIONS);
                graph.replaced(x, &page, 1, to)
            });
        }
        pool.changed.fill(true);
    }

    fn page_bytes(&self, group: usize) -> usize {
        let [keys, values] = self.layer_bytes(group);
        (keys + values) * self.pools[group].group.layers.len()
    }

    fn read_page(&mut self, group: usize, page: u32, write: &mut Write<'_>) -> io::Result<()> {
        let from = page as usize * PAGE_POSITIONS;
        for layer in &self.pools[group].layers {
            for x in layer.both() {
                let page = self.graph.part(x, 1, from, from + PAGE_POSITIONS);
                let result = self.graph.read(&page, |bytes| write(bytes));
                result.unwrap_or_else(|| Err(failure(&self.graph)))?;
            }
        }
        Ok(())
    }

    fn write_page(&mut self, group: usize, page: u32, read: &mut Read<'_>) -> io::Result<()> {
        let sizes = self.layer_bytes(group);
        let Self { graph, type_, pools, .. } = self;
        let pool = &mut pools[group];
        let from = page as usize * PAGE_POSITIONS;
        for layer in &mut pool.layers {
            let mut parts = Vec::with_capacity(2);
            for (x, bytes) in layer.both().into_iter().zip(sizes) {
                let mut values = vec![0; bytes];
                read(&mut values)?;
                let shape = [x.dim(0), PAGE_POSITIONS, x.dim(2)];
                let page = graph.array(&values, &shape, *type_);
                parts.push(graph.replaced(x, &page, 1, from));
            }
            let [keys, values] = <[Array; 2]>::try_from(parts)
                .unwrap_or_else(|_| unreachable!("keys and values are two"));
            *layer = LayerArrays { keys, values };
        }
        pool.changed.fill(true);
        Ok(())
    }

    fn new_states(&mut self) -> Result<States> {
        Ok(States::default())
    }

    fn copy_states(&mut self, from: &States, to: &mut States) {
        to.clone_from(from);
    }

    fn clear_states(&mut self, states: &mut States) {
        *states = States::default();
    }

    fn states_bytes(&self) -> usize {
        self.spec.state_values() * size_of::<f32>()
    }

    fn read_states(&mut self, states: &States, write: &mut Write<'_>) -> io::Result<()> {
        let result = states.write(&self.graph, &self.spec, write);
        result.unwrap_or_else(|| Err(failure(&self.graph)))
    }

    fn write_states(&mut self, states: &mut States, read: &mut Read<'_>) -> io::Result<()> {
        states.read(&self.graph, &self.spec, read)
    }
}

fn failure(graph: &Graph) -> io::Error {
    io::Error::other(graph.take_failure().unwrap_or_else(|| "MLX gave no reason".to_owned()))
}
