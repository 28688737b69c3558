//! Experts: which of them a row has, their products, and the sum of their results.

use mlxk_ops::{Act, RouteGroups, RouteScores, RouteSpec, Routes, Weight};

use crate::array::Array;
use crate::device::Mlx;
use crate::functions::Type;
use crate::graph::Graph;

/// Choices of experts from which on inputs are sorted by them, so that a matrix is read once.
const SORT_FROM: usize = 64;

/// Experts of the rows of a step.
pub(crate) struct Routing {
    rows: usize,
    per_row: usize,
    /// `[rows, per_row]`; experts without matrices have the number of the last one that has.
    experts: Array,
    /// `[rows, per_row]`, zero for experts without matrices.
    weights: Array,
    /// `[rows, 1]` weights of experts without matrices.
    passed: Option<Array>,
    sorted: Option<Sorted>,
}

/// Choices in the order of their experts.
struct Sorted {
    /// `[choices]` experts, ascending.
    experts: Array,
    /// `[choices]` choices in this order.
    order: Array,
    /// `[choices]` place of each choice in the order.
    back: Array,
}

/// Chooses the experts of each row. See [`mlxk_ops::Compute::route`].
pub(crate) fn route(mlx: &mut Mlx, logits: Act, spec: &RouteSpec) -> Routes {
    let [rows, count] = mlx.shape(logits);
    let graph = &*mlx.graph;
    let logits = graph.cast(&mlx.get(logits), Type::F32);
    let scores = match spec.scores {
        RouteScores::Softmax => graph.softmax(&logits, -1),
        RouteScores::Sigmoid => graph.sigmoid(&logits),
        RouteScores::SoftmaxOfChosen | RouteScores::SparseMixer { .. } => logits.clone(),
    };
    let mut ranked = scores.clone();
    if let Some(correction) = spec.correction {
        ranked = graph.add(&ranked, mlx.weights.vector(correction));
    }
    if let Some(groups) = spec.groups {
        ranked = of_best_groups(graph, &ranked, groups);
    }
    let per_row = spec.experts_per_row;
    let mut experts = best(graph, &ranked, per_row);
    let mut weights = graph.take_along(&scores, &experts);
    match spec.scores {
        RouteScores::SoftmaxOfChosen => weights = graph.softmax(&weights, -1),
        RouteScores::SparseMixer { band } => weights = near(graph, &logits, &experts, band),
        RouteScores::Softmax | RouteScores::Sigmoid => {}
    }
    if spec.normalize {
        weights = graph.divide(&weights, &graph.sum(&weights, -1));
    }
    weights = graph.multiply(&weights, &graph.of_f32(&[spec.scale], &[]));
    if let Some(factors) = spec.factors {
        weights = graph.multiply(&weights, &graph.take(mlx.weights.vector(factors), &experts, 0));
    }
    let mut passed = None;
    if spec.passing > 0 {
        let last = graph.integer(count - spec.passing - 1);
        let whole = graph.cast(&experts, Type::I32);
        let computes = graph.less_equal(&whole, &last);
        let none = graph.of_f32(&[0.0], &[]);
        passed = Some(graph.sum(&graph.where_(&computes, &none, &weights), -1));
        weights = graph.where_(&computes, &weights, &none);
        experts = graph.cast(&graph.minimum(&whole, &last), Type::U32);
    }
    let sorted = (rows * per_row >= SORT_FROM).then(|| sort(graph, &experts, rows * per_row));
    mlx.routes.push(Routing { rows, per_row, experts, weights, passed, sorted });
    Routes(mlx.routes.len() as u32 - 1)
}

fn sort(graph: &Graph, experts: &Array, count: usize) -> Sorted {
    let experts = graph.reshape(experts, &[count]);
    let order = graph.argsort(&experts);
    let back = graph.argsort(&order);
    Sorted { experts: graph.take(&experts, &order, 0), order, back }
}

/// Returns the columns of the `count` greatest values of each row, greatest first.
fn best(graph: &Graph, values: &Array, count: usize) -> Array {
    let order = graph.argsort(&graph.negative(values));
    graph.part(&order, values.shape().len().saturating_sub(1), 0, count)
}

/// Sets the scores outside the best groups to zero, or below all others.
fn of_best_groups(graph: &Graph, scores: &Array, groups: RouteGroups) -> Array {
    let [rows, count] = [scores.dim(0), scores.dim(1)];
    let each = graph.reshape(scores, &[rows, groups.count, count / groups.count]);
    let greatest = graph.take_along(&each, &best(graph, &each, groups.best));
    let ranks = graph.reshape(&graph.sum(&greatest, -1), &[rows, groups.count]);
    let kept = best(graph, &ranks, groups.keep);
    // `[rows, groups, 1]`: whether a group is one of those that are kept.
    let numbers = graph.reshape(&graph.range(0, groups.count), &[groups.count, 1]);
    let kept = graph.reshape(&graph.cast(&kept, Type::I32), &[rows, 1, groups.keep]);
    let is_kept = graph.max(&graph.cast(&graph.equal(&numbers, &kept), Type::I32), -1);
    let is_kept = graph.cast(&is_kept, Type::Bool);
    let other = if groups.excluded { f32::NEG_INFINITY } else { 0.0 };
    let kept = graph.where_(&is_kept, &each, &graph.of_f32(&[other], &[]));
    graph.reshape(&kept, &[rows, count])
}

/// Returns the weight of each chosen expert among those that are left and near it.
fn near(graph: &Graph, logits: &Array, chosen: &Array, band: f32) -> Array {
    let [count, per_row] = [logits.dim(1), chosen.dim(1)];
    let numbers = graph.range(0, count);
    let mut left = logits.clone();
    let mut weights = Vec::with_capacity(per_row);
    for index in 0..per_row {
        let expert = graph.part(chosen, 1, index, index + 1);
        let best = graph.take_along(logits, &expert);
        let reach = graph.maximum(&graph.abs(&left), &best);
        let distance = graph.divide(&graph.subtract(&best, &left), &reach);
        let is_near = graph.less_equal(&distance, &graph.of_f32(&[band], &[]));
        let terms = graph.exp(&graph.subtract(&left, &best));
        let terms = graph.where_(&is_near, &terms, &graph.of_f32(&[0.0], &[]));
        weights.push(graph.divide(&graph.of_f32(&[1.0], &[]), &graph.sum(&terms, -1)));
        let is_chosen = graph.equal(&numbers, &graph.cast(&expert, Type::I32));
        // Far below all others, but finite, so that no difference is undefined.
        left = graph.where_(&is_chosen, &graph.of_f32(&[f32::MIN / 4.0], &[]), &left);
    }
    graph.joined(&weights, 1)
}

/// Multiplies by the experts of each row. See [`mlxk_ops::Compute::linear_routed`].
pub(crate) fn linear_routed(
    mlx: &mut Mlx,
    outs: &[Act],
    x: Act,
    weights: &[Weight],
    routes: Routes,
) {
    let graph = &*mlx.graph;
    let Routing { rows, per_row, experts, sorted, .. } = &mlx.routes[routes.0 as usize];
    let (rows, per_row) = (*rows, *per_row);
    let choices = rows * per_row;
    let [own, cols] = mlx.shape(x);
    let is_each = own == choices;
    let values = mlx.get(x);
    let products = weights.iter().map(|&weight| {
        let matrix = mlx.weights.matrix(weight);
        if let Some(Sorted { experts, order, back }) = sorted {
            let source = if is_each || per_row == 1 {
                order.clone()
            } else {
                let per_row = graph.array(&(per_row as u32).to_ne_bytes(), &[], Type::U32);
                graph.floor_divide(order, &per_row)
            };
            let x = graph.reshape(&graph.take(&values, &source, 0), &[choices, 1, cols]);
            let product = matrix.routed(graph, &x, experts, true);
            graph.take(&product, back, 0)
        } else {
            let each = if is_each { per_row } else { 1 };
            let x = graph.reshape(&values, &[rows, each, 1, cols]);
            matrix.routed(graph, &x, experts, false)
        }
    });
    let products: Vec<Array> = products.collect();
    for (&out, product) in outs.iter().zip(&products) {
        mlx.set(out, product);
    }
}

/// Sums the results of the experts of each row. See [`mlxk_ops::Compute::combine`].
pub(crate) fn combine(mlx: &mut Mlx, out: Act, x: Act, routes: Routes) {
    let graph = &*mlx.graph;
    let Routing { rows, per_row, weights, .. } = &mlx.routes[routes.0 as usize];
    let cols = mlx.shape(out)[1];
    let x = graph.reshape(&mlx.get(x), &[*rows, *per_row, cols]);
    let weights = graph.reshape(&graph.cast(weights, mlx.type_()), &[*rows, *per_row, 1]);
    let sum = graph.sum(&graph.multiply(&x, &weights), 1);
    mlx.set(out, &sum);
}

/// Adds the inputs of experts without matrices. See [`mlxk_ops::Compute::add_passed`].
pub(crate) fn add_passed(mlx: &mut Mlx, out: Act, x: Act, routes: Routes) {
    let Some(passed) = &mlx.routes[routes.0 as usize].passed else { return };
    let passed = mlx.graph.cast(passed, mlx.type_());
    let sum = mlx.graph.add(&mlx.get(out), &mlx.graph.multiply(&mlx.get(x), &passed));
    mlx.set(out, &sum);
}
