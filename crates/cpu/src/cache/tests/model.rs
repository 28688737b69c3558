//! The cache against a model that copies everything, over random sequences of operations.

use mlxk_ops::{CacheSpec, KvFormat, LayerCache, PAGE_POSITIONS, REWIND_SLACK, Sequence};
use mlxk_paging::CacheMemory;
use proptest::prelude::*;

use super::super::SequenceCache;
use crate::self_test::wide;

/// Widths that differ between layers, a window shorter than a page and one of several, two states.
fn layers(kind: usize) -> CacheSpec {
    let pages = |kv_heads, head_dim, value_dim, window| LayerCache::Pages {
        kv_heads,
        head_dim,
        value_dim,
        window,
    };
    let layers = match kind {
        0 => vec![pages(2, 4, 4, None), pages(1, 8, 4, None), pages(2, 4, 4, None)],
        1 => vec![pages(1, 4, 4, Some(20)), pages(1, 4, 8, None), pages(1, 4, 4, Some(20))],
        2 => vec![pages(1, 4, 4, Some(20)), pages(2, 4, 4, Some(70)), LayerCache::None],
        3 => vec![LayerCache::State { values: 3 }, pages(1, 4, 4, None)],
        _ => vec![
            pages(1, 4, 4, Some(40)),
            LayerCache::State { values: 2 },
            LayerCache::SharedWith(0),
            LayerCache::State { values: 5 },
            pages(1, 8, 8, None),
        ],
    };
    CacheSpec { layers }
}

/// One operation. Numbers choose a sequence or a length out of those that there are.
#[derive(Clone, Debug)]
enum Operation {
    Append { sequence: usize, count: usize },
    Rewind { sequence: usize, len: usize },
    Fork { sequence: usize, len: usize },
    Checkpoint { sequence: usize },
    DropCheckpoint { sequence: usize, which: usize },
    Copy { sequence: usize, len: usize },
    Free { sequence: usize },
}

fn operation() -> impl Strategy<Value = Operation> {
    let sequence = 0usize..8;
    let any = 0usize..10_000;
    prop_oneof![
        6 => (sequence.clone(), prop_oneof![1usize..4, 20usize..80])
            .prop_map(|(sequence, count)| Operation::Append { sequence, count }),
        2 => (sequence.clone(), any.clone())
            .prop_map(|(sequence, len)| Operation::Rewind { sequence, len }),
        2 => (sequence.clone(), any.clone())
            .prop_map(|(sequence, len)| Operation::Fork { sequence, len }),
        2 => sequence.clone().prop_map(|sequence| Operation::Checkpoint { sequence }),
        1 => (sequence.clone(), any.clone())
            .prop_map(|(sequence, which)| Operation::DropCheckpoint { sequence, which }),
        1 => (sequence.clone(), any)
            .prop_map(|(sequence, len)| Operation::Copy { sequence, len }),
        1 => sequence.prop_map(|sequence| Operation::Free { sequence }),
    ]
}

/// A sequence as a list of tokens, from which every value follows.
#[derive(Clone)]
struct Naive {
    sequence: Sequence,
    tokens: Vec<u32>,
    checkpoints: Vec<usize>,
    /// Any length from here on can be restored if there are no states.
    floor: usize,
}

/// The values that a token leaves at a position of a layer; `part` is 0 for keys and 1 for values.
fn values(token: u32, position: usize, layer: usize, part: usize, count: usize) -> Vec<f32> {
    let base = (token as usize * 31 + position * 7 + layer * 3 + part) as f32;
    (0..count).map(|i| base + i as f32 * 0.125).collect()
}

/// The state of a layer after these tokens.
fn state(tokens: &[u32], layer: usize, count: usize) -> Vec<f32> {
    let mut state = vec![0.0; count];
    for &token in tokens {
        advance(&mut state, token, layer);
    }
    state
}

fn advance(state: &mut [f32], token: u32, layer: usize) {
    for (i, x) in state.iter_mut().enumerate() {
        *x = *x * 0.5 + (token as usize + layer + i) as f32;
    }
}

/// A cache, and what it should hold.
struct World {
    spec: CacheSpec,
    cache: SequenceCache,
    all: Vec<Naive>,
    next_token: u32,
}

impl World {
    fn new(kind: usize) -> Self {
        let spec = layers(kind);
        let mut cache = SequenceCache::new(KvFormat::F32);
        cache.configure(&spec);
        let mut world = Self { spec, cache, all: vec![], next_token: 0 };
        world.add();
        world
    }

    fn add(&mut self) {
        let sequence = self.cache.new_sequence();
        self.all.push(Naive { sequence, tokens: vec![], checkpoints: vec![], floor: 0 });
    }

    fn run(&mut self, operation: &Operation) {
        let index = |sequence: usize| sequence % self.all.len();
        match *operation {
            Operation::Append { sequence, count } => self.append(index(sequence), count),
            Operation::Rewind { sequence, len } => {
                let index = index(sequence);
                let len = len % (self.all[index].tokens.len() + 1);
                let expected = self.cache.restorable(self.all[index].sequence, len);
                let landed = self.cache.rewind(self.all[index].sequence, len);
                assert_eq!(landed, expected);
                self.check_landing(index, len, landed);
                let naive = &mut self.all[index];
                naive.tokens.truncate(landed);
                naive.checkpoints.retain(|&at| at <= landed);
            }
            Operation::Fork { sequence, len } if self.all.len() < 6 => {
                let index = index(sequence);
                let len = len % (self.all[index].tokens.len() + 1);
                let (sequence, landed) = self.cache.fork(self.all[index].sequence, len);
                self.check_landing(index, len, landed);
                self.add_cut(index, sequence, landed);
            }
            Operation::Checkpoint { sequence } => {
                let index = index(sequence);
                let naive = &mut self.all[index];
                self.cache.checkpoint(naive.sequence);
                let len = naive.tokens.len();
                if self.spec.forgets() && len > 0 && !naive.checkpoints.contains(&len) {
                    naive.checkpoints.push(len);
                }
            }
            Operation::DropCheckpoint { sequence, which } => {
                let index = index(sequence);
                let naive = &mut self.all[index];
                if !naive.checkpoints.is_empty() {
                    let len = naive.checkpoints.remove(which % naive.checkpoints.len());
                    self.cache.drop_checkpoint(naive.sequence, len);
                }
            }
            Operation::Copy { sequence, len } if self.all.len() < 6 => {
                let index = index(sequence);
                let len = len % (self.all[index].tokens.len() + 1);
                let landed = self.copy(index, len);
                self.check_landing(index, len, landed);
            }
            Operation::Free { sequence } => {
                let naive = self.all.remove(index(sequence));
                self.cache.free_sequence(naive.sequence);
                if self.all.is_empty() {
                    self.add();
                }
            }
            _ => {}
        }
    }

    fn append(&mut self, index: usize, count: usize) {
        let naive = &mut self.all[index];
        let start = naive.tokens.len();
        self.cache.reserve(naive.sequence, start, count).unwrap();
        for position in start..start + count {
            let token = self.next_token;
            self.next_token += 1;
            naive.tokens.push(token);
            for (layer, kept) in self.spec.layers.iter().enumerate() {
                match *kept {
                    LayerCache::Pages { kv_heads, head_dim, value_dim, .. } => {
                        let key = values(token, position, layer, 0, kv_heads * head_dim);
                        let value = values(token, position, layer, 1, kv_heads * value_dim);
                        self.cache.write(naive.sequence, position, layer, &key, &value);
                    }
                    LayerCache::State { .. } => {
                        advance(self.cache.state_mut(naive.sequence, layer), token, layer);
                    }
                    LayerCache::SharedWith(_) | LayerCache::None => {}
                }
            }
        }
        naive.floor = naive.floor.max(start.saturating_sub(REWIND_SLACK));
    }

    /// Adds a sequence that holds the first `len` tokens of another.
    fn add_cut(&mut self, index: usize, sequence: Sequence, len: usize) {
        let mut naive = Naive { sequence, ..self.all[index].clone() };
        naive.tokens.truncate(len);
        naive.checkpoints.retain(|&at| at <= len);
        self.all.push(naive);
    }

    /// Exports a sequence and imports it as another, and returns its length.
    fn copy(&mut self, index: usize, len: usize) -> usize {
        let extent = self.cache.extent(self.all[index].sequence, len);
        assert!(extent.is_valid(), "{extent:?}");
        let mut bytes = Vec::new();
        let mut write = |piece: &[u8]| {
            bytes.extend(piece);
            Ok(())
        };
        self.cache.export(self.all[index].sequence, &extent, &mut write).unwrap();
        assert_eq!(bytes.len() as u64, self.cache.export_bytes(&extent));
        let mut rest = bytes.as_slice();
        let mut read = |into: &mut [u8]| std::io::Read::read_exact(&mut rest, into);
        let sequence = self.cache.import(&extent, &mut read).unwrap();
        assert!(rest.is_empty());
        // What a file promises is what its sequence keeps.
        for wanted in 0..=extent.len {
            let promised = extent.restorable(&self.spec, wanted);
            assert_eq!(promised, self.cache.restorable(sequence, wanted), "{wanted} {extent:?}");
        }
        let len = extent.len;
        self.add_cut(index, sequence, len);
        // Only the windows of its end and of its checkpoints are there.
        if let Some(copy) = self.all.last_mut() {
            copy.floor = copy.floor.max(len.saturating_sub(REWIND_SLACK));
        }
        len
    }

    /// Checks where a sequence lands that is to be cut to `len`.
    fn check_landing(&self, index: usize, len: usize, landed: usize) {
        let Naive { tokens, checkpoints, floor, .. } = &self.all[index];
        assert!(landed <= len);
        let last = checkpoints.iter().copied().filter(|&at| at <= len).max().unwrap_or(0);
        assert!(landed >= last, "{landed} is before the checkpoint at {last}");
        if self.spec.has_states() {
            assert!(landed == len || landed == last, "{landed} of {len}");
            assert!(len < tokens.len() || landed == len);
        } else if !self.spec.forgets() || len >= *floor {
            assert_eq!(landed, len, "it could go back to {floor}");
        }
    }

    /// Compares everything that the next row of each sequence may see.
    fn check(&mut self) {
        for naive in &self.all {
            let len = naive.tokens.len();
            assert_eq!(self.cache.len(naive.sequence), len);
            assert_eq!(self.cache.checkpoints(naive.sequence), naive.checkpoints);
            for (layer, kept) in self.spec.layers.iter().enumerate() {
                let (layer, kept) = match *kept {
                    LayerCache::SharedWith(earlier) => (earlier, self.spec.layers[earlier]),
                    kept => (layer, kept),
                };
                match kept {
                    LayerCache::Pages { kv_heads, head_dim, value_dim, window } => {
                        let from = window.map_or(0, |window| (len + 1).saturating_sub(window));
                        for (position, &token) in naive.tokens.iter().enumerate().skip(from) {
                            let key = values(token, position, layer, 0, kv_heads * head_dim);
                            let value = values(token, position, layer, 1, kv_heads * value_dim);
                            let pages = self.cache.layer(naive.sequence, layer);
                            for head in 0..kv_heads {
                                let page = pages.head(position / PAGE_POSITIONS, head);
                                let (keys, values) = wide(page, [head_dim, value_dim]);
                                let slot = position % PAGE_POSITIONS;
                                let found: Vec<f32> = (0..head_dim)
                                    .map(|i| keys[i * PAGE_POSITIONS + slot])
                                    .collect();
                                assert_eq!(found, key[head * head_dim..][..head_dim]);
                                assert_eq!(
                                    values[slot * value_dim..][..value_dim],
                                    value[head * value_dim..][..value_dim]
                                );
                            }
                        }
                    }
                    LayerCache::State { values } => {
                        let expected = state(&naive.tokens, layer, values);
                        assert_eq!(*self.cache.state_mut(naive.sequence, layer), *expected);
                    }
                    LayerCache::SharedWith(_) | LayerCache::None => {}
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn it_holds_what_was_appended(
        kind in 0usize..5,
        operations in prop::collection::vec(operation(), 1..60),
    ) {
        let mut world = World::new(kind);
        for operation in &operations {
            world.run(operation);
            world.check();
        }
        for naive in std::mem::take(&mut world.all) {
            world.cache.free_sequence(naive.sequence);
        }
        for group in 0..world.cache.groups().count() {
            prop_assert_eq!(world.cache.used_pages(group), 0, "pages are left over");
        }
    }

    /// However long a sequence gets, its windows take what was promised.
    #[test]
    fn windows_are_bounded(
        window in 1usize..200,
        steps in prop::collection::vec(1usize..70, 1..60),
        every in 1usize..20,
    ) {
        let layer =
            LayerCache::Pages { kv_heads: 1, head_dim: 4, value_dim: 4, window: Some(window) };
        let spec = CacheSpec { layers: vec![layer; 2] };
        let bounds = mlxk_ops::SequenceBounds { step_rows: 70, checkpoints: 3 };
        let cost = spec.cost(KvFormat::F32, bounds);
        let mut cache = SequenceCache::new(KvFormat::F32);
        cache.configure(&spec);
        let sequence = cache.new_sequence();
        let mut len = 0;
        for (index, count) in steps.into_iter().enumerate() {
            cache.reserve(sequence, len, count).unwrap();
            len += count;
            if index % every == 0 {
                cache.checkpoint(sequence);
                if let [first, .., _] = cache.checkpoints(sequence)[..]
                    && cache.checkpoints(sequence).len() > 3
                {
                    cache.drop_checkpoint(sequence, first);
                }
            }
            let page = cache.memory().page_bytes(0);
            let taken = (cache.used_pages(0) * page) as u64;
            let most = cost.bytes(len.next_multiple_of(PAGE_POSITIONS));
            // A checkpoint that was dropped holds its pages until the next step.
            let late = cost.bytes(usize::MAX) / 8;
            prop_assert!(taken <= most + late, "{taken} bytes of {most} for {len} positions");
        }
        prop_assert!(cache.bytes() > 0);
    }
}

#[test]
fn layers_of_one_shape_share_their_tables() {
    let spec = layers(1);
    let groups = spec.groups();
    assert_eq!(
        groups.iter().map(|it| it.layers.clone()).collect::<Vec<_>>(),
        [vec![0, 2], vec![1]]
    );
    let mut cache = SequenceCache::new(KvFormat::F16);
    cache.configure(&spec);
    assert_eq!(
        cache.layout(),
        "2 layers of 1 heads of 4 and 4 in a window of 20, 1 layers of 1 heads of 4 and 8"
    );
}
