//! Pseudo-random numbers that are the same on every machine.

/// SplitMix64 (Steele, Lea and Flood, 2014).
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// Returns a generator seeded by the text.
    pub(crate) fn of(text: &str) -> Self {
        // FNV-1a.
        Self(text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        }))
    }

    /// Returns the generator number `index` of the sequence that starts here.
    pub(crate) fn at(&self, index: usize) -> Self {
        let mut other = Self(self.0 ^ (index as u64).wrapping_mul(0xd1b5_4a32_d192_ed03));
        Self(other.next())
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// Returns a value from −1 to 1, uniformly distributed.
    pub(crate) fn signed(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1_u32 << 23) as f32 - 1.0
    }

    /// Returns an integer below `end`, which must not be zero.
    pub(crate) fn below(&mut self, end: u32) -> u32 {
        (((self.next() >> 32) * u64::from(end)) >> 32) as u32
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        let words = (0..count.div_ceil(8)).flat_map(|_| self.next().to_le_bytes());
        words.take(count).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_fill_their_range_evenly() {
        let mut random = Random::of("a");
        let values: Vec<f32> = (0..10_000).map(|_| random.signed()).collect();
        let mean: f32 = values.iter().sum::<f32>() / 10_000.0;
        let square: f32 = values.iter().map(|value| value * value).sum::<f32>() / 10_000.0;
        assert!(mean.abs() < 0.02 && (square - 1.0 / 3.0).abs() < 0.01, "{mean} {square}");
        assert!(values.iter().all(|value| (-1.0..1.0).contains(value)));
        let mut seen = [0; 7];
        for _ in 0..7000 {
            seen[random.below(7) as usize] += 1;
        }
        assert!(seen.iter().all(|count| (900..1100).contains(count)), "{seen:?}");
        assert_eq!(random.bytes(5).len(), 5);
    }

    #[test]
    fn rows_depend_on_name_and_number_alone() {
        let row = |name: &str, row: usize| Random::of(name).at(row).next();
        assert_eq!(row("w", 3), row("w", 3));
        assert_ne!(row("w", 3), row("w", 4));
        assert_ne!(row("w", 3), row("v", 3));
    }
}
