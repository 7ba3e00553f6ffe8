//! Convolutions: three passes that serve `Conv2d`, `ConvTranspose2d` and all their gradients.
//!
//! A strided convolution maps a *big* picture (H × W × C) to a *small* one (h × w × K); a transposed convolution with the same sizes maps
//! small to big, and is the adjoint. So, with one weight of k × k × C × K (row-major: ky, kx, big channel, small channel):
//!
//! | pass | computes | is |
//! |---|---|---|
//! | [`ConvPlan::forward`] | big → small | Conv2d forward, ConvTranspose2d input gradient |
//! | [`ConvPlan::adjoint`] | small → big | Conv2d input gradient, ConvTranspose2d forward |
//! | [`ConvPlan::weight_gradient`] | big, small → weight | the weight gradient of both |
//!
//! PyTorch's weights, out × in × k × k for `Conv2d` and in × out × k × k for `ConvTranspose2d`, are both *small × big × k × k*.

mod direct;
mod winograd;

use crate::Cpu;
use winograd::{SchemeKind, Winograd};

/// Height, width and channels of one side of a convolution; pixels are NHWC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plane {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Channels.
    pub channels: usize,
}

impl Plane {
    /// Height × width.
    pub fn pixels(&self) -> usize {
        self.height * self.width
    }

    /// Height × width × channels.
    pub fn len(&self) -> usize {
        self.pixels() * self.channels
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The sizes of a convolution, without the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvShape {
    /// The side that a strided convolution reads.
    pub big: Plane,
    /// The side that a strided convolution writes.
    pub small: Plane,
    /// Kernel height and width.
    pub kernel: usize,
    /// Distance of neighbouring small pixels on the big side.
    pub stride: usize,
    /// Zeros around the big side.
    pub padding: usize,
}

impl ConvShape {
    /// From the big side: `Conv2d(big.channels, small_channels, kernel, stride, padding)` on a picture of `big`'s size.
    ///
    /// # Panics
    /// If the kernel does not fit into the padded picture, or stride or kernel are 0.
    pub fn new(big: Plane, small_channels: usize, kernel: usize, stride: usize, padding: usize) -> Self {
        let size = |len: usize| {
            assert!(kernel > 0 && stride > 0 && len + 2 * padding >= kernel, "kernel {kernel} on {len} pixels");
            (len + 2 * padding - kernel) / stride + 1
        };
        let small = Plane { height: size(big.height), width: size(big.width), channels: small_channels };
        Self { big, small, kernel, stride, padding }
    }

    /// From the small side: `ConvTranspose2d(small.channels, big_channels, kernel, stride, padding)` on a picture of `small`'s size.
    ///
    /// # Panics
    /// If nothing would be left of the big side, or stride or kernel are 0.
    pub fn transposed(small: Plane, big_channels: usize, kernel: usize, stride: usize, padding: usize) -> Self {
        let size = |len: usize| {
            let padded = (len - 1) * stride + kernel;
            assert!(kernel > 0 && stride > 0 && padded > 2 * padding, "padding {padding} on {padded} pixels");
            padded - 2 * padding
        };
        let big = Plane { height: size(small.height), width: size(small.width), channels: big_channels };
        Self { big, small, kernel, stride, padding }
    }

    /// Values of the weight: k × k × big channels × small channels.
    pub fn weight_len(&self) -> usize {
        self.kernel * self.kernel * self.big.channels * self.small.channels
    }

    /// Multiply-adds of one pass on one picture, computed directly.
    pub fn direct_multiply_adds(&self) -> usize {
        self.small.pixels() * self.weight_len()
    }
}

/// How a convolution is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// One matrix product, on patches read where they lie. Any convolution.
    Direct,
    /// Winograd's F(2 × 2, 2 × 2) on the four phases of a k4 s2 p1 convolution: 1.78 times fewer multiplications.
    Winograd2,
    /// Winograd's F(4 × 4, 2 × 2) on the same: 2.56 times fewer multiplications.
    Winograd4,
}

impl Algorithm {
    /// The algorithms that can compute a convolution of this shape.
    pub fn applicable(shape: &ConvShape) -> &'static [Self] {
        if Winograd::applies(shape) { &[Self::Direct, Self::Winograd2, Self::Winograd4] } else { &[Self::Direct] }
    }

    /// The fastest algorithm for a convolution of this shape; see `notes.md` beside this file for the measurements.
    pub fn select(shape: &ConvShape) -> Self {
        let few_channels = shape.big.channels < 16 || shape.small.channels < 16;
        if !Winograd::applies(shape) || few_channels {
            Self::Direct
        } else if shape.small.height >= 4 && shape.small.width >= 4 {
            Self::Winograd4
        } else {
            Self::Winograd2
        }
    }
}

/// A convolution of one shape on batches up to a fixed size, with its algorithm chosen and its memory measured.
#[derive(Debug, Clone, Copy)]
pub struct ConvPlan {
    shape: ConvShape,
    max_batch: usize,
    algorithm: Algorithm,
}

/// One side of a weight gradient.
#[derive(Debug)]
pub struct Operand<'a> {
    /// The pictures, NHWC.
    pub values: &'a [f32],
    /// Memory for what the algorithm makes of them: [`ConvPlan::big_transform_len`] or [`ConvPlan::small_transform_len`] values.
    pub transform: &'a mut [f32],
    /// `transform` was kept by a pass over the same `values`.
    pub ready: bool,
}

impl ConvPlan {
    /// Plans for batches of 1 to `max_batch` pictures, with the fastest algorithm.
    pub fn new(shape: ConvShape, max_batch: usize) -> Self {
        Self::with_algorithm(shape, max_batch, Algorithm::select(&shape))
    }

    /// Plans with a given algorithm.
    ///
    /// # Panics
    /// If the algorithm is not [`Algorithm::applicable`].
    pub fn with_algorithm(shape: ConvShape, max_batch: usize, algorithm: Algorithm) -> Self {
        assert!(Algorithm::applicable(&shape).contains(&algorithm), "{algorithm:?} of {shape:?}");
        Self { shape, max_batch, algorithm }
    }

    /// The sizes.
    pub fn shape(&self) -> &ConvShape {
        &self.shape
    }

    /// The algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    fn winograd(&self) -> Option<Winograd> {
        let scheme = match self.algorithm {
            Algorithm::Direct => return None,
            Algorithm::Winograd2 => SchemeKind::F2,
            Algorithm::Winograd4 => SchemeKind::F4,
        };
        Some(Winograd::new(self.shape, scheme, self.max_batch))
    }

    /// Values of scratch memory that each pass needs.
    pub fn scratch_len(&self, cpu: &Cpu) -> usize {
        match self.winograd() {
            None => direct::scratch_len(cpu, &self.shape, self.max_batch),
            Some(winograd) => winograd.scratch_len(cpu),
        }
    }

    /// Values of the transform of the big side that [`ConvPlan::forward`] can keep for the weight gradient; 0 if there is none.
    pub fn big_transform_len(&self, cpu: &Cpu) -> usize {
        self.winograd().map_or(0, |winograd| winograd.big_len(cpu.isa()))
    }

    /// Values of the transform of the small side that [`ConvPlan::adjoint`] can keep for the weight gradient; 0 if there is none.
    pub fn small_transform_len(&self, cpu: &Cpu) -> usize {
        self.winograd().map_or(0, |winograd| winograd.small_len(cpu.isa()))
    }

    /// small = conv(big, weight), for `batch` pictures. `keep` takes the transform of `big`.
    ///
    /// # Panics
    /// If a slice does not have the length that the shape and `batch` say, `scratch` is shorter than [`ConvPlan::scratch_len`], or `batch`
    /// is larger than planned.
    pub fn forward(
        &self,
        cpu: &Cpu,
        small: &mut [f32],
        big: &[f32],
        weight: &[f32],
        batch: usize,
        keep: Option<&mut [f32]>,
        scratch: &mut [f32],
    ) {
        self.check(cpu, big.len(), small.len(), weight.len(), batch, scratch.len());
        match self.winograd() {
            None => direct::forward(cpu, &self.shape, small, big, weight, batch, scratch),
            Some(winograd) => winograd.forward(cpu, small, big, weight, batch, keep, scratch),
        }
    }

    /// big = convᵀ(small, weight), for `batch` pictures. `keep` takes the transform of `small`.
    ///
    /// # Panics
    /// As [`ConvPlan::forward`].
    pub fn adjoint(
        &self,
        cpu: &Cpu,
        big: &mut [f32],
        small: &[f32],
        weight: &[f32],
        batch: usize,
        keep: Option<&mut [f32]>,
        scratch: &mut [f32],
    ) {
        self.check(cpu, big.len(), small.len(), weight.len(), batch, scratch.len());
        match self.winograd() {
            None => direct::adjoint(cpu, &self.shape, big, small, weight, batch, scratch),
            Some(winograd) => winograd.adjoint(cpu, big, small, weight, batch, keep, scratch),
        }
    }

    /// dweight = ∂⟨conv(big, weight), small⟩ / ∂weight. Replaces `dweight`: every gradient is computed once per optimizer step.
    ///
    /// # Panics
    /// As [`ConvPlan::forward`], or if memory for a transform is too short.
    pub fn weight_gradient(
        &self,
        cpu: &Cpu,
        dweight: &mut [f32],
        big: Operand<'_>,
        small: Operand<'_>,
        batch: usize,
        scratch: &mut [f32],
    ) {
        self.check(cpu, big.values.len(), small.values.len(), dweight.len(), batch, scratch.len());
        match self.winograd() {
            None => direct::weight_gradient(cpu, &self.shape, dweight, big.values, small.values, batch, scratch),
            Some(winograd) => winograd.weight_gradient(cpu, dweight, big, small, batch, scratch),
        }
    }

    fn check(&self, cpu: &Cpu, big: usize, small: usize, weight: usize, batch: usize, scratch: usize) {
        assert!(batch <= self.max_batch, "batch {batch} of at most {}", self.max_batch);
        assert_eq!(big, batch * self.shape.big.len(), "big side");
        assert_eq!(small, batch * self.shape.small.len(), "small side");
        assert_eq!(weight, self.shape.weight_len(), "weight");
        assert!(scratch >= self.scratch_len(cpu), "scratch");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Isa;

    fn values(len: usize, seed: usize) -> Vec<f32> {
        (0..len).map(|i| ((i * 7919 + seed * 104_729) % 2003) as f32 / 1001.5 - 1.0).collect()
    }

    fn plane(height: usize, width: usize, channels: usize) -> Plane {
        Plane { height, width, channels }
    }

    /// All algorithms agree on all passes, for every instruction set, with kept transforms and without, on sizes that fill tiles, panels
    /// and blocks and on sizes that do not. Direct is held to PyTorch elsewhere.
    #[test]
    fn algorithms_agree() {
        let shapes = [
            (plane(8, 12, 3), 5, 3),
            (plane(2, 2, 1), 1, 2),
            (plane(4, 6, 17), 33, 5),
            (plane(10, 14, 16), 40, 2),
            (plane(16, 16, 32), 64, 7),
            (plane(36, 8, 5), 3, 1),
            (plane(8, 8, 64), 16, 21),
        ];
        for isa in Isa::available() {
            let cpu = Cpu::new(isa, 2).unwrap();
            for (big, small_channels, batch) in shapes {
                let shape = ConvShape::new(big, small_channels, 4, 2, 1);
                let reference = passes(&cpu, shape, batch, Algorithm::Direct, false);
                for algorithm in [Algorithm::Winograd2, Algorithm::Winograd4] {
                    for keep in [false, true] {
                        let got = passes(&cpu, shape, batch, algorithm, keep);
                        for (pass, (got, want)) in got.iter().zip(&reference).enumerate() {
                            let largest = want.iter().fold(0.0f32, |max, v| max.max(v.abs()));
                            for (i, (g, w)) in got.iter().zip(want).enumerate() {
                                let case = format!("{isa:?} {algorithm:?} {shape:?} pass {pass} keep {keep} [{i}]");
                                assert!((g - w).abs() <= 1e-5 * largest.max(1.0), "{case}: {g} {w}");
                            }
                        }
                    }
                }
            }
        }
    }

    fn passes(cpu: &Cpu, shape: ConvShape, batch: usize, algorithm: Algorithm, keep: bool) -> [Vec<f32>; 3] {
        // Planned for more than is used: the last block of a smaller batch must not read beyond it.
        let plan = ConvPlan::with_algorithm(shape, batch + 1, algorithm);
        let (x, y) = (values(batch * shape.big.len(), 1), values(batch * shape.small.len(), 2));
        let weight = values(shape.weight_len(), 3);
        let mut scratch = vec![f32::NAN; plan.scratch_len(cpu)];
        let mut big_transform = vec![f32::NAN; plan.big_transform_len(cpu)];
        let mut small_transform = vec![f32::NAN; plan.small_transform_len(cpu)];
        let mut forward = vec![f32::NAN; y.len()];
        plan.forward(cpu, &mut forward, &x, &weight, batch, keep.then_some(&mut big_transform[..]), &mut scratch);
        let mut adjoint = vec![f32::NAN; x.len()];
        plan.adjoint(cpu, &mut adjoint, &y, &weight, batch, keep.then_some(&mut small_transform[..]), &mut scratch);
        let mut gradient = vec![f32::NAN; weight.len()];
        let big = Operand { values: &x, transform: &mut big_transform, ready: keep };
        let small = Operand { values: &y, transform: &mut small_transform, ready: keep };
        plan.weight_gradient(cpu, &mut gradient, big, small, batch, &mut scratch);
        [forward, adjoint, gradient]
    }

    #[test]
    fn selection_follows_the_shape() {
        let select = |big, small, kernel, stride, padding| {
            Algorithm::select(&ConvShape::new(big, small, kernel, stride, padding))
        };
        assert_eq!(select(plane(32, 32, 64), 128, 4, 2, 1), Algorithm::Winograd4);
        assert_eq!(select(plane(64, 64, 3), 64, 4, 2, 1), Algorithm::Direct);
        assert_eq!(select(plane(4, 4, 512), 1, 4, 1, 0), Algorithm::Direct);
        assert_eq!(select(plane(4, 4, 64), 128, 4, 2, 1), Algorithm::Winograd2);
    }

    #[test]
    #[ignore = "times all algorithms: cargo test --release -p dcgan-kernels bench_ -- --ignored --nocapture"]
    fn bench_algorithms() {
        let cpu = Cpu::new(Isa::available()[0], 0).unwrap();
        for (size, big, small) in [(64, 3, 64), (32, 64, 128), (16, 128, 256), (8, 256, 512)] {
            let shape = ConvShape::new(plane(size, size, big), small, 4, 2, 1);
            for &algorithm in Algorithm::applicable(&shape) {
                let batch = 128;
                let plan = ConvPlan::with_algorithm(shape, batch, algorithm);
                let (x, y) = (values(batch * shape.big.len(), 1), values(batch * shape.small.len(), 2));
                let mut weight = values(shape.weight_len(), 3);
                let (mut out_small, mut out_big) = (y.clone(), x.clone());
                let mut scratch = vec![0.0; plan.scratch_len(&cpu)];
                let mut v = vec![0.0; plan.big_transform_len(&cpu)];
                let mut n = vec![0.0; plan.small_transform_len(&cpu)];
                let mut times = [const { Vec::new() }; 3];
                for _ in 0..7 {
                    let start = std::time::Instant::now();
                    plan.forward(&cpu, &mut out_small, &x, &weight, batch, Some(&mut v), &mut scratch);
                    times[0].push(start.elapsed().as_secs_f64() * 1e3);
                    let start = std::time::Instant::now();
                    plan.adjoint(&cpu, &mut out_big, &y, &weight, batch, Some(&mut n), &mut scratch);
                    times[1].push(start.elapsed().as_secs_f64() * 1e3);
                    let start = std::time::Instant::now();
                    let big = Operand { values: &x, transform: &mut v, ready: true };
                    let small = Operand { values: &y, transform: &mut n, ready: true };
                    plan.weight_gradient(&cpu, &mut weight, big, small, batch, &mut scratch);
                    times[2].push(start.elapsed().as_secs_f64() * 1e3);
                }
                let direct = shape.direct_multiply_adds() as f64 * 128.0 * 2e-9;
                for (times, pass) in times.iter_mut().zip(["forward", "adjoint", "weights"]) {
                    times.sort_by(f64::total_cmp);
                    println!(
                        "{size:>2}²·{big}→{small} {algorithm:?} {pass}: median {:.1} ms, best {:.1} ms, {:.0} direct GFLOP/s",
                        times[3],
                        times[0],
                        direct / times[0] * 1e3
                    );
                }
            }
        }
    }
}
