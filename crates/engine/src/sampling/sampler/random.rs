//! Random numbers that depend only on a key and a counter: Philox4x32-10 (Salmon, Moraes, Dror and
//! Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
//!
//! There is no state to advance, so the number for a position of a sequence never depends on what else was
//! computed.

const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const KEY_STEPS: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
const ROUNDS: usize = 10;

/// Returns the generator's block for this counter and key.
fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..ROUNDS {
        let products = [
            u64::from(MULTIPLIERS[0]) * u64::from(counter[0]),
            u64::from(MULTIPLIERS[1]) * u64::from(counter[2]),
        ];
        let high = products.map(|product| (product >> 32) as u32);
        let low = products.map(|product| product as u32);
        counter = [high[1] ^ counter[1] ^ key[0], low[1], high[0] ^ counter[3] ^ key[1], low[0]];
        key = [key[0].wrapping_add(KEY_STEPS[0]), key[1].wrapping_add(KEY_STEPS[1])];
    }
    counter
}

/// Returns the number in `0.0..1.0` for `position` under `seed`, uniform to 53 bits.
#[cfg(test)]
pub(crate) fn uniform(seed: u64, position: u64) -> f64 {
    uniform_pair(seed, position).0
}

/// Returns two such numbers, which are independent.
pub(crate) fn uniform_pair(seed: u64, position: u64) -> (f64, f64) {
    let block = philox(
        [position as u32, (position >> 32) as u32, 0, 0],
        [seed as u32, (seed >> 32) as u32],
    );
    let number = |low: u32, high: u32| {
        let bits = u64::from(high) << 32 | u64::from(low);
        (bits >> 11) as f64 / (1_u64 << 53) as f64
    };
    (number(block[0], block[1]), number(block[2], block[3]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answers that the authors publish with their library Random123.
    #[test]
    fn blocks_are_those_of_the_authors() {
        let ones = u32::MAX;
        assert_eq!(philox([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(
            philox([ones; 4], [ones; 2]),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
        assert_eq!(
            philox(
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0]
            ),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn numbers_are_uniform_over_positions_and_over_seeds() {
        for draw in [|n| uniform(7, n), |n| uniform(n, 7), |n| uniform_pair(7, n).1] {
            let mut counts = [0_u32; 16];
            for n in 0..16_000 {
                let number = draw(n);
                assert!((0.0..1.0).contains(&number));
                counts[(number * 16.0) as usize] += 1;
            }
            let chi_square: f64 =
                counts.iter().map(|&count| (f64::from(count) - 1000.0).powi(2) / 1000.0).sum();
            // 15 degrees of freedom: 99.9 % are below 37.7.
            assert!(chi_square < 37.7, "{chi_square}");
        }
    }
}
