//! The memory that pages and states are in.

use std::io;
use std::ops::Range;

use bytemuck::{cast_slice, cast_slice_mut};
use mlxk_memory::HugePages;
use mlxk_ops::{CacheSpec, KvFormat, OpsError, PageGroup, Result};
use mlxk_paging::{CacheMemory, Read, Write};

use super::page::{Layout, PageHead};
use super::states::States;

/// Bytes that are requested from the system at a time, at least: a few huge pages.
const SLAB_BYTES: usize = 16 << 20;
/// Every page begins at a multiple of this many bytes: a cache line.
const ALIGNMENT: usize = 64;

/// The memory of all groups, and the size of states.
pub(crate) struct CpuMemory {
    /// One per group of layers.
    pools: Vec<Pool>,
    /// Number of f32 values in the states of a sequence.
    state_values: usize,
}

impl CpuMemory {
    pub(super) fn new(spec: &CacheSpec, format: KvFormat) -> Self {
        let pools = spec.groups().iter().map(|group| Pool::new(group, format)).collect();
        Self { pools, state_values: spec.state_values() }
    }

    pub(super) fn pool(&self, group: usize) -> &Pool {
        &self.pools[group]
    }

    pub(super) fn pool_mut(&mut self, group: usize) -> &mut Pool {
        &mut self.pools[group]
    }
}

impl CacheMemory for CpuMemory {
    type States = States;

    fn add_pages(&mut self, group: usize) -> Result<usize> {
        self.pools[group].add_slab()
    }

    fn copy_page(&mut self, group: usize, from: u32, to: u32) {
        let pool = &mut self.pools[group];
        let copy = pool.page(from).to_vec();
        pool.page_mut(to).copy_from_slice(&copy);
    }

    fn page_bytes(&self, group: usize) -> usize {
        self.pools[group].layout.page_bytes()
    }

    fn read_page(&mut self, group: usize, page: u32, write: &mut Write<'_>) -> io::Result<()> {
        write(self.pools[group].page(page))
    }

    fn write_page(&mut self, group: usize, page: u32, read: &mut Read<'_>) -> io::Result<()> {
        read(self.pools[group].page_mut(page))
    }

    fn new_states(&mut self) -> Result<States> {
        Ok(States::zeros(self.state_values))
    }

    fn copy_states(&mut self, from: &States, to: &mut States) {
        to.all_mut().copy_from_slice(from.all());
    }

    fn clear_states(&mut self, states: &mut States) {
        states.all_mut().fill(0.0);
    }

    fn states_bytes(&self) -> usize {
        self.state_values * size_of::<f32>()
    }

    fn read_states(&mut self, states: &States, write: &mut Write<'_>) -> io::Result<()> {
        write(cast_slice(states.all()))
    }

    fn write_states(&mut self, states: &mut States, read: &mut Read<'_>) -> io::Result<()> {
        read(cast_slice_mut(states.all_mut()))
    }
}

/// Pages of one shape.
pub(crate) struct Pool {
    layout: Layout,
    /// Memory of the pages; see [`Pool::place`].
    slabs: Vec<HugePages>,
}

impl Pool {
    fn new(group: &PageGroup, format: KvFormat) -> Self {
        let layout = Layout {
            layers: group.layers.len(),
            kv_heads: group.kv_heads,
            head_dim: group.head_dim,
            value_dim: group.value_dim,
            format,
        };
        Self { layout, slabs: vec![] }
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Returns the bytes from one page to the next, and the number of pages in a slab.
    fn slab(&self) -> (usize, usize) {
        let stride = self.layout.page_bytes().next_multiple_of(ALIGNMENT).max(ALIGNMENT);
        (stride, (SLAB_BYTES / stride).max(1))
    }

    /// Makes memory for more pages, and returns their number.
    fn add_slab(&mut self) -> Result<usize> {
        let (stride, pages) = self.slab();
        let needed = stride * pages;
        let slab = HugePages::zeros(needed).map_err(|_| OpsError::OutOfMemory { needed })?;
        self.slabs.push(slab);
        Ok(pages)
    }

    /// Returns the slab of a page, and its bytes in there.
    fn place(&self, page: u32) -> (usize, Range<usize>) {
        let (stride, pages) = self.slab();
        let start = page as usize % pages * stride;
        (page as usize / pages, start..start + self.layout.page_bytes())
    }

    pub(super) fn page(&self, page: u32) -> &[u8] {
        let (slab, place) = self.place(page);
        &self.slabs[slab][place]
    }

    pub(super) fn page_mut(&mut self, page: u32) -> &mut [u8] {
        let (slab, place) = self.place(page);
        &mut self.slabs[slab][place]
    }

    /// Returns one head of a page; `layer` counts the layers of the group.
    pub(super) fn head(&self, page: u32, layer: usize, head: usize) -> PageHead<'_> {
        self.layout.read(self.page(page), (layer, head))
    }
}
