//! A decoded picture and what is known about its file.

use super::format::Format;
use serde::{Deserialize, Serialize};

/// What is kept of each pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Channels {
    /// One byte: luma.
    Grey,
    /// Three bytes: red, green, blue.
    Rgb,
}

impl Channels {
    /// Bytes per pixel: 1 or 3.
    pub fn count(self) -> usize {
        match self {
            Channels::Grey => 1,
            Channels::Rgb => 3,
        }
    }

    /// The inverse of [`count`](Self::count).
    ///
    /// # Panics
    /// For other numbers than 1 and 3; no network has them.
    pub fn from_count(count: usize) -> Channels {
        match count {
            1 => Channels::Grey,
            3 => Channels::Rgb,
            _ => panic!("{count} channels"),
        }
    }
}

/// What a file stores for each pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Colour {
    /// Grey.
    Grey,
    /// Grey, and how opaque it is.
    GreyAlpha,
    /// Red, green, blue.
    Rgb,
    /// Red, green, blue, and how opaque they are.
    Rgba,
    /// An index into a table of colours, which may be transparent.
    Palette,
    /// Cyan, magenta, yellow, black.
    Cmyk,
}

impl Colour {
    /// For people, as in "grey + alpha".
    pub fn name(self) -> &'static str {
        match self {
            Colour::Grey => "grey",
            Colour::GreyAlpha => "grey + alpha",
            Colour::Rgb => "RGB",
            Colour::Rgba => "RGB + alpha",
            Colour::Palette => "palette",
            Colour::Cmyk => "CMYK",
        }
    }
}

/// A decoded picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Pixels in a row, at least 1.
    pub width: usize,
    /// Rows, at least 1.
    pub height: usize,
    /// What `pixels` holds for each pixel.
    pub channels: Channels,
    /// Height × width × channels, without padding.
    pub pixels: Vec<u8>,
    /// The kind of file it came from.
    pub format: Format,
    /// What the file stores for each pixel.
    pub colour: Colour,
    /// Bits of each sample in the file.
    pub bits: u8,
    /// Whether the file has more frames; this is the first.
    pub is_animated: bool,
}
