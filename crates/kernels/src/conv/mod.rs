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
use crate::finish::Finish;
use crate::source::Source;
use winograd::{Job, Pass, SchemeKind, Weight, Winograd};

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

    /// The algorithm for [`ConvPlan::adjoint_prepared`]: one for a single picture and for many, so that a picture never depends on how many
    /// are drawn with it. A single one on few tiles spends its time reading weights, and those of F(4 × 4, 2 × 2) are 2.8 times as large.
    pub fn select_prepared(shape: &ConvShape) -> Self {
        match Self::select(shape) {
            Self::Winograd4 if shape.small.height < 16 => Self::Winograd2,
            algorithm => algorithm,
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

/// The small side of a weight gradient.
#[derive(Debug)]
pub struct SmallSide<'a> {
    /// The pictures, NHWC.
    pub source: Source<'a>,
    /// Memory for what the algorithm makes of them: [`ConvPlan::small_transform_len`] values.
    pub transform: &'a mut [f32],
    /// `transform` was kept by [`ConvPlan::adjoint`] of the same pictures.
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

    /// Values of the transform of the small side that [`ConvPlan::adjoint`] can keep for the weight gradient; 0 if there is none.
    pub fn small_transform_len(&self, cpu: &Cpu) -> usize {
        self.winograd().map_or(0, |winograd| winograd.small_len(cpu.isa()))
    }

    /// Pieces that [`ConvPlan::forward`] and [`ConvPlan::adjoint`] write `batch` pictures in. A [`Finish`] that sums needs
    /// [`crate::batch_norm::sums_len`] values for each.
    pub fn pieces(&self, cpu: &Cpu, batch: usize) -> usize {
        match self.winograd() {
            None => direct::pieces(cpu, &self.shape, batch),
            Some(winograd) => winograd.pieces(cpu.isa(), batch),
        }
    }

    /// small = finish(conv(big, weight)), for `batch` pictures.
    ///
    /// # Panics
    /// If a slice does not have the length that the shape and `batch` say, `scratch` is shorter than [`ConvPlan::scratch_len`], or `batch`
    /// is larger than planned.
    pub fn forward(
        &self,
        cpu: &Cpu,
        small: &mut [f32],
        finish: Finish<'_>,
        big: Source<'_>,
        weight: &[f32],
        batch: usize,
        scratch: &mut [f32],
    ) {
        big.check(self.shape.big.channels);
        self.check(big.len(), small.len(), batch);
        assert_eq!(weight.len(), self.shape.weight_len(), "weight");
        assert!(scratch.len() >= self.scratch_len(cpu), "scratch");
        match self.winograd() {
            None => direct::forward(cpu, &self.shape, small, finish, big, weight, batch, scratch),
            Some(winograd) => {
                let weight = Weight::Taps(weight);
                let job = Job { pass: Pass::Forward, input: big, weight, finish, batch, keep: None };
                winograd.run(cpu, small, job, scratch);
            }
        }
    }

    /// Values of a weight prepared for the adjoint pass.
    pub fn prepared_len(&self, cpu: &Cpu) -> usize {
        match self.winograd() {
            None => direct::prepared_len(cpu, &self.shape),
            Some(winograd) => winograd.prepared_len(cpu.isa()),
        }
    }

    /// Prepares a weight for [`ConvPlan::adjoint_prepared`]: transforms it, and lays it out as the pass reads it.
    ///
    /// # Panics
    /// If `prepared` does not have [`ConvPlan::prepared_len`] values, or another slice is too short for the shape.
    pub fn prepare_adjoint(&self, cpu: &Cpu, prepared: &mut [f32], weight: &[f32]) {
        assert_eq!(weight.len(), self.shape.weight_len(), "weight");
        assert_eq!(prepared.len(), self.prepared_len(cpu), "prepared weight");
        match self.winograd() {
            None => direct::prepare_adjoint(cpu, &self.shape, prepared, weight),
            Some(winograd) => winograd.prepare_adjoint(cpu, prepared, weight),
        }
    }

    /// big = finish(convᵀ(small, weight)), for `batch` pictures. `keep` takes the transform of `small`.
    ///
    /// # Panics
    /// As [`ConvPlan::forward`].
    pub fn adjoint(
        &self,
        cpu: &Cpu,
        big: &mut [f32],
        finish: Finish<'_>,
        small: Source<'_>,
        weight: &[f32],
        batch: usize,
        keep: Option<&mut [f32]>,
        scratch: &mut [f32],
    ) {
        assert!(scratch.len() >= self.scratch_len(cpu), "scratch");
        small.check(self.shape.small.channels);
        self.check(big.len(), small.len(), batch);
        assert_eq!(weight.len(), self.shape.weight_len(), "weight");
        match self.winograd() {
            None => {
                let (prepared, scratch) = scratch.split_at_mut(direct::prepared_len(cpu, &self.shape));
                direct::prepare_adjoint(cpu, &self.shape, prepared, weight);
                direct::adjoint(cpu, &self.shape, big, finish, small, prepared, batch, scratch);
            }
            Some(winograd) => {
                let weight = Weight::Taps(weight);
                let job = Job { pass: Pass::Adjoint, input: small, weight, finish, batch, keep };
                winograd.run(cpu, big, job, scratch);
            }
        }
    }

    /// As [`ConvPlan::adjoint`], with a weight that [`ConvPlan::prepare_adjoint`] has prepared. A picture's values do not depend on which
    /// others it is computed with.
    ///
    /// # Panics
    /// As [`ConvPlan::forward`].
    pub fn adjoint_prepared(
        &self,
        cpu: &Cpu,
        big: &mut [f32],
        finish: Finish<'_>,
        small: Source<'_>,
        prepared: &[f32],
        batch: usize,
        scratch: &mut [f32],
    ) {
        assert!(scratch.len() >= self.scratch_len(cpu), "scratch");
        small.check(self.shape.small.channels);
        self.check(big.len(), small.len(), batch);
        assert_eq!(prepared.len(), self.prepared_len(cpu), "prepared weight");
        match self.winograd() {
            None => direct::adjoint(cpu, &self.shape, big, finish, small, prepared, batch, scratch),
            Some(winograd) => {
                let weight = Weight::Prepared(prepared);
                let job = Job { pass: Pass::Adjoint, input: small, weight, finish, batch, keep: None };
                winograd.run(cpu, big, job, scratch);
            }
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
        big: Source<'_>,
        small: SmallSide<'_>,
        batch: usize,
        scratch: &mut [f32],
    ) {
        big.check(self.shape.big.channels);
        small.source.check(self.shape.small.channels);
        self.check(big.len(), small.source.len(), batch);
        assert_eq!(dweight.len(), self.shape.weight_len(), "weight");
        assert!(scratch.len() >= self.scratch_len(cpu), "scratch");
        match self.winograd() {
            None => direct::weight_gradient(cpu, &self.shape, dweight, big, small.source, batch, scratch),
            Some(winograd) => winograd.weight_gradient(cpu, dweight, big, small, batch, scratch),
        }
    }

    fn check(&self, big: usize, small: usize, batch: usize) {
        assert!(batch <= self.max_batch, "batch {batch} of at most {}", self.max_batch);
        assert_eq!(big, batch * self.shape.big.len(), "big side");
        assert_eq!(small, batch * self.shape.small.len(), "small side");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Isa;
    use crate::activation::Activation;
    use crate::batch_norm::{self, Gradients, MOMENTUM, Running, Statistics};
    use crate::memory::Buffer;
    use crate::source::{Activated, NormBackward, NormGradient};

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
            // Several blocks in a product of the weight gradient, the last one short, and several such products.
            (plane(16, 16, 4), 3, 263),
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
        let mut small_transform = vec![f32::NAN; plan.small_transform_len(cpu)];
        let (x, y) = (Source::Plain(&x), Source::Plain(&y));
        let mut forward = vec![f32::NAN; y.len()];
        plan.forward(cpu, &mut forward, Finish::Nothing, x, &weight, batch, &mut scratch);
        let mut adjoint = vec![f32::NAN; x.len()];
        let kept = keep.then_some(&mut small_transform[..]);
        plan.adjoint(cpu, &mut adjoint, Finish::Nothing, y, &weight, batch, kept, &mut scratch);
        let mut gradient = vec![f32::NAN; weight.len()];
        let small = SmallSide { source: y, transform: &mut small_transform, ready: keep };
        plan.weight_gradient(cpu, &mut gradient, x, small, batch, &mut scratch);
        [forward, adjoint, gradient]
    }

    /// Cut into steps of pictures for few threads or into columns for many, the passes are the same to the bit.
    #[test]
    fn the_cut_changes_no_bit() {
        // The last shape sums over more than a block of channels in both directions.
        let shapes = [
            (plane(8, 8, 20), 37, 130),
            (plane(16, 16, 32), 64, 35),
            (plane(36, 20, 5), 3, 9),
            (plane(4, 4, 80), 270, 130),
        ];
        for isa in Isa::available() {
            let [few, many] = [1, 64].map(|threads| Cpu::new(isa, threads).unwrap());
            for (big, small_channels, batch) in shapes {
                let shape = ConvShape::new(big, small_channels, 4, 2, 1);
                for algorithm in [Algorithm::Winograd2, Algorithm::Winograd4] {
                    let winograd = ConvPlan::with_algorithm(shape, batch, algorithm).winograd().unwrap();
                    assert!([&few, &many].map(|cpu| winograd.is_cut_by_columns(cpu, batch, false)) == [false, true]);
                    for keep in [false, true] {
                        let [few, many] = [&few, &many].map(|cpu| passes(cpu, shape, batch, algorithm, keep));
                        assert!(few == many, "{isa:?} {algorithm:?} {shape:?}, kept: {keep}");
                    }
                    // One block or two are cut into columns also for one thread, and the wider the fewer threads there are.
                    let few = &few;
                    let among = passes(few, shape, batch, algorithm, false);
                    for part in [9, 20].map(|part| part.min(batch)) {
                        if winograd.is_cut_by_columns(few, part, false) {
                            let alone = passes(few, shape, part, algorithm, false);
                            for (alone, among) in alone.iter().zip(&among).take(2) {
                                assert!(among.starts_with(alone), "{isa:?} {algorithm:?} {shape:?}: {part} of {batch}");
                            }
                        }
                    }
                }
            }
        }
    }

    /// With prepared weights, a picture is the same to the bit alone or among others, for any number of threads.
    #[test]
    fn prepared_weights_draw_each_picture_alone() {
        let shapes = [
            (plane(8, 8, 64), 21, 9),
            (plane(32, 32, 96), 16, 5),
            (plane(36, 20, 3), 35, 4),
            (plane(12, 8, 1), 7, 19),
            (plane(16, 16, 5), 12, 6),
            (plane(4, 4, 20), 270, 66),
        ];
        for isa in Isa::available() {
            for (big, small_channels, batch) in shapes {
                let shape = ConvShape::new(big, small_channels, 4, 2, 1);
                for &algorithm in Algorithm::applicable(&shape) {
                    let plan = ConvPlan::with_algorithm(shape, batch, algorithm);
                    let (y, weight) = (values(batch * shape.small.len(), 2), values(shape.weight_len(), 3));
                    let draw = |threads, count: usize| {
                        let cpu = Cpu::new(isa, threads).unwrap();
                        let mut scratch = vec![f32::NAN; plan.scratch_len(&cpu)];
                        let mut prepared = vec![f32::NAN; plan.prepared_len(&cpu)];
                        plan.prepare_adjoint(&cpu, &mut prepared, &weight);
                        let mut out = vec![f32::NAN; batch * shape.big.len()];
                        for (y, out) in y.chunks(count * shape.small.len()).zip(out.chunks_mut(count * shape.big.len()))
                        {
                            let finish = Finish::Activate(Activation::Tanh);
                            let pictures = out.len() / shape.big.len();
                            plan.adjoint_prepared(
                                &cpu,
                                out,
                                finish,
                                Source::Plain(y),
                                &prepared,
                                pictures,
                                &mut scratch,
                            );
                        }
                        out
                    };
                    let together = draw(1, batch);
                    for (threads, count) in [(1, 1), (3, 1), (8, 2), (8, batch)] {
                        assert!(
                            draw(threads, count) == together,
                            "{isa:?} {plan:?}: {threads} threads, {count} at a time"
                        );
                    }
                }
            }
        }
    }

    /// Reading through a source and finishing in the cache are the same as doing it before and after, to the bit.
    #[test]
    fn sources_and_finishes_ride_along() {
        let shapes = [
            (ConvShape::new(plane(8, 12, 20), 33, 4, 2, 1), 18),
            (ConvShape::new(plane(16, 16, 32), 64, 4, 2, 1), 18),
            // Several blocks, and several pieces in a step.
            (ConvShape::new(plane(8, 8, 12), 20, 4, 2, 1), 140),
            (ConvShape::new(plane(4, 4, 24), 5, 4, 1, 0), 18),
            (ConvShape::new(plane(9, 7, 3), 4, 3, 2, 1), 18),
        ];
        for isa in Isa::available() {
            let cpu = Cpu::new(isa, 2).unwrap();
            for (shape, batch) in shapes {
                for &algorithm in Algorithm::applicable(&shape) {
                    check_riding(&cpu, &ConvPlan::with_algorithm(shape, batch + 1, algorithm), batch);
                }
            }
        }
    }

    fn check_riding(cpu: &Cpu, plan: &ConvPlan, batch: usize) {
        let shape = *plan.shape();
        let (big, small) = (shape.big, shape.small);
        let (x, y) = (values(batch * big.len(), 1), values(batch * small.len(), 2));
        let (gradient, weight) = (values(batch * big.len(), 4), values(shape.weight_len(), 3));
        let per_channel: [Vec<f32>; 10] = std::array::from_fn(|i| values(big.channels.max(small.channels), 5 + i));
        let part = |i: usize, channels: usize| &per_channel[i][..channels];
        let forward = |x, channels| Activated { x, scale: part(0, channels), shift: part(1, channels), slope: 0.2 };
        let norm = NormBackward {
            forward: forward(&x, big.channels),
            gradient_factor: part(2, big.channels),
            x_factor: part(3, big.channels),
            constant: part(4, big.channels),
        };
        let norm_gradient = Source::NormGradient(NormGradient { gradient: &gradient, norm });
        let activated_small = Source::Activated(forward(&y, small.channels));
        let before = |source: Source<'_>, channels| {
            let mut out = vec![f32::NAN; source.len()];
            source.write_to(cpu, &mut out, channels);
            out
        };
        let (plain_big, plain_small) = (before(norm_gradient, big.channels), before(activated_small, small.channels));
        let mut applied = gradient.clone();
        norm.apply(cpu, &mut applied);
        assert_eq!(applied, plain_big, "gradient of batch norm's input, in place");
        let mut scratch = vec![f32::NAN; plan.scratch_len(cpu)];
        let mut transform = vec![f32::NAN; plan.small_transform_len(cpu)];
        let mut run = |big_source, small_source, finishes: [Finish<'_>; 2]| {
            let [small_finish, big_finish] = finishes;
            let mut out_small = vec![f32::NAN; y.len()];
            plan.forward(cpu, &mut out_small, small_finish, big_source, &weight, batch, &mut scratch);
            let mut out_big = vec![f32::NAN; x.len()];
            plan.adjoint(cpu, &mut out_big, big_finish, small_source, &weight, batch, None, &mut scratch);
            let mut dweight = vec![f32::NAN; weight.len()];
            let small = SmallSide { source: small_source, transform: &mut transform, ready: false };
            plan.weight_gradient(cpu, &mut dweight, big_source, small, batch, &mut scratch);
            (out_small, out_big, dweight)
        };
        let nothing = [Finish::Nothing, Finish::Nothing];
        let plain = run(Source::Plain(&plain_big), Source::Plain(&plain_small), nothing);
        let pieces = plan.pieces(cpu, batch);
        let sums = |channels| vec![f32::NAN; pieces * crate::batch_norm::sums_len(channels)];
        let (mut small_sums, mut big_sums) = (sums(small.channels), sums(big.channels));
        let sums = Finish::GradientSums {
            forward: forward(&x, big.channels),
            mean: part(5, big.channels),
            sums: &mut big_sums,
        };
        let riding = run(norm_gradient, activated_small, [Finish::Statistics(&mut small_sums), sums]);
        assert_eq!(plain, riding, "{plan:?}");

        let (out_small, out_big, _) = &plain;
        // The sums are those of the finished output taken by themselves: what follows from them is the same up to rounding.
        let alone = |values: &[f32], channels: usize| {
            let (mut mean, mut rstd) = (vec![0.0; channels], vec![0.0; channels]);
            let (mut running_mean, mut running_var) = (mean.clone(), rstd.clone());
            let mut scratch = vec![f32::NAN; batch_norm::scratch_len(values.len() / channels, channels)];
            let stats = Statistics { mean: &mut mean, rstd: &mut rstd };
            let running = Running { mean: &mut running_mean, var: &mut running_var, momentum: MOMENTUM };
            batch_norm::statistics(cpu, stats, running, values, &mut scratch);
            [mean, rstd, running_mean, running_var]
        };
        let want = alone(out_small, small.channels);
        let mut got = want.clone().map(|values| vec![0.0; values.len()]);
        let [mean, rstd, running_mean, running_var] = &mut got;
        let running = Running { mean: running_mean, var: running_var, momentum: MOMENTUM };
        batch_norm::finish_statistics(Statistics { mean, rstd }, running, &small_sums);
        let close = |got: &[f32], want: &[f32], what: &str| {
            let largest = want.iter().fold(0.0f32, |max, v| max.max(v.abs()));
            for (g, w) in got.iter().zip(want) {
                assert!((g - w).abs() <= 1e-5 * largest, "{plan:?} {what}: {g} {w}");
            }
        };
        for (got, want) in got.iter().zip(&want) {
            close(got, want, "statistics");
        }
        // Gradient sums against f64.
        let channels = big.channels;
        let [mut dweight, mut dbias, mut a, mut b, mut c] = std::array::from_fn(|_| vec![0.0; channels]);
        let out = Gradients {
            weight: &mut dweight,
            bias: &mut dbias,
            gradient_factor: &mut a,
            x_factor: &mut b,
            constant: &mut c,
        };
        let ones = vec![1.0; channels];
        batch_norm::finish_gradients(out, part(5, channels), &ones, &ones, &big_sums);
        let mut want = [vec![0.0; channels], vec![0.0; channels]];
        for c in 0..channels {
            for (dy, x) in out_big.iter().zip(&x).skip(c).step_by(channels) {
                let y = x * part(0, channels)[c] + part(1, channels)[c];
                let g = f64::from(*dy) * if y > 0.0 { 1.0 } else { f64::from(0.2f32) };
                want[0][c] += g * (f64::from(*x) - f64::from(part(5, channels)[c]));
                want[1][c] += g;
            }
        }
        for (got, want) in [(&dweight, &want[0]), (&dbias, &want[1])] {
            close(got, &want.iter().map(|v| *v as f32).collect::<Vec<_>>(), "gradients");
        }

        // The finishes that change the output.
        let activation = Activation::LeakyRelu(0.2);
        let (mut want_small, mut want_big) = (out_small.clone(), out_big.clone());
        crate::activation::forward(cpu, &mut want_small, activation);
        crate::activation::backward(cpu, &mut want_big, &x, Activation::Tanh);
        let finishes =
            [Finish::Activate(activation), Finish::ActivationGradient { activation: Activation::Tanh, outputs: &x }];
        let (got_small, got_big, _) = run(norm_gradient, activated_small, finishes);
        assert!(got_small == want_small && got_big == want_big, "{plan:?} finished");
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
        let select_prepared = |big, small| Algorithm::select_prepared(&ConvShape::new(big, small, 4, 2, 1));
        assert_eq!(select_prepared(plane(32, 32, 64), 128), Algorithm::Winograd4);
        assert_eq!(select_prepared(plane(16, 16, 128), 256), Algorithm::Winograd2);
        assert_eq!(select_prepared(plane(64, 64, 3), 64), Algorithm::Direct);
    }

    #[test]
    #[ignore = "a measurement; `tools/check/run.sh rust` runs it, and so does: cargo test --release -p dcgan-kernels bench_ -- --ignored --nocapture"]
    fn bench_algorithms() {
        let cpu = Cpu::new(Isa::available()[0], 0).unwrap();
        for (size, big, small) in [(64, 3, 64), (32, 64, 128), (16, 128, 256), (8, 256, 512)] {
            let shape = ConvShape::new(plane(size, size, big), small, 4, 2, 1);
            for &algorithm in Algorithm::applicable(&shape) {
                let batch = 128;
                let plan = ConvPlan::with_algorithm(shape, batch, algorithm);
                let buffer = |values: Vec<f32>| {
                    let mut buffer = Buffer::zeros(values.len());
                    buffer.copy_from_slice(&values);
                    buffer
                };
                let (x, y) = (buffer(values(batch * shape.big.len(), 1)), buffer(values(batch * shape.small.len(), 2)));
                let mut weight = values(shape.weight_len(), 3);
                let (mut out_small, mut out_big) = (Buffer::zeros(y.len()), Buffer::zeros(x.len()));
                let mut scratch = Buffer::zeros(plan.scratch_len(&cpu));
                let mut n = Buffer::zeros(plan.small_transform_len(&cpu));
                let (x, y) = (Source::Plain(&x), Source::Plain(&y));
                let mut times = [const { Vec::new() }; 3];
                for _ in 0..7 {
                    let mut time = |pass: usize, work: &mut dyn FnMut()| {
                        let start = std::time::Instant::now();
                        work();
                        times[pass].push(start.elapsed().as_secs_f64() * 1e3);
                    };
                    time(0, &mut || {
                        plan.forward(&cpu, &mut out_small, Finish::Nothing, x, &weight, batch, &mut scratch);
                    });
                    let adjoint = &mut || {
                        let keep = Some(&mut n[..]);
                        plan.adjoint(&cpu, &mut out_big, Finish::Nothing, y, &weight, batch, keep, &mut scratch);
                    };
                    time(1, adjoint);
                    time(2, &mut || {
                        let small = SmallSide { source: y, transform: &mut n, ready: true };
                        plan.weight_gradient(&cpu, &mut weight, x, small, batch, &mut scratch);
                    });
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
