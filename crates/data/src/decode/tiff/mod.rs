//! The first page of a TIFF.
//!
//! This reader is our own, for the sake of what the samples mean. The crate that was used before ignores tags that
//! change every pixel (the order of bits in a byte, YCbCr and its subsampling, premultiplied alpha), and does not say
//! that it does. Here every tag that bears on the pixels is honoured, or the file is refused with its reason:
//! `Page::read` has them all. Decompression is done by crates: `weezl` (LZW), `flate2` (Deflate), `fax` (CCITT group
//! 4) and `jpeg-decoder`.
//!
//! TIFF 6.0: a picture is cut into strips of some rows, or into tiles; each of them is compressed on its own and has,
//! row by row, the samples of each pixel. With planar configuration 2 there are strips of one sample each, plane after
//! plane.
//!
//! * `page.rs` reads the tags of a page and refuses what cannot be read;
//! * `chunks.rs` puts the samples of its strips or tiles together;
//! * `compression.rs` decompresses one strip or tile;
//! * `color.rs` makes pixels of samples.

mod chunks;
mod color;
mod compression;
mod error;
mod page;
mod tags;
mod ycbcr;

use self::error::TRUNCATED;
use self::page::Page;
use crate::decode::directory::Directory;
use crate::decode::error::DecodeError;
use crate::decode::orientation;
use crate::decode::raw::Raw;

/// Reads the directory of the first page.
fn directory(file: &[u8]) -> Result<Directory<'_>, DecodeError> {
    Directory::first(file).ok_or(TRUNCATED)
}

/// See [`dimensions`](super::dimensions).
pub(super) fn dimensions(bytes: &[u8]) -> Result<(u32, u32), DecodeError> {
    page::size(&directory(bytes)?)
}

/// Decodes the first page.
pub(super) fn decode(bytes: &[u8]) -> Result<Raw, DecodeError> {
    let directory = directory(bytes)?;
    let page = Page::read(bytes, &directory)?;
    let (layout, color, pixels) = page.pixels(page.samples()?)?;
    let xmp = || orientation::of_xmp(directory.find(tags::XMP)?.bytes());
    let orientation = orientation::of_directory(&directory).or_else(xmp).unwrap_or(1);
    Ok(Raw { width: page.width, height: page.height, layout, pixels, color, bits: page.bits, orientation })
}
