//! The KV cache: reference-counted pages of [`PAGE_POSITIONS`] positions, a block table per
//! sequence.
//!
//! A page holds all layers. Within a layer and head, keys lie `[head_dim][PAGE_POSITIONS]`, so that
//! the scores of a page are computed with positions side by side, and values
//! `[PAGE_POSITIONS][value_dim]`, so that the weighted sum is computed with features side by side:
//! neither needs a sum across a vector register.

mod codes;
mod page;
#[cfg(test)]
mod tests;

use std::io;
use std::ops::Range;

use mlxk_memory::HugePages;
use mlxk_ops::{KvFormat, KvSpec, OpsError, PAGE_POSITIONS, Result, Sequence};

#[cfg(target_arch = "x86_64")]
pub(crate) use codes::{Codes, GROUP, HALF};
use page::Layout;
pub(crate) use page::{PageHead, Widen};

/// Bytes that are asked of the system at a time, at least: some huge pages.
const SLAB_BYTES: usize = 16 << 20;
/// Every page begins at a multiple of this, in bytes: a line of a cache.
const ALIGNMENT: usize = 64;

struct Table {
    pages: Vec<u32>,
    len: usize,
}

/// All pages and sequences of a device.
pub(crate) struct KvCache {
    layout: Layout,
    /// The memory of the pages; see [`KvCache::place`].
    slabs: Vec<HugePages>,
    /// Of each page.
    references: Vec<u32>,
    free: Vec<u32>,
    tables: Vec<Option<Table>>,
}

impl KvCache {
    pub(crate) fn new(format: KvFormat) -> Self {
        let spec = KvSpec { layers: 0, kv_heads: 0, head_dim: 0, value_dim: 0 };
        let layout = Layout { spec, format };
        Self { layout, slabs: vec![], references: vec![], free: vec![], tables: vec![] }
    }

    pub(crate) fn configure(&mut self, spec: KvSpec) {
        *self = Self { layout: Layout { spec, ..self.layout }, ..Self::new(self.layout.format) };
    }

    pub(crate) fn spec(&self) -> KvSpec {
        self.layout.spec
    }

    pub(crate) fn format(&self) -> KvFormat {
        self.layout.format
    }

    /// Bytes of all pages, free ones included.
    pub(crate) fn bytes(&self) -> usize {
        self.references.len() * self.layout.page_bytes()
    }

    /// Bytes from one page to the next, and pages of a slab.
    fn slab(&self) -> (usize, usize) {
        let stride = self.layout.page_bytes().next_multiple_of(ALIGNMENT).max(ALIGNMENT);
        (stride, (SLAB_BYTES / stride).max(1))
    }

    /// The slab that a page lies in, and where.
    fn place(&self, page: u32) -> (usize, Range<usize>) {
        let (stride, pages) = self.slab();
        let start = page as usize % pages * stride;
        (page as usize / pages, start..start + self.layout.page_bytes())
    }

    fn page(&self, page: u32) -> &[u8] {
        let (slab, place) = self.place(page);
        &self.slabs[slab][place]
    }

    fn page_mut(&mut self, page: u32) -> &mut [u8] {
        let (slab, place) = self.place(page);
        &mut self.slabs[slab][place]
    }

    fn table(&self, sequence: Sequence) -> &Table {
        self.tables[sequence.0 as usize].as_ref().expect("the sequence has not been freed")
    }

    fn table_mut(&mut self, sequence: Sequence) -> &mut Table {
        self.tables[sequence.0 as usize].as_mut().expect("the sequence has not been freed")
    }

    fn insert(&mut self, table: Table) -> Sequence {
        let index = self.tables.iter().position(Option::is_none).unwrap_or(self.tables.len());
        if index == self.tables.len() {
            self.tables.push(None);
        }
        self.tables[index] = Some(table);
        Sequence(index as u32)
    }

    pub(crate) fn new_sequence(&mut self) -> Sequence {
        self.insert(Table { pages: vec![], len: 0 })
    }

    pub(crate) fn fork(&mut self, sequence: Sequence) -> Sequence {
        let table = self.table(sequence);
        let (pages, len) = (table.pages.clone(), table.len);
        for &page in &pages {
            self.references[page as usize] += 1;
        }
        self.insert(Table { pages, len })
    }

    pub(crate) fn truncate(&mut self, sequence: Sequence, len: usize) {
        let table = self.table_mut(sequence);
        table.len = table.len.min(len);
        let keep = table.len.div_ceil(PAGE_POSITIONS);
        let dropped = table.pages.split_off(keep.min(table.pages.len()));
        for page in dropped {
            self.release(page);
        }
    }

    pub(crate) fn free_sequence(&mut self, sequence: Sequence) {
        self.truncate(sequence, 0);
        self.tables[sequence.0 as usize] = None;
    }

    pub(crate) fn len(&self, sequence: Sequence) -> usize {
        self.table(sequence).len
    }

    fn release(&mut self, page: u32) {
        self.references[page as usize] -= 1;
        if self.references[page as usize] == 0 {
            self.free.push(page);
        }
    }

    fn allocate(&mut self) -> Result<u32> {
        if let Some(page) = self.free.pop() {
            self.references[page as usize] = 1;
            return Ok(page);
        }
        let (stride, pages) = self.slab();
        if self.references.len() == pages * self.slabs.len() {
            let needed = stride * pages;
            let slab = HugePages::zeros(needed).map_err(|_| OpsError::OutOfMemory { needed })?;
            self.slabs.push(slab);
        }
        self.references.push(1);
        Ok(self.references.len() as u32 - 1)
    }

    /// Makes the pages of positions `start..start + count` exist and belong to `sequence` alone;
    /// what lay behind `start` is forgotten.
    pub(crate) fn reserve(&mut self, sequence: Sequence, start: usize, count: usize) -> Result<()> {
        assert!(start <= self.len(sequence), "positions are appended without gaps");
        self.truncate(sequence, start);
        if !start.is_multiple_of(PAGE_POSITIONS) && count > 0 {
            self.make_own(sequence, start / PAGE_POSITIONS)?;
        }
        while self.table(sequence).pages.len() < (start + count).div_ceil(PAGE_POSITIONS) {
            let page = self.allocate()?;
            self.table_mut(sequence).pages.push(page);
        }
        self.table_mut(sequence).len = start + count;
        Ok(())
    }

    /// Replaces a shared page of the table by a copy.
    fn make_own(&mut self, sequence: Sequence, index: usize) -> Result<()> {
        let shared = self.table(sequence).pages[index];
        if self.references[shared as usize] == 1 {
            return Ok(());
        }
        let own = self.allocate()?;
        let copy = self.page(shared).to_vec();
        self.page_mut(own).copy_from_slice(&copy);
        self.release(shared);
        self.table_mut(sequence).pages[index] = own;
        Ok(())
    }

    /// Bytes of `len` positions, in whole pages.
    pub(crate) fn export_bytes(&self, len: usize) -> u64 {
        len.div_ceil(PAGE_POSITIONS) as u64 * self.layout.page_bytes() as u64
    }

    /// Passes the pages of the first `len` positions to `write`, as they lie in memory.
    pub(crate) fn export(
        &self,
        sequence: Sequence,
        len: usize,
        write: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        for &page in &self.table(sequence).pages[..len.div_ceil(PAGE_POSITIONS)] {
            write(self.page(page))?;
        }
        Ok(())
    }

    /// A sequence of `len` positions from exported pages.
    pub(crate) fn import(
        &mut self,
        len: usize,
        read: &mut dyn FnMut(&mut [u8]) -> io::Result<()>,
    ) -> io::Result<Sequence> {
        let sequence = self.new_sequence();
        let result = self.import_pages(sequence, len, read);
        if result.is_err() {
            self.free_sequence(sequence);
        }
        result.map(|()| sequence)
    }

    fn import_pages(
        &mut self,
        sequence: Sequence,
        len: usize,
        read: &mut dyn FnMut(&mut [u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        self.reserve(sequence, 0, len).map_err(io::Error::other)?;
        for index in 0..len.div_ceil(PAGE_POSITIONS) {
            let page = self.table(sequence).pages[index];
            read(self.page_mut(page))?;
        }
        Ok(())
    }

    /// Stores the key `[kv_heads · head_dim]` and the value `[kv_heads · value_dim]` of one position,
    /// which must be reserved.
    pub(crate) fn write(
        &mut self,
        sequence: Sequence,
        position: usize,
        layer: usize,
        key: &[f32],
        value: &[f32],
    ) {
        let page = self.table(sequence).pages[position / PAGE_POSITIONS];
        let layout = self.layout;
        let page = self.page_mut(page);
        let slot = position % PAGE_POSITIONS;
        let KvSpec { kv_heads, head_dim, value_dim, .. } = layout.spec;
        for head in 0..kv_heads {
            let key = &key[head * head_dim..][..head_dim];
            let value = &value[head * value_dim..][..value_dim];
            layout.write(page, (layer, head), slot, key, value);
        }
    }

    /// One head of page `index` of the sequence's table.
    pub(crate) fn head(
        &self,
        sequence: Sequence,
        index: usize,
        layer: usize,
        head: usize,
    ) -> PageHead<'_> {
        let pages = &self.table(sequence).pages;
        let read = |page: u32| self.layout.read(self.page(page), (layer, head));
        let mut own = read(pages[index]);
        if let PageHead::F16 { next, .. } = &mut own
            && let Some(&page) = pages.get(index + 1)
            && let PageHead::F16 { keys, .. } = read(page)
        {
            *next = keys;
        }
        own
    }
}
