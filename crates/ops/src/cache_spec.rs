//! Contents of the cache, layer by layer, and their size.
//!
//! Attention keeps the keys and values of every position, in pages of [`PAGE_POSITIONS`]. A layer with a
//! window reads only the last of them, so its older pages can be given back. A recurrent layer keeps a
//! fixed number of values per sequence instead, which cannot be taken back to an earlier position.

use std::ops::Range;

/// Number of positions in one page of the cache.
pub const PAGE_POSITIONS: usize = 32;

/// Number of positions by which a sequence of attention layers can always be rewound: as many as a page
/// holds, and more than any draft has.
pub const REWIND_SLACK: usize = PAGE_POSITIONS;

/// Contents of the cache of a model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CacheSpec {
    /// One entry per layer.
    pub layers: Vec<LayerCache>,
}

/// Contents of the cache of one layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerCache {
    /// Keys and values of every position.
    Pages {
        /// Key/value heads.
        kv_heads: usize,
        /// Width of a key.
        head_dim: usize,
        /// Width of a value.
        value_dim: usize,
        /// Number of positions that a row sees, itself included. `None` if it sees all of them.
        window: Option<usize>,
    },
    /// A state of this many f32 values per sequence.
    State {
        /// Number of values.
        values: usize,
    },
    /// Nothing of its own: it reads the pages of an earlier layer, of this index.
    SharedWith(usize),
    /// Nothing at all.
    None,
}

/// Layers whose pages have the same shape and the same window. They share block tables, and a page of the
/// group holds all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageGroup {
    /// Indices of the layers, ascending.
    pub layers: Vec<usize>,
    /// Key/value heads of a layer.
    pub kv_heads: usize,
    /// Width of a key.
    pub head_dim: usize,
    /// Width of a value.
    pub value_dim: usize,
    /// Number of positions that a row sees, itself included.
    pub window: Option<usize>,
}

/// The part of a sequence that an export holds: enough to continue from `len` and from each checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// Number of positions.
    pub len: usize,
    /// Lengths of the checkpoints, ascending, none above `len`.
    pub checkpoints: Vec<usize>,
    /// Pages of each group of layers, as ascending ranges.
    pub pages: Vec<Vec<Range<usize>>>,
}

/// Bounds on what one sequence holds at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SequenceBounds {
    /// Most rows that one step appends.
    pub step_rows: usize,
    /// Most checkpoints.
    pub checkpoints: usize,
}

impl CacheSpec {
    /// Attention layers that are all alike and see every position.
    pub fn uniform(layers: usize, kv_heads: usize, head_dim: usize, value_dim: usize) -> Self {
        let layer = LayerCache::Pages { kv_heads, head_dim, value_dim, window: None };
        Self { layers: vec![layer; layers] }
    }

    /// Returns the groups of layers with pages, in the order of their first layers.
    pub fn groups(&self) -> Vec<PageGroup> {
        let mut groups: Vec<PageGroup> = Vec::new();
        for (index, layer) in self.layers.iter().enumerate() {
            let LayerCache::Pages { kv_heads, head_dim, value_dim, window } = *layer else {
                continue;
            };
            let shape = (kv_heads, head_dim, value_dim, window);
            let found = groups
                .iter_mut()
                .find(|it| (it.kv_heads, it.head_dim, it.value_dim, it.window) == shape);
            if let Some(group) = found {
                group.layers.push(index);
            } else {
                let layers = vec![index];
                groups.push(PageGroup { layers, kv_heads, head_dim, value_dim, window });
            }
        }
        groups
    }

    /// Returns the number of f32 values in the states of one sequence.
    pub fn state_values(&self) -> usize {
        self.layers
            .iter()
            .map(|layer| if let LayerCache::State { values } = layer { *values } else { 0 })
            .sum()
    }

    /// Returns `true` if any layer keeps a state.
    pub fn has_states(&self) -> bool {
        self.layers.iter().any(|layer| matches!(layer, LayerCache::State { .. }))
    }

    /// Returns `true` if a sequence can be cut only where enough of it is held: a layer has a window or
    /// keeps a state. Checkpoints are useless otherwise.
    pub fn forgets(&self) -> bool {
        self.has_states()
            || self
                .layers
                .iter()
                .any(|layer| matches!(layer, LayerCache::Pages { window: Some(_), .. }))
    }

    /// Returns the bytes of one position in all layers, while every layer holds it.
    pub fn position_bytes(&self, format: KvFormat) -> usize {
        self.groups().iter().map(|group| group.position_bytes(format)).sum()
    }

    /// Returns the cost of a sequence that stays within `bounds`.
    pub fn cost(&self, format: KvFormat, bounds: SequenceBounds) -> SequenceCost {
        let groups = self.groups();
        let pages = groups.iter().map(|group| {
            (
                group.position_bytes(format) as u64,
                group.most_positions(bounds).unwrap_or(usize::MAX),
            )
        });
        let states = 4 * self.state_values() as u64;
        SequenceCost {
            pages: pages.collect(),
            states: states.saturating_mul(1 + bounds.checkpoints as u64),
        }
    }

    /// Returns the extent of a sequence of which everything is held.
    pub fn full_extent(&self, len: usize) -> Extent {
        let all = 0..len.div_ceil(PAGE_POSITIONS);
        let pages = self.groups().iter().map(|_| Vec::from([all.clone()])).collect();
        Extent { len, checkpoints: vec![], pages }
    }
}

impl Extent {
    /// Returns `true` if its numbers are possible.
    pub fn is_valid(&self) -> bool {
        let pages = self.len.div_ceil(PAGE_POSITIONS);
        let each = self.pages.iter().all(|ranges| {
            let apart = ranges.is_sorted_by(|a, b| a.end <= b.start);
            apart && ranges.iter().all(|range| range.start <= range.end && range.end <= pages)
        });
        let within = self.checkpoints.iter().all(|at| (1..=self.len).contains(at));
        each && within && self.checkpoints.is_sorted_by(|a, b| a < b)
    }

    /// Returns the largest length up to `wanted` to which a sequence can be cut that was imported from it.
    pub fn restorable(&self, spec: &CacheSpec, wanted: usize) -> usize {
        if wanted >= self.len {
            return self.len;
        }
        if spec.has_states() {
            return self.checkpoints.iter().copied().filter(|&at| at <= wanted).max().unwrap_or(0);
        }
        let groups = spec.groups();
        restorable(wanted, |len| {
            let each = groups.iter().zip(&self.pages).map(|(group, held)| {
                group.restorable(len, |page| held.iter().any(|range| range.contains(&page)))
            });
            each.min()
        })
    }

    /// Returns the lengths at which an export has states, ascending: the checkpoints and the end.
    pub fn points(&self) -> Vec<usize> {
        let mut points = self.checkpoints.clone();
        if self.len > 0 && points.last() != Some(&self.len) {
            points.push(self.len);
        }
        points
    }
}

/// Returns the largest length up to `len` that `each` leaves as it is: the least length to which any of several
/// groups of layers can be cut, if those that it is given are to be cut to the length that it is given.
pub fn restorable(mut len: usize, each: impl Fn(usize) -> Option<usize>) -> usize {
    // A shorter length that one group allows may be one that another does not.
    loop {
        match each(len) {
            Some(shorter) if shorter < len => len = shorter,
            _ => return len,
        }
    }
}

/// Bytes that one sequence takes at most, by its length.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SequenceCost {
    /// Bytes of a position, and the most positions that are held, per group of layers.
    pages: Vec<(u64, usize)>,
    /// Bytes of the states, checkpoints included.
    states: u64,
}

impl SequenceCost {
    /// Returns the bytes of a sequence of `len` positions.
    pub fn bytes(&self, len: usize) -> u64 {
        let pages =
            self.pages.iter().map(|&(bytes, most)| bytes.saturating_mul(len.min(most) as u64));
        pages.fold(self.states, u64::saturating_add)
    }

    /// Returns the bytes of one position in all layers, while every layer holds it.
    pub fn position_bytes(&self) -> u64 {
        self.pages.iter().map(|&(bytes, _)| bytes).sum()
    }

    /// Returns the greatest length whose sequence takes at most `bytes`, and `usize::MAX` if every length does.
    pub fn longest(&self, bytes: u64) -> usize {
        if self.bytes(usize::MAX) <= bytes {
            return usize::MAX;
        }
        let (mut fits, mut too_long) = (0, usize::MAX);
        while too_long - fits > 1 {
            let middle = fits + (too_long - fits) / 2;
            if self.bytes(middle) <= bytes {
                fits = middle;
            } else {
                too_long = middle;
            }
        }
        fits
    }

    /// Returns the cost of two sequences of the same length, one of each.
    #[must_use]
    pub fn plus(mut self, other: Self) -> Self {
        self.pages.extend(other.pages);
        self.states = self.states.saturating_add(other.states);
        self
    }
}

impl PageGroup {
    /// Returns the bytes of one position in all layers of the group.
    pub fn position_bytes(&self, format: KvFormat) -> usize {
        let [key, value] = format.head_bytes(self.head_dim, self.value_dim);
        self.layers.len() * self.kv_heads * (key + value)
    }

    /// Returns the first position that a row at `position` sees.
    pub fn needed_from(&self, position: usize) -> usize {
        self.window.map_or(0, |window| (position + 1).saturating_sub(window))
    }

    /// Returns the first page that is held so that a sequence can be cut to `point`, or to
    /// [`REWIND_SLACK`] positions less.
    pub fn first_page(&self, point: usize) -> usize {
        self.needed_from(point.saturating_sub(REWIND_SLACK)) / PAGE_POSITIONS
    }

    /// Returns the pages that are held for `point`, a length to which the sequence can be cut.
    pub fn pages_before(&self, point: usize) -> Range<usize> {
        self.first_page(point)..point.div_ceil(PAGE_POSITIONS)
    }

    /// Returns the largest length up to `len` before which everything is held that the next row sees.
    pub fn restorable(&self, mut len: usize, holds: impl Fn(usize) -> bool) -> usize {
        loop {
            let mut needed = self.needed_from(len) / PAGE_POSITIONS..len.div_ceil(PAGE_POSITIONS);
            // Every length behind the start of a gap would need it, too.
            match needed.find(|&page| !holds(page)) {
                Some(gap) => len = gap * PAGE_POSITIONS,
                None => return len,
            }
        }
    }

    /// Returns the most positions that a sequence holds at a time, in full pages. `None` if it holds all of them.
    fn most_positions(&self, bounds: SequenceBounds) -> Option<usize> {
        let reach = self.window?.saturating_add(REWIND_SLACK);
        // A run of positions may begin and end within a page.
        let run = |positions: usize| positions.div_ceil(PAGE_POSITIONS).saturating_add(1);
        let pages = run(reach.saturating_add(bounds.step_rows))
            .saturating_add(bounds.checkpoints.saturating_mul(run(reach)));
        Some(pages.saturating_mul(PAGE_POSITIONS))
    }
}

/// Representation of keys and values in the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KvFormat {
    /// 32-bit floats.
    F32,
    /// 16-bit floats.
    F16,
    /// 8-bit codes in groups of [`KvFormat::GROUP`] features, each with an f16 scale and bias.
    Affine8,
    /// Like [`KvFormat::Affine8`], but with 4-bit codes for values. Keys stay at 8 bits: some models (Qwen2,
    /// for example) have key features far larger than the rest of their group, which 4 bits do not survive.
    Affine4,
}

impl KvFormat {
    /// Features of a key or a value that share a scale and a bias.
    pub const GROUP: usize = 32;

    /// Returns the format whose values (or codes) have this many bits, if there is one.
    pub const fn of_bits(bits: u8) -> Option<Self> {
        match bits {
            32 => Some(Self::F32),
            16 => Some(Self::F16),
            8 => Some(Self::Affine8),
            4 => Some(Self::Affine4),
            _ => None,
        }
    }

    /// Returns the bits of an element of a value, or of its code. Keys of [`KvFormat::Affine4`] have 8.
    pub const fn bits(self) -> u8 {
        match self {
            Self::F32 => 32,
            Self::F16 => 16,
            Self::Affine8 => 8,
            Self::Affine4 => 4,
        }
    }

    /// Returns the bytes of one key and of one value of a head. Formats with groups round up to full groups.
    pub const fn head_bytes(self, head_dim: usize, value_dim: usize) -> [usize; 2] {
        let key_groups = head_dim.div_ceil(Self::GROUP);
        let value_groups = value_dim.div_ceil(Self::GROUP);
        let (eight, four) = (Self::GROUP + 4, Self::GROUP / 2 + 4);
        match self {
            Self::F32 => [4 * head_dim, 4 * value_dim],
            Self::F16 => [2 * head_dim, 2 * value_dim],
            Self::Affine8 => [key_groups * eight, value_groups * eight],
            Self::Affine4 => [key_groups * eight, value_groups * four],
        }
    }
}
