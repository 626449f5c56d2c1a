//! Seeded numbers: the same on every machine and in every run.

/// SplitMix64.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// From a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    #[inline]
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 0 to `n` less 1; 0 when `n` is 0.
    #[inline]
    pub fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(n)) >> 64) as u64
    }

    /// 0 to 1, 1 left out.
    #[inline]
    pub fn share(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// 128 bits.
    pub fn wide(&mut self) -> u128 {
        u128::from(self.bits()) << 64 | u128::from(self.bits())
    }
}

/// Ranks 0 to n less 1, rank r with a weight of 1 / (r + 1) to the power of `exponent`.
#[derive(Clone, Debug)]
pub struct Zipf {
    /// By rank, the weight of all ranks up to it, of 1 in all.
    up_to: Vec<f64>,
}

impl Zipf {
    /// Over `n` ranks.
    pub fn new(n: usize, exponent: f64) -> Self {
        let mut sum = 0.0;
        let mut up_to: Vec<f64> = (0..n)
            .map(|rank| {
                sum += ((rank + 1) as f64).powf(-exponent);
                sum
            })
            .collect();
        up_to.iter_mut().for_each(|weight| *weight /= sum);
        Self { up_to }
    }

    /// A rank.
    pub fn sample(&self, dice: &mut Dice) -> usize {
        let share = dice.share();
        let rank = self.up_to.partition_point(|weight| *weight <= share);
        rank.min(self.up_to.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zipf_has_its_weights() {
        let zipf = Zipf::new(1000, 1.0);
        let mut dice = Dice::new(1);
        let mut counts = vec![0_u32; 1000];
        for _ in 0..1_000_000 {
            counts[zipf.sample(&mut dice)] += 1;
        }
        // The 1000th harmonic number is 7.485.
        assert!((132_000..135_500).contains(&counts[0]), "{}", counts[0]);
        let ratio = f64::from(counts[0]) / f64::from(counts[9]);
        assert!((9.4..10.6).contains(&ratio), "{ratio}");
        assert!(counts.iter().all(|n| *n > 0));
    }

    #[test]
    fn below_reaches_both_ends() {
        let mut dice = Dice::new(2);
        let mut seen = [false; 7];
        (0..1000).for_each(|_| seen[dice.below(7) as usize] = true);
        assert!(seen.iter().all(|s| *s));
        assert_eq!(dice.below(0), 0);
    }
}
