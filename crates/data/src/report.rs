//! What a data set holds, and what is odd about it.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::decode::{Channels, Colour, Format, Picture};
use crate::error::Skipped;

/// How many times as long as the shorter side the longer one must be for a picture to be very oblong.
pub const OBLONG: u32 = 3;

/// Extensions of pictures that are not read.
const UNREAD_KINDS: [&str; 18] = [
    ".ai", ".arw", ".avif", ".cr2", ".cr3", ".dng", ".eps", ".exr", ".heic", ".heif", ".hdr", ".jp2", ".jxl", ".nef",
    ".psd", ".svg", ".tga", ".xcf",
];

/// What is known about a picture that can be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The kind of file.
    pub format: Format,
    /// What it stores for each pixel.
    pub colour: Colour,
    /// Bits of each sample.
    pub bits: u8,
    /// Pixels in a row, once it is upright.
    pub width: u32,
    /// Rows, once it is upright.
    pub height: u32,
    /// Whether all of its pixels are the same.
    pub single_coloured: bool,
    /// Whether the file has more frames, of which only the first is used.
    pub is_animated: bool,
    /// The least byte that the network sees.
    pub least: u8,
    /// The greatest byte that the network sees.
    pub greatest: u8,
    /// A fingerprint of its size and pixels as decoded, before it is fitted.
    pub fingerprint: [u8; 16],
}

impl Facts {
    pub(crate) fn new(picture: &Picture, fitted: &[u8]) -> Facts {
        let (width, height, pixels) = (picture.width as u32, picture.height as u32, &picture.pixels);
        let mut hash = Sha256::new();
        hash.update(width.to_le_bytes());
        hash.update(pixels);
        let mut fingerprint = [0; 16];
        fingerprint.copy_from_slice(&hash.finalize()[..16]);
        let channels = picture.channels.count();
        Facts {
            format: picture.format,
            colour: picture.colour,
            bits: picture.bits,
            width,
            height,
            single_coloured: pixels[channels..] == pixels[..pixels.len() - channels],
            is_animated: picture.is_animated,
            least: fitted.iter().copied().min().unwrap_or(0),
            greatest: fitted.iter().copied().max().unwrap_or(0),
            fingerprint,
        }
    }
}

/// A picture of the data set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Used {
    /// Its file.
    pub path: PathBuf,
    /// What it is.
    pub facts: Facts,
}

/// What became of the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CacheUse {
    /// None was asked for.
    Off,
    /// It held every picture.
    Read(PathBuf),
    /// It has been written; so many pictures were taken over from what it held before.
    Written {
        /// The file.
        path: PathBuf,
        /// Pictures that needed no decoding.
        taken_over: usize,
    },
    /// It could not be written, so the pictures are held in memory.
    Failed {
        /// The cache's folder.
        path: PathBuf,
        /// The system's reason.
        reason: String,
    },
}

/// What [`Dataset::load`](crate::Dataset::load) found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The folder or archive.
    pub path: PathBuf,
    /// Height and width of the squares that the pictures became.
    pub size: usize,
    /// What each of their pixels holds.
    pub channels: Channels,
    /// Picture `i` of the data set is `used[i]`.
    pub used: Vec<Used>,
    /// What was left out although it seems to be a picture, and folders that could not be read.
    pub skipped: Vec<Skipped>,
    /// Files that are no pictures and are not named like any.
    pub other_files: usize,
    /// How many of them have which extension, as `.svg`; those without one are under the empty name.
    pub other_kinds: BTreeMap<String, usize>,
    /// Whether the pictures came from the cache.
    pub cache: CacheUse,
    /// Pictures that the cache held damaged, so that their files were read again.
    pub damaged_in_cache: usize,
}

impl Report {
    /// How many pictures each format has.
    pub fn formats(&self) -> BTreeMap<Format, usize> {
        count(self.used.iter().map(|used| used.facts.format))
    }

    /// The files among [`other_files`](Self::other_files) whose extensions are those of pictures that are not read,
    /// such as `.svg`.
    pub fn unread_kinds(&self) -> Vec<(&str, usize)> {
        let kinds = self.other_kinds.iter().map(|(kind, count)| (kind.as_str(), *count));
        kinds.filter(|(kind, _)| UNREAD_KINDS.contains(kind)).collect()
    }

    /// How many pictures store which kind of pixels, and of how many bits.
    pub fn colours(&self) -> BTreeMap<(Colour, u8), usize> {
        count(self.used.iter().map(|used| (used.facts.colour, used.facts.bits)))
    }

    /// How many pictures have which width and height; the most frequent first, among equals the larger.
    pub fn sizes(&self) -> Vec<((u32, u32), usize)> {
        let mut sizes: Vec<_> =
            count(self.used.iter().map(|used| (used.facts.width, used.facts.height))).into_iter().collect();
        sizes.sort_by_key(|&(size, pictures)| std::cmp::Reverse((pictures, size)));
        sizes
    }

    /// A side shorter than this makes a picture tiny: it is then enlarged more than twice.
    pub fn tiny_side(&self) -> u32 {
        (self.size / 2) as u32
    }

    /// Pictures with a side shorter than [`tiny_side`](Self::tiny_side).
    pub fn tiny(&self) -> impl Iterator<Item = &Used> {
        let side = self.tiny_side();
        self.used.iter().filter(move |used| used.facts.width.min(used.facts.height) < side)
    }

    /// Pictures of which one side is more than [`OBLONG`] times the other.
    pub fn oblong(&self) -> impl Iterator<Item = &Used> {
        let sides =
            |facts: &Facts| (u64::from(facts.width.min(facts.height)), u64::from(facts.width.max(facts.height)));
        self.used.iter().filter(move |used| {
            let (short, long) = sides(&used.facts);
            long > u64::from(OBLONG) * short
        })
    }

    /// Pictures of which all pixels are the same.
    pub fn single_coloured(&self) -> impl Iterator<Item = &Used> {
        self.used.iter().filter(|used| used.facts.single_coloured)
    }

    /// Pictures with several frames, of which only the first is used.
    pub fn animated(&self) -> impl Iterator<Item = &Used> {
        self.used.iter().filter(|used| used.facts.is_animated)
    }

    /// Groups of two and more pictures with the same size and the same pixels, in the order of their first ones.
    pub fn identical(&self) -> Vec<Vec<&Used>> {
        let mut groups: Vec<Vec<&Used>> = Vec::new();
        let mut group_of = HashMap::new();
        for used in &self.used {
            let group = *group_of.entry(used.facts.fingerprint).or_insert(groups.len());
            match groups.get_mut(group) {
                Some(group) => group.push(used),
                None => groups.push(vec![used]),
            }
        }
        groups.retain(|group| group.len() > 1);
        groups
    }

    /// The least and the greatest byte that the network sees.
    pub fn range(&self) -> (u8, u8) {
        let least = self.used.iter().map(|used| used.facts.least).min();
        let greatest = self.used.iter().map(|used| used.facts.greatest).max();
        (least.unwrap_or(0), greatest.unwrap_or(0))
    }
}

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

    fn facts(width: usize, height: usize, pixels: Vec<u8>) -> Facts {
        let (channels, format, colour) = (Channels::Rgb, Format::Png, Colour::Rgb);
        Facts::new(&Picture { width, height, channels, pixels, format, colour, bits: 8, is_animated: false }, &[3, 200])
    }

    fn report(facts: Vec<Facts>) -> Report {
        let used = |(i, facts)| Used { path: format!("{i}").into(), facts };
        Report {
            path: "data".into(),
            size: 4,
            channels: Channels::Rgb,
            used: facts.into_iter().enumerate().map(used).collect(),
            skipped: Vec::new(),
            other_files: 0,
            other_kinds: BTreeMap::new(),
            cache: CacheUse::Off,
            damaged_in_cache: 0,
        }
    }

    fn names<'a>(used: impl IntoIterator<Item = &'a Used>) -> Vec<&'a str> {
        used.into_iter().map(|used| used.path.to_str().unwrap()).collect()
    }

    #[test]
    fn what_is_odd_is_found() {
        let noise = |n: usize| (0..n).map(|i| (i * i) as u8).collect::<Vec<u8>>();
        let report = report(vec![
            facts(4, 4, noise(48)),
            facts(1, 9, noise(27)),
            facts(3, 9, noise(81)),
            facts(2, 7, vec![5; 42]),
            facts(4, 4, noise(48)),
            facts(8, 2, noise(48)),
            facts(3, 9, [noise(81)[..80].to_vec(), vec![1]].concat()),
        ]);
        assert_eq!(names(report.tiny()), ["1"]);
        assert_eq!(names(report.oblong()), ["1", "3", "5"], "3 to 9 is just within the bounds");
        assert_eq!(names(report.single_coloured()), ["3"]);
        let groups: Vec<_> = report.identical().into_iter().map(names).collect();
        assert_eq!(groups, [["0", "4"]], "the same bytes in another shape are another picture");
        assert_eq!(report.sizes(), [((4, 4), 2), ((3, 9), 2), ((8, 2), 1), ((2, 7), 1), ((1, 9), 1)]);
        assert_eq!(report.range(), (3, 200));
    }

    #[test]
    fn pictures_that_are_not_read_are_known_by_their_names() {
        let other_kinds = [(".svg", 2), ("", 1), (".txt", 3), (".heic", 1)].map(|(kind, n)| (kind.to_owned(), n));
        let report = Report { other_kinds: other_kinds.into(), ..report(vec![facts(1, 1, vec![1, 2, 3])]) };
        assert_eq!(report.unread_kinds(), [(".heic", 1), (".svg", 2)]);
    }

    #[test]
    fn grey_pixels_of_three_bytes_are_compared_whole() {
        assert!(facts(2, 1, vec![1, 2, 3, 1, 2, 3]).single_coloured);
        assert!(!facts(2, 1, vec![1, 2, 3, 1, 2, 4]).single_coloured);
        assert!(facts(1, 1, vec![1, 2, 3]).single_coloured);
    }
}
