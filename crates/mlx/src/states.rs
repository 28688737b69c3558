//! States of recurrent layers. An array never changes, so a checkpoint is a copy of references.

use std::collections::BTreeMap;
use std::io;

use mlxk_ops::{CacheSpec, LayerCache, StatePlace};
use mlxk_paging::{Read, Write};

use crate::array::Array;
use crate::functions::Type;
use crate::graph::Graph;

/// States of all recurrent layers of a sequence.
#[derive(Clone, Default)]
pub(crate) struct States {
    /// Parts of the states, by layer and first value.
    parts: BTreeMap<(usize, usize), Array>,
    /// All values of a layer's state as they were imported. Parts that were written since count instead.
    imported: BTreeMap<usize, Array>,
}

impl States {
    /// Returns a part of a state. That of an empty sequence is zero.
    pub(crate) fn get(&self, graph: &Graph, place: StatePlace, shape: &[usize]) -> Array {
        if let Some(part) = self.parts.get(&(place.layer, place.offset)) {
            return part.clone();
        }
        match self.imported.get(&place.layer) {
            Some(all) => {
                let end = place.offset + shape.iter().product::<usize>();
                graph.reshape(&graph.part(all, 0, place.offset, end), shape)
            }
            None => graph.zeros(shape, Type::F32),
        }
    }

    /// Replaces a part of a state.
    pub(crate) fn set(&mut self, place: StatePlace, part: Array) {
        self.parts.insert((place.layer, place.offset), part);
    }

    /// Passes the values of all states to `write`. Returns `None` if computing them failed.
    pub(crate) fn write(
        &self,
        graph: &Graph,
        spec: &CacheSpec,
        write: &mut Write<'_>,
    ) -> Option<io::Result<()>> {
        for (layer, values) in sizes(spec) {
            let mut all = match self.imported.get(&layer) {
                Some(all) => all.clone(),
                None => graph.zeros(&[values], Type::F32),
            };
            for (&(_, offset), part) in self.parts.range((layer, 0)..(layer + 1, 0)) {
                let count = part.shape().iter().product();
                all = graph.replaced(&all, &graph.reshape(part, &[count]), 0, offset);
            }
            if let Err(error) = graph.read(&all, |bytes| write(bytes))? {
                return Some(Err(error));
            }
        }
        Some(Ok(()))
    }

    /// Sets all states by `read`.
    pub(crate) fn read(
        &mut self,
        graph: &Graph,
        spec: &CacheSpec,
        read: &mut Read<'_>,
    ) -> io::Result<()> {
        *self = Self::default();
        for (layer, values) in sizes(spec) {
            let mut bytes = vec![0; 4 * values];
            read(&mut bytes)?;
            self.imported.insert(layer, graph.array(&bytes, &[values], Type::F32));
        }
        Ok(())
    }
}

/// Returns the layers that keep a state, and the number of its values.
fn sizes(spec: &CacheSpec) -> impl Iterator<Item = (usize, usize)> {
    spec.layers.iter().enumerate().filter_map(|(layer, kept)| match kept {
        LayerCache::State { values } => Some((layer, *values)),
        _ => None,
    })
}
