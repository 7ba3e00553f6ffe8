//! What decoders return: samples as the file has them.

use super::image::ColorType;

/// The result of a decoder.
pub(super) struct Raw {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) layout: Layout,
    /// Height × width × samples of `layout`, 8 bits each.
    pub(super) pixels: Vec<u8>,
    pub(super) color: ColorType,
    pub(super) bits: u8,
    /// EXIF's number, 1 to 8; anything else is upright.
    pub(super) orientation: u16,
}

/// The samples of a pixel in [`Raw`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    Gray,
    GrayAlpha,
    Rgb,
    Rgba,
    /// 255 is full ink.
    Cmyk,
}

impl Layout {
    /// Samples of a pixel.
    pub(super) fn samples(self) -> usize {
        match self {
            Layout::Gray => 1,
            Layout::GrayAlpha => 2,
            Layout::Rgb => 3,
            Layout::Rgba | Layout::Cmyk => 4,
        }
    }
}
