//! Which object a request asks for: evenly, by given weights, or by Zipf's law.

use fastrand::Rng;

use crate::error::BenchError;

/// A distribution over the indices `0..len`.
#[derive(Clone, Debug)]
pub struct Mix {
    /// Running sums of the weights, the last is 1.
    cumulative: Vec<f64>,
}

impl Mix {
    /// Each of `len` indices alike.
    pub fn even(len: usize) -> Self {
        Self::from_positive(&vec![1.0; len])
    }

    /// The index `k` (from 0) with weight `1 / (k + 1)^exponent`.
    pub fn zipf(len: usize, exponent: f64) -> Self {
        let weights: Vec<f64> = (1..=len).map(|rank| (rank as f64).powf(-exponent)).collect();
        Self::from_positive(&weights)
    }

    /// Each index by its weight.
    ///
    /// # Errors
    /// A weight that is negative or not finite, or none above zero.
    pub fn weighted(weights: &[f64]) -> Result<Self, BenchError> {
        let sound = weights.iter().all(|w| w.is_finite() && *w >= 0.0);
        if !sound || weights.iter().sum::<f64>() <= 0.0 {
            let detail = format!("{weights:?} are not weights");
            return Err(BenchError::Option { option: "weights", detail });
        }
        Ok(Self::from_positive(weights))
    }

    /// Draws an index.
    pub fn draw(&self, random: &mut Rng) -> usize {
        if self.cumulative.len() == 1 {
            return 0;
        }
        let point = random.f64();
        self.cumulative.partition_point(|sum| *sum <= point).min(self.cumulative.len() - 1)
    }

    fn from_positive(weights: &[f64]) -> Self {
        let total: f64 = weights.iter().sum();
        let sums = weights.iter().scan(0.0, |sum, weight| {
            *sum += weight / total;
            Some(*sum)
        });
        Self { cumulative: sums.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Draws many and compares each share with what is due, to half a percent.
    fn check(mix: &Mix, shares: &[f64]) {
        let mut random = Rng::with_seed(7);
        let mut counts = vec![0.0; shares.len()];
        for _ in 0..DRAWS {
            counts[mix.draw(&mut random)] += 1.0;
        }
        for (index, (count, share)) in counts.iter().zip(shares).enumerate() {
            let drawn = count / f64::from(DRAWS);
            assert!((drawn - share).abs() < 0.005, "index {index}: {drawn} for {share}");
        }
    }

    #[test]
    fn even_shares() {
        check(&Mix::even(1), &[1.0]);
        check(&Mix::even(4), &[0.25; 4]);
    }

    #[test]
    fn zipf_shares_fall_by_rank() {
        // 1 + 1/2 + 1/3 + 1/4 = 25/12
        check(&Mix::zipf(4, 1.0), &[12.0 / 25.0, 6.0 / 25.0, 4.0 / 25.0, 3.0 / 25.0]);
        check(&Mix::zipf(3, 0.0), &[1.0 / 3.0; 3]);
    }

    #[test]
    fn weights_of_zero_are_never_drawn() {
        check(&Mix::weighted(&[0.0, 3.0, 0.0, 1.0, 0.0]).unwrap(), &[0.0, 0.75, 0.0, 0.25, 0.0]);
        assert!(Mix::weighted(&[0.0, 0.0]).is_err());
        assert!(Mix::weighted(&[1.0, -1.0]).is_err());
        assert!(Mix::weighted(&[f64::NAN]).is_err());
    }

    const DRAWS: u32 = 200_000;
}
