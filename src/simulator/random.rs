//! Chance: streams of random numbers that depend on the seed and on nothing else.

use rand::RngCore;

/// One stream. Who draws, and for which of its steps, names the stream: so neither the number of
/// threads nor the order in which answers arrive changes what an endpoint does. The generator is
/// SplitMix64: one word of state, and every starting point is good.
#[derive(Clone, Debug)]
pub struct RandomStream(u64);

/// The golden ratio in 64 bits, the odd step of SplitMix64.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

impl RandomStream {
    /// The stream of `who` for its step number `step`.
    #[must_use]
    pub const fn stream(seed: u64, who: u64, step: u64) -> Self {
        Self(mix(mix(mix(seed) ^ who) ^ step))
    }

    /// Evenly between 0 and 1, 1 excluded.
    pub fn unit(&mut self) -> f64 {
        // 53 bits are what a double can tell apart.
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Evenly between -1 and 1.
    pub fn signed(&mut self) -> f64 {
        self.unit().mul_add(2.0, -1.0)
    }

    /// Evenly among `0..count`; 0 if there is nothing to choose from.
    pub fn below(&mut self, count: usize) -> usize {
        ((u128::from(self.next_u64()) * count as u128) >> 64) as usize
    }

    /// True once in `1 / share` times.
    pub fn happens(&mut self, share: f64) -> bool {
        share > 0.0 && self.unit() < share
    }

    /// Exponentially distributed around `mean`: the gaps of a Poisson process.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }

    /// Normally distributed around 0 with deviation 1 (Box and Muller).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// Sixteen octets: an authenticator.
    pub fn authenticator(&mut self) -> [u8; 16] {
        let mut octets = [0; 16];
        self.fill_bytes(&mut octets);
        octets
    }

    /// Puts `items` into any of their orders.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

impl RngCore for RandomStream {
    fn next_u32(&mut self) -> u32 {
        (self.next_u64() >> 32) as u32
    }

    fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        scramble(self.0)
    }

    fn fill_bytes(&mut self, octets: &mut [u8]) {
        for chunk in octets.chunks_mut(8) {
            chunk.copy_from_slice(&self.next_u64().to_le_bytes()[..chunk.len()]);
        }
    }
}

const fn mix(word: u64) -> u64 {
    scramble(word.wrapping_add(STEP))
}

/// The finaliser of SplitMix64.
const fn scramble(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_name_is_the_same_stream_and_another_is_another() {
        let draw = |seed, who, step| RandomStream::stream(seed, who, step).next_u64();
        assert_eq!(draw(1, 2, 3), draw(1, 2, 3));
        let others = [draw(1, 2, 3), draw(2, 2, 3), draw(1, 3, 3), draw(1, 2, 4), draw(1, 3, 2)];
        let distinct: std::collections::HashSet<u64> = others.into_iter().collect();
        assert_eq!(distinct.len(), others.len());
    }

    #[test]
    fn distributions_have_their_means() {
        let mut random = RandomStream::stream(7, 0, 0);
        let mut mean = |draw: &mut dyn FnMut(&mut RandomStream) -> f64| {
            (0..20_000).map(|_| draw(&mut random)).sum::<f64>() / 20_000.0
        };
        assert!((mean(&mut RandomStream::unit) - 0.5).abs() < 0.02);
        assert!((mean(&mut |random| random.exponential(3.0)) - 3.0).abs() < 0.1);
        assert!(mean(&mut RandomStream::normal).abs() < 0.03);
        assert!((mean(&mut |random| random.below(11) as f64) - 5.0).abs() < 0.1);
    }

    #[test]
    fn a_shuffle_keeps_everything() {
        let mut items: Vec<u32> = (0..100).collect();
        RandomStream::stream(1, 1, 1).shuffle(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<u32>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<u32>>());
    }
}
