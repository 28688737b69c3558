//! Chooses the experts of each row and sums their weighted results.

use mlxk_ops::{RouteGroups, RouteScores, RouteSpec};

/// Vectors that a [`RouteSpec`] names.
#[derive(Clone, Copy, Default)]
pub(crate) struct RouteVectors<'a> {
    /// See [`RouteSpec::correction`].
    pub correction: Option<&'a [f32]>,
    /// See [`RouteSpec::factors`].
    pub factors: Option<&'a [f32]>,
}

/// The choices for all rows of a step.
pub(crate) struct RouteTable {
    /// Number of experts per row.
    pub per_row: usize,
    /// Number of experts that have matrices. Those behind them pass their input on.
    pub computing: usize,
    /// `[rows · per_row]`, best first.
    pub experts: Vec<usize>,
    /// `[rows · per_row]`
    weights: Vec<f32>,
}

/// Chooses the experts of all rows of the router's logits, `[rows][experts]`. See
/// [`mlxk_ops::Compute::route`].
pub(crate) fn route(
    logits: &[f32],
    experts: usize,
    spec: &RouteSpec,
    vectors: RouteVectors<'_>,
) -> RouteTable {
    let choices = logits.len() / experts * spec.experts_per_row;
    let mut table = RouteTable {
        per_row: spec.experts_per_row,
        computing: experts - spec.passing,
        experts: Vec::with_capacity(choices),
        weights: Vec::with_capacity(choices),
    };
    for logits in logits.chunks_exact(experts) {
        choose(logits, spec, vectors, &mut table);
    }
    table
}

/// Sums the results of the experts of each row, `[rows · per_row][cols]`, by their weights. See
/// [`mlxk_ops::Compute::combine`].
pub(crate) fn combine(out: &mut [f32], x: &[f32], cols: usize, table: &RouteTable) {
    let rows = x.chunks_exact(table.per_row * cols);
    for ((out, x), choices) in out.chunks_exact_mut(cols).zip(rows).zip(table.choices()) {
        out.fill(0.0);
        for (x, (expert, weight)) in x.chunks_exact(cols).zip(choices) {
            if expert < table.computing {
                for (out, x) in out.iter_mut().zip(x) {
                    *out += weight * x;
                }
            }
        }
    }
}

/// Adds the input of each row by the weights of its experts that pass it on. See
/// [`mlxk_ops::Compute::add_passed`].
pub(crate) fn add_passed(out: &mut [f32], x: &[f32], cols: usize, table: &RouteTable) {
    let rows = out.chunks_exact_mut(cols).zip(x.chunks_exact(cols));
    for ((out, x), choices) in rows.zip(table.choices()) {
        let passing = choices.filter(|(expert, _)| *expert >= table.computing);
        let weight: f32 = passing.map(|(_, weight)| weight).sum();
        for (out, x) in out.iter_mut().zip(x) {
            *out += weight * x;
        }
    }
}

impl RouteTable {
    /// Returns the experts of each row with their weights.
    fn choices(&self) -> impl Iterator<Item = impl Iterator<Item = (usize, f32)>> {
        let weights = self.weights.chunks_exact(self.per_row);
        let rows = self.experts.chunks_exact(self.per_row).zip(weights);
        rows.map(|(experts, weights)| experts.iter().copied().zip(weights.iter().copied()))
    }
}

/// Appends the experts and weights of one row.
fn choose(logits: &[f32], spec: &RouteSpec, vectors: RouteVectors<'_>, table: &mut RouteTable) {
    let scores: Vec<f32> = match spec.scores {
        RouteScores::Softmax => softmax(logits),
        RouteScores::Sigmoid => logits.iter().map(|x| 1.0 / (1.0 + (-x).exp())).collect(),
        RouteScores::SoftmaxOfChosen | RouteScores::SparseMixer { .. } => logits.to_vec(),
    };
    let mut ranked = scores.clone();
    if let Some(correction) = vectors.correction {
        for (score, correction) in ranked.iter_mut().zip(correction) {
            *score += correction;
        }
    }
    if let Some(groups) = spec.groups {
        keep_best_groups(&mut ranked, groups);
    }
    let chosen = best(&ranked, spec.experts_per_row);
    let mut weights: Vec<f32> = chosen.iter().map(|&expert| scores[expert]).collect();
    match spec.scores {
        RouteScores::SoftmaxOfChosen => weights = softmax(&weights),
        RouteScores::SparseMixer { band } => weights = near(logits, &chosen, band),
        RouteScores::Softmax | RouteScores::Sigmoid => {}
    }
    let total: f32 = if spec.normalize { weights.iter().sum() } else { 1.0 };
    table.weights.extend(weights.iter().zip(&chosen).map(|(weight, &expert)| {
        let factor = vectors.factors.map_or(1.0, |factors| factors[expert]);
        weight / total * spec.scale * factor
    }));
    table.experts.extend(chosen);
}

/// Returns the weight of each chosen expert among those that are left and near it.
fn near(logits: &[f32], chosen: &[usize], band: f32) -> Vec<f32> {
    (0..chosen.len())
        .map(|index| {
            let best = logits[chosen[index]];
            let is_left = |expert: &usize| !chosen[..index].contains(expert);
            let is_near = |x: f32| (best - x) / x.abs().max(best) <= band;
            let rest = (0..logits.len()).filter(is_left).map(|expert| logits[expert]);
            let total: f32 = rest.filter(|&x| is_near(x)).map(|x| (x - best).exp()).sum();
            1.0 / total
        })
        .collect()
}

/// Sets the scores outside the best groups to zero, or below all others.
fn keep_best_groups(scores: &mut [f32], groups: RouteGroups) {
    let size = scores.len() / groups.count;
    let ranks: Vec<f32> = scores
        .chunks_exact(size)
        .map(|group| best(group, groups.best).iter().map(|&i| group[i]).sum())
        .collect();
    let kept = best(&ranks, groups.keep);
    for (index, group) in scores.chunks_exact_mut(size).enumerate() {
        if !kept.contains(&index) {
            group.fill(if groups.excluded { f32::NEG_INFINITY } else { 0.0 });
        }
    }
}

/// Returns the indices of the `count` greatest values, greatest first. Among equal values, the
/// earlier comes first.
fn best(values: &[f32], count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
    order.truncate(count);
    order
}

fn softmax(values: &[f32]) -> Vec<f32> {
    let max = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f32> = values.iter().map(|value| (value - max).exp()).collect();
    let total: f32 = powers.iter().sum();
    powers.iter().map(|power| power / total).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routed(logits: &[f32], spec: &RouteSpec, correction: Option<&[f32]>) -> RouteTable {
        let computing = logits.len() - spec.passing;
        let (per_row, experts, weights) = (spec.experts_per_row, vec![], vec![]);
        let mut table = RouteTable { per_row, computing, experts, weights };
        choose(logits, spec, RouteVectors { correction, factors: None }, &mut table);
        table
    }

    const PLAIN: RouteSpec = RouteSpec::new(2, RouteScores::Softmax);

    #[test]
    fn normalized_softmax_is_the_softmax_of_the_chosen() {
        let logits = [0.5, -1.0, 2.0, 1.0];
        let normalized = routed(&logits, &RouteSpec { normalize: true, ..PLAIN }, None);
        let chosen = RouteSpec { scores: RouteScores::SoftmaxOfChosen, ..PLAIN };
        let chosen = routed(&logits, &chosen, None);
        assert_eq!(normalized.experts, [2, 3]);
        assert_eq!(chosen.experts, [2, 3]);
        let expected = 1.0 / (1.0 + (-1.0f32).exp());
        for table in [&normalized, &chosen] {
            assert!((table.weights[0] - expected).abs() < 1e-6);
            assert!((table.weights[1] - (1.0 - expected)).abs() < 1e-6);
        }
        let plain = routed(&logits, &PLAIN, None);
        assert!(plain.weights.iter().sum::<f32>() < 0.95);
    }

    #[test]
    fn a_sparse_mixer_compares_an_expert_with_those_near_it() {
        let spec = RouteSpec { scores: RouteScores::SparseMixer { band: 0.2 }, ..PLAIN };
        let table = routed(&[2.0, 1.7, 1.5, -1.0], &spec, None);
        assert_eq!(table.experts, [0, 1]);
        // Near 2.0 is 1.7, near 1.7 is 1.5.
        let expected = [1.0 / (1.0 + (-0.3f32).exp()), 1.0 / (1.0 + (-0.2f32).exp())];
        for (weight, expected) in table.weights.iter().zip(expected) {
            assert!((weight - expected).abs() < 1e-6);
        }
    }

    #[test]
    fn a_correction_changes_the_choice_but_not_the_weights() {
        let spec = RouteSpec { scores: RouteScores::Sigmoid, scale: 2.0, ..PLAIN };
        let table = routed(&[0.0, 0.0, 3.0, 1.0], &spec, Some(&[0.9, 0.0, 0.0, 0.0]));
        assert_eq!(table.experts, [0, 2]);
        assert!((table.weights[0] - 1.0).abs() < f32::EPSILON);
    }

    #[test]
    fn experts_without_matrices_pass_their_input_on() {
        let spec = RouteSpec { passing: 2, ..PLAIN };
        let table = routed(&[0.0, 1.0, -9.0, 2.0], &spec, None);
        assert_eq!((table.computing, &table.experts[..]), (2, &[3, 1][..]));
        let mut out = [0.0; 2];
        // The result of the first expert is not one.
        combine(&mut out, &[f32::NAN, f32::NAN, 4.0, 8.0], 2, &table);
        let [passed, own] = [table.weights[0], table.weights[1]];
        assert_eq!(out.map(f32::to_bits), [4.0 * own, 8.0 * own].map(f32::to_bits));
        add_passed(&mut out, &[1.0, -1.0], 2, &table);
        let expected = [4.0 * own + passed, 8.0 * own - passed];
        assert_eq!(out.map(f32::to_bits), expected.map(f32::to_bits));
    }

    #[test]
    fn groups_are_ranked_by_their_best_scores() {
        let groups = RouteGroups { count: 2, keep: 1, best: 2, excluded: false };
        let spec = RouteSpec { groups: Some(groups), ..PLAIN };
        // The greatest score is alone in its group.
        let table = routed(&[2.0, -9.0, 1.9, 1.8], &spec, None);
        assert_eq!(table.experts, [2, 3]);
        let greatest = RouteGroups { best: 1, ..groups };
        let table =
            routed(&[2.0, -9.0, 1.9, 1.8], &RouteSpec { groups: Some(greatest), ..spec }, None);
        assert_eq!(table.experts[0], 0);
    }
}
