//! The cache of a split model: each device keeps the layers that it computes.

use std::io;

use mlxk_ops::{Cache, CacheSpec, Extent, LayerCache, Sequence};

use super::{CPU, GPU, Split};

impl Split {
    fn both(&self, sequence: Sequence) -> [Sequence; 2] {
        self.sequences[sequence.0 as usize].expect("a sequence is in use until it is freed")
    }

    /// Adds a sequence, in the first place that is free.
    fn add(&mut self, both: [Sequence; 2]) -> Sequence {
        let place = self.sequences.iter().position(Option::is_none);
        let place = place.unwrap_or_else(|| {
            self.sequences.push(None);
            self.sequences.len() - 1
        });
        self.sequences[place] = Some(both);
        Sequence(place as u32)
    }
}

impl Cache for Split {
    fn configure_cache(&mut self, spec: &CacheSpec) {
        self.owners = (0..spec.layers.len()).map(|layer| self.device_of(layer)).collect();
        for (index, layer) in spec.layers.iter().enumerate() {
            match *layer {
                // Where the pages are that it reads.
                LayerCache::SharedWith(source) => self.owners[index] = self.owners[source],
                // The keys of an indexer are with the attention before them.
                LayerCache::Pages { value_dim: 0, .. } if index > 0 => {
                    self.owners[index] = self.owners[index - 1];
                }
                _ => {}
            }
        }
        for (device, ops) in self.devices.iter_mut().enumerate() {
            let layers = spec.layers.iter().zip(&self.owners);
            let layers = layers.map(
                |(layer, owner)| {
                    if *owner == device { *layer } else { LayerCache::None }
                },
            );
            ops.configure_cache(&CacheSpec { layers: layers.collect() });
        }
        self.sequences.clear();
    }

    fn new_sequence(&mut self) -> Sequence {
        let both = [GPU, CPU].map(|device| self.devices[device].new_sequence());
        self.add(both)
    }

    fn free_sequence(&mut self, sequence: Sequence) {
        let both = self.both(sequence);
        for (ops, sequence) in self.devices.iter_mut().zip(both) {
            ops.free_sequence(sequence);
        }
        self.sequences[sequence.0 as usize] = None;
    }

    fn sequence_len(&self, sequence: Sequence) -> usize {
        self.devices[GPU].sequence_len(self.both(sequence)[GPU])
    }

    fn rewind(&mut self, sequence: Sequence, len: usize) -> usize {
        let len = self.restorable(sequence, len);
        let both = self.both(sequence);
        for (ops, sequence) in self.devices.iter_mut().zip(both) {
            let landed = ops.rewind(sequence, len);
            debug_assert_eq!(landed, len, "both devices can go back there");
        }
        len
    }

    fn fork(&mut self, sequence: Sequence, len: usize) -> (Sequence, usize) {
        let (both, len) = (self.both(sequence), self.restorable(sequence, len));
        let forks = [GPU, CPU].map(|device| self.devices[device].fork(both[device], len).0);
        (self.add(forks), len)
    }

    fn restorable(&self, sequence: Sequence, len: usize) -> usize {
        let both = self.both(sequence);
        let each = |len: usize| {
            let lengths = self.devices.iter().zip(both).map(|(ops, it)| ops.restorable(it, len));
            lengths.min()
        };
        mlxk_ops::restorable(len, each)
    }

    fn checkpoint(&mut self, sequence: Sequence) {
        let both = self.both(sequence);
        for (ops, sequence) in self.devices.iter_mut().zip(both) {
            ops.checkpoint(sequence);
        }
    }

    fn checkpoints(&self, sequence: Sequence) -> Vec<usize> {
        let both = self.both(sequence);
        let [mut gpu, cpu] =
            [GPU, CPU].map(|device| self.devices[device].checkpoints(both[device]));
        // A device none of whose layers forgets has none.
        gpu.extend(cpu);
        gpu.sort_unstable();
        gpu.dedup();
        gpu
    }

    fn drop_checkpoint(&mut self, sequence: Sequence, len: usize) {
        let both = self.both(sequence);
        for (ops, sequence) in self.devices.iter_mut().zip(both) {
            ops.drop_checkpoint(sequence, len);
        }
    }

    fn cache_bytes(&self) -> usize {
        self.devices.iter().map(|ops| ops.cache_bytes()).sum()
    }

    fn cache_layout(&self) -> String {
        let [gpu, cpu] = &self.devices;
        let layers = self.cpu_layers;
        format!("{layers} layers on {}, the others on {}", cpu.cache_layout(), gpu.cache_layout())
    }

    fn extent(&self, sequence: Sequence, len: usize) -> Extent {
        let len = self.restorable(sequence, len.min(self.sequence_len(sequence)));
        Extent { len, ..Extent::default() }
    }

    fn export_bytes(&self, _: &Extent) -> u64 {
        0
    }

    fn export(
        &mut self,
        _: Sequence,
        _: &Extent,
        _: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        Err(unsupported())
    }

    fn import(
        &mut self,
        _: &Extent,
        _: &mut dyn FnMut(&mut [u8]) -> io::Result<()>,
    ) -> io::Result<Sequence> {
        Err(unsupported())
    }
}

fn unsupported() -> io::Error {
    let text = "the cache of a model that is split between two devices can't be saved";
    io::Error::new(io::ErrorKind::Unsupported, text)
}
