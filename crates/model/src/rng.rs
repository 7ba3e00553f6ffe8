//! PyTorch's random numbers on the CPU, so that a seed means the same here and there.
//!
//! Source: `aten/src/ATen/core/MT19937RNGEngine.h`, `TransformationHelper.h`, `DistributionsHelper.h` and
//! `native/cpu/DistributionTemplates.h` of PyTorch 2.11. Uniform numbers and permutations agree to the bit. Normal numbers agree to about
//! 2e-7, because PyTorch's logarithm, sine and cosine are vectorised approximations; ours are computed in f64 and rounded, which makes
//! them the same on every platform.

use std::f64::consts::TAU;

const N: usize = 624;
const M: usize = 397;

/// `torch.Generator()` on the CPU: a 32-bit Mersenne Twister.
#[derive(Debug, Clone)]
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

    /// The next 32 random bits.
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

    /// A float in [0, 1) from 24 random bits.
    fn unit_f32(&mut self) -> f32 {
        (self.next_u32() & 0xff_ffff) as f32 * (1.0 / (1 << 24) as f32)
    }

    /// A double in [0, 1) from 53 random bits; the first word drawn is the high half.
    fn unit_f64(&mut self) -> f64 {
        let high = u64::from(self.next_u32());
        let low = u64::from(self.next_u32());
        ((high << 32 | low) & ((1 << 53) - 1)) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// `tensor.uniform_(from, to)`: values in [from, to).
    pub fn fill_uniform(&mut self, out: &mut [f32], from: f32, to: f32) {
        for value in out {
            *value = self.unit_f32() * (to - from) + from;
        }
    }

    /// `tensor.normal_(mean, std)`; `torch.randn` is `fill_normal(out, 0.0, 1.0)`.
    ///
    /// For 16 values or more PyTorch draws one uniform number per value and turns blocks of 16 into 8 Box–Muller pairs, radii first. If
    /// the length is no multiple of 16, the last 16 values are drawn again. For fewer than 16 it draws pairs of doubles and keeps the
    /// second of a pair for later.
    pub fn fill_normal(&mut self, out: &mut [f32], mean: f32, std: f32) {
        if out.len() < 16 {
            for value in out {
                *value = (self.scalar_normal() * f64::from(std) + f64::from(mean)) as f32;
            }
            return;
        }
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

/// `normal_fill_16`: eight radii, eight angles.
fn box_muller(block: &mut [f32; 16], mean: f32, std: f32) {
    for i in 0..8 {
        let radius = (-2.0 * f64::from(1.0 - block[i]).ln()).sqrt();
        let (sin, cos) = (TAU * f64::from(block[i + 8])).sin_cos();
        block[i] = (radius * cos) as f32 * std + mean;
        block[i + 8] = (radius * sin) as f32 * std + mean;
    }
}
