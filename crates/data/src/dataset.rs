//! All pictures of a data set as one block of bytes.

use std::fs::File;
use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use crate::decode::{Channels, decode};
use crate::error::{DataError, SkipReason, Skipped};
use crate::resize::{Extent, Filter, Resizer};
use crate::scan::scan;

/// The largest file that is read, in bytes. [`MAX_PIXELS`](crate::MAX_PIXELS) 8-bit RGB pixels are less, even stored
/// without compression.
pub const MAX_FILE_BYTES: u64 = 256 << 20;

/// Square pictures of one size, in memory: `len` × size × size × channels bytes, rows from the top (NHWC).
#[derive(Debug)]
pub struct Dataset {
    pixels: Vec<u8>,
    len: usize,
    size: usize,
    channels: Channels,
}

/// How [`Dataset::load`] reads a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadOptions {
    /// Height and width in pixels, to which every picture is stretched.
    pub size: usize,
    /// Grey or colour; the conversion comes before the resize, as in Pillow's `convert` then `resize`.
    pub channels: Channels,
    /// Stop at this many usable pictures. They are the first in the folder's order; broken ones do not count.
    pub max_images: Option<NonZeroUsize>,
}

/// How far [`Dataset::load`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadProgress {
    /// Files read, usable or not.
    pub done: usize,
    /// Files to read, as far as is known: a broken file can bring in another one under `max_images`.
    pub total: usize,
}

/// What [`Dataset::load`] found.
#[derive(Debug)]
pub struct LoadReport {
    /// The file of every picture: picture `i` of the data set is `used[i]`.
    pub used: Vec<PathBuf>,
    /// What was left out although it is named like a picture, and folders that could not be read.
    pub skipped: Vec<Skipped>,
    /// Files whose names are not those of pictures.
    pub other_files: usize,
}

impl Dataset {
    /// Reads every picture in `folder` and below, in the order of [`scan`](mod@crate::scan), decoding on all
    /// threads of the current rayon pool.
    ///
    /// The result depends only on the files and the options. A broken file is left out and reported, never an
    /// error, unless none is left. `progress` is called after each file, from any thread.
    ///
    /// # Panics
    /// If `options.size` is 0.
    pub fn load(
        folder: &Path,
        options: &LoadOptions,
        progress: impl Fn(LoadProgress) + Sync,
    ) -> Result<(Dataset, LoadReport), DataError> {
        let found = scan(folder)?;
        let mut report = LoadReport { used: Vec::new(), skipped: found.skipped, other_files: found.other_files };
        if found.pictures.is_empty() && report.skipped.is_empty() {
            let (path, other_files, example) = (folder.to_owned(), found.other_files, found.example);
            return Err(DataError::NoPictures { path, other_files, example });
        }

        let wanted = options.max_images.map_or(usize::MAX, NonZeroUsize::get).min(found.pictures.len());
        let mut dataset = Dataset::zeroed(wanted, options.size, options.channels)?;
        let bytes = dataset.image_bytes();
        let done = AtomicUsize::new(0);
        let mut pictures = found.pictures.into_iter();
        // One round reads as many files as there are places; each broken one leaves a place to the next round.
        while report.used.len() < wanted && !pictures.as_slice().is_empty() {
            let filled = report.used.len();
            let round: Vec<PathBuf> = pictures.by_ref().take(wanted - filled).collect();
            let total = done.load(Ordering::Relaxed) + round.len();
            let places = &mut dataset.pixels[filled * bytes..];
            let results: Vec<Result<(), SkipReason>> = places
                .par_chunks_exact_mut(bytes)
                .zip(&round)
                .map_init(Resizer::new, |resizer, (place, path)| {
                    let result = load_picture(place, path, options, resizer);
                    progress(LoadProgress { done: done.fetch_add(1, Ordering::Relaxed) + 1, total });
                    result
                })
                .collect();
            for (offset, (path, result)) in round.into_iter().zip(results).enumerate() {
                match result {
                    Ok(()) => {
                        let from = (filled + offset) * bytes;
                        dataset.pixels.copy_within(from..from + bytes, report.used.len() * bytes);
                        report.used.push(path);
                    }
                    Err(reason) => report.skipped.push(Skipped { path, reason }),
                }
            }
        }
        if report.used.is_empty() {
            return Err(DataError::AllSkipped { path: folder.to_owned(), skipped: report.skipped });
        }
        dataset.len = report.used.len();
        dataset.pixels.truncate(dataset.len * bytes);
        Ok((dataset, report))
    }

    /// Makes `len` pictures with `draw(i, out)`, which fills size × size × channels bytes, on all threads.
    ///
    /// # Panics
    /// If `size` is 0, or in `draw`.
    pub fn from_fn(
        len: usize,
        size: usize,
        channels: Channels,
        draw: impl Fn(usize, &mut [u8]) + Sync,
    ) -> Result<Dataset, DataError> {
        let mut dataset = Dataset::zeroed(len, size, channels)?;
        let bytes = dataset.image_bytes();
        dataset.pixels.par_chunks_exact_mut(bytes).enumerate().for_each(|(i, out)| draw(i, out));
        Ok(dataset)
    }

    fn zeroed(len: usize, size: usize, channels: Channels) -> Result<Dataset, DataError> {
        assert!(size > 0, "pictures of no size");
        let out_of_memory = || DataError::OutOfMemory { pictures: len, size, channels: channels.count() };
        let bytes = [size, size, channels.count()].into_iter().try_fold(len, usize::checked_mul);
        let bytes = bytes.ok_or_else(out_of_memory)?;
        let mut pixels = Vec::new();
        pixels.try_reserve_exact(bytes).map_err(|_| out_of_memory())?;
        pixels.resize(bytes, 0);
        Ok(Dataset { pixels, len, size, channels })
    }

    /// The number of pictures.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no pictures; true only of `from_fn(0, ..)`.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Height and width of every picture in pixels.
    pub fn size(&self) -> usize {
        self.size
    }

    /// What each pixel holds.
    pub fn channels(&self) -> Channels {
        self.channels
    }

    /// Bytes per picture: size × size × channels.
    pub fn image_bytes(&self) -> usize {
        self.size * self.size * self.channels.count()
    }

    /// Picture `i`, size × size × channels.
    ///
    /// # Panics
    /// If `i` is not below [`len`](Self::len).
    pub fn image(&self, i: usize) -> &[u8] {
        let bytes = self.image_bytes();
        &self.pixels[i * bytes..(i + 1) * bytes]
    }
}

fn load_picture(out: &mut [u8], path: &Path, options: &LoadOptions, resizer: &mut Resizer) -> Result<(), SkipReason> {
    let picture = decode(&read_file(path)?, options.channels)?;
    let from = Extent { width: picture.width, height: picture.height };
    let to = Extent { width: options.size, height: options.size };
    resizer.resize(out, to, &picture.pixels, from, from.into(), Filter::Bilinear, options.channels.count());
    Ok(())
}

fn read_file(path: &Path) -> Result<Vec<u8>, SkipReason> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    if length > MAX_FILE_BYTES {
        return Err(SkipReason::FileTooLarge);
    }
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(length as usize).map_err(io::Error::from)?;
    // `take`, because the file may be growing.
    file.take(MAX_FILE_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const PNG: &[u8] = include_bytes!("../tests/fixtures/rgb-64x64.png");
    const JPEG: &[u8] = include_bytes!("../tests/fixtures/420-40x30.jpg");

    fn options(max_images: usize) -> LoadOptions {
        LoadOptions { size: 8, channels: Channels::Rgb, max_images: NonZeroUsize::new(max_images) }
    }

    fn load(dir: &tempfile::TempDir, options: LoadOptions) -> Result<(Dataset, LoadReport), DataError> {
        Dataset::load(dir.path(), &options, |_| {})
    }

    /// Pictures a to e, of which b and d are broken.
    fn folder_with_broken_files() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| fs::write(dir.path().join(name), bytes).unwrap();
        write("a.png", PNG);
        write("b.jpg", b"not a picture at all");
        write("c.JPG", JPEG);
        write("d.png", &PNG[..PNG.len() / 2]);
        write("e.jpg", PNG);
        dir
    }

    #[test]
    fn broken_files_are_skipped_and_reported_in_order() {
        let dir = folder_with_broken_files();
        fs::write(dir.path().join("f.jpeg"), &JPEG[..JPEG.len() - 40]).unwrap();
        fs::write(dir.path().join("g.png"), "").unwrap();
        let (dataset, report) = load(&dir, options(0)).unwrap();
        let names = |paths: &mut dyn Iterator<Item = &PathBuf>| -> Vec<String> {
            paths.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
        };
        assert_eq!(names(&mut report.used.iter()), ["a.png", "c.JPG", "e.jpg"]);
        assert_eq!(names(&mut report.skipped.iter().map(|s| &s.path)), ["b.jpg", "d.png", "f.jpeg", "g.png"]);
        let reasons: Vec<String> = report.skipped.iter().map(|s| s.reason.to_string()).collect();
        assert_eq!(
            reasons,
            [
                "it is not a picture: its content is neither PNG nor JPEG",
                "the PNG file is cut short",
                "the JPEG file is cut short",
                "the file is empty"
            ]
        );
        assert_eq!((dataset.len(), dataset.size(), dataset.channels()), (3, 8, Channels::Rgb));
        assert_eq!(dataset.image(0), dataset.image(2), "a PNG named .jpg is read as what it is");
        assert_ne!(dataset.image(0), dataset.image(1));
    }

    #[test]
    fn max_images_counts_usable_pictures() {
        let dir = folder_with_broken_files();
        let (all, all_report) = load(&dir, options(0)).unwrap();
        for max in 1..=4 {
            let (some, report) = load(&dir, options(max)).unwrap();
            let len = max.min(3);
            assert_eq!((some.len(), &report.used[..]), (len, &all_report.used[..len]));
            for i in 0..len {
                assert_eq!(some.image(i), all.image(i));
            }
        }
        assert!(load(&dir, options(1)).unwrap().1.skipped.is_empty(), "files after the last one wanted are not read");
    }

    #[test]
    fn progress_counts_every_file_once() {
        let dir = folder_with_broken_files();
        let seen = std::sync::Mutex::new(Vec::new());
        Dataset::load(dir.path(), &options(0), |p| seen.lock().unwrap().push(p)).unwrap();
        let mut seen = seen.into_inner().unwrap();
        seen.sort_by_key(|p| p.done);
        assert_eq!(seen, (1..=5).map(|done| LoadProgress { done, total: 5 }).collect::<Vec<_>>());
    }

    #[test]
    fn threads_do_not_change_the_block() {
        let dir = folder_with_broken_files();
        let blocks = [1, 2, 5].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| load(&dir, options(0))).unwrap().0.pixels
        });
        assert!(blocks.iter().all(|block| *block == blocks[0]));
    }

    #[test]
    fn grey_is_made_before_the_resize() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.png"), PNG).unwrap();
        let grey = LoadOptions { channels: Channels::Grey, ..options(0) };
        let (dataset, _) = load(&dir, grey).unwrap();
        let picture = decode(PNG, Channels::Grey).unwrap();
        let (from, to) = (Extent { width: 64, height: 64 }, Extent { width: 8, height: 8 });
        let mut expected = [0; 64];
        Resizer::new().resize(&mut expected, to, &picture.pixels, from, from.into(), Filter::Bilinear, 1);
        assert_eq!(dataset.image(0), expected);
    }

    #[test]
    fn errors_say_what_to_do() {
        let message = |result: Result<(Dataset, LoadReport), DataError>| result.unwrap_err().to_string();
        let dir = tempfile::tempdir().unwrap();
        assert!(message(load(&dir, options(0))).ends_with(
            "it holds no files; put .png, .jpg or .jpeg files into it or its subfolders, or name another folder"
        ));

        fs::write(dir.path().join("b.webp"), "").unwrap();
        fs::write(dir.path().join("a.txt"), "").unwrap();
        assert!(message(load(&dir, options(0))).contains("its 2 files are of other kinds, like \"a.txt\"; put .png"));

        for i in 0..5 {
            fs::write(dir.path().join(format!("{i}.png")), "text").unwrap();
        }
        let text = message(load(&dir, options(0)));
        assert!(text.starts_with("none of the 5 pictures in "), "{text}");
        assert!(text.contains("0.png\": it is not a picture"), "{text}");
        assert!(text.contains("2.png") && !text.contains("3.png") && text.ends_with("; and 2 more"), "{text}");

        let nowhere = dir.path().join("nowhere");
        let text = message(Dataset::load(&nowhere, &options(0), |_| {}));
        assert_eq!(text, format!("the picture folder {nowhere:?} does not exist: check the path"));
    }

    #[test]
    fn more_than_memory_is_an_error() {
        for (len, size) in [(usize::MAX / 2, 64), (1 << 40, 1 << 10)] {
            let error = Dataset::from_fn(len, size, Channels::Rgb, |_, _| {}).unwrap_err();
            assert!(matches!(error, DataError::OutOfMemory { pictures, .. } if pictures == len));
        }
    }

    #[cfg(unix)]
    #[test]
    fn unreadable_and_oversized_files_are_skipped() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.png"), PNG).unwrap();
        // Sparse: it takes no room on the disk.
        File::create(dir.path().join("big.png")).unwrap().set_len(MAX_FILE_BYTES + 1).unwrap();
        let locked = dir.path().join("locked.png");
        fs::write(&locked, PNG).unwrap();
        fs::set_permissions(&locked, fs::Permissions::from_mode(0o000)).unwrap();
        let (_, report) = load(&dir, options(0)).unwrap();
        assert!(matches!(report.skipped[0].reason, SkipReason::FileTooLarge));
        // Root may read everything.
        if File::open(&locked).is_err() {
            assert!(matches!(report.skipped[1].reason, SkipReason::Io(_)));
        }
    }

    #[test]
    fn from_fn_fills_every_picture() {
        let dataset = Dataset::from_fn(5, 2, Channels::Grey, |i, out| out.fill(i as u8)).unwrap();
        assert_eq!(dataset.pixels, [[0; 4], [1; 4], [2; 4], [3; 4], [4; 4]].concat());
        assert!(Dataset::from_fn(0, 2, Channels::Grey, |_, _| unreachable!()).unwrap().is_empty());
    }
}
