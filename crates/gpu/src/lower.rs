//! Turns the operations of a step into dispatches. Operations that follow each other become one dispatch if a kernel
//! computes them together, and nothing reads what is between them.
//!
//! A model asks the device for results only, and an activation that an operation of the step reads is none. So what
//! is in it after the last operation of a submission is not read.

use mlxk_ops::{Act, Rope, Weight};

use crate::attention::HeadNorms;
use crate::device::Gpu;
use crate::kernels;
use crate::pipelines::Variant;
use crate::products::{After, Fused, Product, Selection};
use crate::step::{Attend, Bind, Op, PlanKey};

impl Gpu {
    /// Replaces the operations that were recorded by dispatches.
    pub(crate) fn lower(&mut self) {
        let mut ops = self.step.take_ops();
        if ops.is_empty() {
            return;
        }
        let key = self.plan_key();
        if self.step.reuse_plan(&key, &ops) {
            return;
        }
        let (recorded, words) = (ops.clone(), self.step.words_len());
        self.tiled.clear();
        self.shared.clear();
        let mut at = 0;
        while at < ops.len() {
            self.tiled.retain(|&act, _| !ops[at].writes(act));
            let is_norm_of = |out: Act| matches!(ops[at], Op::RmsNorm { x, .. } if x == out);
            if self.sums.as_ref().is_some_and(|sums| !is_norm_of(sums.out)) {
                self.add_sums();
            }
            let count = self.lower_next(&mut ops, at);
            let others = &ops[at + 1..at + count];
            self.tiled.retain(|&act, by| *by == at || !others.iter().any(|op| op.writes(act)));
            at += count;
        }
        self.add_sums();
        // Words that were added would be missing the next time.
        if self.step.words_len() == words {
            self.step.plan(key, recorded);
        }
    }

    /// Returns everything that dispatches depend on, but for the operations.
    fn plan_key(&self) -> PlanKey {
        let batch = &self.batch;
        let segments = batch.segments.iter().filter(|_| !batch.is_decode);
        let ropes = self.weights.ropes().map(|rope| rope.buffer.size()).sum();
        PlanKey {
            positions: batch.positions,
            places: batch.places,
            tables: batch.tables.clone(),
            segments: segments.cloned().collect(),
            rows: batch.segments.len(),
            is_decode: batch.is_decode,
            is_partial: self.is_partial,
            chunks: batch.end.div_ceil(self.tuning.chunk),
            pages: self.cache.memory().growths(),
            ropes,
        }
    }

    /// Lowers the operations at `at`, and returns their number.
    fn lower_next(&mut self, ops: &mut [Op], at: usize) -> usize {
        if !self.options().exact
            && let Some(count) = self.lower_together(ops, at)
        {
            return count;
        }
        self.add_sums();
        match std::mem::replace(&mut ops[at], Op::Done) {
            Op::Dispatch(dispatch) => self.step.record(Op::Dispatch(dispatch)),
            Op::RmsNorm { out, x, weight, eps } => {
                let (width, buffer) = (self.weights.vector(weight).len, self.vector(Some(weight)));
                let variant = Variant::new(&kernels::RMS_NORM, &[]);
                self.norm(&variant, [out, x], &[buffer], (width, eps));
            }
            Op::Linear { out, x, weight } => self.linear_alone(out, x, weight),
            Op::Routed { out, x, weight, routes, fan } => {
                let selection = Selection::Routed(routes, fan);
                self.product(&Product { out, x, weight, selection });
            }
            Op::Combine { out, x, routes } => self.combine_rows(out, x, routes),
            Op::Glu { gate, up, activation } => self.activation(gate, Some(up), activation),
            Op::Add { out, x } => self.arithmetic(0, out, Bind::Act(x), 1, 0.0),
            Op::Rope { x, heads, rope } => self.rotate(x, heads, rope),
            Op::Attend(attend) => self.attend_plainly(&attend),
            Op::Done => {}
        }
        1
    }

    /// Lowers several operations to one dispatch, and returns their number, if that is possible.
    fn lower_together(&mut self, ops: &[Op], at: usize) -> Option<usize> {
        match &ops[at] {
            Op::RmsNorm { .. } => {
                let lowered = self.lower_router(ops, at);
                let lowered = lowered.or_else(|| self.lower_normed_attention(ops, at));
                lowered.or_else(|| self.lower_products(ops, at))
            }
            Op::Linear { .. } => self.lower_products(ops, at),
            Op::Routed { .. } => self.lower_experts(ops, at),
            Op::Rope { .. } | Op::Attend(_) => self.lower_attention(ops, at),
            _ => None,
        }
    }

    /// Lowers a norm, products of its result, and what follows them.
    fn lower_products(&mut self, ops: &[Op], at: usize) -> Option<usize> {
        let (norm, first) = match ops[at] {
            Op::RmsNorm { out, x, weight, eps } => {
                let (_, cols) = self.step.shape(x);
                if self.weights.vector(weight).len != cols || cols % 4 != 0 {
                    return None;
                }
                (Some((out, x, weight, eps)), at + 1)
            }
            _ => (None, at),
        };
        let Some(Op::Linear { x: input, .. }) = ops.get(first) else { return None };
        let input = *input;
        if norm.is_some_and(|(out, ..)| out != input) {
            return None;
        }
        let on_matrices = match ops[first] {
            Op::Linear { x, weight, .. } => self.is_matrix(x, weight),
            _ => false,
        };
        let mut products = self.products_of(&ops[first..], input, on_matrices);
        let weights: Vec<_> = products.iter().map(|&(_, weight)| weight).collect();
        if products.is_empty() || !self.can_join(&weights) {
            products.truncate(1);
        }
        let (_, cols) = self.step.shape(input);
        let fits = |&(_, weight): &(Act, _)| self.weights.matrix(weight).cols == cols;
        if products.is_empty() || !products.iter().all(fits) {
            return None;
        }
        let mut next = first + products.len();
        let mut after = After::Store;
        let outs: Vec<Act> = products.iter().map(|&(out, _)| out).collect();
        match ops.get(next) {
            Some(&Op::Glu { gate, up, activation }) if outs == [gate, up] => {
                let is_tiles = !on_matrices || self.is_only_multiplied(ops, next + 1, gate);
                if self.is_dead(ops, next + 1, up) && is_tiles {
                    after = After::Gate(activation);
                    next += 1;
                }
            }
            Some(&Op::Add { out, x }) if outs == [x] && out != input => {
                let source = norm.map_or(input, |(_, x, ..)| x);
                if self.is_dead(ops, next + 1, x) && source != out && self.is_alike(out, x) {
                    after = After::Add(out);
                    next += 1;
                }
            }
            _ => {}
        }
        let (x, norm) = match norm {
            None => (input, None),
            Some((out, x, weight, eps)) => {
                let is_kept = !self.is_dead(ops, next, out) && !outs.contains(&out);
                if is_kept || outs.contains(&x) {
                    return None;
                }
                (x, Some((weight, eps)))
            }
        };
        if on_matrices {
            if norm.is_some() || !self.tiled.contains_key(&input) {
                self.write_tiles(x, input, norm);
                self.tiled.insert(input, at);
            }
            self.matrix_products(&Fused { x: input, norm: None, products, after });
            if let After::Gate(_) = after {
                self.tiled.insert(outs[0], at);
            }
        } else {
            self.fixed_products(&Fused { x, norm, products, after });
        }
        Some(next - at)
    }

    /// Returns the first products of `x` that one kernel can compute: their results and weights.
    fn products_of(&self, ops: &[Op], x: Act, on_matrices: bool) -> Vec<(Act, Weight)> {
        let of_op = |op: &Op| match *op {
            Op::Linear { out, x: from, weight } if from == x => {
                let fits =
                    if on_matrices { self.is_matrix(x, weight) } else { self.is_fixed(x, weight) };
                fits.then_some((out, weight))
            }
            _ => None,
        };
        ops.iter().map_while(of_op).take(3).collect()
    }

    /// Lowers rotations, and the attention that follows.
    fn lower_attention(&mut self, ops: &[Op], at: usize) -> Option<usize> {
        let ropes: Vec<(Act, usize, Rope)> = ops[at..]
            .iter()
            .map_while(|op| match *op {
                Op::Rope { x, heads, rope } => Some((x, heads, rope)),
                _ => None,
            })
            .take(3)
            .collect();
        let next = at + ropes.len();
        let Some(Op::Attend(attend)) = ops.get(next) else { return None };
        let is_one = self.attends_to_one(attend);
        if !is_one && !self.attends_on_matrices(attend) {
            return None;
        }
        let Attend { q, kv: Some([k, _]), ref spec, .. } = **attend else { return None };
        let rope = match ropes[..] {
            [] => None,
            [(a, a_heads, first), (b, b_heads, second)] => {
                let is_both = (a, b) == (q, k) && first == second;
                if !is_both || (a_heads, b_heads) != (spec.heads, spec.kv_heads) {
                    return None;
                }
                Some(first)
            }
            _ => return None,
        };
        if rope.is_some() && !(self.is_dead(ops, next + 1, q) && self.is_dead(ops, next + 1, k)) {
            return None;
        }
        let attend = (**attend).clone();
        if is_one {
            self.attend_one(&attend, rope, None);
        } else {
            self.attend_on_matrices(&attend, rope);
            self.tiled.insert(attend.out, at);
            if !self.is_only_multiplied(ops, next + 1, attend.out) {
                self.write_rows(attend.out);
            }
        }
        Some(next + 1 - at)
    }

    /// Lowers norms of the heads of queries and keys, their rotations, and the attention that follows.
    fn lower_normed_attention(&mut self, ops: &[Op], at: usize) -> Option<usize> {
        let [
            Op::RmsNorm { out: q, x: raw_q, weight: q_weight, eps },
            Op::Rope { x: turned_q, heads, rope },
            Op::RmsNorm { out: k, x: raw_k, weight: k_weight, eps: k_eps },
            Op::Rope { x: turned_k, heads: kv_heads, rope: k_rope },
            Op::Attend(attend),
            ..,
        ] = &ops[at..]
        else {
            return None;
        };
        let Attend { ref spec, kv: Some([key, value]), .. } = **attend else { return None };
        let is_chain =
            [turned_q, turned_k] == [q, k] && attend.q == *q && key == *k && rope == k_rope;
        let has_sizes = (*heads, *kv_heads) == (spec.heads, spec.kv_heads)
            && [q_weight, k_weight].iter().all(|&&it| self.weights.vector(it).len == spec.head_dim)
            && eps.to_bits() == k_eps.to_bits();
        let is_dead = [*q, *k].iter().all(|&act| self.is_dead(ops, at + 5, act));
        let is_apart = ![q, k].contains(&raw_q) && ![q, k].contains(&raw_k) && *q != value;
        let can = self.attends_to_one(attend) && self.has_many_buffers();
        if !(is_chain && has_sizes && is_dead && is_apart && can) {
            return None;
        }
        self.add_sums();
        let norms = HeadNorms { weights: [*q_weight, *k_weight], eps: *eps };
        let attend = Attend { q: *raw_q, kv: Some([*raw_k, value]), ..(**attend).clone() };
        self.attend_one(&attend, Some(*rope), Some(norms));
        Some(5)
    }

    /// Returns `true` if what is in `act` is only read by products on matrix units, which read tiles. What no operation
    /// reads is a result.
    fn is_only_multiplied(&self, ops: &[Op], from: usize, act: Act) -> bool {
        let mut is_read = false;
        for op in ops.iter().skip(from) {
            if op.reads(act) {
                is_read = true;
                match *op {
                    Op::Linear { x, weight, .. } if self.is_matrix(x, weight) => {}
                    _ => return false,
                }
            }
            if op.overwrites(act) {
                return true;
            }
        }
        is_read && !self.is_partial
    }

    /// Returns `true` if no operation from `from` on reads what is in `act` now.
    pub(crate) fn is_dead(&self, ops: &[Op], from: usize, act: Act) -> bool {
        for op in ops.iter().skip(from) {
            if op.reads(act) {
                return false;
            }
            if op.overwrites(act) {
                return true;
            }
        }
        !self.is_partial
    }

    pub(crate) fn is_alike(&self, a: Act, b: Act) -> bool {
        self.step.shape(a) == self.step.shape(b)
    }

    /// Records a rotation.
    fn rotate(&mut self, x: Act, heads: usize, rope: Rope) {
        let table = self.weights.rope(rope);
        let (half, offset) = (table.spec.frequencies.len(), table.spec.offset);
        let interleaved = u32::from(table.spec.interleaved);
        let turns = Bind::Buffer(table.buffer.clone());
        let (rows, cols) = self.step.shape(x);
        let count = rows * heads * half;
        let sizes = [count, cols, heads, half, offset].into_iter().map(|it| it as u32);
        let parameters = sizes.chain([self.batch.positions]).collect();
        let buffers = vec![Bind::Words, turns, Bind::Act(x)];
        self.elements(&kernels::ROPE, &[interleaved], buffers, parameters, count);
    }
}
