//! Pages and states in the memory of the device.
//!
//! The pages of a layer are one buffer, which grows by copying. Within a page, keys and values of a head are in
//! blocks of 16 features, `[blocks][positions][16]`, so that 16 positions of a block are a tile of a matrix
//! unit. Codes have their scales behind them; see `kernels/element.wgsl`.

use std::io;

use mlxk_ops::{CacheSpec, KvFormat, OpsError, PAGE_POSITIONS, PageGroup, Result};
use mlxk_paging::{CacheMemory, Read, Write};
use wgpu::Buffer;

use crate::context::Context;

/// Number of pages that there is memory for at first.
const FIRST_PAGES: usize = 32;
/// Features that are stored together.
const FEATURES: usize = 16;

/// Returns the bits of the elements of keys and of values, as kernels get them.
pub(crate) const fn element_bits(format: KvFormat) -> [u32; 2] {
    match format {
        KvFormat::F32 => [32, 32],
        KvFormat::F16 => [16, 16],
        KvFormat::Affine8 => [8, 8],
        KvFormat::Affine4 => [8, 4],
    }
}

/// Returns the words of the keys or values of a head in a page.
const fn head_words(bits: u32, width: usize) -> usize {
    let bits = bits as usize;
    if bits >= 16 {
        return width.next_multiple_of(FEATURES) * PAGE_POSITIONS * bits / 32;
    }
    // Each group has a word for its scale and its bias.
    let groups = width.div_ceil(KvFormat::GROUP);
    groups * PAGE_POSITIONS * (bits * KvFormat::GROUP / 32 + 1)
}

/// The pages of a group.
struct Pool {
    /// One buffer per layer.
    layers: Vec<Buffer>,
    /// Bytes of a page of one layer.
    page_bytes: usize,
    /// Number of pages that there is memory for.
    capacity: usize,
    /// A page on its way to another place in the same buffer.
    between: Buffer,
}

impl Pool {
    fn new(group: &PageGroup, format: KvFormat, context: &Context) -> Result<Self> {
        let [keys, values] = element_bits(format);
        let head = head_words(keys, group.head_dim) + head_words(values, group.value_dim);
        let page_bytes = group.kv_heads * head * size_of::<u32>();
        let layers = vec![context.buffer(0)?; group.layers.len()];
        Ok(Self { layers, page_bytes, capacity: 0, between: context.buffer(page_bytes)? })
    }
}

impl Pool {
    /// Makes room for this many pages.
    fn grow(&mut self, capacity: usize, context: &Context) -> Result<()> {
        for layer in &mut self.layers {
            // An earlier attempt may have come so far.
            if layer.size() >= (self.page_bytes * capacity) as u64 {
                continue;
            }
            let larger = context.buffer(self.page_bytes * capacity)?;
            if self.capacity > 0 {
                // At once, so that the old pages of only one layer are in memory twice.
                let bytes = (self.page_bytes * self.capacity) as u64;
                context
                    .encode(|encoder| encoder.copy_buffer_to_buffer(layer, 0, &larger, 0, bytes));
            }
            *layer = larger;
        }
        self.capacity = capacity;
        Ok(())
    }
}

/// States of a sequence.
pub(crate) struct States(Option<Buffer>);

/// The memory of all groups. Copies are submitted at once, so a step that comes before them must have been
/// submitted.
pub(crate) struct GpuMemory {
    context: Context,
    pools: Vec<Pool>,
    state_bytes: usize,
    /// Number of times that pages got other buffers.
    growths: usize,
}

impl GpuMemory {
    /// Returns a number that changes when pages get other buffers.
    pub(crate) fn growths(&self) -> usize {
        self.growths
    }

    pub(crate) fn new(spec: &CacheSpec, format: KvFormat, context: Context) -> Result<Self> {
        let groups = spec.groups();
        let pools = groups.iter().map(|group| Pool::new(group, format, &context));
        let pools = pools.collect::<Result<_>>()?;
        let state_bytes = spec.state_values() * size_of::<f32>();
        Ok(Self { context, pools, state_bytes, growths: 0 })
    }

    /// Returns the pages of a layer of a group.
    pub(crate) fn pages(&self, group: usize, layer: usize) -> &Buffer {
        &self.pools[group].layers[layer]
    }
}

impl States {
    /// Returns the buffer of states.
    ///
    /// # Panics
    /// Panics if no layer has any.
    pub(crate) fn buffer(&self) -> &Buffer {
        self.0.as_ref().expect("a layer keeps a state")
    }
}

impl CacheMemory for GpuMemory {
    type States = States;

    fn add_pages(&mut self, group: usize) -> Result<usize> {
        self.growths += 1;
        let pool = &mut self.pools[group];
        let limits = self.context.info.limits;
        let most = limits.binding.min(limits.buffer) as usize / pool.page_bytes.max(1);
        let capacity = pool.capacity;
        // Twice as many. If there is no room for that, fewer.
        let wanted = [capacity.max(FIRST_PAGES), capacity / 4, 1];
        let mut result = Err(OpsError::OutOfMemory { needed: pool.page_bytes });
        for more in wanted {
            let more = more.min(most.saturating_sub(capacity));
            if more > 0 && result.is_err() {
                result = pool.grow(capacity + more, &self.context).map(|()| more);
            }
        }
        result
    }

    fn copy_page(&mut self, group: usize, from: u32, to: u32) {
        let pool = &self.pools[group];
        let bytes = pool.page_bytes as u64;
        self.context.encode(|encoder| {
            for layer in &pool.layers {
                let [from, to] = [from, to].map(|page| u64::from(page) * bytes);
                encoder.copy_buffer_to_buffer(layer, from, &pool.between, 0, bytes);
                encoder.copy_buffer_to_buffer(&pool.between, 0, layer, to, bytes);
            }
        });
    }

    fn page_bytes(&self, group: usize) -> usize {
        let pool = &self.pools[group];
        pool.page_bytes * pool.layers.len()
    }

    fn read_page(&mut self, group: usize, page: u32, write: &mut Write<'_>) -> io::Result<()> {
        let pool = &self.pools[group];
        let offset = page as usize * pool.page_bytes;
        let parts: Vec<_> = pool.layers.iter().map(|layer| (layer, offset)).collect();
        let mut result = Ok(());
        let read = self.context.read(&parts, pool.page_bytes, &mut |bytes| {
            if result.is_ok() {
                result = write(bytes);
            }
        });
        read.map_err(io::Error::other)?;
        result
    }

    fn write_page(&mut self, group: usize, page: u32, read: &mut Read<'_>) -> io::Result<()> {
        let pool = &self.pools[group];
        let mut bytes = vec![0; pool.page_bytes];
        for layer in &pool.layers {
            read(&mut bytes)?;
            self.context.write(layer, page as usize * pool.page_bytes, &bytes);
        }
        Ok(())
    }

    fn new_states(&mut self) -> Result<States> {
        let states = (self.state_bytes > 0).then(|| self.context.buffer(self.state_bytes));
        Ok(States(states.transpose()?))
    }

    fn copy_states(&mut self, from: &States, to: &mut States) {
        if let (Some(from), Some(to)) = (&from.0, &to.0) {
            let bytes = self.state_bytes as u64;
            self.context.encode(|encoder| encoder.copy_buffer_to_buffer(from, 0, to, 0, bytes));
        }
    }

    fn clear_states(&mut self, states: &mut States) {
        if let Some(states) = &states.0 {
            self.context.encode(|encoder| encoder.clear_buffer(states, 0, None));
        }
    }

    fn states_bytes(&self) -> usize {
        self.state_bytes
    }

    fn read_states(&mut self, states: &States, write: &mut Write<'_>) -> io::Result<()> {
        let mut result = Ok(());
        let part = (states.buffer(), 0);
        let read = self.context.read(&[part], self.state_bytes, &mut |bytes| result = write(bytes));
        read.map_err(io::Error::other)?;
        result
    }

    fn write_states(&mut self, states: &mut States, read: &mut Read<'_>) -> io::Result<()> {
        let mut bytes = vec![0; self.state_bytes];
        read(&mut bytes)?;
        self.context.write(states.buffer(), 0, &bytes);
        Ok(())
    }
}
