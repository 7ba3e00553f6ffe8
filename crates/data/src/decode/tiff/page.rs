//! The tags of a page that bear on its pixels. Each is honored, or the page is refused.

use super::error::{not_read, refused};
use super::tags::*;
use super::ycbcr::YCbCrToRgb;
use crate::decode::directory::{Directory, Values};
use crate::decode::error::{DecodeError, check_size};
use crate::limits::MAX_PIXELS;

/// Samples of a pixel at most; extra ones beyond alpha are dropped.
const MAX_SAMPLES: u64 = 16;

/// What the photometric samples of a pixel are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Photometric {
    WhiteIsZero,
    BlackIsZero,
    Rgb,
    Palette,
    Cmyk,
    YCbCr,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Group4,
    Lzw,
    Jpeg,
    Deflate,
    PackBits,
}

/// What the first extra sample is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Alpha {
    None,
    /// Colors are stored as if on black.
    Premultiplied,
    Straight,
}

/// A page: its tags, checked, and the file that its samples are in.
pub(super) struct Page<'a> {
    pub(super) file: &'a [u8],
    pub(super) is_little_endian: bool,
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) bits: u8,
    /// Samples of a pixel, extra ones included.
    pub(super) samples: usize,
    /// Samples of a pixel that mean something: color and alpha, which come first.
    pub(super) kept: usize,
    pub(super) photometric: Photometric,
    pub(super) alpha: Alpha,
    pub(super) compression: Compression,
    pub(super) is_planar: bool,
    /// Whether the first of eight pixels is in the lowest bit.
    pub(super) is_lowest_bit_first: bool,
    pub(super) has_differences: bool,
    /// Columns and rows of a strip or tile.
    pub(super) chunk: (usize, usize),
    pub(super) offsets: Values<'a>,
    pub(super) byte_counts: Option<Values<'a>>,
    pub(super) palette: Option<Values<'a>>,
    pub(super) jpeg_tables: Option<&'a [u8]>,
    /// Columns and rows that share a pair of chroma samples.
    pub(super) subsampling: (usize, usize),
    pub(super) ycbcr: YCbCrToRgb,
}

/// Returns the width and height that the tags state.
pub(super) fn size(directory: &Directory<'_>) -> Result<(u32, u32), DecodeError> {
    let side = |tag| {
        let length = directory.find(tag).and_then(|values| values.unsigned(0));
        length
            .map(|length| u32::try_from(length).unwrap_or(u32::MAX))
            .ok_or_else(|| refused("it has no width or height"))
    };
    let (width, height) = (side(WIDTH)?, side(HEIGHT)?);
    if width == 0 || height == 0 {
        return Err(refused("it has no pixels"));
    }
    Ok((width, height))
}

impl<'a> Page<'a> {
    /// Reads and checks all tags that affect the pixels.
    pub(super) fn read(file: &'a [u8], directory: &Directory<'a>) -> Result<Self, DecodeError> {
        let (width, height) = size(directory)?;
        let (width, height) = check_size(width, height)?;
        let number = |tag, default| number(directory, tag, default);
        let compression = match number(COMPRESSION, 1)? {
            1 => Compression::None,
            4 => Compression::Group4,
            5 => Compression::Lzw,
            7 => Compression::Jpeg,
            8 | 32_946 => Compression::Deflate,
            32_773 => Compression::PackBits,
            other => return Err(not_read(format!("compression {other}{}", named(other, &COMPRESSIONS)))),
        };
        // Pillow's choice where it is missing.
        let photometric = match number(PHOTOMETRIC, 0)? {
            0 => Photometric::WhiteIsZero,
            1 => Photometric::BlackIsZero,
            2 => Photometric::Rgb,
            3 => Photometric::Palette,
            5 => Photometric::Cmyk,
            6 => Photometric::YCbCr,
            other => return Err(not_read(format!("colours of kind {other}{}", named(other, &PHOTOMETRICS)))),
        };
        if photometric == Photometric::Cmyk && number(INK_SET, 1)? != 1 {
            return Err(not_read("inks other than cyan, magenta, yellow and black"));
        }
        let samples = number(SAMPLES_PER_PIXEL, 1)?;
        let of_color = match photometric {
            Photometric::WhiteIsZero | Photometric::BlackIsZero | Photometric::Palette => 1,
            Photometric::Rgb | Photometric::YCbCr => 3,
            Photometric::Cmyk => 4,
        };
        if !(of_color as u64..=MAX_SAMPLES).contains(&samples) {
            return Err(refused(format!("{samples} samples a pixel")));
        }
        let samples = samples as usize;
        let extra = samples - of_color;
        if of_color == 1 && extra > 1 && directory.find(EXTRA_SAMPLES).is_none() {
            return Err(not_read(format!("{samples} samples a pixel without a word about their colours")));
        }
        if samples > 1 && directory.find(BITS_PER_SAMPLE).is_none() {
            return Err(refused("it does not say of how many bits its samples are"));
        }
        let alpha = alpha(directory, photometric, extra);
        let kept = of_color + usize::from(alpha != Alpha::None);

        let bits = same_for_all(directory, BITS_PER_SAMPLE, samples, 1)?
            .ok_or_else(|| not_read("samples of different sizes"))?;
        let format = same_for_all(directory, SAMPLE_FORMAT, samples, 1)?
            .ok_or_else(|| not_read("samples of different kinds"))?;
        match format {
            // 4 is "undefined".
            1 | 4 => {}
            2 => return Err(not_read(format!("signed samples of {bits} bits, of which none is black or white"))),
            3 => return Err(not_read(format!("samples of {bits} bits with a floating point"))),
            _ => return Err(not_read(format!("samples of kind {format}"))),
        }
        if !(1..=16).contains(&bits) {
            return Err(not_read(format!("samples of {bits} bits")));
        }
        let bits = bits as u8;
        let least_bits_of_8 = compression == Compression::Jpeg || photometric == Photometric::YCbCr;
        if least_bits_of_8 && bits != 8 || photometric == Photometric::Palette && bits > 8 {
            return Err(not_read(format!("samples of {bits} bits for this kind of colours or compression")));
        }
        if compression == Compression::Group4 && (bits, samples) != (1, 1) {
            return Err(not_read(format!("CCITT compression of {samples} samples of {bits} bits")));
        }
        let is_planar = match number(PLANAR_CONFIGURATION, 1)? {
            1 => false,
            2 => samples > 1,
            other => return Err(not_read(format!("planar configuration {other}"))),
        };
        let is_lowest_bit_first = match number(FILL_ORDER, 1)? {
            1 => false,
            2 => true,
            other => return Err(not_read(format!("fill order {other}"))),
        };
        let has_differences = match (number(PREDICTOR, 1)?, compression) {
            // The tag has a meaning for these two alone.
            (1, _) | (_, Compression::None | Compression::PackBits | Compression::Jpeg | Compression::Group4) => false,
            (2, _) if matches!(bits, 8 | 16) => true,
            (other, _) => return Err(not_read(format!("predictor {other} with samples of {bits} bits"))),
        };

        let subsampling = match (photometric, compression) {
            // JPEG has its own.
            (Photometric::YCbCr, Compression::Jpeg) => (1, 1),
            (Photometric::YCbCr, _) => subsampling(directory)?,
            _ => (1, 1),
        };
        if subsampling != (1, 1) && (is_planar || samples != 3 || has_differences) {
            return Err(not_read("subsampled colours in an unusual order"));
        }

        let is_tiled = directory.find(TILE_OFFSETS).is_some();
        let (offsets, byte_counts) =
            if is_tiled { (TILE_OFFSETS, TILE_BYTE_COUNTS) } else { (STRIP_OFFSETS, STRIP_BYTE_COUNTS) };
        let chunk = if is_tiled {
            (number(TILE_WIDTH, 0)?, number(TILE_HEIGHT, 0)?)
        } else {
            (width as u64, number(ROWS_PER_STRIP, u64::MAX)?.min(height as u64))
        };
        // Padding may make tiles larger than the picture, but not without measure.
        if chunk.0 == 0 || chunk.1 == 0 || chunk.0.checked_mul(chunk.1).is_none_or(|pixels| pixels > MAX_PIXELS) {
            return Err(refused(format!("strips or tiles of {} x {} pixels", chunk.0, chunk.1)));
        }
        let chunk = (chunk.0 as usize, chunk.1 as usize);
        // Where a tile or strip ends within a unit of chroma, it is not defined what follows. The last strip may end
        // anywhere.
        let fits = |(columns, rows): (usize, usize)| {
            columns.is_multiple_of(subsampling.0) && rows.is_multiple_of(subsampling.1)
        };
        if !fits(if is_tiled { chunk } else { (0, if chunk.1 < height { chunk.1 } else { 0 }) }) {
            return Err(not_read("subsampled colours that do not fit into its strips or tiles"));
        }
        Ok(Page {
            file,
            is_little_endian: directory.is_little_endian(),
            width,
            height,
            bits,
            samples,
            kept,
            photometric,
            alpha,
            compression,
            is_planar,
            is_lowest_bit_first,
            has_differences,
            chunk,
            offsets: directory.find(offsets).ok_or_else(|| refused("it does not say where its pixels are"))?,
            byte_counts: directory.find(byte_counts),
            palette: directory.find(COLOR_MAP),
            jpeg_tables: directory.find(JPEG_TABLES).map(|values| values.bytes()),
            subsampling,
            ycbcr: YCbCrToRgb::new(directory)?,
        })
    }
}

/// What the first of so many extra samples is. Four samples of RGB without a word about the fourth have alpha, as in
/// Pillow.
fn alpha(directory: &Directory<'_>, photometric: Photometric, extra: usize) -> Alpha {
    let kind = directory.find(EXTRA_SAMPLES).and_then(|values| values.unsigned(0));
    match (extra, kind, photometric) {
        // CMYK has no alpha anywhere.
        (0, ..) | (.., Photometric::Cmyk) => Alpha::None,
        (_, Some(1), _) => Alpha::Premultiplied,
        // 999 is CorelDRAW's.
        (_, Some(2 | 999), _) | (1, None, Photometric::Rgb) => Alpha::Straight,
        _ => Alpha::None,
    }
}

/// Columns and rows that share a pair of chroma samples.
fn subsampling(directory: &Directory<'_>) -> Result<(usize, usize), DecodeError> {
    let value = |index| match directory.find(YCBCR_SUBSAMPLING) {
        None => Some(2),
        Some(values) => values.unsigned(index),
    };
    match (value(0), value(1)) {
        (Some(horizontal @ (1 | 2 | 4)), Some(vertical @ (1 | 2 | 4))) => Ok((horizontal as usize, vertical as usize)),
        (horizontal, vertical) => Err(not_read(format!("colours subsampled by {horizontal:?} and {vertical:?}"))),
    }
}

/// What people call the kinds of compression that are not read.
const COMPRESSIONS: [(u64, &str); 12] = [
    (2, "CCITT with one dimension"),
    (3, "CCITT group 3"),
    (6, "JPEG in the way of before 1995"),
    (9, "JBIG"),
    (32_809, "ThunderScan"),
    (34_661, "JBIG"),
    (34_676, "SGI's logarithmic"),
    (34_712, "JPEG 2000"),
    (34_925, "LZMA"),
    (50_000, "Zstandard"),
    (50_001, "WebP"),
    (50_002, "JPEG XL"),
];

/// What people call the kinds of colors that are not read.
const PHOTOMETRICS: [(u64, &str); 8] = [
    (4, "a mask of transparency"),
    (8, "CIE L*a*b*"),
    (9, "ICC L*a*b*"),
    (10, "ITU L*a*b*"),
    (32_803, "a sensor's colour filters"),
    (32_844, "logarithmic luminance"),
    (32_845, "logarithmic luminance and colour"),
    (34_892, "a sensor's own colours"),
];

/// `, NAME` for what is in the list.
fn named(kind: u64, names: &[(u64, &str)]) -> String {
    names.iter().find(|(other, _)| *other == kind).map_or_else(String::new, |(_, name)| format!(", {name}"))
}
