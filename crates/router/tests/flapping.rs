//! Simulations: noise does not make the choice flap, and a real change is followed.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use mlxk_router::{Candidate, Chooser, Measured, Place, Policy, Sample, Series};
use proptest::prelude::*;

/// Random numbers (xorshift64*), with a log-normal distribution like that of times on a busy machine.
struct Noise(u64);

impl Noise {
    fn uniform(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let bits = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11;
        (bits as f64 + 0.5) / (1_u64 << 53) as f64
    }

    /// Returns `median`, multiplied by the exponential of a normal number with this deviation.
    fn around(&mut self, median: f64, deviation: f64) -> f64 {
        let (radius, angle) = (self.uniform(), self.uniform());
        let normal = (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos();
        median * (deviation * normal).exp()
    }
}

/// Makes 1,000 choices while both candidates are measured before each. Returns the chosen ones.
fn choices(seed: u64, deviation: f64, medians: impl Fn(usize) -> [f64; 2]) -> Vec<usize> {
    let mut noise = Noise(seed | 1);
    let candidates = ["a", "b"].map(|name| Candidate::new(name, Place::Machine, "1"));
    let mut series = [Series::default(), Series::default()];
    let mut chooser = Chooser::new(Policy::Fastest);
    (0..1000)
        .map(|number| {
            for (series, median) in series.iter_mut().zip(medians(number)) {
                let figure =
                    |noise: &mut Noise, by: f64| Some(noise.around(median * by, deviation));
                let prompt = figure(&mut noise, 0.1);
                series.add(Sample { prompt, answer: figure(&mut noise, 1.0) });
            }
            let measured: Vec<_> = candidates
                .iter()
                .zip(&series)
                .map(|(candidate, series)| Measured {
                    candidate,
                    series: Some(series),
                    is_healthy: true,
                })
                .collect();
            chooser.choose(&measured).unwrap().index
        })
        .collect()
}

fn changes(choices: &[usize]) -> usize {
    choices.windows(2).filter(|pair| pair[0] != pair[1]).count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn noise_does_not_make_it_flap(
        seed in any::<u64>(),
        deviation in 0.01..0.6_f64,
        ratio in 0.95..1.05_f64,
    ) {
        let choices = choices(seed, deviation, |_| [0.02, 0.02 * ratio]);
        prop_assert!(changes(&choices) < 5, "{} changes", changes(&choices));
    }

    #[test]
    fn a_real_change_is_followed(seed in any::<u64>(), deviation in 0.01..0.3_f64) {
        // At the 500th, the faster one becomes three times slower, as if another program took its cores.
        let medians = |number| if number < 500 { [0.02, 0.03] } else { [0.06, 0.03] };
        let choices = choices(seed, deviation, medians);
        prop_assert_eq!(choices[499], 0);
        prop_assert!(choices[550..].iter().all(|&index| index == 1), "{:?}", &choices[500..]);
    }
}
