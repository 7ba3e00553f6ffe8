//! File formats, and how they are told apart.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Number of bytes at the start of a file that tell its format.
pub const HEAD_BYTES: usize = 32;

/// A kind of file that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ImageFormat {
    /// Portable Network Graphics, and the default image of an animated one.
    Png,
    /// Baseline and progressive JPEG.
    Jpeg,
    /// Lossy and lossless WebP.
    WebP,
    /// The first frame of a GIF.
    Gif,
    /// Windows and OS/2 bitmaps.
    Bmp,
    /// The first page of a TIFF.
    Tiff,
    /// Netpbm's PBM, PGM and PPM, in text and in binary.
    Pnm,
}

impl ImageFormat {
    /// The format's name, as in "JPEG".
    pub fn name(self) -> &'static str {
        match self {
            ImageFormat::Png => "PNG",
            ImageFormat::Jpeg => "JPEG",
            ImageFormat::WebP => "WebP",
            ImageFormat::Gif => "GIF",
            ImageFormat::Bmp => "BMP",
            ImageFormat::Tiff => "TIFF",
            ImageFormat::Pnm => "PNM",
        }
    }
}

impl fmt::Display for ImageFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What the first bytes of a file say about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// A picture of a kind that is read.
    Picture(ImageFormat),
    /// A picture of a kind that is not read; its name.
    OtherPicture(&'static str),
    /// Anything else.
    Unknown,
}

/// Tells the format from the first [`HEAD_BYTES`] of a file, or from all of a shorter one.
pub fn identify(head: &[u8]) -> Content {
    use Content::{OtherPicture, Picture, Unknown};
    match head {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Picture(ImageFormat::Png),
        [0xff, 0xd8, 0xff, ..] => Picture(ImageFormat::Jpeg),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Picture(ImageFormat::Gif),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Picture(ImageFormat::WebP),
        // Canon's raw photos are TIFF files with this mark.
        [b'I', b'I', 42, 0, _, _, _, _, b'C', b'R', ..] => OtherPicture("a camera's raw photo"),
        // With the bytes of the version exchanged it is wrong, and written all the same.
        [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => Picture(ImageFormat::Tiff),
        [b'I', b'I', 0, 42, ..] | [b'M', b'M', 42, 0, ..] => Picture(ImageFormat::Tiff),
        // A number or a comment follows, so that a text that begins with these two is none.
        [b'P', b'1'..=b'6', rest @ ..] if begins_with_number(rest) => Picture(ImageFormat::Pnm),
        [b'P', b'7', b'\n', ..] => OtherPicture("PAM"),
        [b'P', b'f' | b'F', rest @ ..] if begins_with_number(rest) => OtherPicture("PFM"),
        // The length of the second header, so that a text that begins with these letters is none.
        [b'B', b'M', _, _, _, _, _, _, _, _, _, _, _, _, 12 | 16 | 40 | 52 | 56 | 64 | 108 | 124, 0, 0, 0, ..] => {
            Picture(ImageFormat::Bmp)
        }
        [_, _, _, _, b'f', b't', b'y', b'p', b'a', b'v', b'i', b'f' | b's', ..] => OtherPicture("AVIF"),
        [_, _, _, _, b'f', b't', b'y', b'p', b'h', b'e', b'i' | b'v', _, ..]
        | [_, _, _, _, b'f', b't', b'y', b'p', b'm', b'i' | b's', b'f', b'1', ..] => OtherPicture("HEIC"),
        [0xff, 0x0a, ..] | [0, 0, 0, 12, b'J', b'X', b'L', b' ', ..] => OtherPicture("JPEG XL"),
        [0, 0, 0, 12, b'j', b'P', b' ', b' ', ..] | [0xff, 0x4f, 0xff, 0x51, ..] => OtherPicture("JPEG 2000"),
        [b'8', b'B', b'P', b'S', ..] => OtherPicture("a Photoshop document"),
        [0, 0, 1, 0, 1..=255, 0, ..] => OtherPicture("an icon"),
        _ => Unknown,
    }
}

/// Whether a word follows that begins like a number, or a comment.
fn begins_with_number(bytes: &[u8]) -> bool {
    let spaces = bytes.iter().take_while(|byte| matches!(byte, b' ' | b'\t'..=b'\r')).count();
    spaces > 0 && matches!(bytes.get(spaces), Some(b'0'..=b'9' | b'#'))
}
