//! The sizes of a convolution.

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

    /// Returns whether there are no values.
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
    /// Distance of neighboring small pixels on the big side.
    pub stride: usize,
    /// Zeros around the big side.
    pub padding: usize,
}

impl ConvShape {
    /// From the big side: `Conv2d(big.channels, small_channels, kernel, stride, padding)` on an image of `big`'s size.
    ///
    /// # Panics
    /// If the kernel does not fit into the padded image, or stride or kernel are 0.
    pub fn new(big: Plane, small_channels: usize, kernel: usize, stride: usize, padding: usize) -> Self {
        let size = |len: usize| {
            assert!(kernel > 0 && stride > 0 && len + 2 * padding >= kernel, "kernel {kernel} on {len} pixels");
            (len + 2 * padding - kernel) / stride + 1
        };
        let small = Plane { height: size(big.height), width: size(big.width), channels: small_channels };
        Self { big, small, kernel, stride, padding }
    }

    /// From the small side: `ConvTranspose2d(small.channels, big_channels, kernel, stride, padding)` on an image of
    /// `small`'s size.
    ///
    /// # Panics
    /// If nothing would be left of the big side, or stride or kernel are 0.
    pub fn transposed(small: Plane, big_channels: usize, kernel: usize, stride: usize, padding: usize) -> Self {
        let size = |len: usize| {
            assert!(len > 0, "no pixels");
            let padded = (len - 1) * stride + kernel;
            assert!(kernel > 0 && stride > 0 && padded > 2 * padding, "padding {padding} on {padded} pixels");
            padded - 2 * padding
        };
        let big = Plane { height: size(small.height), width: size(small.width), channels: big_channels };
        Self { big, small, kernel, stride, padding }
    }

    /// Asserts that the two sides belong together, and that no number of values computed for batches of up to
    /// `max_batch` images overflows.
    pub(super) fn check(&self, max_batch: usize) {
        let Self { big, small, kernel, stride, padding } = *self;
        assert_eq!(Self::new(big, small.channels, kernel, stride, padding), *self, "sides that do not belong together");
        // Every such number is a product of some of these factors, each at most once, and of a constant below 2³.
        let [height, width] = [big.height, big.width].map(|len| len as f64 + 2.0 * padding as f64 + 8.0);
        let [batch, big_channels, small_channels] =
            [max_batch, big.channels, small.channels].map(|len| len as f64 + 64.0);
        let most = batch * height * width * (kernel as f64).powi(2) * big_channels * small_channels;
        assert!(most < 2f64.powi(60), "sizes beyond what can be addressed: batch {max_batch} of {self:?}");
    }

    /// Number of values of the weight: k × k × big channels × small channels.
    pub fn weight_len(&self) -> usize {
        self.kernel * self.kernel * self.big.channels * self.small.channels
    }

    /// Number of multiply-adds of one pass on one image, computed directly.
    pub fn direct_multiply_adds(&self) -> usize {
        self.small.pixels() * self.weight_len()
    }
}
