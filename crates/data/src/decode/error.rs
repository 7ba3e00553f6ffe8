//! What can be wrong with the bytes of a picture.

use super::format::ImageFormat;
use crate::limits::{MAX_PIXELS, MAX_SIDE};
use serde::{Deserialize, Serialize};

/// Why bytes are not a picture that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum DecodeError {
    /// There are no bytes.
    #[error("the file is empty")]
    Empty,

    /// The bytes begin like no picture.
    #[error("it is not a picture, whatever its name says")]
    NotAPicture,

    /// A picture of a kind that is not read.
    #[error("its content is {0}, which is not read: convert it to PNG or JPEG")]
    OtherFormat(String),

    /// The bytes end before the picture does.
    #[error("the {0} file is cut short")]
    Truncated(ImageFormat),

    /// The header asks for more than [`MAX_PIXELS`] or [`MAX_SIDE`].
    #[error("its {width} x {height} pixels are more than the limit of {MAX_PIXELS} ({MAX_SIDE} a side)")]
    TooLarge {
        /// Pixels in a row.
        width: u32,
        /// Rows.
        height: u32,
    },

    /// The decoder gives up; `detail` is in its words.
    #[error("the {format} file is broken or of a rare kind ({detail})")]
    Broken {
        /// What it seems to be.
        format: ImageFormat,
        /// The decoder's reason.
        detail: String,
    },

    /// A sound picture that has something in it that is not read.
    #[error("the {format} file has {detail}, which is not read: convert it to PNG or JPEG")]
    Unsupported {
        /// What it is.
        format: ImageFormat,
        /// What it has.
        detail: String,
    },
}

/// Returns the width and height if they are within the limits.
pub(crate) fn check_size(width: u32, height: u32) -> Result<(usize, usize), DecodeError> {
    if width > MAX_SIDE || height > MAX_SIDE || u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(DecodeError::TooLarge { width, height });
    }
    Ok((width as usize, height as usize))
}

/// The error for a file that a decoder cannot read to its end.
pub(super) fn broken(format: ImageFormat, detail: impl Into<String>) -> DecodeError {
    DecodeError::Broken { format, detail: one_line(detail) }
}

/// The error for what a sound file has and no decoder here reads.
pub(super) fn unsupported(format: ImageFormat, detail: impl Into<String>) -> DecodeError {
    DecodeError::Unsupported { format, detail: one_line(detail) }
}

/// A message is one line, whatever a decoder quotes.
fn one_line(text: impl Into<String>) -> String {
    text.into().replace(|c: char| c.is_control(), " ")
}
