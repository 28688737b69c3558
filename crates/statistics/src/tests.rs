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

#[test]
fn the_rank_sum_statistic_is_distributed_as_in_the_tables() {
    // From tables of the Mann-Whitney test: sizes, a value, the number of orders with at most that
    // value, out of all orders.
    for (first, second, value, orders, all) in
        [(3, 3, 0, 1.0, 20.0), (3, 4, 2, 4.0, 35.0), (5, 5, 2, 4.0, 252.0), (4, 6, 3, 7.0, 210.0)]
    {
        let probable = rank_sums(first, second);
        near(probable[..=value].iter().sum::<f64>(), orders / all);
        near(probable.iter().sum(), 1.0);
        assert_eq!(probable.len(), first * second + 1);
    }
    // Where the tables end the normal distribution begins; both agree there.
    let exact: f64 = rank_sums(40, 40)[..=700].iter().sum();
    let normal: f64 = rank_sums(40, 41)[..=718].iter().sum();
    assert!((exact - normal).abs() < 0.005, "{exact} {normal}");
}

#[test]
fn five_figures_a_side_are_enough_for_99_percent() {
    let first = [10.0, 10.1, 10.2, 10.3, 10.4];
    let second = [5.0, 5.05, 5.1, 5.15, 5.2];
    let interval = shift_interval(&first, &second, 0.99).unwrap();
    near(interval.confidence, 1.0 - 2.0 / 252.0);
    near(interval.low, 10.0 / 5.2);
    near(interval.high, 10.4 / 5.0);
    let ratio = Ratio::in_turn(&first, &second, 0.99).unwrap();
    assert_eq!(ratio.interval, interval);
    assert!(ratio.is_a_difference());
    // Eight pairs can speak for themselves.
    let load = [1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0];
    let (first, second) = (load.map(|load| 11.0 / load), load.map(|load| 10.0 / load));
    assert!(!shift_interval(&first, &second, 0.99).unwrap().is_a_difference());
    assert!(Ratio::in_turn(&first, &second, 0.99).unwrap().is_a_difference());
    // Three a side cannot be sure of anything.
    let few = Ratio::in_turn(&[2.0, 2.1, 2.2], &[1.0, 1.1, 1.2], 0.99).unwrap();
    near(few.interval.confidence, 0.9);
    assert_eq!(shift_interval(&[1.0], &[0.0], 0.99), None);
}

/// Figures as a machine gives them: 2 % of noise, now and then a neighbour that takes much more, and
/// a slow drift that both sides of a pair share.
fn measured(name: &str, runs: usize, factor: f64) -> (Vec<f64>, Vec<f64>) {
    // FNV-1a as the seed of SplitMix64 (Steele, Lea and Flood, 2014).
    let mut state = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut uniform = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) >> 40) as f64 / f64::from(1_u32 << 23) - 1.0
    };
    let mut figure = |drift: f64| {
        // The sum of three uniform values has a deviation of 1.
        let noise = 0.02 * (uniform() + uniform() + uniform());
        let neighbour = if uniform() > 0.96 { 0.9 } else { 1.0 };
        drift * neighbour * (1.0 + noise)
    };
    (0..runs)
        .map(|run| {
            let drift = 100.0 * (1.0 - 0.01 * run as f64 / runs as f64);
            (figure(drift) * factor, figure(drift))
        })
        .unzip()
}

#[test]
fn oneself_is_no_difference_and_a_tenth_less_is_one() {
    for runs in [5, 10, 20] {
        let found = |factor: f64| {
            let differs = |trial: usize| {
                let (first, second) = measured(&format!("{runs} {factor} {trial}"), runs, factor);
                let ratio = Ratio::in_turn(&first, &second, 0.99).unwrap();
                ratio.is_a_difference() && (factor >= 1.0 || ratio.interval.high < 1.0)
            };
            (0..20).filter(|&trial| differs(trial)).count()
        };
        assert!(found(1.0) <= 2, "{runs} runs: {} of 20 differ from themselves", found(1.0));
        assert!(found(0.9) >= 18, "{runs} runs: {} of 20 are found", found(0.9));
    }
}

#[test]
fn samples_are_matched_by_round() {
    let series = |rounds: &[usize], samples: &[f64]| Summary {
        rounds: rounds.to_vec(),
        ..Summary::of(samples.to_vec()).unwrap()
    };
    // The second round of one side is missing, and the last of the other.
    let (ours, theirs) =
        (series(&[0, 2, 3], &[1.0, 3.0, 4.0]), series(&[0, 1, 2], &[10.0, 20.0, 30.0]));
    assert_eq!(ours.in_common(&theirs), (vec![1.0, 3.0], vec![10.0, 30.0]));
    assert_eq!(Summary::of(vec![5.0, 6.0]).unwrap().rounds, [0, 1]);
}

#[test]
fn fewer_than_three_turns_decide_nothing() {
    for (turns, decides) in [(1, false), (2, false), (3, true)] {
        let [small, large] = [1.0, 500.0].map(|value| vec![value; turns]);
        let ratio = Ratio::in_turn(&small, &large, CONFIDENCE).unwrap();
        assert_eq!(ratio.interval.decides(), decides, "{ratio:?}");
        assert_eq!(ratio.is_a_difference(), decides);
        // A check fails only with 99 %.
        assert!(!ratio.is_below(0.9));
    }
}
