//! Measures how long steps take on this machine, by their rows, and decides which drafts pay.
//!
//! A step reads all weights, however few rows it has. If memory bandwidth is the limit, more rows are almost
//! free. If arithmetic is the limit, they are not. Only a measurement tells.

/// Steps of this many rows and more are not recorded.
const MAX_ROWS: usize = 32;
/// Cost of a further row, relative to a step of one row, before such steps were seen.
const PRIOR_ROW_COST: f64 = 0.3;
/// Most that one slower step raises a figure by: a step that was interrupted says little.
const MAX_RISE: f64 = 1.02;

/// Times of the fastest recent steps, by their rows.
#[derive(Default)]
pub(crate) struct StepTimes {
    /// Seconds, or zero if no such step was seen.
    seconds: [f64; MAX_ROWS],
}

impl StepTimes {
    /// Records the time of a step.
    pub(crate) fn learn(&mut self, rows: usize, seconds: f64) {
        if let Some(known) = self.seconds.get_mut(rows) {
            let bound = if *known == 0.0 { seconds } else { *known * MAX_RISE };
            *known = seconds.min(bound);
        }
    }

    /// Returns how many tokens of a draft pay in a step that has `rows` rows and yields `tokens` tokens without
    /// it. `odds` are those of [`crate::draft::Draft`].
    pub(crate) fn worthwhile(&self, rows: usize, tokens: f64, odds: &[f64]) -> usize {
        let Some(alone) = self.expected(rows) else { return 0 };
        let mut best = (0, tokens / alone);
        let mut expected = tokens;
        for (i, odd) in odds.iter().enumerate() {
            expected += odd;
            let Some(seconds) = self.expected(rows + i + 1) else { break };
            if expected / seconds > best.1 {
                best = (i + 1, expected / seconds);
            }
        }
        best.0
    }

    /// Estimates the seconds of a step. Returns `None` if no similar step was seen.
    pub(crate) fn expected(&self, rows: usize) -> Option<f64> {
        let seen = |rows: &usize| self.seconds[*rows] > 0.0;
        let known = self.seconds.get(rows)?;
        if *known > 0.0 {
            return Some(*known);
        }
        let below = (1..rows).rev().find(seen)?;
        let one = (1..=below).find(seen).map(|rows| self.seconds[rows] / rows as f64)?;
        Some(self.seconds[below] + one * PRIOR_ROW_COST * (rows - below) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn odds(each: f64) -> Vec<f64> {
        (1..=8).map(|n| each.powi(n)).collect()
    }

    #[test]
    fn nothing_pays_before_anything_was_measured() {
        assert_eq!(StepTimes::default().worthwhile(1, 1.0, &odds(1.0)), 0);
    }

    #[test]
    fn what_is_free_pays_and_what_costs_as_much_as_it_brings_does_not() {
        let (mut free, mut dear) = (StepTimes::default(), StepTimes::default());
        for rows in 1..MAX_ROWS {
            free.learn(rows, 1.0);
            dear.learn(rows, rows as f64);
        }
        assert_eq!(free.worthwhile(1, 1.0, &odds(0.2)), 8);
        assert_eq!(dear.worthwhile(1, 1.0, &odds(0.99)), 0);
    }

    #[test]
    fn the_better_the_odds_the_longer_the_draft() {
        let mut step_times = StepTimes::default();
        for rows in 1..=9 {
            step_times.learn(rows, 1.0 + 0.2 * (rows - 1) as f64);
        }
        let lengths = [0.1, 0.5, 0.8, 0.99].map(|each| step_times.worthwhile(1, 1.0, &odds(each)));
        assert!(lengths.is_sorted() && lengths[0] == 0 && lengths[3] == 8, "{lengths:?}");
        // With others in the step, a token brings less of it.
        assert!(step_times.worthwhile(5, 5.0, &odds(0.5)) <= lengths[1]);
    }

    #[test]
    fn an_interruption_is_forgotten_and_a_change_is_not() {
        let mut step_times = StepTimes::default();
        step_times.learn(1, 1.0);
        step_times.learn(1, 50.0);
        assert!(step_times.seconds[1] < 1.1);
        for _ in 0..100 {
            step_times.learn(1, 2.0);
        }
        assert!((step_times.seconds[1] - 2.0).abs() < 1e-9);
    }
}
