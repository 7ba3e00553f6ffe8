//! Errors of the TIFF reader.

use crate::decode::error::{DecodeError, broken, unsupported};
use crate::decode::format::ImageFormat;

/// The error for a file that ends too early.
pub(super) const TRUNCATED: DecodeError = DecodeError::Truncated(ImageFormat::Tiff);

/// The error for a file that contradicts itself.
pub(super) fn refused(detail: impl Into<String>) -> DecodeError {
    broken(ImageFormat::Tiff, detail)
}

/// The error for a sound file with something that is not read.
pub(super) fn not_read(detail: impl Into<String>) -> DecodeError {
    unsupported(ImageFormat::Tiff, detail)
}
