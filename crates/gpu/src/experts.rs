//! The experts of mixtures: the products of rows with the matrices that routes choose, and the sum of their results.
//!
//! A few rows are multiplied in whole numbers, each with its own experts: one kernel computes the gated unit of all
//! choices, and one more the weighted sum of all results of a row. With many rows, several have the same expert. On
//! matrix units, rows are copied to groups of [`GROUP`] with one expert each, and the sum takes them back.

use mlxk_ops::{Act, Activation, Weight};
use mlxk_tensor::Mode;

use crate::device::Gpu;
use crate::kernels;
use crate::kernels::fixed_product::{Experts, FixedProduct};
use crate::kernels::matrix_product::{COLUMNS, MatrixProduct};
use crate::pipelines::Variant;
use crate::products::{
    After, Fused, add_matrix, fixed_after, fixed_shape, matrix_after, matrix_step,
};
use crate::step::{Bind, Op};
use crate::weights::{BLOCK, Form, Matrix};

/// Rows of a group, which has one expert.
const GROUP: usize = 64;
/// Choices per expert from which on they are gathered in groups. With fewer, groups would be mostly empty.
const GATHER_FROM: usize = 4;
/// Numbers of the activations that layers share.
const GROUPS_ACT: usize = 0;
const INPUTS_ACT: usize = 1;
const GATED_ACT: usize = 2;
const RESULTS_ACT: usize = 3;
/// Numbers of those of indexers.
pub(crate) const SCORES_ACT: usize = 4;
pub(crate) const CHOSEN_ACT: usize = 5;

/// The gated unit of all experts, and the weighted sum of the results.
struct Mixture {
    x: Act,
    routes: Act,
    gate_up: [Weight; 2],
    activation: Activation,
    down: Weight,
    out: Act,
    /// `true` if the sum is added to `out`.
    adds: bool,
}

/// Places of choices in groups.
#[derive(Clone, Copy)]
struct Groups {
    /// See `group_rows.wgsl`.
    act: Act,
    /// Groups that there is room for.
    most: usize,
}

impl Gpu {
    /// Records the sum of the results of experts.
    pub(crate) fn combine_rows(&mut self, out: Act, x: Act, routes: Act) {
        let ((rows, cols), (_, per_row)) = (self.step.shape(out), self.step.shape(routes));
        let parameters = [rows * cols, cols, per_row, rows].map(|it| it as u32).to_vec();
        let buffers = [routes, x, out].map(Bind::Act).to_vec();
        self.elements(&kernels::COMBINE, &[], buffers, parameters, rows * cols);
    }

    /// Lowers a norm of which only a router and experts read the result: each of them computes it by itself.
    pub(crate) fn lower_router(&mut self, ops: &[Op], at: usize) -> Option<usize> {
        let [
            Op::RmsNorm { out: normed, x, weight: norm, eps },
            Op::Linear { out: logits, x: input, weight: router },
            Op::Dispatch(route),
            Op::Routed { out: gate, x: gate_x, weight: gate_proj, routes, .. },
            Op::Routed { out: up, x: up_x, weight: up_proj, .. },
            Op::Glu { gate: gate_in, up: up_in, activation },
            ..,
        ] = &ops[at..]
        else {
            return None;
        };
        let (_, cols) = self.step.shape(*x);
        let is_chain = [input, gate_x, up_x].iter().all(|&it| it == normed)
            && [gate, up] == [gate_in, up_in]
            && self.weights.vector(*norm).len == cols;
        let outs = [*logits, *gate, *up, *routes];
        let is_dead = [*normed, *up].iter().all(|&act| self.is_dead(ops, at + 6, act));
        let writes = ops[at + 2].writes(*x) || outs.contains(x) || outs.contains(normed);
        let can = self.is_fixed(*normed, *router)
            && self.is_fixed_stack(&[*gate_proj, *up_proj])
            && !self.gathers(*routes, *gate_proj);
        if !is_chain || !is_dead || writes || !can {
            return None;
        }
        self.add_sums();
        let norm = Some((*norm, *eps));
        let products = vec![(*logits, *router)];
        self.fixed_products(&Fused { x: *x, norm, products, after: After::Store });
        self.step.record(Op::Dispatch(route.clone()));
        let products = vec![(*gate, *gate_proj), (*up, *up_proj)];
        let after = After::Gate(*activation);
        self.fixed_experts(&Fused { x: *x, norm, products, after }, *routes);
        Some(6)
    }

    /// Lowers products with experts, and what follows them.
    pub(crate) fn lower_experts(&mut self, ops: &[Op], at: usize) -> Option<usize> {
        let &Op::Routed { out, x, weight, routes, fan } = &ops[at] else { return None };
        let (cols, own) = (self.step.shape(x).1, self.weights.matrix(weight).cols);
        if cols != own || !self.is_fixed_stack(&[weight]) {
            return None;
        }
        if let Some((mixture, count)) = self.mixture(ops, at) {
            self.gathered(&mixture);
            return Some(count);
        }
        match ops[at + 1..] {
            [
                Op::Routed { out: up, x: other, weight: up_proj, .. },
                Op::Glu { gate, up: multiplied, activation },
                ..,
            ] if other == x
                && [gate, multiplied] == [out, up]
                && self.is_fixed_stack(&[weight, up_proj])
                && self.is_dead(ops, at + 3, up) =>
            {
                let products = vec![(out, weight), (up, up_proj)];
                let after = After::Gate(activation);
                self.fixed_experts(&Fused { x, norm: None, products, after }, routes);
                Some(3)
            }
            [Op::Combine { out: sum, x: results, routes: weights }, ..]
                if fan == 1
                    && results == out
                    && weights == routes
                    && sum != x
                    && self.is_dead(ops, at + 2, out) =>
            {
                let (after, count) = self.sum_after(ops, at + 2, sum, x);
                let fused = Fused { x, norm: None, products: vec![(sum, weight)], after };
                self.fixed_sum(&fused, routes);
                Some(1 + count)
            }
            _ => {
                let products = vec![(out, weight)];
                self.fixed_experts(&Fused { x, norm: None, products, after: After::Store }, routes);
                Some(1)
            }
        }
    }

    /// Returns the use of the sum of experts, and the number of its operations, by those from `next` on.
    fn sum_after(&self, ops: &[Op], next: usize, sum: Act, x: Act) -> (After, usize) {
        match ops.get(next) {
            Some(&Op::Add { out, x: added })
                if added == sum
                    && out != sum
                    && out != x
                    && self.is_alike(out, sum)
                    && self.is_dead(ops, next + 1, sum) =>
            {
                (After::Add(out), 2)
            }
            _ => (After::Store, 1),
        }
    }

    /// Returns the mixture that begins at `at` and its number of operations, if its rows are gathered.
    fn mixture(&self, ops: &[Op], at: usize) -> Option<(Mixture, usize)> {
        let [
            Op::Routed { out: gate, x, weight: gate_proj, routes, .. },
            Op::Routed { out: up, x: up_x, weight: up_proj, .. },
            Op::Glu { gate: gate_in, up: up_in, activation },
            Op::Routed { out: down, x: gated, weight: down_proj, fan: 1, .. },
            Op::Combine { out: sum, x: results, routes: weights },
            ..,
        ] = ops[at..]
        else {
            return None;
        };
        let is_chain = x == up_x
            && [gate, up] == [gate_in, up_in]
            && gated == gate
            && results == down
            && weights == routes;
        let is_dead = [gate, up, down].iter().all(|&act| self.is_dead(ops, at + 5, act));
        let gate_up = [gate_proj, up_proj];
        let suits = |weight: &Weight| {
            let matrix = self.weights.matrix(*weight);
            let is_like_gate = self.weights.matrix(gate_proj).rows == matrix.rows;
            (*weight == down_proj || is_like_gate)
                && matrix.rows.is_multiple_of(COLUMNS as usize)
                && matrix.cols.is_multiple_of(BLOCK)
        };
        let can = self.gathers(routes, gate_proj)
            && self.is_fixed_stack(&gate_up)
            && self.is_fixed_stack(&[down_proj])
            && [gate_proj, up_proj, down_proj].iter().all(suits);
        if !is_chain || !is_dead || !can {
            return None;
        }
        let (after, count) = self.sum_after(ops, at + 5, sum, x);
        let (out, adds) = match after {
            After::Add(out) => (out, true),
            _ => (sum, false),
        };
        Some((Mixture { x, routes, gate_up, activation, down: down_proj, out, adds }, 4 + count))
    }

    /// Returns `true` if rows with these routes are gathered on matrix units.
    fn gathers(&self, routes: Act, weight: Weight) -> bool {
        let can = self.context.has_matrices && !self.options().exact;
        can && self.choices_of(routes) >= GATHER_FROM * self.weights.matrix(weight).experts
    }

    /// Returns the number of choices of all rows.
    fn choices_of(&self, routes: Act) -> usize {
        self.step.len(routes) / 2
    }

    /// Returns `true` if products with stacks are computed in whole numbers, in one kernel.
    fn is_fixed_stack(&self, weights: &[Weight]) -> bool {
        let fits = |weight: &Weight| {
            let matrix = self.weights.matrix(*weight);
            matches!(matrix.form, Form::Affine(Mode::Affine { bits: 4 | 8, .. }, _))
                && matrix.cols.is_multiple_of(BLOCK)
        };
        !self.options().exact && weights.iter().all(fits) && self.can_join(weights)
    }

    fn stack_form(matrix: &Matrix) -> ((u8, u16), mlxk_tensor::Dtype) {
        let Form::Affine(Mode::Affine { bits, group_size }, scales) = matrix.form else {
            unreachable!("only affine stacks are multiplied in whole numbers");
        };
        ((bits, group_size), scales)
    }

    /// Records products of rows with their experts, in whole numbers.
    fn fixed_experts(&mut self, fused: &Fused, routes: Act) {
        let choices = self.choices_of(routes);
        let (rows, cols) = self.step.shape(fused.x);
        let fan = (choices / rows.max(1)).max(1);
        let matrices: Vec<&Matrix> =
            fused.products.iter().map(|&(_, weight)| self.weights.matrix(weight)).collect();
        let (mode, scales) = Self::stack_form(matrices[0]);
        let is_gated = matches!(fused.after, After::Gate(_));
        let (epilogue, numbers) = fixed_after(fused.after);
        let biases = (0..).zip(&matrices).map(|(at, it)| u32::from(it.has_bias) << at).sum();
        // All choices share the device.
        let outs = matrices[0].rows * choices.min(8);
        let shape = FixedProduct {
            matrices: matrices.len() as u32,
            norm: fused.norm.is_some(),
            experts: Experts::Each(fan as u32),
            epilogue,
            biases,
            scales,
            ..fixed_shape([cols, outs, 1], mode, is_gated, &self.tuning)
        };
        self.fixed_dispatch(fused, &shape, numbers, Some(routes));
    }

    /// Records the weighted sums of the results of experts, in whole numbers.
    fn fixed_sum(&mut self, fused: &Fused, routes: Act) {
        let (_, per_row) = self.step.shape(routes);
        let matrix = self.weights.matrix(fused.products[0].1);
        let (mode, scales) = Self::stack_form(matrix);
        let (epilogue, numbers) = fixed_after(fused.after);
        let shape = FixedProduct {
            experts: Experts::Sum(per_row as u32),
            epilogue,
            biases: u32::from(matrix.has_bias),
            scales,
            ..fixed_shape([per_row * matrix.cols, matrix.rows, 1], mode, false, &self.tuning)
        };
        self.fixed_dispatch(fused, &shape, numbers, Some(routes));
    }

    /// Returns an activation that layers share.
    pub(crate) fn shared_act(&mut self, rows: usize, cols: usize, number: usize) -> Act {
        let key = [rows, cols, number];
        if let Some(&known) = self.shared.get(&key) {
            return known;
        }
        let act = self.step.act(rows, cols);
        self.shared.insert(key, act);
        act
    }

    /// Records a mixture on matrix units.
    fn gathered(&mut self, mixture: &Mixture) {
        let &Mixture { x, routes, gate_up, activation, down, out, adds } = mixture;
        let groups = self.grouped(routes, gate_up[0]);
        let rows = GROUP * groups.most;
        let ((x_rows, cols), choices) = (self.step.shape(x), self.choices_of(routes));
        // f16, two to a value.
        let inputs = self.shared_act(rows, cols / 2, INPUTS_ACT);
        let parameters = [cols, groups.most, choices / x_rows].map(|it| it as u32).to_vec();
        let variant = Variant::new(&kernels::GATHER_TILES, &[]);
        let buffers = [groups.act, x, inputs].map(Bind::Act).to_vec();
        self.step.dispatch(&variant, buffers, parameters, [rows / 16, 1, 1]);
        let wide = self.weights.matrix(gate_up[0]).rows;
        let gated = self.shared_act(rows, wide / 2, GATED_ACT);
        self.group_products([inputs, gated], groups, &gate_up, After::Gate(activation));
        let hidden = self.weights.matrix(down).rows;
        let results = self.shared_act(rows, hidden, RESULTS_ACT);
        self.group_products([gated, results], groups, &[down], After::Store);
        let ((out_rows, _), (_, per_row)) = (self.step.shape(out), self.step.shape(routes));
        let count = out_rows * hidden / 4;
        let places = groups.most * (1 + GROUP);
        let parameters = [count, hidden / 4, per_row, out_rows, places].map(|it| it as u32);
        let buffers = [routes, groups.act, results, out].map(Bind::Act).to_vec();
        let constants = [u32::from(adds)];
        self.elements(&kernels::COMBINE_GROUPS, &constants, buffers, parameters.to_vec(), count);
    }

    /// Records that choices are gathered in groups.
    fn grouped(&mut self, routes: Act, weight: Weight) -> Groups {
        let (choices, experts) = (self.choices_of(routes), self.weights.matrix(weight).experts);
        let most = choices / GROUP + experts.min(choices);
        let act = self.shared_act(1, most * (1 + GROUP) + choices, GROUPS_ACT);
        let variant = Variant::new(&kernels::GROUP_ROWS, &[experts as u32]);
        let buffers = [routes, act].map(Bind::Act).to_vec();
        self.step.dispatch(&variant, buffers, vec![choices as u32, most as u32], [1, 1, 1]);
        Groups { act, most }
    }

    /// Records products of groups, whose rows are tiles of f16, with their experts.
    fn group_products(
        &mut self,
        [x, out]: [Act; 2],
        groups: Groups,
        weights: &[Weight],
        after: After,
    ) {
        let matrices: Vec<&Matrix> = weights.iter().map(|it| self.weights.matrix(*it)).collect();
        let ((bits, group_size), scales) = Self::stack_form(matrices[0]);
        let (cols, outs) = (matrices[0].cols, matrices[0].rows);
        let (after, numbers) = matrix_after(after);
        let columns = COLUMNS as usize / matrices.len();
        let step = matrix_step(cols, 64);
        let shape = MatrixProduct {
            cols: cols as u32,
            rows: GROUP as u32,
            step: step as u32,
            matrices: matrices.len() as u32,
            parts: 1,
            experts: true,
            after,
            biases: (0..).zip(&matrices).map(|(at, it)| u32::from(it.has_bias) << at).sum(),
            bits: bits.into(),
            group_size: group_size.into(),
            scales,
        };
        let mut parameters = vec![(GROUP * groups.most) as u32, 0];
        parameters.extend(numbers.map(f32::to_bits));
        let mut buffers = Vec::new();
        for matrix in &matrices {
            add_matrix(matrix, outs / columns, &mut parameters, &mut buffers);
        }
        buffers.extend([x, groups.act, out].map(Bind::Act));
        let variant = Variant::new(&kernels::MATRIX_PRODUCT, &shape.constants());
        self.step.dispatch(&variant, buffers, parameters, [outs / columns, groups.most, 1]);
    }
}
