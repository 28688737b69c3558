//! Reference-counted pages of one group of layers, and the block tables that point to them.

use std::ops::Range;

use mlxk_memory::HugePages;
use mlxk_ops::{KvFormat, OpsError, PAGE_POSITIONS, PageGroup, Result};

use super::page::{Layout, PageHead};

/// Bytes that are requested from the system at a time, at least: a few huge pages.
const SLAB_BYTES: usize = 16 << 20;
/// Every page begins at a multiple of this many bytes: a cache line.
const ALIGNMENT: usize = 64;

/// Pages of one shape.
pub(super) struct Pool {
    pub(super) group: PageGroup,
    layout: Layout,
    /// Memory of the pages; see [`Pool::place`].
    slabs: Vec<HugePages>,
    /// `[pages]`
    references: Vec<u32>,
    free: Vec<u32>,
}

impl Pool {
    pub(super) fn new(group: PageGroup, format: KvFormat) -> Self {
        let layout = Layout {
            layers: group.layers.len(),
            kv_heads: group.kv_heads,
            head_dim: group.head_dim,
            value_dim: group.value_dim,
            format,
        };
        Self { group, layout, slabs: vec![], references: vec![], free: vec![] }
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Returns the bytes of all pages, free ones included.
    pub(super) fn bytes(&self) -> usize {
        self.references.len() * self.layout.page_bytes()
    }

    /// Returns the bytes from one page to the next, and the number of pages in a slab.
    fn slab(&self) -> (usize, usize) {
        let stride = self.layout.page_bytes().next_multiple_of(ALIGNMENT).max(ALIGNMENT);
        (stride, (SLAB_BYTES / stride).max(1))
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

    /// Returns a page with one reference, its contents unspecified.
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

    fn release(&mut self, page: u32) {
        let references = &mut self.references[page as usize];
        *references -= 1;
        if *references == 0 {
            self.free.push(page);
        }
    }

    /// Returns the pages that a sequence refers to.
    #[cfg(test)]
    pub(super) fn used(&self) -> usize {
        self.references.len() - self.free.len()
    }
}

/// The pages of one sequence in one group, by `position / PAGE_POSITIONS`.
#[derive(Default)]
pub(super) struct Table {
    /// `None` for a page that was given back.
    pages: Vec<Option<u32>>,
    /// Pages before this one were given back, unless a checkpoint needs them.
    swept: usize,
}

impl Table {
    /// Returns the page of this index. Panics if it was given back: no row may read it.
    pub(super) fn page(&self, index: usize) -> u32 {
        self.pages[index].expect("a page that a row sees is held")
    }

    pub(super) fn get(&self, index: usize) -> Option<u32> {
        *self.pages.get(index)?
    }

    /// Returns a table that shares the pages of the first `len` positions.
    pub(super) fn fork(&self, pool: &mut Pool, len: usize) -> Self {
        let pages = self.pages[..len.div_ceil(PAGE_POSITIONS)].to_vec();
        for page in pages.iter().flatten() {
            pool.references[*page as usize] += 1;
        }
        Self { pages, swept: 0 }
    }

    /// Drops the pages behind position `len`.
    pub(super) fn truncate(&mut self, pool: &mut Pool, len: usize) {
        let keep = len.div_ceil(PAGE_POSITIONS).min(self.pages.len());
        for page in self.pages.drain(keep..).flatten() {
            pool.release(page);
        }
        self.swept = 0;
    }

    /// Returns the largest length up to `len` before which everything is held that the next row sees.
    pub(super) fn restorable(&self, group: &PageGroup, len: usize) -> usize {
        group.restorable(len, |page| self.get(page).is_some())
    }

    /// Returns the pages that are held for one of `points`, as ascending ranges.
    pub(super) fn held_for(&self, group: &PageGroup, points: &[usize]) -> Vec<Range<usize>> {
        let mut ranges: Vec<Range<usize>> = Vec::new();
        for index in (0..self.pages.len()).filter(|&index| self.pages[index].is_some()) {
            if !points.iter().any(|&point| group.pages_before(point).contains(&index)) {
                continue;
            }
            match ranges.last_mut() {
                Some(last) if last.end == index => last.end += 1,
                _ => ranges.push(index..index + 1),
            }
        }
        ranges
    }

    /// Gives back the pages that neither a row from `start` on sees, nor a checkpoint needs.
    pub(super) fn give_back(&mut self, pool: &mut Pool, start: usize, checkpoints: &[usize]) {
        let end = pool.group.first_page(start).min(self.pages.len());
        for index in self.swept..end {
            let needed = |&point: &usize| pool.group.pages_before(point).contains(&index);
            if checkpoints.iter().any(needed) {
                continue;
            }
            if let Some(page) = self.pages[index].take() {
                pool.release(page);
            }
        }
        self.swept = self.swept.max(end);
    }

    /// Makes the next [`Table::give_back`] look at every page again, because fewer may be needed.
    pub(super) fn sweep_again(&mut self) {
        self.swept = 0;
    }

    /// Makes the pages of positions `start..end` exist and belong to this table alone.
    pub(super) fn reserve(&mut self, pool: &mut Pool, start: usize, end: usize) -> Result<()> {
        if !start.is_multiple_of(PAGE_POSITIONS) && end > start {
            self.make_own(pool, start / PAGE_POSITIONS)?;
        }
        while self.pages.len() < end.div_ceil(PAGE_POSITIONS) {
            self.pages.push(Some(pool.allocate()?));
        }
        Ok(())
    }

    /// Replaces a shared page by a copy.
    fn make_own(&mut self, pool: &mut Pool, index: usize) -> Result<()> {
        let shared = self.page(index);
        if pool.references[shared as usize] == 1 {
            return Ok(());
        }
        let own = pool.allocate()?;
        let copy = pool.page(shared).to_vec();
        pool.page_mut(own).copy_from_slice(&copy);
        pool.release(shared);
        self.pages[index] = Some(own);
        Ok(())
    }

    /// Adds new pages at these indices, ascending, to an empty table of `len` positions.
    pub(super) fn allocate(
        &mut self,
        pool: &mut Pool,
        len: usize,
        indices: impl IntoIterator<Item = usize>,
    ) -> Result<()> {
        self.pages.resize(len.div_ceil(PAGE_POSITIONS), None);
        for index in indices {
            self.pages[index] = Some(pool.allocate()?);
        }
        Ok(())
    }
}
