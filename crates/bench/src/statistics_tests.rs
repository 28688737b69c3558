use super::*;

fn near(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
}

#[test]
fn quartiles_are_those_of_r_and_numpy() {
    // numpy.percentile([...], [0, 25, 50, 75, 100]) with its default, which is also R's type 7.
    let summary = Summary::of(vec![7.0, 15.0, 36.0, 39.0, 40.0, 41.0]).unwrap();
    let found = [
        summary.minimum,
        summary.lower_quartile,
        summary.median,
        summary.upper_quartile,
        summary.maximum,
    ];
    for (found, expected) in found.into_iter().zip([7.0, 20.25, 37.5, 39.75, 41.0]) {
        near(found, expected);
    }
    near(summary.spread(), 19.5 / 37.5);
    let single = Summary::of(vec![3.0]).unwrap();
    assert_eq!((single.median, single.spread()), (3.0, 0.0));
    assert_eq!(Summary::of(vec![2.0, 1.0]).unwrap().samples, [2.0, 1.0], "the order is kept");
}

#[test]
fn what_is_no_series_has_no_summary() {
    assert_eq!(Summary::of(vec![]), None);
    assert_eq!(Summary::of(vec![1.0, f64::NAN]), None);
    assert_eq!(median_interval(&[], 0.95), None);
    assert_eq!(Ratio::paired(&[1.0], &[1.0, 2.0], 0.95), None);
    assert_eq!(Ratio::paired(&[1.0], &[0.0], 0.95), None);
}

#[test]
fn intervals_are_those_of_the_sign_test() {
    let series = |count: usize| (1..=count).map(|value| value as f64).collect::<Vec<_>>();
    // From tables of the confidence interval of a median: n, confidence, ranks, its coverage.
    for (count, confidence, low, high, coverage) in [
        (5, 0.95, 1.0, 5.0, 0.9375),
        (6, 0.95, 1.0, 6.0, 0.96875),
        (8, 0.99, 1.0, 8.0, 0.992_187_5),
        (10, 0.95, 2.0, 9.0, 0.978_515_625),
        (12, 0.95, 3.0, 10.0, 0.961_425_781_25),
        (20, 0.95, 6.0, 15.0, 0.958_610_534_667_968_8),
    ] {
        let found = median_interval(&series(count), confidence).unwrap();
        assert_eq!((found.low, found.high), (low, high), "{count} figures");
        near(found.confidence, coverage);
    }
    near(median_interval(&[4.0], 0.99).unwrap().confidence, 0.0);
}

#[test]
fn pairs_cancel_what_both_sides_suffer() {
    // A machine that slows down by half in the middle: the sides differ by a tenth throughout.
    let load = [1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0];
    let first: Vec<f64> = load.iter().map(|load| 11.0 / load).collect();
    let second: Vec<f64> = load.iter().map(|load| 10.0 / load).collect();
    let ratio = Ratio::paired(&first, &second, 0.99).unwrap();
    near(ratio.of_medians, 1.1);
    near(ratio.pairs.median, 1.1);
    near(ratio.pairs.spread(), 0.0);
    assert!(ratio.is_a_difference());
}

#[test]
fn noise_around_one_is_no_difference() {
    let first = [1.0, 1.1, 0.9, 1.02, 0.98, 1.05, 0.97, 1.01];
    let second = [1.0; 8];
    let ratio = Ratio::paired(&first, &second, 0.99).unwrap();
    assert!(!ratio.is_a_difference());
    assert_eq!((ratio.interval.low, ratio.interval.high), (0.9, 1.1));
}
