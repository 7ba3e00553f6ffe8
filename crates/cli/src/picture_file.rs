//! Picture files: formats, folders, writing.

use crate::usage::UsageError;
use anyhow::{Context, Result, bail};
use dcgan_files::{NewFile, sweep, write_durable};
use dcgan_image::Picture;
use image_webp::WebPEncoder;
use std::path::Path;
use std::{fs, io};

/// A kind of picture file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum PictureFormat {
    /// Every pixel as it was drawn
    Png,
    /// The smallest files, not every pixel as it was drawn
    #[value(name = "jpg", alias = "jpeg")]
    Jpeg,
    /// Every pixel as it was drawn, smaller than PNG
    #[value(name = "webp")]
    WebP,
}

impl PictureFormat {
    /// Returns the format for a file's extension.
    ///
    /// # Errors
    /// [`UsageError`] for the extension of another kind of file.
    pub(crate) fn from_path(path: &Path) -> Result<Self> {
        match path.extension().unwrap_or_default().to_string_lossy().to_lowercase().as_str() {
            "png" => Ok(Self::Png),
            "jpg" | "jpeg" => Ok(Self::Jpeg),
            "webp" => Ok(Self::WebP),
            _ => bail!(UsageError::new(format_args!("{path:?}: name a .png, .jpg or .webp file"))),
        }
    }

    /// Returns the usual extension.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpg",
            Self::WebP => "webp",
        }
    }

    /// Checks that a file of this format can have this many pixels.
    ///
    /// # Errors
    /// [`UsageError`] if it cannot.
    pub(crate) fn check_size(self, (width, height): (usize, usize)) -> Result<(), UsageError> {
        let (name, most) = match self {
            Self::Png => ("PNG", i32::MAX as usize),
            Self::Jpeg => ("JPEG", u16::MAX.into()),
            Self::WebP => ("WebP", 1 << 14),
        };
        if width.max(height) <= most {
            return Ok(());
        }
        Err(UsageError::new(format_args!(
            "{width} × {height} pixels are more than {name} can have ({most} a side): choose another format, or fewer \
             or smaller pictures"
        )))
    }

    /// Encodes a picture as a file in memory.
    ///
    /// # Errors
    /// If the picture is larger than the format allows: 65,535 pixels a side for JPEG, 16,384 for WebP.
    pub(crate) fn encode(self, picture: &Picture) -> io::Result<Vec<u8>> {
        let Picture { width, height, channels, pixels } = picture;
        match self {
            Self::Png => picture.to_png(),
            Self::Jpeg => {
                let side = |len: usize| u16::try_from(len).map_err(|_| too_large(picture, "JPEG", u16::MAX.into()));
                let color = if *channels == 1 { jpeg_encoder::ColorType::Luma } else { jpeg_encoder::ColorType::Rgb };
                let mut file = Vec::new();
                let mut encoder = jpeg_encoder::Encoder::new(&mut file, Self::JPEG_QUALITY);
                // Colour at full resolution: at 64 pixels a side, half the resolution is visible.
                encoder.set_sampling_factor(jpeg_encoder::SamplingFactor::F_1_1);
                encoder.encode(pixels, side(*width)?, side(*height)?, color).map_err(io::Error::other)?;
                Ok(file)
            }
            Self::WebP => {
                let side = |len: usize| u32::try_from(len).map_err(io::Error::other);
                let color = if *channels == 1 { image_webp::ColorType::L8 } else { image_webp::ColorType::Rgb8 };
                let mut file = Vec::new();
                let encoded = WebPEncoder::new(&mut file).encode(pixels, side(*width)?, side(*height)?, color);
                match encoded {
                    Ok(()) => Ok(file),
                    Err(image_webp::EncodingError::InvalidDimensions) => Err(too_large(picture, "WebP", 1 << 14)),
                    Err(error) => Err(io::Error::other(error)),
                }
            }
        }
    }

    /// Quality of JPEG files on the usual scale to 100. No difference to the original can be seen.
    const JPEG_QUALITY: u8 = 95;
}

/// Returns whether `path` names a folder: it is one, ends in a slash or has no extension.
pub(crate) fn names_folder(path: &Path) -> bool {
    path.is_dir() || path.extension().is_none() || path.as_os_str().to_string_lossy().ends_with(std::path::is_separator)
}

/// Creates the folder of `file`.
pub(crate) fn create_parent(file: &Path) -> Result<()> {
    match file.parent() {
        Some(parent) if parent != Path::new("") => {
            fs::create_dir_all(parent).with_context(|| format!("cannot write to {parent:?}"))
        }
        _ => Ok(()),
    }
}

/// As [`check_output`], but creates the folder of the file if it is missing.
///
/// # Errors
/// As [`check_output`].
pub(crate) fn prepare_output(file: &Path) -> Result<()> {
    create_parent(file)?;
    check_output(file)
}

/// Checks that a file can be written, and removes from its folder the temporary files of killed processes.
///
/// # Errors
/// If `file` is a folder, or its folder is not there or cannot be written.
pub(crate) fn check_output(file: &Path) -> Result<()> {
    if file.is_dir() {
        bail!(UsageError::new(format_args!("{file:?} is a folder: name a file in it")));
    }
    let parent = file.parent().filter(|parent| *parent != Path::new(""));
    sweep(parent.unwrap_or(Path::new(".")));
    NewFile::create(file).map(drop).with_context(|| format!("cannot write {file:?}"))
}

/// Creates a folder for files, removes the temporary files of killed processes from it, and checks that it can be
/// written.
///
/// # Errors
/// If it cannot be made or written.
pub(crate) fn prepare_folder(folder: &Path) -> Result<()> {
    let cannot = || format!("cannot write to {folder:?}");
    fs::create_dir_all(folder).with_context(cannot)?;
    sweep(folder);
    NewFile::create(&folder.join("file")).map(drop).with_context(cannot)
}

/// Writes a picture file. A file of that name is replaced once the new one is complete.
pub(crate) fn save(picture: &Picture, format: PictureFormat, path: &Path) -> Result<()> {
    let written = format.encode(picture).and_then(|bytes| write_durable(path, &bytes));
    written.with_context(|| format!("cannot write {path:?}"))
}

/// Error for a picture with a side of more than `most` pixels, the limit of `format`.
fn too_large(picture: &Picture, format: &str, most: usize) -> io::Error {
    let Picture { width, height, .. } = picture;
    io::Error::other(format!("{width} × {height} pixels are more than {format} can have ({most} a side)"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use dcgan_data::{Channels, decode};

    fn ramp(channels: usize) -> Picture {
        let mut picture = Picture::black(40, 30, channels);
        for (i, pixel) in picture.pixels.chunks_mut(channels).enumerate() {
            pixel.iter_mut().zip([i % 40 * 6, i / 40 * 8, 90]).for_each(|(p, value)| *p = value as u8);
        }
        picture
    }

    #[test]
    fn every_format_holds_the_picture() {
        for channels in [1, 3] {
            let picture = ramp(channels);
            let colour = Channels::from_count(channels);
            let png = decode(&PictureFormat::Png.encode(&picture).unwrap(), colour, [255; 3]).unwrap();
            assert_eq!(png.pixels, picture.pixels);
            let jpeg = decode(&PictureFormat::Jpeg.encode(&picture).unwrap(), colour, [255; 3]).unwrap();
            let largest = jpeg.pixels.iter().zip(&picture.pixels).map(|(a, b)| a.abs_diff(*b)).max();
            assert!(largest < Some(8), "{largest:?}");
            let webp = io::Cursor::new(PictureFormat::WebP.encode(&picture).unwrap());
            let mut decoder = image_webp::WebPDecoder::new(webp).unwrap();
            let mut pixels = vec![0; decoder.output_buffer_size().unwrap()];
            decoder.read_image(&mut pixels).unwrap();
            let expected: Vec<u8> =
                if channels == 3 { picture.pixels } else { picture.pixels.iter().flat_map(|&p| [p; 3]).collect() };
            assert_eq!(pixels, expected);
        }
    }

    #[test]
    fn the_extension_names_the_format() {
        let format = |name: &str| PictureFormat::from_path(Path::new(name)).unwrap();
        assert_eq!(format("a.JPG"), PictureFormat::Jpeg);
        for format in [PictureFormat::Png, PictureFormat::Jpeg, PictureFormat::WebP] {
            let name = format!("faces.{}", format.extension());
            assert_eq!(PictureFormat::from_path(Path::new(&name)).unwrap(), format);
        }
        for name in ["a.bmp", "a", "a.png.txt"] {
            assert!(PictureFormat::from_path(Path::new(name)).unwrap_err().is::<UsageError>(), "{name}");
        }
        assert!(["a", "a.b/", "..", "."].iter().all(|name| names_folder(Path::new(name))));
        assert!(!names_folder(Path::new("a/b.png")));
    }

    #[test]
    fn what_a_format_cannot_hold_is_an_error() {
        let wide = Picture::black(70_000, 1, 1);
        for (format, words) in [(PictureFormat::Jpeg, "65535 a side"), (PictureFormat::WebP, "16384 a side")] {
            let error = format.encode(&wide).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
