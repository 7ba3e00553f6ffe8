//! Tags of a TIFF directory.

use super::error::refused;
use crate::decode::directory::Directory;
use crate::decode::error::DecodeError;

pub(super) const WIDTH: u16 = 256;
pub(super) const HEIGHT: u16 = 257;
pub(super) const BITS_PER_SAMPLE: u16 = 258;
pub(super) const COMPRESSION: u16 = 259;
pub(super) const PHOTOMETRIC: u16 = 262;
pub(super) const FILL_ORDER: u16 = 266;
pub(super) const STRIP_OFFSETS: u16 = 273;
pub(super) const SAMPLES_PER_PIXEL: u16 = 277;
pub(super) const ROWS_PER_STRIP: u16 = 278;
pub(super) const STRIP_BYTE_COUNTS: u16 = 279;
pub(super) const PLANAR_CONFIGURATION: u16 = 284;
pub(super) const PREDICTOR: u16 = 317;
pub(super) const COLOR_MAP: u16 = 320;
pub(super) const TILE_WIDTH: u16 = 322;
pub(super) const TILE_HEIGHT: u16 = 323;
pub(super) const TILE_OFFSETS: u16 = 324;
pub(super) const TILE_BYTE_COUNTS: u16 = 325;
pub(super) const INK_SET: u16 = 332;
pub(super) const EXTRA_SAMPLES: u16 = 338;
pub(super) const SAMPLE_FORMAT: u16 = 339;
pub(super) const JPEG_TABLES: u16 = 347;
pub(super) const YCBCR_COEFFICIENTS: u16 = 529;
pub(super) const YCBCR_SUBSAMPLING: u16 = 530;
pub(super) const REFERENCE_BLACK_WHITE: u16 = 532;
pub(super) const XMP: u16 = 700;

/// Returns the first value of `tag`, or `default` if the directory does not have the tag.
///
/// # Errors
/// If the value is not an unsigned integer.
pub(super) fn number(directory: &Directory<'_>, tag: u16, default: u64) -> Result<u64, DecodeError> {
    match directory.find(tag) {
        None => Ok(default),
        Some(values) => values.unsigned(0).ok_or_else(|| refused(format!("tag {tag} is no number"))),
    }
}

/// Returns the value of a tag that has one value per sample, if all `samples` have the same; `None` if they differ. A
/// single value is that of all samples, and a missing tag has the value `default`.
///
/// # Errors
/// If the tag has several values but fewer than samples, or the first is not an unsigned integer.
pub(super) fn same_for_all(
    directory: &Directory<'_>,
    tag: u16,
    samples: usize,
    default: u64,
) -> Result<Option<u64>, DecodeError> {
    let first = number(directory, tag, default)?;
    let Some(values) = directory.find(tag).filter(|values| values.len() > 1) else { return Ok(Some(first)) };
    if values.len() < samples {
        return Err(refused(format!("tag {tag} has {} values for {samples} samples", values.len())));
    }
    Ok((0..samples).all(|i| values.unsigned(i) == Some(first)).then_some(first))
}
