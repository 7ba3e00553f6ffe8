//! A decoded image and the properties of its file.

use super::format::ImageFormat;
use serde::{Deserialize, Serialize};

/// Channels of the decoded and resized images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Channels {
    /// One byte: luma.
    Gray,
    /// Three bytes: red, green, blue.
    Rgb,
}

impl Channels {
    /// Returns the number of channels, which is also the number of bytes per pixel: 1 or 3.
    pub fn count(self) -> usize {
        match self {
            Channels::Gray => 1,
            Channels::Rgb => 3,
        }
    }

    /// Returns the channels of this number, the inverse of [`count`](Self::count).
    ///
    /// # Panics
    /// If `count` is neither 1 nor 3, the only numbers that a network can have.
    pub fn from_count(count: usize) -> Channels {
        match count {
            1 => Channels::Gray,
            3 => Channels::Rgb,
            _ => panic!("{count} channels"),
        }
    }
}

/// What a file stores for each pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ColorType {
    /// Gray.
    Gray,
    /// Gray and alpha.
    GrayAlpha,
    /// Red, green, blue.
    Rgb,
    /// Red, green, blue and alpha.
    Rgba,
    /// An index into a table of colors, which may have alpha.
    Palette,
    /// Cyan, magenta, yellow, black.
    Cmyk,
}

impl ColorType {
    /// Returns the name for messages and reports, such as "RGB + alpha".
    pub fn name(self) -> &'static str {
        match self {
            ColorType::Gray => "grey",
            ColorType::GrayAlpha => "grey + alpha",
            ColorType::Rgb => "RGB",
            ColorType::Rgba => "RGB + alpha",
            ColorType::Palette => "palette",
            ColorType::Cmyk => "CMYK",
        }
    }
}

/// A decoded image, not yet resized.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodedImage {
    /// Width in pixels, at least 1.
    pub width: usize,
    /// Height in pixels, at least 1.
    pub height: usize,
    /// Channels of `pixels`.
    pub channels: Channels,
    /// Values of the pixels: height × width × channels bytes, without padding.
    pub pixels: Vec<u8>,
    /// Format of the file.
    pub format: ImageFormat,
    /// What the file stores for each pixel.
    pub color: ColorType,
    /// Number of bits of each sample in the file.
    pub bits: u8,
    /// Whether the file has several frames; this is the first.
    pub is_animated: bool,
}
