//! The KV cache: reference-counted pages of [`PAGE_POSITIONS`] positions, a block table per
//! sequence.
//!
//! A page holds all layers. Within a layer and head, keys lie `[head_dim][PAGE_POSITIONS]`, so that
//! the scores of a page are computed with positions side by side, and values
//! `[PAGE_POSITIONS][value_dim]`, so that the weighted sum is computed with features side by side:
//! neither needs a sum across a vector register.

use std::io;

use half::f16;
use mlxk_ops::{KvSpec, OpsError, PAGE_POSITIONS, Result, Sequence};

/// The values of a page, in the representation of the cache.
pub(crate) enum Page {
    /// Fast mode.
    F16(Vec<f16>),
    /// Exact mode.
    F32(Vec<f32>),
}

/// Keys `[head_dim][PAGE_POSITIONS]` and values `[PAGE_POSITIONS][value_dim]` of one head in a page.
#[derive(Clone, Copy)]
pub(crate) enum PageHead<'a> {
    F16 { keys: &'a [f16], values: &'a [f16] },
    F32 { keys: &'a [f32], values: &'a [f32] },
}

struct Table {
    pages: Vec<u32>,
    len: usize,
}

/// All pages and sequences of a device.
pub(crate) struct KvCache {
    spec: KvSpec,
    exact: bool,
    pages: Vec<Page>,
    references: Vec<u32>,
    free: Vec<u32>,
    tables: Vec<Option<Table>>,
}

impl KvCache {
    pub(crate) fn new(exact: bool) -> Self {
        let spec = KvSpec { layers: 0, kv_heads: 0, head_dim: 0, value_dim: 0 };
        Self { spec, exact, pages: vec![], references: vec![], free: vec![], tables: vec![] }
    }

    pub(crate) fn configure(&mut self, spec: KvSpec) {
        *self = Self { spec, ..Self::new(self.exact) };
    }

    pub(crate) fn spec(&self) -> KvSpec {
        self.spec
    }

    fn page_values(&self) -> usize {
        self.spec.values_per_position() * PAGE_POSITIONS
    }

    fn page_bytes(&self) -> usize {
        self.page_values() * if self.exact { 4 } else { 2 }
    }

    /// Bytes of all pages, free ones included.
    pub(crate) fn bytes(&self) -> usize {
        self.pages.len() * self.page_bytes()
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
        let values = self.page_values();
        let out_of_memory = |_| OpsError::OutOfMemory { needed: self.page_bytes() };
        let page = if self.exact {
            let mut page = Vec::new();
            page.try_reserve_exact(values).map_err(out_of_memory)?;
            page.resize(values, 0.0);
            Page::F32(page)
        } else {
            let mut page = Vec::new();
            page.try_reserve_exact(values).map_err(out_of_memory)?;
            page.resize(values, f16::ZERO);
            Page::F16(page)
        };
        self.pages.push(page);
        self.references.push(1);
        Ok(self.pages.len() as u32 - 1)
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
        let [from, to] = self
            .pages
            .get_disjoint_mut([shared as usize, own as usize])
            .expect("a fresh page differs from a shared one");
        match (from, to) {
            (Page::F16(from), Page::F16(to)) => to.copy_from_slice(from),
            (Page::F32(from), Page::F32(to)) => to.copy_from_slice(from),
            _ => unreachable!("all pages of a cache have one representation"),
        }
        self.release(shared);
        self.table_mut(sequence).pages[index] = own;
        Ok(())
    }

    /// Bytes of `len` positions, in whole pages.
    pub(crate) fn export_bytes(&self, len: usize) -> u64 {
        len.div_ceil(PAGE_POSITIONS) as u64 * self.page_bytes() as u64
    }

    /// Passes the pages of the first `len` positions to `write`, little-endian.
    pub(crate) fn export(
        &self,
        sequence: Sequence,
        len: usize,
        write: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut bytes = Vec::new();
        for &page in &self.table(sequence).pages[..len.div_ceil(PAGE_POSITIONS)] {
            bytes.clear();
            match &self.pages[page as usize] {
                Page::F16(values) => bytes.extend(values.iter().flat_map(|x| x.to_le_bytes())),
                Page::F32(values) => bytes.extend(values.iter().flat_map(|x| x.to_le_bytes())),
            }
            write(&bytes)?;
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
        let mut bytes = vec![0; self.page_bytes()];
        for index in 0..len.div_ceil(PAGE_POSITIONS) {
            let page = self.table(sequence).pages[index];
            read(&mut bytes)?;
            match &mut self.pages[page as usize] {
                Page::F16(values) => {
                    for (value, bytes) in values.iter_mut().zip(bytes.as_chunks().0) {
                        *value = f16::from_le_bytes(*bytes);
                    }
                }
                Page::F32(values) => {
                    for (value, bytes) in values.iter_mut().zip(bytes.as_chunks().0) {
                        *value = f32::from_le_bytes(*bytes);
                    }
                }
            }
        }
        Ok(())
    }

    /// Index of the first key, and of the first value, of `head` in `layer` within a page.
    fn offsets(&self, layer: usize, head: usize) -> (usize, usize) {
        let KvSpec { kv_heads, head_dim, value_dim, .. } = self.spec;
        let keys = (layer * kv_heads + head) * (head_dim + value_dim) * PAGE_POSITIONS;
        (keys, keys + head_dim * PAGE_POSITIONS)
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
        let page = self.table(sequence).pages[position / PAGE_POSITIONS] as usize;
        let slot = position % PAGE_POSITIONS;
        let (dim, value_dim) = (self.spec.head_dim, self.spec.value_dim);
        for head in 0..self.spec.kv_heads {
            let (keys, values) = self.offsets(layer, head);
            let key = &key[head * dim..][..dim];
            let value = &value[head * value_dim..][..value_dim];
            let value_at = values + slot * value_dim;
            match &mut self.pages[page] {
                Page::F16(data) => {
                    for (i, &x) in key.iter().enumerate() {
                        data[keys + i * PAGE_POSITIONS + slot] = f16::from_f32(x);
                    }
                    for (to, &x) in data[value_at..][..value_dim].iter_mut().zip(value) {
                        *to = f16::from_f32(x);
                    }
                }
                Page::F32(data) => {
                    for (i, &x) in key.iter().enumerate() {
                        data[keys + i * PAGE_POSITIONS + slot] = x;
                    }
                    data[value_at..][..value_dim].copy_from_slice(value);
                }
            }
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
        let page = self.table(sequence).pages[index] as usize;
        let (keys, values) = self.offsets(layer, head);
        let end = values + self.spec.value_dim * PAGE_POSITIONS;
        match &self.pages[page] {
            Page::F16(data) => {
                PageHead::F16 { keys: &data[keys..values], values: &data[values..end] }
            }
            Page::F32(data) => {
                PageHead::F32 { keys: &data[keys..values], values: &data[values..end] }
            }
        }
    }
}
