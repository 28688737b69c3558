//! Embeddings of n-grams (LongCat-Flash-Lite, 2026, arXiv:2601.21204): a token also has vectors that depend on the
//! tokens before it. The ids of an n-gram are hashed into tables of slightly different sizes.

use mlxk_ops::{Act, Batch, Compute, ConvSpec, LayerCache, StatePlace, Weight};

use super::scratch::{Scratch, ScratchPlan, Slot};
use crate::error::ModelError;
use crate::loader::Loader;

/// Path of the module below the prefix.
const PATH: &str = "model.ngram_embeddings";

/// Description of the embeddings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NgramsSpec {
    pub(crate) vocab_size: usize,
    /// Number of tokens in the longest n-gram.
    pub(crate) longest: usize,
    /// Tables for each length, from two tokens on.
    pub(crate) tables: usize,
    /// Rows of the first table, minus one. Each has two more than the one before.
    pub(crate) rows: usize,
    /// Width of a vector in the tables.
    pub(crate) width: usize,
    /// Factor of the vectors.
    pub(crate) scale: f32,
}

pub(crate) struct Ngrams {
    tables: Vec<Table>,
    /// Moves ids by 1, 2, … rows.
    shift: ConvSpec,
    state: StatePlace,
    spec: NgramsSpec,
    slots: NgramsSlots,
}

/// A table of vectors.
struct Table {
    /// `[rows, width]`
    vectors: Weight,
    /// `[hidden, width]`
    proj: Weight,
    rows: u64,
    /// Factors of the tokens before, the last one first.
    factors: Vec<u64>,
}

pub(crate) struct NgramsSlots {
    /// `[rows, longest − 1]`
    ids: Slot,
    /// `[rows, longest − 1]` ids of the rows 1, 2, … before.
    before: Slot,
    /// `[rows, width]`
    vectors: Slot,
    /// `[rows, hidden]`
    projected: Slot,
}

impl NgramsSpec {
    /// Returns what is kept of earlier tokens: their ids, in the first layer of the cache.
    pub(crate) const fn cache(&self) -> LayerCache {
        LayerCache::State { values: ConvSpec::state_values(self.longest, self.longest - 1) }
    }

    pub(crate) fn plan(&self, hidden: usize, scratch: &mut ScratchPlan) -> NgramsSlots {
        NgramsSlots {
            ids: scratch.row("ngrams.ids", self.longest - 1),
            before: scratch.row("ngrams.before", self.longest - 1),
            vectors: scratch.row("ngrams.vectors", self.width),
            projected: scratch.row("ngrams.projected", hidden),
        }
    }

    pub(crate) fn load(
        &self,
        loader: &mut Loader<'_>,
        hidden: usize,
        scratch: &mut ScratchPlan,
    ) -> Result<Ngrams, ModelError> {
        let Self { vocab_size, longest, tables, rows, width, .. } = *self;
        let mut all = Vec::with_capacity((longest - 1) * tables);
        for index in 0..(longest - 1) * tables {
            let rows = rows + 2 * index + 1;
            let power = |factor: &u64| Some(factor * vocab_size as u64 % rows as u64);
            let first = vocab_size as u64 % rows as u64;
            let factors = std::iter::successors(Some(first), power);
            let path = |name: &str| format!("{PATH}.{name}.{index}");
            all.push(Table {
                vectors: loader.linear(&path("embedders"), [rows, width], false)?,
                proj: loader.linear(&path("post_projs"), [hidden, width], false)?,
                rows: rows as u64,
                factors: factors.take(index / tables + 1).collect(),
            });
        }
        // Filters with a single one each: column `i` is `i + 1` rows late.
        let columns = longest - 1;
        let mut filters = vec![0.0; longest * columns];
        for column in 0..columns {
            filters[(longest - 2 - column) * columns + column] = 1.0;
        }
        Ok(Ngrams {
            tables: all,
            shift: ConvSpec {
                kernel: longest,
                weight: loader.put_vector(filters)?,
                bias: None,
                activation: None,
            },
            state: StatePlace { layer: 0, offset: 0 },
            spec: *self,
            slots: self.plan(hidden, scratch),
        })
    }
}

impl Ngrams {
    /// `x += scale · Σ proj(vector of an n-gram that ends with the token)`. Before the first token, ids are 0.
    pub(crate) fn forward(
        &self,
        ops: &mut dyn Compute,
        x: Act,
        scratch: &Scratch,
        batch: &Batch,
    ) -> mlxk_ops::Result<()> {
        let NgramsSlots { ids, before, vectors, projected } = self.slots;
        let (ids, before) = (scratch[ids], scratch[before]);
        let (vectors, projected) = (scratch[vectors], scratch[projected]);
        let columns = self.spec.longest - 1;
        let repeated = batch.ids.iter().flat_map(|&id| std::iter::repeat_n(id as f32, columns));
        ops.write(ids, &repeated.collect::<Vec<_>>())?;
        ops.short_conv(before, ids, &self.shift, self.state, batch);
        let earlier: Vec<u64> = ops.read_within(before)?.iter().map(|&id| id as u64).collect();
        for table in &self.tables {
            let rows = batch.ids.iter().zip(earlier.chunks_exact(columns));
            let hashed = rows.map(|(&id, earlier)| {
                let terms = earlier.iter().zip(&table.factors).map(|(id, factor)| id * factor);
                ((u64::from(id) + terms.sum::<u64>()) % table.rows) as u32
            });
            ops.embed(vectors, table.vectors, &hashed.collect::<Vec<_>>(), self.spec.scale);
            ops.linear(&[projected], vectors, &[table.proj]);
            ops.add(x, projected);
        }
        Ok(())
    }
}
