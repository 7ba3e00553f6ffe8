//! Random numbers by SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
//! Its state is an integer, and its numbers are computed by additions, multiplications and exact conversions, so every
//! platform draws the same face.

/// SplitMix64's increment: the odd integer nearest to 2⁶⁴ divided by the golden ratio.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// The random number generator of one face.
pub(crate) struct Rng {
    state: u64,
}

impl Rng {
    /// Creates the generator of face `index` of `seed`. Both numbers are scrambled, so that adjacent faces are
    /// unrelated.
    pub(crate) fn new(seed: u64, index: u64) -> Self {
        Self { state: scramble(scramble(seed.wrapping_add(STEP)).wrapping_add(index.wrapping_mul(STEP))) }
    }

    /// Returns the next 64 random bits.
    fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(STEP);
        scramble(self.state)
    }

    /// Returns a uniform number in [0, 1), a multiple of 2⁻²⁴.
    pub(crate) fn unit(&mut self) -> f32 {
        (self.next_u64() >> 40) as f32 / (1 << 24) as f32
    }

    /// Returns a uniform number between `low` and `high`.
    pub(crate) fn range(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// Returns a number of the triangular distribution from `middle` − `spread` to `middle` + `spread`.
    pub(crate) fn around(&mut self, middle: f32, spread: f32) -> f32 {
        middle + spread * (self.unit() - self.unit())
    }

    /// Returns `true` with this probability.
    pub(crate) fn chance(&mut self, probability: f32) -> bool {
        self.unit() < probability
    }

    /// Returns one of `items`, all equally likely. `items` must not be empty.
    pub(crate) fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[(self.unit() * items.len() as f32) as usize]
    }

    /// Returns one of `items` with a probability proportional to its weight. The weights must not all be 0.
    pub(crate) fn weighted<T: Copy>(&mut self, items: &[(T, u32)]) -> T {
        let total: u32 = items.iter().map(|item| item.1).sum();
        let mut left = (self.unit() * total as f32) as u32;
        for &(item, weight) in items {
            if left < weight {
                return item;
            }
            left -= weight;
        }
        items[items.len() - 1].0
    }
}

/// SplitMix64's output function: every bit of the result depends on every bit of `z`.
fn scramble(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first outputs of the reference implementation (splitmix64.c by Sebastiano Vigna) from state 1234567.
    #[test]
    fn matches_the_reference_implementation() {
        let mut rng = Rng { state: 1234567 };
        let expected = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431];
        assert_eq!(expected.map(|_| rng.next_u64()), expected);
    }

    #[test]
    fn weights_are_frequencies() {
        let mut rng = Rng::new(1, 2);
        let mut counts = [0_i32; 3];
        for _ in 0..10_000 {
            counts[rng.weighted(&[(0, 1), (1, 0), (2, 3)])] += 1;
        }
        assert_eq!(counts[1], 0);
        // A binomial count with n = 10,000 and p = 1/4 has standard deviation 43; this allows five of them.
        assert!((counts[0] - 2500).abs() < 217, "{counts:?}");
    }
}
