//! The report on a data set: its images, files that were skipped, and statistics that show what may be wrong with it.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::decode::{Channels, ColorType, DecodedImage, ImageFormat};
use crate::error::SkippedFile;

/// Ratio of the longer to the shorter side above which an image counts as oblong.
pub const OBLONG: u32 = 3;

/// Extensions of image formats that are not supported.
const UNREAD_KINDS: [&str; 18] = [
    ".ai", ".arw", ".avif", ".cr2", ".cr3", ".dng", ".eps", ".exr", ".heic", ".heif", ".hdr", ".jp2", ".jxl", ".nef",
    ".psd", ".svg", ".tga", ".xcf",
];

/// Properties of an image in the data set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageInfo {
    /// Format of the file.
    pub format: ImageFormat,
    /// What the file stores for each pixel.
    pub color: ColorType,
    /// Number of bits of each sample in the file.
    pub bits: u8,
    /// Width in pixels, after the EXIF orientation was applied.
    pub width: u32,
    /// Height in pixels, after the EXIF orientation was applied.
    pub height: u32,
    /// Whether all pixels have the same value.
    pub is_single_color: bool,
    /// Whether the file has more frames, of which only the first is used.
    pub is_animated: bool,
    /// Smallest value of the image after it was resized.
    pub least: u8,
    /// Largest value of the image after it was resized.
    pub greatest: u8,
    /// Hash of the size and the pixels as decoded, before the image is resized.
    pub fingerprint: [u8; 16],
}

impl ImageInfo {
    /// Returns the properties of a decoded image whose resized pixels are `fitted`.
    pub(crate) fn new(picture: &DecodedImage, fitted: &[u8]) -> ImageInfo {
        let (width, height, pixels) = (picture.width as u32, picture.height as u32, &picture.pixels);
        let mut hash = Sha256::new();
        hash.update(width.to_le_bytes());
        hash.update(pixels);
        let mut fingerprint = [0; 16];
        fingerprint.copy_from_slice(&hash.finalize()[..16]);
        let channels = picture.channels.count();
        ImageInfo {
            format: picture.format,
            color: picture.color,
            bits: picture.bits,
            width,
            height,
            is_single_color: pixels[channels..] == pixels[..pixels.len() - channels],
            is_animated: picture.is_animated,
            least: fitted.iter().copied().min().unwrap_or(0),
            greatest: fitted.iter().copied().max().unwrap_or(0),
            fingerprint,
        }
    }
}

/// An image of the data set: its file and its properties.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageEntry {
    /// Path of the file; for an entry of an archive, the archive's path joined with the entry's name.
    pub path: PathBuf,
    /// Properties of the image.
    pub info: ImageInfo,
}

/// How the cache of decoded images was used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CacheUse {
    /// [`LoadOptions::cache`](crate::LoadOptions::cache) was `None`.
    Off,
    /// All images were read from this cache file.
    Read(PathBuf),
    /// A new cache file was written.
    Written {
        /// Path of the cache file.
        path: PathBuf,
        /// Number of images that were copied from the previous cache file instead of being decoded.
        taken_over: usize,
    },
    /// The cache file could not be written, so the images are kept in memory.
    Failed {
        /// Folder of the cache.
        path: PathBuf,
        /// Error message of the operating system.
        reason: String,
    },
}

/// Report of [`Dataset::load`](crate::Dataset::load) on the files of a data set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadReport {
    /// Path of the folder or archive.
    pub path: PathBuf,
    /// Height and width of the resized images in pixels.
    pub size: usize,
    /// Channels of the resized images.
    pub channels: Channels,
    /// The images of the data set, in its order.
    pub images: Vec<ImageEntry>,
    /// Files that look like images and cannot be used, and folders that could not be read.
    pub skipped: Vec<SkippedFile>,
    /// Number of files that neither are images nor have the extension of one.
    pub other_files: usize,
    /// Number of these files by extension, such as `.svg`; without an extension, the key is empty.
    pub other_kinds: BTreeMap<String, usize>,
    /// How the cache was used.
    pub cache: CacheUse,
    /// Number of images that were damaged in the cache, so that their files were read again.
    pub damaged_in_cache: usize,
}

impl LoadReport {
    /// Number of images of each format.
    pub fn formats(&self) -> BTreeMap<ImageFormat, usize> {
        count(self.images.iter().map(|image| image.info.format))
    }

    /// Number of files by extension for the extensions of image formats that are not supported, such as `.svg`.
    pub fn unread_kinds(&self) -> Vec<(&str, usize)> {
        let kinds = self.other_kinds.iter().map(|(kind, count)| (kind.as_str(), *count));
        kinds.filter(|(kind, _)| UNREAD_KINDS.contains(kind)).collect()
    }

    /// Number of images by color type and bits of a sample.
    pub fn color_types(&self) -> BTreeMap<(ColorType, u8), usize> {
        count(self.images.iter().map(|image| (image.info.color, image.info.bits)))
    }

    /// Number of images by width and height: the most frequent size first, and of equally frequent sizes the larger.
    pub fn sizes(&self) -> Vec<((u32, u32), usize)> {
        let mut sizes: Vec<_> =
            count(self.images.iter().map(|image| (image.info.width, image.info.height))).into_iter().collect();
        sizes.sort_by_key(|&(size, pictures)| std::cmp::Reverse((pictures, size)));
        sizes
    }

    /// Length in pixels below which the shorter side makes an image tiny: it is then enlarged more than twice.
    pub fn tiny_side(&self) -> u32 {
        (self.size / 2) as u32
    }

    /// Images with a side shorter than [`tiny_side`](Self::tiny_side).
    pub fn tiny(&self) -> impl Iterator<Item = &ImageEntry> {
        let side = self.tiny_side();
        self.images.iter().filter(move |image| image.info.width.min(image.info.height) < side)
    }

    /// Images of which one side is more than [`OBLONG`] times the other.
    pub fn oblong(&self) -> impl Iterator<Item = &ImageEntry> {
        let sides = |info: &ImageInfo| (u64::from(info.width.min(info.height)), u64::from(info.width.max(info.height)));
        self.images.iter().filter(move |image| {
            let (short, long) = sides(&image.info);
            long > u64::from(OBLONG) * short
        })
    }

    /// Images whose pixels all have the same value.
    pub fn single_color(&self) -> impl Iterator<Item = &ImageEntry> {
        self.images.iter().filter(|image| image.info.is_single_color)
    }

    /// Images with several frames, of which only the first is used.
    pub fn animated(&self) -> impl Iterator<Item = &ImageEntry> {
        self.images.iter().filter(|image| image.info.is_animated)
    }

    /// Groups of two or more images with the same size and the same pixels, in the order of their first members.
    pub fn identical(&self) -> Vec<Vec<&ImageEntry>> {
        let mut groups: Vec<Vec<&ImageEntry>> = Vec::new();
        let mut group_of = HashMap::new();
        for image in &self.images {
            let group = *group_of.entry(image.info.fingerprint).or_insert(groups.len());
            match groups.get_mut(group) {
                Some(group) => group.push(image),
                None => groups.push(vec![image]),
            }
        }
        groups.retain(|group| group.len() > 1);
        groups
    }

    /// Smallest and largest value of all resized images.
    pub fn range(&self) -> (u8, u8) {
        let least = self.images.iter().map(|image| image.info.least).min();
        let greatest = self.images.iter().map(|image| image.info.greatest).max();
        (least.unwrap_or(0), greatest.unwrap_or(0))
    }
}

/// Counts how often each key occurs.
fn count<K: Ord>(keys: impl Iterator<Item = K>) -> BTreeMap<K, usize> {
    let mut counts = BTreeMap::new();
    for key in keys {
        *counts.entry(key).or_insert(0) += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(width: usize, height: usize, pixels: Vec<u8>) -> ImageInfo {
        let (channels, format, color) = (Channels::Rgb, ImageFormat::Png, ColorType::Rgb);
        ImageInfo::new(
            &DecodedImage { width, height, channels, pixels, format, color, bits: 8, is_animated: false },
            &[3, 200],
        )
    }

    fn report(info: Vec<ImageInfo>) -> LoadReport {
        let entry = |(i, info)| ImageEntry { path: format!("{i}").into(), info };
        LoadReport {
            path: "data".into(),
            size: 4,
            channels: Channels::Rgb,
            images: info.into_iter().enumerate().map(entry).collect(),
            skipped: Vec::new(),
            other_files: 0,
            other_kinds: BTreeMap::new(),
            cache: CacheUse::Off,
            damaged_in_cache: 0,
        }
    }

    fn names<'a>(used: impl IntoIterator<Item = &'a ImageEntry>) -> Vec<&'a str> {
        used.into_iter().map(|used| used.path.to_str().unwrap()).collect()
    }

    #[test]
    fn oddities_are_found() {
        let noise = |n: usize| (0..n).map(|i| (i * i) as u8).collect::<Vec<u8>>();
        let report = report(vec![
            info(4, 4, noise(48)),
            info(1, 9, noise(27)),
            info(3, 9, noise(81)),
            info(2, 7, vec![5; 42]),
            info(4, 4, noise(48)),
            info(8, 2, noise(48)),
            info(3, 9, [noise(81)[..80].to_vec(), vec![1]].concat()),
        ]);
        assert_eq!(names(report.tiny()), ["1"]);
        assert_eq!(names(report.oblong()), ["1", "3", "5"], "3 to 9 is just within the bounds");
        assert_eq!(names(report.single_color()), ["3"]);
        let groups: Vec<_> = report.identical().into_iter().map(names).collect();
        assert_eq!(groups, [["0", "4"]], "the same bytes in another shape are another picture");
        assert_eq!(report.sizes(), [((4, 4), 2), ((3, 9), 2), ((8, 2), 1), ((2, 7), 1), ((1, 9), 1)]);
        assert_eq!(report.range(), (3, 200));
    }

    #[test]
    fn pictures_that_are_not_read_are_known_by_their_names() {
        let other_kinds = [(".svg", 2), ("", 1), (".txt", 3), (".heic", 1)].map(|(kind, n)| (kind.to_owned(), n));
        let report = LoadReport { other_kinds: other_kinds.into(), ..report(vec![info(1, 1, vec![1, 2, 3])]) };
        assert_eq!(report.unread_kinds(), [(".heic", 1), (".svg", 2)]);
    }

    #[test]
    fn gray_pixels_of_three_bytes_are_compared_whole() {
        assert!(info(2, 1, vec![1, 2, 3, 1, 2, 3]).is_single_color);
        assert!(!info(2, 1, vec![1, 2, 3, 1, 2, 4]).is_single_color);
        assert!(info(1, 1, vec![1, 2, 3]).is_single_color);
    }
}
