//! Compares the sampler with a plain reference: a full sort in f64.

use super::random::uniform;
use super::*;

/// Parameters that change nothing.
pub(super) fn neutral() -> SamplingParameters {
    SamplingParameters {
        temperature: 1.0,
        top_k: 0,
        typical_p: 1.0,
        top_p: 1.0,
        min_p: 0.0,
        xtc: None,
        repetition_penalty: 1.0,
        presence_penalty: 0.0,
        frequency_penalty: 0.0,
        repeat_last_n: 64,
        dry: None,
        logit_bias: Vec::new(),
        seed: 11,
    }
}

fn parameters(temperature: f32, top_k: usize, top_p: f32, min_p: f32) -> SamplingParameters {
    SamplingParameters { temperature, top_k, top_p, min_p, ..neutral() }
}

/// Logits that look like a model's: a few high, many low; deterministic.
pub(super) fn logits(count: usize, seed: u64) -> Vec<f32> {
    (0..count as u64)
        .map(|i| {
            let normal: f64 = (0..12).map(|n| uniform(seed, 12 * i + n)).sum::<f64>() - 6.0;
            (4.0 * normal) as f32
        })
        .collect()
}

/// `(probability, id)` after all cuts, best first, not normalized.
fn reference(logits: &[f32], p: &SamplingParameters, position: u64) -> Vec<(f64, u32)> {
    let scaled = |id: u32| f64::from(logits[id as usize]) / f64::from(p.temperature);
    let mut ids: Vec<u32> = (0..logits.len() as u32).collect();
    ids.sort_by(|&a, &b| scaled(b).total_cmp(&scaled(a)).then(a.cmp(&b)));
    if p.top_k > 0 {
        ids.truncate(p.top_k);
    }
    let max = scaled(ids[0]);
    let mut kept: Vec<(f64, u32)> = ids.iter().map(|&id| ((scaled(id) - max).exp(), id)).collect();
    let sum_of = |kept: &[(f64, u32)]| kept.iter().map(|(weight, _)| weight).sum::<f64>();
    if p.typical_p < 1.0 {
        let total = sum_of(&kept);
        let information = |weight: f64| -(weight / total).ln();
        let entropy: f64 =
            kept.iter().map(|&(weight, _)| weight / total * information(weight)).sum();
        let distance = |weight: f64| (information(weight) - entropy).abs();
        kept.sort_by(|a, b| distance(a.0).total_cmp(&distance(b.0)));
        truncate_at(&mut kept, f64::from(p.typical_p) * total);
        kept.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    }
    let mass = f64::from(p.top_p) * sum_of(&kept);
    truncate_at(&mut kept, mass);
    let least = f64::from(p.min_p) * kept[0].0;
    kept.retain(|&(weight, _)| weight >= least);
    if let Some(xtc) = p.xtc
        && random::uniform_pair(p.seed, position).1 < f64::from(xtc.probability)
    {
        let least = f64::from(xtc.threshold) * sum_of(&kept);
        let obvious = kept.iter().filter(|(weight, _)| *weight >= least).count();
        kept.drain(..obvious.saturating_sub(1));
    }
    kept
}

/// Keeps the shortest prefix whose sum reaches `mass`.
fn truncate_at(kept: &mut Vec<(f64, u32)>, mass: f64) {
    let mut sum = 0.0;
    let end = kept.iter().position(|(weight, _)| {
        sum += weight;
        sum >= mass
    });
    kept.truncate(end.map_or(kept.len(), |end| end + 1));
}

fn reference_sample(logits: &[f32], p: &SamplingParameters, position: u64) -> u32 {
    let kept = reference(logits, p, position);
    let total: f64 = kept.iter().map(|(weight, _)| weight).sum();
    let drawn = uniform(p.seed, position) * total;
    let mut sum = 0.0;
    let found = kept.iter().find(|(weight, _)| {
        sum += weight;
        sum > drawn
    });
    found.unwrap_or(&kept[kept.len() - 1]).1
}

#[test]
fn tokens_are_those_of_the_reference() {
    let mut checked = 0;
    for (seed, count) in [(1, 50), (2, 1000), (3, 5003), (4, 20_000)] {
        let logits = logits(count, seed);
        for temperature in [0.2, 0.7, 1.0, 3.0] {
            for top_k in [0, 1, 7, 40, 900] {
                for top_p in [0.0, 0.5, 0.9, 0.999, 1.0] {
                    for min_p in [0.0, 0.02, 1.0] {
                        let p = parameters(temperature, top_k, top_p, min_p);
                        let mut sampler = Sampler::new(p.clone());
                        for position in [0, checked] {
                            let expected = reference_sample(&logits, &p, position);
                            let found = sampler.sample(&logits, position).unwrap();
                            assert_eq!(found, expected, "{p:?} at {position}");
                            checked += 1;
                        }
                    }
                }
            }
        }
    }
    assert!(checked > 2000);
}

#[test]
fn typical_and_xtc_are_those_of_the_reference() {
    let (mut checked, mut excluded) = (0, 0);
    for (seed, count) in [(1, 50), (3, 5003)] {
        let logits = logits(count, seed);
        for temperature in [0.4, 1.0, 3.0] {
            for top_k in [0, 1, 30] {
                for typical_p in [0.0, 0.2, 0.9, 1.0] {
                    for (top_p, min_p) in [(1.0, 0.0), (0.8, 0.0), (1.0, 0.05)] {
                        for threshold in [0.02, 0.2, 0.9] {
                            let xtc = Some(Xtc { probability: 0.5, threshold });
                            let p = SamplingParameters {
                                typical_p,
                                xtc,
                                ..parameters(temperature, top_k, top_p, min_p)
                            };
                            let without = SamplingParameters { xtc: None, ..p.clone() };
                            let mut sampler = Sampler::new(p.clone());
                            for position in [0, 1, checked] {
                                let expected = reference_sample(&logits, &p, position);
                                let found = sampler.sample(&logits, position).unwrap();
                                assert_eq!(found, expected, "{p:?} at {position}");
                                let usual = reference_sample(&logits, &without, position);
                                excluded += u32::from(usual != expected);
                                checked += 1;
                            }
                        }
                    }
                }
            }
        }
    }
    assert!(checked > 1000 && excluded > 50, "{checked} {excluded}");
}

#[test]
fn greedy_is_the_lowest_of_the_largest() {
    let mut sampler = Sampler::new(parameters(0.0, 3, 0.1, 0.9));
    assert_eq!(sampler.sample(&[1.0, 5.0, 5.0, -2.0], 0), Ok(1));
    assert_eq!(sampler.sample(&[-0.0, 0.0], 3), Ok(0));
    for seed in 0..20 {
        let logits = logits(777, seed);
        let max = logits.iter().copied().fold(f32::MIN, f32::max);
        let expected = logits.iter().position(|&logit| logit >= max).unwrap() as u32;
        assert_eq!(sampler.sample(&logits, seed), Ok(expected));
    }
}

#[test]
fn equal_logits_are_kept_by_id() {
    let logits = vec![2.0; 5000];
    for position in 0..50 {
        let token = Sampler::new(parameters(1.0, 10, 1.0, 0.0)).sample(&logits, position);
        assert!(token.unwrap() < 10);
        let token = Sampler::new(parameters(1.0, 0, 0.01, 0.0)).sample(&logits, position);
        assert!(token.unwrap() <= 50);
    }
}

#[test]
fn frequencies_follow_the_probabilities() {
    let logits = logits(64, 9);
    for p in [
        parameters(1.0, 0, 1.0, 0.0),
        parameters(2.0, 12, 1.0, 0.0),
        parameters(1.5, 0, 0.9, 0.0),
        parameters(1.5, 0, 1.0, 0.05),
    ] {
        const DRAWS: u64 = 20_000;
        let kept = reference(&logits, &p, 0);
        let total: f64 = kept.iter().map(|(weight, _)| weight).sum();
        let mut counts = [0_u32; 64];
        let mut sampler = Sampler::new(p.clone());
        for position in 0..DRAWS {
            counts[sampler.sample(&logits, position).unwrap() as usize] += 1;
        }
        // Tokens that are expected fewer than five times say nothing.
        let terms: Vec<f64> = kept
            .iter()
            .map(|&(weight, id)| (weight / total * DRAWS as f64, f64::from(counts[id as usize])))
            .filter(|&(expected, _)| expected >= 5.0)
            .map(|(expected, found)| (found - expected).powi(2) / expected)
            .collect();
        let freedom = terms.len() as f64 - 1.0;
        let chi_square: f64 = terms.iter().sum();
        // Mean and variance of the distribution are `freedom` and `2·freedom`.
        assert!(chi_square < freedom + 4.0 * (2.0 * freedom).sqrt(), "{p:?}: {chi_square}");
        let outside = (0..64).filter(|&id| kept.iter().all(|&(_, kept)| kept != id));
        assert_eq!(outside.map(|id| counts[id as usize]).sum::<u32>(), 0);
    }
}

#[test]
fn a_token_depends_on_seed_and_position_only() {
    let logits = logits(3000, 5);
    let p = parameters(1.0, 0, 0.95, 0.0);
    let mut forward = Sampler::new(p.clone());
    let mut backward = Sampler::new(p.clone());
    let first: Vec<_> = (0..40).map(|n| forward.sample(&logits, n).unwrap()).collect();
    let mut second: Vec<_> = (0..40).rev().map(|n| backward.sample(&logits, n).unwrap()).collect();
    second.reverse();
    assert_eq!(first, second);
    let other = Sampler::new(SamplingParameters { seed: 12, ..p });
    let mut others = (0..40).zip(std::iter::repeat(other));
    assert!(others.any(|(n, mut other)| other.sample(&logits, n).unwrap() != first[n as usize]));
}

#[test]
fn masked_tokens_are_never_drawn_and_invalid_logits_are_an_error() {
    let mut logits = vec![f32::NEG_INFINITY; 300];
    logits[17] = -1e30;
    for p in
        [parameters(0.0, 0, 1.0, 0.0), parameters(1.0, 0, 1.0, 0.0), parameters(5.0, 40, 0.9, 0.1)]
    {
        let mut sampler = Sampler::new(p);
        for position in 0..20 {
            assert_eq!(sampler.sample(&logits, position), Ok(17));
        }
        assert_eq!(sampler.sample(&[f32::NEG_INFINITY; 4], 0), Err(InvalidLogits));
        assert_eq!(sampler.sample(&[0.0, f32::NAN], 0), Err(InvalidLogits));
        assert_eq!(sampler.sample(&[0.0, f32::INFINITY], 0), Err(InvalidLogits));
        assert_eq!(sampler.sample(&[], 0), Err(InvalidLogits));
    }
}

#[test]
fn the_best_are_in_order() {
    let logits = logits(9000, 3);
    let mut found = Vec::new();
    for count in [0, 1, 5, 512, 513, 2000, 9000, 10_000] {
        best(&logits, count, &mut found);
        let mut expected: Vec<Candidate> =
            (0..).zip(&logits).map(|(id, &logit)| Candidate { id, logit }).collect();
        expected.sort_by(Candidate::order);
        expected.truncate(count);
        assert_eq!(found, expected);
    }
}
