//! Pseudorandom test data: the same on every platform. These are not PyTorch's numbers.

/// Returns `len` uniform values in [−1, 1), multiples of 2⁻²³.
pub fn random(len: usize, seed: u64) -> Vec<f32> {
    words(seed).take(len).map(|word| ((word >> 40) as f32 - 8_388_608.0) / 8_388_608.0).collect()
}

/// Returns `len` uniform bytes.
pub fn random_bytes(len: usize, seed: u64) -> Vec<u8> {
    words(seed).take(len).map(|word| (word >> 56) as u8).collect()
}

/// Returns the endless output of SplitMix64 (Steele, Lea and Flood 2014) from the state `seed`.
fn words(seed: u64) -> impl Iterator<Item = u64> {
    let mut state = seed;
    std::iter::repeat_with(move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_fill_the_range_evenly_and_seeds_differ() {
        let values = random(10_000, 1);
        assert!(values.iter().all(|v| (-1.0..1.0).contains(v)));
        let mean = values.iter().sum::<f32>() / 1e4;
        let square = values.iter().map(|v| v * v).sum::<f32>() / 1e4;
        // Four standard deviations: the mean of 10,000 has 1/√3e4, their square mean √(4/45)/100.
        assert!(mean.abs() < 0.024 && (square - 1.0 / 3.0).abs() < 0.012, "mean {mean}, mean square {square}");
        assert_ne!(random(4, 1), random(4, 2));
        assert_eq!(random(4, 1), values[..4]);
        assert_eq!(random_bytes(3000, 5).iter().collect::<std::collections::BTreeSet<_>>().len(), 256);
    }

    #[test]
    fn the_first_word_is_the_published_one() {
        assert_eq!(words(1_234_567).next(), Some(6_457_827_717_110_365_317));
    }
}
