//! Sets of images to compare, and the error of the crate.

/// Square images of one size: N × H × W × C bytes.
#[derive(Debug, Clone, Copy)]
pub struct Images<'a> {
    pixels: &'a [u8],
    size: usize,
    channels: usize,
}

/// Error returned when images cannot be compared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MetricsError {
    /// The bytes are not a whole number of images, or the size or the number of channels is not supported.
    #[error("{bytes} bytes are no images of {size} × {size} pixels with {channels} channels")]
    Pixels {
        /// Number of bytes.
        bytes: usize,
        /// Height and width in pixels.
        size: usize,
        /// Channels.
        channels: usize,
    },
    /// There are too few images.
    #[error("{count} images are too few to compare: {min} or more are needed")]
    TooFew {
        /// Number of images.
        count: usize,
        /// Smallest number that can be compared.
        min: usize,
    },
    /// Two sets differ in size or channels.
    #[error(
        "images of {size} × {size} × {channels} cannot be compared with images of {other_size} × {other_size} × \
         {other_channels}"
    )]
    Shape {
        /// Height and width of the images.
        size: usize,
        /// Channels of the images.
        channels: usize,
        /// Height and width of the images they are compared with.
        other_size: usize,
        /// Channels of the images they are compared with.
        other_channels: usize,
    },
}

impl<'a> Images<'a> {
    /// The smallest image that the measures are defined for.
    pub const MIN_SIZE: usize = 16;

    /// Creates a set of images of `size` × `size` pixels with 1 or 3 channels from `pixels` (N × H × W × C).
    ///
    /// # Errors
    /// [`MetricsError::Pixels`] if `pixels` is not a whole number of such images, or `size` is below
    /// [`Images::MIN_SIZE`] or not a power of two.
    pub fn new(pixels: &'a [u8], size: usize, channels: usize) -> Result<Self, MetricsError> {
        let is_possible = size >= Self::MIN_SIZE && size.is_power_of_two() && matches!(channels, 1 | 3);
        if !is_possible || !pixels.len().is_multiple_of(size * size * channels) {
            return Err(MetricsError::Pixels { bytes: pixels.len(), size, channels });
        }
        Ok(Self { pixels, size, channels })
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.pixels.len() / self.image_len()
    }

    /// Whether there are no images.
    pub fn is_empty(&self) -> bool {
        self.pixels.is_empty()
    }

    /// Height and width in pixels.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Channels: 1 or 3.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Bytes of one image.
    pub(crate) fn image_len(&self) -> usize {
        self.size * self.size * self.channels
    }

    /// The bytes of image `index`.
    pub(crate) fn image(&self, index: usize) -> &'a [u8] {
        &self.pixels[index * self.image_len()..][..self.image_len()]
    }

    /// The images from `start` to `end`.
    pub(crate) fn range(&self, start: usize, end: usize) -> Self {
        let len = self.image_len();
        Self { pixels: &self.pixels[start * len..end * len], ..*self }
    }

    /// The first `count` images, or all of them if there are fewer.
    pub(crate) fn first(&self, count: usize) -> Self {
        self.range(0, count.min(self.len()))
    }

    /// Checks that there are `min` images or more.
    pub(crate) fn check_count(&self, min: usize) -> Result<(), MetricsError> {
        if self.len() < min { Err(MetricsError::TooFew { count: self.len(), min }) } else { Ok(()) }
    }

    /// Checks that `other` has the same size and channels.
    pub(crate) fn check_shape(&self, other: &Images<'_>) -> Result<(), MetricsError> {
        if (self.size, self.channels) == (other.size, other.channels) {
            return Ok(());
        }
        Err(MetricsError::Shape {
            size: self.size,
            channels: self.channels,
            other_size: other.size,
            other_channels: other.channels,
        })
    }
}
