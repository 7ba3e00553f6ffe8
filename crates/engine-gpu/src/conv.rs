//! Convolutions as matrix products.
//!
//! A convolution has a *big* and a *small* side, as in `dcgan-kernels`: `Conv2d` is big → small, `ConvTranspose2d`
//! small → big, and each is the other's input gradient. Activations are N × H × W × C, so that a matrix of pixels
//! × channels is an activation without moving a value, and a weight is the matrix of (kernel row, kernel column, big
//! channel) × small channel.
//!
//! | pass | computes | as |
//! |---|---|---|
//! | forward | small | patches of big · W |
//! | weight gradient | W | patches of bigᵀ · small |
//! | adjoint | big, in blocks of stride × stride pixels | patches of small · W, in taps of blocks |
//!
//! For the adjoint, W is turned into kernel/stride × kernel/stride taps of such blocks.
//!
//! Why not Burn's own convolutions: without matrix units (Metal, and Vulkan through wgpu) its forward pass is a kernel
//! that reads both operands from memory for every multiplication. Which kernel is best Burn would find out by trial
//! (`autotune`), at every start, and perhaps another one the next time. Its product of matrices needs no trial.
//!
//! Milliseconds for 32 images, 32 × 32 × 16 ↔ 16 × 16 × 32, on Mesa's software device on two cores of an AMD
//! EPYC, 2026-11-24 (`bench_passes` below):
//!
//! | | ours | Burn's, without autotune |
//! |---|---:|---:|
//! | forward | 186 | 315 |
//! | adjoint | 120 | 454 |
//! | weight gradient | 231 | 310 |
//!
//! With autotune the first step of two such layers took 60 s there, without 1.6 s. On a real GPU nothing of this is
//! measured yet.

use burn_tensor::Tensor;
use burn_tensor::ops::PadMode;
use dcgan_model::{Layer, Shape};

/// Number of values of the largest matrix of patches; a convolution of more goes over the batch in pieces. In bytes it
/// is half of what WebGPU guarantees that a kernel can reach of a buffer, 128 MiB.
const MAX_PATCH_VALUES: usize = 16 << 20;

/// The sizes of a convolution; height and width are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Conv {
    /// Pixels in a row of the big side.
    pub(crate) big_size: usize,
    pub(crate) big_channels: usize,
    /// Pixels in a row of the small side.
    pub(crate) small_size: usize,
    pub(crate) small_channels: usize,
    pub(crate) kernel: usize,
    pub(crate) stride: usize,
    pub(crate) padding: usize,
}

impl Conv {
    /// That of a layer between these shapes, if it is one; `true` if it goes from small to big.
    pub(crate) fn of(layer: Layer, input: Shape, output: Shape) -> Option<(Self, bool)> {
        let (sizes, big, small, transposed) = match layer {
            Layer::Conv2d(sizes) => (sizes, input, output, false),
            Layer::ConvTranspose2d(sizes) => (sizes, output, input, true),
            _ => return None,
        };
        let conv = Self {
            big_size: big.height,
            big_channels: big.channels,
            small_size: small.height,
            small_channels: small.channels,
            kernel: sizes.kernel,
            stride: sizes.stride,
            padding: sizes.padding,
        };
        Some((conv, transposed))
    }

    /// Rows and columns of the weight's matrix.
    pub(crate) fn weight_shape(&self) -> [usize; 2] {
        [self.kernel * self.kernel * self.big_channels, self.small_channels]
    }

    /// PyTorch's shape of the weight, whichever side is the input.
    pub(crate) fn torch_shape(&self) -> [usize; 4] {
        [self.small_channels, self.big_channels, self.kernel, self.kernel]
    }

    /// Returns the weight's matrix from PyTorch's small × big × k × k.
    pub(crate) fn weight_from_torch(&self, weight: Tensor<4>) -> Tensor<2> {
        weight.permute([2, 3, 1, 0]).reshape(self.weight_shape())
    }

    /// PyTorch's small × big × k × k from the weight's matrix.
    pub(crate) fn weight_to_torch(&self, weight: Tensor<2>) -> Tensor<4> {
        let Self { kernel, big_channels, small_channels, .. } = *self;
        weight.reshape([kernel, kernel, big_channels, small_channels]).permute([3, 2, 0, 1])
    }

    /// Big (N × H × W × C) to small.
    pub(crate) fn forward(&self, big: Tensor<4>, weight: Tensor<2>) -> Tensor<4> {
        let Self { small_size, small_channels, .. } = *self;
        in_pieces(big, self.patch_len(), |big| {
            let [batch, ..] = big.dims();
            self.patches(big).matmul(weight.clone()).reshape([batch, small_size, small_size, small_channels])
        })
    }

    /// Small (N × H × W × C) to big.
    pub(crate) fn adjoint(&self, small: Tensor<4>, weight: Tensor<2>) -> Tensor<4> {
        let Self { big_size, big_channels, small_size, small_channels, kernel, stride, padding } = *self;
        if small_size == 1 {
            // The one patch is the whole image.
            let [batch, ..] = small.dims();
            let big = small.reshape([batch, small_channels]).matmul(weight.transpose());
            return big.reshape([batch, big_size, big_size, big_channels]);
        }
        // Row y of the padded image is row p of block i = y / stride. Tap t · stride + p of small row i − t reaches
        // it, so a block is made of `taps` rows of the small side, of which the last comes first.
        let taps = kernel / stride;
        let weight = weight
            .reshape([taps, stride, taps, stride, big_channels, small_channels])
            .flip([0, 2])
            .permute([0, 2, 5, 1, 3, 4])
            .reshape([taps * taps * small_channels, stride * stride * big_channels]);
        let blocks = small_size + taps - 1;
        in_pieces(small, self.block_patch_len(), |small| {
            let [batch, ..] = small.dims();
            patches(small, taps, 1, taps - 1)
                .matmul(weight.clone())
                .reshape([batch, blocks, blocks, stride, stride, big_channels])
                .permute([0, 1, 3, 2, 4, 5])
                .reshape([batch, blocks * stride, blocks * stride, big_channels])
                .slice([0..batch, padding..padding + big_size, padding..padding + big_size])
        })
    }

    /// Returns the weight's gradient from the big side and the small side, of which one is an input and the other a
    /// gradient.
    pub(crate) fn weight_gradient(&self, big: Tensor<4>, small: Tensor<4>) -> Tensor<2> {
        let [batch, ..] = big.dims();
        let pixels = self.small_size * self.small_size;
        let pieces = pieces(batch, self.patch_len()).map(|(start, len)| {
            let big = big.clone().narrow(0, start, len);
            let small = small.clone().narrow(0, start, len).reshape([len * pixels, self.small_channels]);
            self.patches(big).transpose().matmul(small)
        });
        pieces.reduce(|sum, piece| sum + piece).expect("a batch of no pictures")
    }

    /// Number of values of an image's patches.
    fn patch_len(&self) -> usize {
        self.small_size * self.small_size * self.kernel * self.kernel * self.big_channels
    }

    /// Number of values of an image's patches of the small side, of which the adjoint makes blocks of the big one.
    fn block_patch_len(&self) -> usize {
        let taps = self.kernel / self.stride;
        let blocks = self.small_size + taps - 1;
        blocks * blocks * taps * taps * self.small_channels
    }

    /// Number of values of the largest matrix of patches that any pass makes of a batch.
    pub(crate) fn patches_len(&self, batch: usize) -> usize {
        let picture = self.patch_len().max(if self.small_size == 1 { 0 } else { self.block_patch_len() });
        (batch * picture).min(MAX_PATCH_VALUES.max(picture))
    }

    /// What each pixel of the small side sees of the big one: (N, small row, small column) × (kernel row, kernel
    /// column, big channel).
    fn patches(&self, big: Tensor<4>) -> Tensor<2> {
        let [batch, ..] = big.dims();
        if self.small_size == 1 {
            return big.reshape([batch, self.patch_len()]);
        }
        patches(big, self.kernel, self.stride, self.padding)
    }
}

/// Squares of kernel × kernel pixels around or in images (N × H × W × C), one for every `stride` pixels: (N, row,
/// column) × (kernel row, kernel column, channel).
fn patches(pictures: Tensor<4>, kernel: usize, stride: usize, padding: usize) -> Tensor<2> {
    let padded = pictures.pad([(0, 0), (padding, padding), (padding, padding), (0, 0)], PadMode::Constant(0.0));
    let rows: Tensor<5> = padded.unfold(1, kernel, stride);
    let squares: Tensor<6> = rows.unfold(2, kernel, stride);
    let [batch, height, width, channels, ..] = squares.dims();
    squares.permute([0, 1, 2, 4, 5, 3]).reshape([batch * height * width, kernel * kernel * channels])
}

/// First image and number of images of each piece of a batch, if an image has so many values of patches.
fn pieces(batch: usize, patch_len: usize) -> impl Iterator<Item = (usize, usize)> {
    let most = (MAX_PATCH_VALUES / patch_len).max(1);
    (0..batch).step_by(most).map(move |start| (start, most.min(batch - start)))
}

/// Does `pass` on all images, or on a piece of them at a time.
fn in_pieces(pictures: Tensor<4>, patch_len: usize, pass: impl Fn(Tensor<4>) -> Tensor<4>) -> Tensor<4> {
    let [batch, ..] = pictures.dims();
    if batch * patch_len <= MAX_PATCH_VALUES {
        return pass(pictures);
    }
    let pieces = pieces(batch, patch_len).map(|(start, len)| pass(pictures.clone().narrow(0, start, len)));
    Tensor::cat(pieces.collect(), 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::{AdapterKind, GpuDevice, adapters};
    use burn_tensor::Distribution;
    use burn_tensor::module::{conv_transpose2d, conv2d, conv2d_weight_backward};
    use burn_tensor::ops::{ConvOptions, ConvTransposeOptions};
    use dcgan_testkit::{assert_close_scaled, for_each_case};
    use std::time::Instant;

    fn device() -> GpuDevice {
        let software = adapters().into_iter().find(|adapter| adapter.kind == AdapterKind::Software);
        GpuDevice::open(&software.unwrap()).unwrap()
    }

    /// Our three passes and Burn's, on the same random numbers.
    struct Passes {
        conv: Conv,
        big: Tensor<4>,
        small: Tensor<4>,
        weight: Tensor<4>,
    }

    impl Passes {
        fn new(conv: Conv, batch: usize, gpu: &GpuDevice) -> Self {
            gpu.burn().seed(7);
            let random = |shape: [usize; 4]| Tensor::random(shape, Distribution::Uniform(-1.0, 1.0), gpu.burn());
            let big = random([batch, conv.big_channels, conv.big_size, conv.big_size]);
            let small = random([batch, conv.small_channels, conv.small_size, conv.small_size]);
            Self { conv, big, small, weight: random(conv.torch_shape()) }
        }

        /// One of [`PASSES`], in PyTorch's order.
        fn ours(&self, pass: &str) -> Tensor<4> {
            let nhwc = |x: &Tensor<4>| x.clone().permute([0, 2, 3, 1]);
            let nchw = |x: Tensor<4>| x.permute([0, 3, 1, 2]);
            let weight = || self.conv.weight_from_torch(self.weight.clone());
            match pass {
                "forward" => nchw(self.conv.forward(nhwc(&self.big), weight())),
                "adjoint" => nchw(self.conv.adjoint(nhwc(&self.small), weight())),
                _ => self.conv.weight_to_torch(self.conv.weight_gradient(nhwc(&self.big), nhwc(&self.small))),
            }
        }

        fn burns(&self, pass: &str) -> Tensor<4> {
            let Conv { stride, padding, .. } = self.conv;
            let (big, small, weight) = (self.big.clone(), self.small.clone(), self.weight.clone());
            let options = ConvOptions::new([stride; 2], [padding; 2], [1; 2], 1);
            let transposed = ConvTransposeOptions::new([stride; 2], [padding; 2], [0; 2], [1; 2], 1);
            match pass {
                "forward" => conv2d(big, weight, None, options),
                "adjoint" => conv_transpose2d(small, weight, None, transposed),
                _ => conv2d_weight_backward(big, weight, small, options),
            }
        }
    }

    const PASSES: [&str; 3] = ["forward", "adjoint", "weights"];

    fn values(tensor: Tensor<4>) -> Vec<f32> {
        tensor.try_into_vec_as().unwrap()
    }

    const MIDDLE: Conv =
        Conv { big_size: 32, big_channels: 16, small_size: 16, small_channels: 32, kernel: 4, stride: 2, padding: 1 };

    /// In units of the largest value. The longest sums have 768 products, whose rounding errors grow as the root of
    /// that: 28 times 6e-8, on either side.
    const TOLERANCE: f64 = 4e-6;

    #[test]
    fn the_passes_are_those_of_burn() {
        let gpu = device();
        let first =
            Conv { big_size: 4, big_channels: 6, small_size: 1, small_channels: 10, stride: 1, padding: 0, ..MIDDLE };
        let odd = Conv { big_size: 12, big_channels: 3, small_size: 6, small_channels: 5, ..MIDDLE };
        for_each_case([(MIDDLE, 3), (first, 5), (odd, 2)], |&(conv, batch)| {
            let passes = Passes::new(conv, batch, &gpu);
            for pass in PASSES {
                let (ours, burns) = (passes.ours(pass), passes.burns(pass));
                assert_eq!(ours.dims(), burns.dims(), "{pass}");
                assert_close_scaled(pass, &values(ours), &values(burns), TOLERANCE);
            }
        });
    }

    #[test]
    fn a_large_batch_goes_in_pieces() {
        let pieces: Vec<_> = pieces(7, MAX_PATCH_VALUES / 3).collect();
        assert_eq!(pieces, [(0, 3), (3, 3), (6, 1)]);
        assert_eq!(super::pieces(2, 2 * MAX_PATCH_VALUES).collect::<Vec<_>>(), [(0, 1), (1, 1)]);
        // 60 images' patches of the big side are more than go in one piece; three images' are not.
        let gpu = device();
        let wide = Conv { big_size: 32, big_channels: 140, small_size: 16, small_channels: 1, ..MIDDLE };
        assert!(60 * wide.patch_len() > 2 * MAX_PATCH_VALUES && 3 * wide.patch_len() < MAX_PATCH_VALUES);
        let all = Passes::new(wide, 60, &gpu);
        let part = Passes {
            conv: wide,
            big: all.big.clone().narrow(0, 57, 3),
            small: all.small.clone().narrow(0, 57, 3),
            weight: all.weight.clone(),
        };
        // The products of an image are the same in both; only their order may differ, if Burn cuts a matrix of another
        // height in another way.
        for pass in ["forward", "adjoint"] {
            let last = all.ours(pass).narrow(0, 57, 3);
            assert_close_scaled(pass, &values(last), &values(part.ours(pass)), 1e-6);
        }
        // Sums of 15,360 products, whose rounding errors grow as the root of that: 124 times 6e-8, on either side.
        assert_close_scaled("weights", &values(all.ours("weights")), &values(all.burns("weights")), 2e-5);
    }

    #[test]
    #[ignore = "a measurement; `tools/check/run.sh gpu` runs it, and so does: cargo test --profile gpu-dev -p dcgan-engine-gpu --features wgpu bench_ -- --ignored --nocapture"]
    fn bench_passes() {
        let gpu = device();
        let passes = Passes::new(MIDDLE, 32, &gpu);
        type Run = fn(&Passes, &str) -> Tensor<4>;
        for (name, run) in [("ours", Passes::ours as Run), ("Burn's", Passes::burns)] {
            for pass in PASSES {
                let once = || {
                    let start = Instant::now();
                    let _: f32 = run(&passes, pass).sum().try_into_scalar().unwrap();
                    start.elapsed()
                };
                once();
                let mut times = [(); 5].map(|()| once());
                times.sort_unstable();
                println!("{name}, {pass}: {:.0} ms", times[2].as_secs_f64() * 1e3);
            }
        }
    }
}
