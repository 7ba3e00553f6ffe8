//! From samples to pixels.

use super::error::refused;
use super::page::{Alpha, Compression, Page, Photometric};
use crate::decode::error::DecodeError;
use crate::decode::image::ColorType;
use crate::decode::raw::Layout;

impl Page<'_> {
    /// From samples to pixels.
    pub(super) fn pixels(&self, samples: Vec<u8>) -> Result<(Layout, ColorType, Vec<u8>), DecodeError> {
        // What few bits can say is stretched over the whole range.
        let stretched = |samples: Vec<u8>| match self.bits {
            8.. => samples,
            bits => samples.into_iter().map(|value| (u16::from(value) * 255 / ((1 << bits) - 1)) as u8).collect(),
        };
        let has_alpha = self.alpha != Alpha::None;
        let (layout, color, mut pixels) = match self.photometric {
            Photometric::BlackIsZero | Photometric::WhiteIsZero => {
                let mut pixels = stretched(samples);
                if self.photometric == Photometric::WhiteIsZero {
                    pixels.iter_mut().step_by(self.kept).for_each(|value| *value = 255 - *value);
                }
                match has_alpha {
                    true => (Layout::GrayAlpha, ColorType::GrayAlpha, pixels),
                    false => (Layout::Gray, ColorType::Gray, pixels),
                }
            }
            Photometric::Rgb if has_alpha => (Layout::Rgba, ColorType::Rgba, stretched(samples)),
            Photometric::Rgb => (Layout::Rgb, ColorType::Rgb, stretched(samples)),
            Photometric::Cmyk => (Layout::Cmyk, ColorType::Cmyk, stretched(samples)),
            Photometric::YCbCr => {
                let mut pixels = samples;
                // JPEG data are RGB already, unless each plane is a JPEG of its own.
                if self.compression != Compression::Jpeg || self.is_planar {
                    for pixel in pixels.chunks_exact_mut(self.kept) {
                        let rgb = self.ycbcr.convert([pixel[0], pixel[1], pixel[2]]);
                        pixel[..3].copy_from_slice(&rgb);
                    }
                }
                let layout = if has_alpha { Layout::Rgba } else { Layout::Rgb };
                (layout, if has_alpha { ColorType::Rgba } else { ColorType::Rgb }, pixels)
            }
            Photometric::Palette => {
                let palette = self.palette.ok_or_else(|| refused("it has no table of colours"))?;
                let entries = palette.len() / 3;
                // All reds, then all greens, then all blues, of 16 bits.
                let entry = |index: usize, channel: usize| palette.unsigned(channel * entries + index).unwrap_or(0);
                let table: Vec<[u8; 3]> =
                    (0..entries.min(256)).map(|i| [0, 1, 2].map(|channel| (entry(i, channel) >> 8) as u8)).collect();
                let color_of = |index: u8| table.get(usize::from(index)).copied().unwrap_or_default();
                let pixels = match has_alpha {
                    true => samples
                        .as_chunks()
                        .0
                        .iter()
                        .flat_map(|&[index, alpha]| [&color_of(index)[..], &[alpha]].concat())
                        .collect(),
                    false => samples.into_iter().flat_map(color_of).collect(),
                };
                (if has_alpha { Layout::Rgba } else { Layout::Rgb }, ColorType::Palette, pixels)
            }
        };
        if self.alpha == Alpha::Premultiplied {
            pixels.chunks_exact_mut(layout.samples()).for_each(divide_by_alpha);
        }
        Ok((layout, color, pixels))
    }
}

/// Undoes premultiplication as Pillow does: color · 255 / alpha, rounded down.
fn divide_by_alpha(pixel: &mut [u8]) {
    let Some((&mut alpha, colors)) = pixel.split_last_mut() else { return };
    for color in colors {
        *color = match alpha {
            0 => 0,
            alpha => (u32::from(*color) * 255 / u32::from(alpha)).min(255) as u8,
        };
    }
}
