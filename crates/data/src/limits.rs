//! Limits on what is read, so that no file can make the program take all memory.

/// Largest height and width in pixels that pictures can be fitted into. Each thread holds one picture of that size.
pub(crate) const MAX_SIZE: usize = 4096;

/// Largest number of pixels of a picture: 2²⁶, as in 8192 × 8192. Measured at that size, decoding takes 0.5 GB, and for
/// the worst kind, progressive CMYK JPEG, 1.1 GB.
pub const MAX_PIXELS: u64 = 1 << 26;

/// Largest number of pixels along a side of a picture, which is JPEG's own limit. With it, a picture cannot be so thin
/// that its resized rows take far more memory than the picture.
pub const MAX_SIDE: u32 = 65_535;

/// Length in bytes of the largest file that is read. [`MAX_PIXELS`] 8-bit RGB pixels are less, even stored without
/// compression.
pub const MAX_FILE_BYTES: u64 = 256 << 20;
