//! Numbers of the pages of one group of layers, counted by reference, and the block tables of sequences.

use std::ops::Range;

use mlxk_ops::{PAGE_POSITIONS, PageGroup, Result};

use crate::CacheMemory;

/// The pages of a group.
pub(crate) struct Pages {
    /// Index of the group.
    index: usize,
    pub(crate) group: PageGroup,
    /// Number of references of each page that was ever used.
    references: Vec<u32>,
    /// Number of pages that there is memory for.
    room: usize,
    free: Vec<u32>,
}

impl Pages {
    pub(crate) fn new(index: usize, group: PageGroup) -> Self {
        Self { index, group, references: vec![], room: 0, free: vec![] }
    }

    /// Returns the number of pages that were ever used, free ones included.
    pub(crate) fn len(&self) -> usize {
        self.references.len()
    }

    /// Returns the number of pages that sequences refer to.
    pub(crate) fn used(&self) -> usize {
        self.references.len() - self.free.len()
    }

    /// Returns a page with one reference, its contents unspecified.
    fn allocate(&mut self, memory: &mut impl CacheMemory) -> Result<u32> {
        if let Some(page) = self.free.pop() {
            self.references[page as usize] = 1;
            return Ok(page);
        }
        if self.references.len() == self.room {
            self.room += memory.add_pages(self.index)?;
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
}

/// The pages of one sequence in one group, by `position / PAGE_POSITIONS`.
#[derive(Default)]
pub struct Table {
    /// `None` for a page that was given back.
    pages: Vec<Option<u32>>,
    /// Pages before this one were given back, unless a checkpoint needs them.
    swept: usize,
}

impl Table {
    /// Returns the page of this index.
    ///
    /// # Panics
    /// Panics if it was given back: no row may read it.
    pub fn page(&self, index: usize) -> u32 {
        self.pages[index].expect("a page that a row sees is held")
    }

    /// Returns the page of this index, or `None` if it was given back or doesn't exist yet.
    pub fn get(&self, index: usize) -> Option<u32> {
        *self.pages.get(index)?
    }

    /// Returns the pages of all positions. `None` for a page that was given back.
    pub fn pages(&self) -> &[Option<u32>] {
        &self.pages
    }

    /// Returns a table that shares the pages of the first `len` positions.
    pub(crate) fn fork(&self, pages: &mut Pages, len: usize) -> Self {
        let shared = self.pages[..len.div_ceil(PAGE_POSITIONS)].to_vec();
        for page in shared.iter().flatten() {
            pages.references[*page as usize] += 1;
        }
        Self { pages: shared, swept: 0 }
    }

    /// Drops the pages behind position `len`.
    pub(crate) fn truncate(&mut self, pages: &mut Pages, len: usize) {
        let keep = len.div_ceil(PAGE_POSITIONS).min(self.pages.len());
        for page in self.pages.drain(keep..).flatten() {
            pages.release(page);
        }
        self.swept = 0;
    }

    /// Returns the largest length up to `len` before which everything is held that the next row sees.
    pub(crate) fn restorable(&self, group: &PageGroup, len: usize) -> usize {
        group.restorable(len, |page| self.get(page).is_some())
    }

    /// Returns the pages that are held for one of `points`, as ascending ranges.
    pub(crate) fn held_for(&self, group: &PageGroup, points: &[usize]) -> Vec<Range<usize>> {
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
    pub(crate) fn give_back(&mut self, pages: &mut Pages, start: usize, checkpoints: &[usize]) {
        let end = pages.group.first_page(start).min(self.pages.len());
        for index in self.swept..end {
            let needed = |&point: &usize| pages.group.pages_before(point).contains(&index);
            if checkpoints.iter().any(needed) {
                continue;
            }
            if let Some(page) = self.pages[index].take() {
                pages.release(page);
            }
        }
        self.swept = self.swept.max(end);
    }

    /// Makes the next [`Table::give_back`] look at every page again, because fewer may be needed.
    pub(crate) fn sweep_again(&mut self) {
        self.swept = 0;
    }

    /// Makes the pages of positions `start..end` exist and belong to this table alone.
    pub(crate) fn reserve(
        &mut self,
        pages: &mut Pages,
        memory: &mut impl CacheMemory,
        start: usize,
        end: usize,
    ) -> Result<()> {
        if !start.is_multiple_of(PAGE_POSITIONS) && end > start {
            self.make_own(pages, memory, start / PAGE_POSITIONS)?;
        }
        while self.pages.len() < end.div_ceil(PAGE_POSITIONS) {
            self.pages.push(Some(pages.allocate(memory)?));
        }
        Ok(())
    }

    /// Replaces a shared page by a copy.
    fn make_own(
        &mut self,
        pages: &mut Pages,
        memory: &mut impl CacheMemory,
        index: usize,
    ) -> Result<()> {
        let shared = self.page(index);
        if pages.references[shared as usize] == 1 {
            return Ok(());
        }
        let own = pages.allocate(memory)?;
        memory.copy_page(pages.index, shared, own);
        pages.release(shared);
        self.pages[index] = Some(own);
        Ok(())
    }

    /// Adds new pages at these indices, ascending, to an empty table of `len` positions.
    pub(crate) fn allocate(
        &mut self,
        pages: &mut Pages,
        memory: &mut impl CacheMemory,
        len: usize,
        indices: impl IntoIterator<Item = usize>,
    ) -> Result<()> {
        self.pages.resize(len.div_ceil(PAGE_POSITIONS), None);
        for index in indices {
            self.pages[index] = Some(pages.allocate(memory)?);
        }
        Ok(())
    }
}
