//! Reproducible random numbers: one stream per purpose, and the distributions of the model.

use rand::{RngCore, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use sha2::{Digest, Sha256};

/// What a stream of random numbers is used for. The numbers are part of the format: another
/// number is another shop under the same seed.
#[derive(Clone, Copy, Debug)]
#[repr(u64)]
pub(super) enum Purpose {
    /// Categories, products and stores.
    Shop = 1,
    /// The price path of one product.
    Prices = 2,
    /// The customers of one block.
    Customers = 3,
    /// The orders of one block in one week.
    Orders = 4,
}

/// A stream of random numbers.
#[derive(Clone, Debug)]
pub(super) struct Stream(Xoshiro256PlusPlus);

impl Stream {
    /// The stream of a purpose and two positions, such as block and week. Streams of different
    /// positions are independent, so the threads that use them may run in any order.
    pub(super) fn new(seed: u64, purpose: Purpose, first: u64, second: u64) -> Self {
        let mut hash = Sha256::new();
        for part in [seed, purpose as u64, first, second] {
            hash.update(part.to_le_bytes());
        }
        Self(Xoshiro256PlusPlus::from_seed(hash.finalize().into()))
    }

    /// Uniform in [0, 1), a multiple of 2^-53.
    pub(super) fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True with a probability.
    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.uniform() < probability
    }

    /// A whole number from 0 to `count` - 1; 0 where `count` is 0.
    pub(super) fn below(&mut self, count: usize) -> usize {
        (self.uniform() * count as f64) as usize
    }

    /// Exponential with mean 1.
    pub(super) fn exponential(&mut self) -> f64 {
        -(1.0 - self.uniform()).ln()
    }

    /// Normal with mean 0 and variance 1 (Box and Muller 1958).
    pub(super) fn normal(&mut self) -> f64 {
        let radius = (2.0 * self.exponential()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Gamma with a shape above 0 and scale 1, so mean and variance are `shape` (Marsaglia and
    /// Tsang 2000; below shape 1 by their power of a uniform).
    pub(super) fn gamma(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            let boost = (1.0 - self.uniform()).powf(1.0 / shape);
            return self.gamma(shape + 1.0) * boost;
        }
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let v = (1.0 + c * x).powi(3);
            if v <= 0.0 {
                continue;
            }
            if (1.0 - self.uniform()).ln() < 0.5 * x * x + d * (1.0 - v + v.ln()) {
                return d * v;
            }
        }
    }

    /// Poisson. Products of uniforms (Knuth 1969) up to a mean of 16; above, a Poisson number is
    /// the sum of two of half the mean.
    pub(super) fn poisson(&mut self, mean: f64) -> u32 {
        if mean > 16.0 {
            return self.poisson(mean / 2.0) + self.poisson(mean / 2.0);
        }
        let limit = (-mean).exp();
        let mut product = self.uniform();
        let mut count = 0;
        while product > limit {
            product *= self.uniform();
            count += 1;
        }
        count
    }

    /// Negative binomial of a mean and a size: variance mean + mean^2 / size (a Poisson number
    /// with a gamma-distributed mean, Greenwood and Yule 1920).
    pub(super) fn negative_binomial(&mut self, mean: f64, size: f64) -> u32 {
        let mixed = self.gamma(size) * mean / size;
        self.poisson(mixed)
    }

    /// A point of the simplex, from a Dirichlet with parameters `concentration` x `shares`.
    pub(super) fn dirichlet(&mut self, shares: &[f64], concentration: f64) -> Vec<f64> {
        let draws = shares.iter().map(|share| self.gamma(share * concentration));
        let draws: Vec<f64> = draws.collect();
        let total: f64 = draws.iter().sum();
        if total > 0.0 {
            return draws.iter().map(|draw| draw / total).collect();
        }
        shares.to_vec()
    }
}

/// A discrete distribution over positions, drawn by bisection of its running sums.
#[derive(Clone, Debug, Default)]
pub(super) struct Choice {
    sums: Vec<f64>,
}

impl Choice {
    /// Positions with these weights, none of them negative.
    pub(super) fn new(weights: impl IntoIterator<Item = f64>) -> Self {
        let mut choice = Self::default();
        choice.refill(weights);
        choice
    }

    /// Replaces the weights and keeps the memory.
    pub(super) fn refill(&mut self, weights: impl IntoIterator<Item = f64>) {
        self.sums.clear();
        let mut total = 0.0;
        self.sums.extend(weights.into_iter().map(|weight| {
            total += weight;
            total
        }));
    }

    /// The sum of the weights.
    pub(super) fn total(&self) -> f64 {
        self.sums.last().copied().unwrap_or(0.0)
    }

    /// A position; 0 where there is none.
    pub(super) fn draw(&self, stream: &mut Stream) -> usize {
        let target = stream.uniform() * self.total();
        let position = self.sums.partition_point(|sum| *sum <= target);
        position.min(self.sums.len().saturating_sub(1))
    }
}

/// A zeta distribution cut at a largest value: P(n) proportional to n^-exponent, n from 1.
#[derive(Clone, Debug)]
pub(super) struct Zeta {
    choice: Choice,
    mean: f64,
}

impl Zeta {
    pub(super) fn new(exponent: f64, largest: u32) -> Self {
        let weights = || (1..=largest).map(move |n| f64::from(n).powf(-exponent));
        let total: f64 = weights().sum();
        let first: f64 =
            (1..=largest).zip(weights()).map(|(n, weight)| f64::from(n) * weight).sum();
        Self { choice: Choice::new(weights()), mean: first / total }
    }

    pub(super) fn draw(&self, stream: &mut Stream) -> u32 {
        self.choice.draw(stream) as u32 + 1
    }

    pub(super) fn mean(&self) -> f64 {
        self.mean
    }
}

/// Weights 1, 2^-exponent, 3^-exponent ..., scaled to the sum 1 (Zipf 1949).
pub(super) fn zipf(count: usize, exponent: f64) -> Vec<f64> {
    let weights = (1..=count).map(|rank| (rank as f64).powf(-exponent));
    let weights: Vec<f64> = weights.collect();
    let total: f64 = weights.iter().sum();
    weights.iter().map(|weight| weight / total).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWS: usize = 200_000;

    fn moments(draw: impl FnMut() -> f64) -> (f64, f64) {
        let draws: Vec<f64> = std::iter::repeat_with(draw).take(DRAWS).collect();
        let mean = draws.iter().sum::<f64>() / DRAWS as f64;
        let squares = draws.iter().map(|draw| (draw - mean).powi(2)).sum::<f64>();
        (mean, squares / DRAWS as f64)
    }

    #[track_caller]
    fn close(found: (f64, f64), mean: f64, variance: f64) {
        // Five standard errors of the mean; the variance of these laws is known less well.
        let error = 5.0 * (variance / DRAWS as f64).sqrt();
        assert!((found.0 - mean).abs() < error, "mean {} for {mean}", found.0);
        assert!((found.1 / variance - 1.0).abs() < 0.06, "variance {} for {variance}", found.1);
    }

    #[test]
    fn the_samplers_have_the_moments_of_their_laws() {
        let mut stream = Stream::new(1, Purpose::Shop, 0, 0);
        close(moments(|| stream.uniform()), 0.5, 1.0 / 12.0);
        close(moments(|| stream.exponential()), 1.0, 1.0);
        close(moments(|| stream.normal()), 0.0, 1.0);
        for shape in [0.3, 0.8, 1.0, 4.5] {
            close(moments(|| stream.gamma(shape)), shape, shape);
        }
        for mean in [0.01, 0.7, 9.0, 16.5, 70.0] {
            close(moments(|| stream.poisson(mean).into()), mean, mean);
        }
        close(moments(|| stream.negative_binomial(4.0, 1.5).into()), 4.0, 4.0 + 16.0 / 1.5);
    }

    #[test]
    fn a_dirichlet_spreads_around_its_shares() {
        let mut stream = Stream::new(2, Purpose::Shop, 0, 0);
        let shares = [0.6, 0.3, 0.1];
        // One component is a beta variable: variance p (1 - p) / (concentration + 1).
        close(moments(|| stream.dirichlet(&shares, 4.0)[0]), 0.6, 0.24 / 5.0);
    }

    #[test]
    fn a_zeta_has_its_mean_and_its_tail() {
        let zeta = Zeta::new(2.6, 144);
        let mut stream = Stream::new(3, Purpose::Shop, 0, 0);
        let draws: Vec<u32> = (0..DRAWS).map(|_| zeta.draw(&mut stream)).collect();
        let share = |n: u32| draws.iter().filter(|draw| **draw == n).count() as f64;
        assert!((share(1) / share(2) - 2_f64.powf(2.6)).abs() < 0.15);
        let mean = draws.iter().sum::<u32>() as f64 / DRAWS as f64;
        assert!((mean / zeta.mean() - 1.0).abs() < 0.02, "{mean} for {}", zeta.mean());
        assert!(draws.iter().all(|draw| (1..=144).contains(draw)));
        assert!(draws.iter().any(|draw| *draw > 50), "no heavy tail");
    }

    #[test]
    fn streams_repeat_and_differ() {
        let draw = |seed, first| Stream::new(seed, Purpose::Orders, first, 7).uniform().to_bits();
        assert_eq!(draw(1, 0), draw(1, 0));
        assert_ne!(draw(1, 0), draw(2, 0));
        assert_ne!(draw(1, 0), draw(1, 1));
    }
}
