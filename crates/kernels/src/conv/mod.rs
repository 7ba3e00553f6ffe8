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

mod im2col;

use crate::Cpu;

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
    /// Patches as rows of a matrix, then one matrix product.
    Im2col,
}

/// The algorithm for a convolution of this shape.
pub fn select(_shape: &ConvShape) -> Algorithm {
    Algorithm::Im2col
}

/// A convolution of one shape on batches up to a fixed size, with its algorithm chosen and its scratch memory measured.
#[derive(Debug, Clone, Copy)]
pub struct ConvPlan {
    shape: ConvShape,
    max_batch: usize,
    algorithm: Algorithm,
}

impl ConvPlan {
    /// Plans for batches of 1 to `max_batch` pictures.
    pub fn new(shape: ConvShape, max_batch: usize) -> Self {
        Self { shape, max_batch, algorithm: select(&shape) }
    }

    /// The sizes.
    pub fn shape(&self) -> &ConvShape {
        &self.shape
    }

    /// Values of scratch memory that each pass needs.
    pub fn scratch_len(&self, cpu: &Cpu) -> usize {
        match self.algorithm {
            Algorithm::Im2col => im2col::scratch_len(cpu, &self.shape, self.max_batch),
        }
    }

    /// small = conv(big, weight), for `batch` pictures.
    ///
    /// # Panics
    /// If a slice does not have the length that the shape and `batch` say, `scratch` is shorter than [`ConvPlan::scratch_len`], or `batch`
    /// is larger than planned.
    pub fn forward(&self, cpu: &Cpu, small: &mut [f32], big: &[f32], weight: &[f32], batch: usize, scratch: &mut [f32]) {
        self.check(cpu, big.len(), small.len(), weight.len(), batch, scratch.len());
        match self.algorithm {
            Algorithm::Im2col => im2col::forward(cpu, &self.shape, small, big, weight, batch, scratch),
        }
    }

    /// big = convᵀ(small, weight), for `batch` pictures.
    ///
    /// # Panics
    /// As [`ConvPlan::forward`].
    pub fn adjoint(&self, cpu: &Cpu, big: &mut [f32], small: &[f32], weight: &[f32], batch: usize, scratch: &mut [f32]) {
        self.check(cpu, big.len(), small.len(), weight.len(), batch, scratch.len());
        match self.algorithm {
            Algorithm::Im2col => im2col::adjoint(cpu, &self.shape, big, small, weight, batch, scratch),
        }
    }

    /// dweight = ∂⟨conv(big, weight), small⟩ / ∂weight. Replaces `dweight`: every gradient is computed once per optimizer step.
    ///
    /// # Panics
    /// As [`ConvPlan::forward`].
    pub fn weight_gradient(
        &self,
        cpu: &Cpu,
        dweight: &mut [f32],
        big: &[f32],
        small: &[f32],
        batch: usize,
        scratch: &mut [f32],
    ) {
        self.check(cpu, big.len(), small.len(), dweight.len(), batch, scratch.len());
        match self.algorithm {
            Algorithm::Im2col => im2col::weight_gradient(cpu, &self.shape, dweight, big, small, batch, scratch),
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
