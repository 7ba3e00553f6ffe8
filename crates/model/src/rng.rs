//! PyTorch's random numbers on the CPU, so that a seed gives the same numbers as in PyTorch.
//!
//! Source: `aten/src/ATen/core/MT19937RNGEngine.h`, `TransformationHelper.h`, `DistributionsHelper.h` and
//! `native/cpu/DistributionTemplates.h` of PyTorch 2.11, as its AVX2 and AVX-512 builds compute (the build for older
//! CPUs contracts no multiply-add and takes angles in f64). Uniform numbers and permutations agree to the bit. Normal
//! numbers agree to 3.1e-7·max(1, |x|), the largest difference among a million, because PyTorch's logarithm, sine and
//! cosine are vectorized approximations; ours are computed in f64 and rounded, which makes them the same on every
//! platform.

use std::f64::consts::TAU;

const N: usize = 624;
const M: usize = 397;

/// `torch.Generator()` on the CPU: a 32-bit Mersenne Twister.
#[derive(Debug, Clone, PartialEq)]
pub struct TorchRng {
    state: [u32; N],
    /// Next word of `state` to hand out.
    position: usize,
    /// The second number of the last Box–Muller pair of [`TorchRng::fill_normal`] on fewer than 16 values.
    spare_normal: Option<f64>,
}

impl TorchRng {
    /// `torch.manual_seed(seed)`. Like PyTorch, uses the low 32 bits of the seed.
    pub fn seed_from_u64(seed: u64) -> Self {
        let mut state = [0u32; N];
        state[0] = seed as u32;
        for i in 1..N {
            let previous = state[i - 1];
            state[i] = 1_812_433_253u32.wrapping_mul(previous ^ (previous >> 30)).wrapping_add(i as u32);
        }
        Self { state, position: N, spare_normal: None }
    }

    /// Returns the generator's state as integers: the twister's 624 words, the next of them, and the bits of a number
    /// kept for later, if there is one.
    pub fn state(&self) -> Vec<i64> {
        let words = self.state.iter().map(|&word| i64::from(word));
        let spare = self.spare_normal.map(|value| value.to_bits().cast_signed());
        words.chain([self.position as i64]).chain(spare).collect()
    }

    /// Returns the generator whose [`TorchRng::state`] this is; `None` for integers that are no generator's state.
    pub fn from_state(state: &[i64]) -> Option<Self> {
        let (words, rest) = state.split_at_checked(N)?;
        let (position, spare) = match *rest {
            [position] => (position, None),
            [position, spare] => (position, Some(f64::from_bits(spare.cast_unsigned()))),
            _ => return None,
        };
        let words: Vec<u32> = words.iter().map(|&word| u32::try_from(word).ok()).collect::<Option<_>>()?;
        let position = usize::try_from(position).ok().filter(|&position| position <= N)?;
        Some(Self { state: words.try_into().ok()?, position, spare_normal: spare })
    }

    /// Returns the next 32 random bits.
    pub fn next_u32(&mut self) -> u32 {
        if self.position == N {
            self.refill();
        }
        let mut y = self.state[self.position];
        self.position += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }

    fn refill(&mut self) {
        for i in 0..N {
            let y = (self.state[i] & 0x8000_0000) | (self.state[(i + 1) % N] & 0x7fff_ffff);
            let twist = if y & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[i] = self.state[(i + M) % N] ^ (y >> 1) ^ twist;
        }
        self.position = 0;
    }

    /// Returns a float in [0, 1) from 24 random bits.
    fn unit_f32(&mut self) -> f32 {
        (self.next_u32() & 0xff_ffff) as f32 * (1.0 / (1 << 24) as f32)
    }

    /// Returns a double in [0, 1) from 53 random bits; the first word drawn is the high half.
    fn unit_f64(&mut self) -> f64 {
        let high = u64::from(self.next_u32());
        let low = u64::from(self.next_u32());
        ((high << 32 | low) & ((1 << 53) - 1)) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// `tensor.uniform_(from, to)`: values in [from, to).
    pub fn fill_uniform(&mut self, out: &mut [f32], from: f32, to: f32) {
        for value in out {
            // One rounding: PyTorch's kernel is compiled to a fused multiply-add.
            *value = self.unit_f32().mul_add(to - from, from);
        }
    }

    /// `tensor.normal_(mean, std)`; `torch.randn` is `fill_normal(out, 0.0, 1.0)`.
    ///
    /// For 16 values or more PyTorch draws one uniform number per value and turns blocks of 16 into 8 Box–Muller
    /// pairs, radii first. If the length is no multiple of 16, the last 16 values are drawn again. For fewer than 16 it
    /// draws pairs of doubles and keeps the second of a pair for later.
    pub fn fill_normal(&mut self, out: &mut [f32], mean: f64, std: f64) {
        if out.len() < 16 {
            for value in out {
                *value = (self.scalar_normal() * std + mean) as f32;
            }
            return;
        }
        let (mean, std) = (mean as f32, std as f32);
        self.fill_uniform(out, 0.0, 1.0);
        let (blocks, tail) = out.as_chunks_mut::<16>();
        for block in blocks {
            box_muller(block, mean, std);
        }
        if !tail.is_empty()
            && let Some(last) = out.last_chunk_mut::<16>()
        {
            self.fill_uniform(last, 0.0, 1.0);
            box_muller(last, mean, std);
        }
    }

    /// `torch.randn(len)`.
    pub fn randn(&mut self, len: usize) -> Vec<f32> {
        let mut out = vec![0.0; len];
        self.fill_normal(&mut out, 0.0, 1.0);
        out
    }

    fn scalar_normal(&mut self) -> f64 {
        if let Some(spare) = self.spare_normal.take() {
            return spare;
        }
        let (u1, u2) = (self.unit_f64(), self.unit_f64());
        let radius = (-2.0 * (-u2).ln_1p()).sqrt();
        let (sin, cos) = (TAU * u1).sin_cos();
        self.spare_normal = Some(radius * sin);
        radius * cos
    }

    /// `torch.randperm(len)`.
    ///
    /// # Panics
    /// If `len` is 2³²/20 or more, where PyTorch uses another algorithm.
    pub fn randperm(&mut self, len: usize) -> Vec<u32> {
        assert!(len < u32::MAX as usize / 20, "randperm of {len} values");
        let mut order: Vec<u32> = (0..len as u32).collect();
        for i in 0..len.saturating_sub(1) {
            let other = self.next_u32() as usize % (len - i);
            order.swap(i, i + other);
        }
        order
    }
}

/// `normal_fill_16_AVX2`: eight radii, eight angles. Logarithm and angle are rounded to f32 as there: an angle near 2π
/// has an f32 neighbor 4.8e-7 away, so an exact angle would move the result by more than everything else together.
fn box_muller(block: &mut [f32; 16], mean: f32, std: f32) {
    for i in 0..8 {
        let log = f64::from(1.0 - block[i]).ln() as f32;
        let radius = (-2.0 * log).sqrt();
        let angle = std::f32::consts::TAU * block[i + 8];
        let (sin, cos) = f64::from(angle).sin_cos();
        block[i] = (radius * cos as f32).mul_add(std, mean);
        block[i + 8] = (radius * sin as f32).mul_add(std, mean);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dcgan_testkit::assert_close;
    use std::str::SplitWhitespace;

    /// What PyTorch answered, or for long answers its first and last values and two sums.
    enum Answer {
        All(Vec<f64>),
        Ends { ends: Vec<f64>, sum: f64, weighted: f64 },
    }

    impl Answer {
        fn parse(text: &str) -> Self {
            // Integers as they are; the others are the shortest text of an f32, not of an f64.
            let number = |v: &str| v.parse::<u32>().map_or_else(|_| f64::from(v.parse::<f32>().unwrap()), f64::from);
            let numbers = |text: &str| text.split_whitespace().map(number).collect();
            let Some((ends, sums)) = text.split_once(" sum ") else { return Answer::All(numbers(text)) };
            let (sum, weighted) = sums.split_once(" weighted ").unwrap();
            Answer::Ends { ends: numbers(ends), sum: sum.parse().unwrap(), weighted: weighted.parse().unwrap() }
        }

        /// `atol` and `rtol` hold for each value; a sum of n values may be off by n times as much.
        fn check(&self, name: &str, got: &[f64], atol: f64, rtol: f64) {
            match self {
                Answer::All(want) => assert_close(name, got, want, atol, rtol),
                Answer::Ends { ends, sum, weighted } => {
                    let half = ends.len() / 2;
                    let got_ends = [&got[..half], &got[got.len() - half..]].concat();
                    assert_close(name, &got_ends, ends, atol, rtol);
                    let n = got.len() as f64;
                    let by_position = got.iter().enumerate().map(|(i, v)| v * (i + 1) as f64 / n).sum::<f64>();
                    // The f64 sums themselves are rounded, in another order than PyTorch's.
                    let rounding = n * f64::EPSILON * got.iter().map(|v| v.abs()).sum::<f64>();
                    let size: f64 = got.iter().map(|v| atol + rtol * v.abs()).sum();
                    assert_close(name, &[got.iter().sum(), by_position], &[*sum, *weighted], size + rounding, 0.0);
                }
            }
        }
    }

    #[test]
    fn a_stream_goes_on_from_its_state() {
        // At its start, within a block, at its end, and with a number kept for later.
        for (normals, words) in [(0, 0), (0, 1), (0, 624), (0, 700), (3, 5), (4, 0), (100, 0)] {
            let mut rng = TorchRng::seed_from_u64(9);
            rng.randn(normals);
            (0..words).for_each(|_| _ = rng.next_u32());
            let mut again = TorchRng::from_state(&rng.state()).unwrap();
            assert_eq!(again, rng);
            assert_eq!(again.randn(5), rng.randn(5), "after {normals} normal numbers and {words} words");
            assert_eq!(again.randn(1000), rng.randn(1000));
        }
        let state = TorchRng::seed_from_u64(0).state();
        let broken = |change: &dyn Fn(&mut Vec<i64>)| {
            let mut state = state.clone();
            change(&mut state);
            TorchRng::from_state(&state)
        };
        assert!(broken(&|_| {}).is_some());
        assert!(broken(&|state| state.truncate(624)).is_none());
        assert!(broken(&|state| state.extend([1, 2])).is_none());
        assert!(broken(&|state| state[5] = -1).is_none());
        assert!(broken(&|state| state[5] = 1 << 32).is_none());
        assert!(broken(&|state| state[624] = 625).is_none());
    }

    #[test]
    fn every_call_answers_as_pytorch() {
        let mut rng = TorchRng::seed_from_u64(0);
        let mut calls = 0;
        for (number, line) in include_str!("../tests/fixtures/rng.txt").lines().enumerate() {
            if line.starts_with('#') {
                continue;
            }
            let (call, answer) = line.split_once(" = ").unwrap_or((line, ""));
            let name = format!("rng.txt:{}: {call}", number + 1);
            let answer = Answer::parse(answer);
            let mut words = call.split_whitespace();
            let next = |words: &mut SplitWhitespace<'_>| words.next().unwrap().to_owned();
            let bounds = |words: &mut SplitWhitespace<'_>| -> (f64, f64, usize) {
                let mut float = || words.next().unwrap().parse().unwrap();
                let (a, b) = (float(), float());
                (a, b, words.next().unwrap().parse().unwrap())
            };
            let wide = |values: Vec<f32>| values.into_iter().map(f64::from).collect::<Vec<_>>();
            match next(&mut words).as_str() {
                "seed" => rng = TorchRng::seed_from_u64(next(&mut words).parse().unwrap()),
                "words" => {
                    let n = next(&mut words).parse().unwrap();
                    let got: Vec<f64> = (0..n).map(|_| f64::from(rng.next_u32())).collect();
                    answer.check(&name, &got, 0.0, 0.0);
                }
                "uniform" => {
                    let (from, to, n) = bounds(&mut words);
                    let mut out = vec![0.0; n];
                    // Python's doubles are rounded to f32 once, as PyTorch does.
                    rng.fill_uniform(&mut out, from as f32, to as f32);
                    answer.check(&name, &wide(out), 0.0, 0.0);
                }
                "normal" => {
                    let (mean, std, n) = bounds(&mut words);
                    let mut out = vec![0.0; n];
                    rng.fill_normal(&mut out, mean, std);
                    // Short ones are computed in f64 on both sides and may differ in the last bit of the f32.
                    let (atol, rtol) = if n < 16 { (0.0, 1.2e-7) } else { (3.1e-7, 3.1e-7) };
                    // One more rounding, of value · std + mean.
                    answer.check(&name, &wide(out), atol * std + mean.abs() * 6e-8, rtol);
                }
                "permutation" => {
                    let got: Vec<f64> =
                        rng.randperm(next(&mut words).parse().unwrap()).into_iter().map(f64::from).collect();
                    answer.check(&name, &got, 0.0, 0.0);
                }
                other => panic!("{name}: unknown call {other}"),
            }
            calls += 1;
        }
        assert!(calls > 100, "only {calls} calls");
    }

    #[test]
    fn a_clone_goes_on_alike() {
        let mut rng = TorchRng::seed_from_u64(9);
        rng.randn(1);
        let mut copy = rng.clone();
        assert_eq!(rng.randn(33), copy.randn(33));
        assert_eq!(rng.randn(1), copy.randn(1));
    }
}
