//! The images of a run: from its settings to a data set.

use crate::error::{Error, ImagesError};
use dcgan_data::fit::Fitter;
use dcgan_data::{
    Channels, ColorType, Dataset, DecodeError, DecodedImage, ImageFormat, LoadOptions, LoadProgress, LoadReport, decode,
};
use dcgan_image::Picture;
use dcgan_settings::{DataSource, ImageOptions, Settings, SettingsError};
use rayon::prelude::*;

/// Checks that the largest number of images to use leaves enough for a batch.
///
/// # Errors
/// [`ImagesError::MaxImages`] if it does not.
pub fn check_max_images(max_images: Option<usize>, batch_size: usize) -> Result<(), ImagesError> {
    match max_images {
        Some(most) if most < batch_size => Err(ImagesError::MaxImages { most, batch_size }),
        _ => Ok(()),
    }
}

/// Checks that no file had to be left out, if `strict`.
///
/// # Errors
/// [`ImagesError::LeftOut`] otherwise.
pub fn check_strict(strict: bool, report: &LoadReport) -> Result<(), ImagesError> {
    match report.skipped.first() {
        Some(first) if strict => Err(ImagesError::LeftOut { count: report.skipped.len(), first: first.clone() }),
        _ => Ok(()),
    }
}

/// Checks that a data set fills a batch.
///
/// # Errors
/// [`ImagesError::Batch`] if it does not.
pub fn check_batch(report: &LoadReport, batch_size: usize) -> Result<(), ImagesError> {
    let pictures = report.images.len();
    if pictures < batch_size {
        return Err(ImagesError::Batch { path: report.path.clone(), pictures, batch_size });
    }
    Ok(())
}

/// Reads or draws the images of `settings`, as `dcgan train` does, and checks that they suffice. There is no report
/// about the built-in faces.
///
/// # Errors
/// [`Error::Data`] if the images cannot be read, [`Error::Images`] if there are too few, [`Error::Settings`] if the
/// settings do not say where they come from.
pub fn load_images(
    settings: &Settings,
    on_progress: impl Fn(LoadProgress) + Sync,
) -> Result<(Dataset, Option<LoadReport>), Error> {
    let model = &settings.train.model;
    let (size, channels) = (model.image_size, Channels::from_count(model.channels));
    match &settings.source {
        Some(DataSource::Demo { count }) => Ok((crate::demo_faces(*count, size, channels)?, None)),
        Some(DataSource::Folder { path, max_images, images }) => {
            let batch_size = settings.train.batch_size;
            check_max_images(*max_images, batch_size)?;
            let options = images.load_options(size, channels, *max_images);
            let options = LoadOptions { min_files: batch_size, ..options };
            let (data, report) = Dataset::load(path, &options, on_progress)?;
            check_strict(images.strict, &report)?;
            check_batch(&report, batch_size)?;
            Ok((data, Some(report)))
        }
        None => Err(SettingsError::NoSource.into()),
    }
}

/// Decodes a picture file and fits it to `size` × `size` pixels, as the images of a training.
///
/// # Errors
/// If it is no picture that can be used.
pub fn prepare_picture(
    file: &[u8],
    size: usize,
    channels: Channels,
    options: &ImageOptions,
) -> Result<Picture, DecodeError> {
    let image = decode(file, channels, options.background.0)?;
    let mut prepared = Picture::black(size, size, channels.count());
    Fitter::new(size, options.fit, options.filter, options.background.0).fit(&mut prepared.pixels, &image);
    Ok(prepared)
}

/// Fits images that were decoded elsewhere to `size` × `size` pixels, as the images of a training. `images` are N ×
/// `height` × `width` × channels bytes.
///
/// # Panics
/// If `images` is no whole number of images, or an image has no pixels.
pub fn fit_images(
    images: &[u8],
    [height, width]: [usize; 2],
    size: usize,
    channels: Channels,
    options: &ImageOptions,
) -> Vec<u8> {
    let from = height * width * channels.count();
    assert!(from > 0 && images.len().is_multiple_of(from), "{} bytes of images", images.len());
    let to = size * size * channels.count();
    let mut fitted = vec![0; images.len() / from * to];
    let fitter = || Fitter::new(size, options.fit, options.filter, options.background.0);
    fitted.par_chunks_exact_mut(to).zip(images.par_chunks_exact(from)).for_each_init(
        fitter,
        |fitter, (square, pixels)| {
            // The properties of a file do not matter here.
            let (pixels, format, color) = (pixels.to_vec(), ImageFormat::Png, ColorType::Rgb);
            let image = DecodedImage { width, height, channels, pixels, format, color, bits: 8, is_animated: false };
            fitter.fit(square, &image);
        },
    );
    fitted
}

/// Returns a name for a run on these pictures: that of their folder or archive, without the characters that need quotes
/// in a shell.
pub fn run_name(source: Option<&DataSource>) -> String {
    let Some(DataSource::Folder { path, .. }) = source else { return "demo".to_owned() };
    // `.` and `faces/..` have no name. A link keeps the name that the user chose.
    let named = match path.file_name() {
        Some(_) => path.clone(),
        None => path.canonicalize().unwrap_or_else(|_| path.clone()),
    };
    let is_archive = named.is_file();
    let name = if is_archive { named.file_stem() } else { named.file_name() };
    let name = name.unwrap_or_default().to_string_lossy();
    let tame = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
    let name: String = name.chars().map(tame).take(40).collect();
    if name.is_empty() { "run".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_named_after_their_pictures() {
        let name = |path: &str| {
            run_name(Some(&DataSource::Folder { path: path.into(), max_images: None, images: Default::default() }))
        };
        assert_eq!(name("/no/such/faces"), "faces");
        assert_eq!(name("/no/such/my faces (new)/"), "my-faces--new-");
        assert_eq!(name("/no/such/动漫"), "动漫");
        assert_eq!(name("src/.."), "dcgan");
        assert_eq!(name("/"), "run");
        assert_eq!(run_name(Some(&DataSource::Demo { count: 1 })), "demo");
        #[cfg(unix)]
        {
            let folder = tempfile::tempdir().unwrap();
            std::fs::create_dir(folder.path().join("target")).unwrap();
            let link = folder.path().join("faces");
            std::os::unix::fs::symlink("target", &link).unwrap();
            assert_eq!(name(link.to_str().unwrap()), "faces");
        }
    }
}
