//! From a folder or archive to a [`Dataset`]: every file is read once, in parallel.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use rayon::prelude::*;

use crate::cache::{Cache, CacheState, Entry, Outcome};
use crate::collector::{Collector, Images};
use crate::dataset::{Dataset, Pixels};
use crate::error::{DataError, SkippedFile};
use crate::fit::Fitter;
use crate::options::{LoadOptions, LoadProgress};
use crate::report::{CacheUse, ImageEntry, LoadReport};
use crate::scan::{Scan, Scanner};
use crate::source::{FileSource, Listing, kind_of};

/// Number of files that are scanned at a time; fewer if their images, which wait in memory until all of them are done,
/// would have more than `ROUND_BYTES`.
const ROUND: usize = 1024;
const ROUND_BYTES: usize = 256 << 20;
/// Number of files that are read so soon that [`LoadOptions::min_files`] need not be checked before.
const FEW: usize = 64;

impl Dataset {
    /// Reads every picture in the folder, zip or tar at `path`, decoding on all threads of the current rayon pool.
    ///
    /// The result depends only on the files and the options. A broken file is left out and reported, never an
    /// error, unless none is left. `progress` is called after each file, from any thread.
    ///
    /// # Errors
    /// [`DataError`], whose message says what to do.
    pub fn load(
        path: &Path,
        options: &LoadOptions,
        progress: impl Fn(LoadProgress) + Sync,
    ) -> Result<(Dataset, LoadReport), DataError> {
        let LoadOutcome { dataset, report, .. } = load(path, options, progress, SystemTime::now())?;
        Ok((dataset, report))
    }
}

/// A data set and how it came about.
#[derive(Debug)]
pub(crate) struct LoadOutcome {
    pub(crate) dataset: Dataset,
    pub(crate) report: LoadReport,
    /// Number of files that were opened. The others are as they were when the cache was written.
    #[cfg_attr(not(test), allow(dead_code))] // for tests alone
    pub(crate) files_read: usize,
}

/// [`Dataset::load`] at the time `now`, which decides whether the stamps of files are old enough to be trusted later.
pub(crate) fn load(
    path: &Path,
    options: &LoadOptions,
    progress: impl Fn(LoadProgress) + Sync,
    now: SystemTime,
) -> Result<LoadOutcome, DataError> {
    options.check()?;
    let source = FileSource::open(path)?;
    let (files, wanted) = (source.listing.items.len(), options.min_files);
    // A few are read soon, and what is wrong with them may be the better reason.
    if (FEW..wanted).contains(&files) {
        return Err(DataError::TooFew { path: path.to_owned(), files, wanted });
    }
    let cache = options.cache.as_deref().map(|folder| Cache::new(folder, path, options));
    let (cached, is_damaged) = match cache.as_ref().map_or(CacheState::Absent, Cache::open) {
        CacheState::Absent => (None, false),
        CacheState::Damaged => (None, true),
        CacheState::Usable(cached) => (Some(cached), false),
    };
    let scanner = Scanner::new(&source, options, cached.as_deref());
    let wanted = options.max_images.map_or(usize::MAX, NonZeroUsize::get).min(files);
    let mut collector = Collector::new(options, wanted, cache, cached.as_deref(), now)?;
    scan_all(&scanner, &mut collector, wanted, &progress)?;
    let images = collector.images();
    let damaged = if is_damaged { images } else { scanner.damaged.load(Ordering::Relaxed) };
    let files_read = scanner.files_read.load(Ordering::Relaxed);
    let (pixels, entries, cache) = collector.finish()?;
    let report = report(path, options, source.listing, entries, cache, damaged)?;
    let pixels = match (pixels, cached) {
        (Images::Memory(block), _) => Pixels::Memory(block),
        (Images::File(file), _) => Pixels::File(file),
        (Images::Cached, Some(cached)) => Pixels::File(cached.into_images()),
        (Images::Cached, None) => unreachable!("only a cache has images"),
    };
    Ok(LoadOutcome { dataset: Dataset::new(pixels, images, options.size, options.channels), report, files_read })
}

/// Scans the files in their order until there are `wanted` images.
fn scan_all(
    scanner: &Scanner<'_>,
    collector: &mut Collector<'_>,
    wanted: usize,
    progress: &(impl Fn(LoadProgress) + Sync),
) -> Result<(), DataError> {
    let items = &scanner.source.listing.items;
    let LoadOptions { size, fit, filter, background, .. } = *scanner.options;
    let most = ROUND.min(ROUND_BYTES / scanner.options.image_bytes()).max(1);
    while collector.images() < wanted && collector.files() < items.len() {
        let (start, left) = (collector.files(), wanted - collector.images());
        // No more than there are places: what comes after the last picture wanted is not read.
        let round = &items[start..][..most.min(left).min(items.len() - start)];
        let total = (start + left).min(items.len());
        let done = AtomicUsize::new(start);
        scanner.verify(round);
        let scans: Vec<Scan> = round
            .par_iter()
            .map_init(
                || Fitter::new(size, fit, filter, background),
                |fitter, item| {
                    let scan = scanner.scan(item, fitter);
                    progress(LoadProgress { done: done.fetch_add(1, Ordering::Relaxed) + 1, total });
                    scan
                },
            )
            .collect();
        for (item, scan) in round.iter().zip(scans) {
            collector.add(scanner.name(item), item.stamp, scan)?;
        }
    }
    Ok(())
}

/// The report on the files of `listing`, of which `entries` says what they are.
///
/// # Errors
/// [`DataError::NoPictures`] or [`DataError::AllSkipped`] if there is no usable picture.
fn report(
    path: &Path,
    options: &LoadOptions,
    listing: Listing,
    entries: Vec<Entry>,
    cache: CacheUse,
    damaged_in_cache: usize,
) -> Result<LoadReport, DataError> {
    let path = path.to_owned();
    let Listing { items, skipped, other_files, other_kinds, mut example } = listing;
    let LoadOptions { size, channels, .. } = *options;
    let images = Vec::new();
    let mut report =
        LoadReport { path, size, channels, images, skipped, other_files, other_kinds, cache, damaged_in_cache };
    // Files that were not read, because enough pictures came before them, have no entry.
    for (item, entry) in items.into_iter().zip(entries) {
        let path = item.path;
        match entry.outcome {
            Outcome::Usable(info) => report.images.push(ImageEntry { path, info }),
            Outcome::Unusable(reason) => report.skipped.push(SkippedFile { path, reason }),
            Outcome::OtherFile => {
                report.other_files += 1;
                *report.other_kinds.entry(kind_of(&path)).or_default() += 1;
                example = example.or(Some(path));
            }
        }
    }
    if !report.images.is_empty() {
        return Ok(report);
    }
    let LoadReport { path, skipped, other_files, .. } = report;
    Err(match skipped.is_empty() {
        true => DataError::NoPictures { path, other_files, example },
        false => DataError::AllSkipped { path, skipped },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{Channels, ImageFormat, decode};
    use crate::error::SkipReason;
    use crate::fit::Fit;
    use crate::limits::MAX_FILE_BYTES;
    use crate::resize::Filter;
    use std::fs::{self, File};
    use std::io;
    use std::path::PathBuf;

    const PNG: &[u8] = include_bytes!("../tests/fixtures/rgb-64x64.png");
    const JPEG: &[u8] = include_bytes!("../tests/fixtures/420-40x30.jpg");

    fn options(max_images: usize) -> LoadOptions {
        LoadOptions { max_images: NonZeroUsize::new(max_images), ..LoadOptions::new(8, Channels::Rgb) }
    }

    fn load(dir: &tempfile::TempDir, options: LoadOptions) -> Result<(Dataset, LoadReport), DataError> {
        Dataset::load(dir.path(), &options, |_| {})
    }

    fn block(data: &Dataset) -> Vec<u8> {
        (0..data.len()).flat_map(|i| data.image(i).unwrap().into_owned()).collect()
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
        assert_eq!(names(&mut report.images.iter().map(|used| &used.path)), ["a.png", "c.JPG", "e.jpg"]);
        assert_eq!(names(&mut report.skipped.iter().map(|s| &s.path)), ["b.jpg", "d.png", "f.jpeg", "g.png"]);
        let reasons: Vec<String> = report.skipped.iter().map(|s| s.reason.to_string()).collect();
        assert_eq!(
            reasons,
            [
                "it is not a picture, whatever its name says",
                "the PNG file is cut short",
                "the JPEG file is cut short",
                "the file is empty"
            ]
        );
        assert_eq!((dataset.len(), dataset.size(), dataset.channels()), (3, 8, Channels::Rgb));
        assert_eq!(dataset.image(0).unwrap(), dataset.image(2).unwrap(), "a PNG named .jpg is read as what it is");
        assert_ne!(dataset.image(0).unwrap(), dataset.image(1).unwrap());
    }

    #[test]
    fn max_images_counts_usable_pictures() {
        let dir = folder_with_broken_files();
        let (all, all_report) = load(&dir, options(0)).unwrap();
        for max in 1..=4 {
            let (some, report) = load(&dir, options(max)).unwrap();
            let len = max.min(3);
            assert_eq!((some.len(), &report.images[..]), (len, &all_report.images[..len]));
            for i in 0..len {
                assert_eq!(some.image(i).unwrap(), all.image(i).unwrap());
            }
        }
        assert!(load(&dir, options(1)).unwrap().1.skipped.is_empty(), "files after the last one wanted are not read");
    }

    #[test]
    fn large_squares_are_loaded_a_few_at_a_time() {
        let dir = folder_with_broken_files();
        let size = 4096;
        let options = LoadOptions { channels: Channels::Gray, ..LoadOptions::new(size, Channels::Rgb) };
        assert!(ROUND * options.image_bytes() > ROUND_BYTES);
        assert_eq!(load(&dir, options.clone()).unwrap().0.len(), 3);
    }

    #[test]
    fn impossible_sizes_are_errors() {
        let dir = folder_with_broken_files();
        for size in [0, LoadOptions::MAX_SIZE + 1, usize::MAX] {
            let error = load(&dir, LoadOptions { size, ..options(0) }).unwrap_err();
            assert!(error.to_string().ends_with("choose a size from 1 to 4096"), "{error}");
        }
    }

    #[test]
    fn too_few_files_are_not_read() {
        let dir = tempfile::tempdir().unwrap();
        (0..FEW).for_each(|i| fs::write(dir.path().join(i.to_string()), PNG).unwrap());
        let load = |min_files| {
            let progress = AtomicUsize::new(0);
            let options = LoadOptions { min_files, ..options(0) };
            let loaded = Dataset::load(dir.path(), &options, |_| _ = progress.fetch_add(1, Ordering::Relaxed));
            (loaded, progress.into_inner())
        };
        assert!(matches!(load(FEW + 1), (Err(DataError::TooFew { files: FEW, .. }), 0)));
        assert!(matches!(load(FEW), (Ok(_), FEW)));
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
            block(&pool.install(|| load(&dir, options(0))).unwrap().0)
        });
        assert!(blocks.iter().all(|block| *block == blocks[0]));
    }

    #[test]
    fn gray_is_made_before_the_resize() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.png"), PNG).unwrap();
        let gray = LoadOptions { channels: Channels::Gray, ..options(0) };
        let (dataset, _) = load(&dir, gray).unwrap();
        let picture = decode(PNG, Channels::Gray, [255; 3]).unwrap();
        let mut expected = [0; 64];
        Fitter::new(8, Fit::Stretch, Filter::Bilinear, [255; 3]).fit(&mut expected, &picture);
        assert_eq!(*dataset.image(0).unwrap(), expected);
    }

    #[test]
    fn errors_say_what_to_do() {
        let message = |result: Result<(Dataset, LoadReport), DataError>| result.unwrap_err().to_string();
        let dir = tempfile::tempdir().unwrap();
        assert!(
            message(load(&dir, options(0))).ends_with(
                "it holds no files; it takes PNG, JPEG, WebP, GIF, BMP, TIFF or PNM files, in subfolders too"
            )
        );

        fs::write(dir.path().join("b.html"), "").unwrap();
        fs::write(dir.path().join("a.txt"), "").unwrap();
        let text = message(load(&dir, options(0)));
        assert!(text.contains("its 2 files are of other kinds, like \"a.txt\"; it takes PNG"), "{text}");

        for i in 0..5 {
            fs::write(dir.path().join(format!("{i}.png")), "text").unwrap();
        }
        let text = message(load(&dir, options(0)));
        assert!(text.starts_with("none of the 5 pictures in "), "{text}");
        assert!(text.contains("0.png\": it is not a picture"), "{text}");
        assert!(text.contains("2.png") && !text.contains("3.png") && text.ends_with("; and 2 more"), "{text}");

        let open = |name: &str| message(Dataset::load(&dir.path().join(name), &options(0), |_| {}));
        let nowhere = dir.path().join("nowhere");
        assert_eq!(open("nowhere"), format!("{nowhere:?} does not exist: check the path"));
        assert!(open("a.txt/below").ends_with("does not exist: check the path"));
        assert!(open("a.txt").ends_with("is a file: give a folder of pictures, or a .zip or .tar of them"));
        fs::write(dir.path().join("face"), PNG).unwrap();
        assert!(open("face").contains("is a single picture: give a folder"));
        fs::write(dir.path().join("faces.tgz"), b"\x1f\x8b\x08").unwrap();
        assert!(open("faces.tgz").contains("is compressed as a whole"));
        fs::write(dir.path().join("cut.zip"), b"PK\x03\x04and no more").unwrap();
        assert!(open("cut.zip").contains("is broken (") && open("cut.zip").ends_with("download it again"));
    }

    #[test]
    fn content_decides_what_is_a_picture() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| fs::write(dir.path().join(name), bytes).unwrap();
        write("a", PNG);
        write("b.txt", JPEG);
        write("c.txt", b"text");
        write("d", b"");
        write("e.png", JPEG);
        write("f.dat", b"\0\0\0\x1cftypavif and so on");
        let (data, report) = load(&dir, options(0)).unwrap();
        assert_eq!((data.len(), report.other_files, report.skipped.len()), (3, 2, 1));
        assert!(
            report.skipped[0]
                .to_string()
                .ends_with("f.dat\": its content is AVIF, which is not read: convert it to PNG or JPEG")
        );
        assert_eq!(report.formats().into_iter().collect::<Vec<_>>(), [(ImageFormat::Png, 1), (ImageFormat::Jpeg, 2)]);
    }

    #[cfg(unix)]
    #[test]
    fn unreadable_and_oversized_files_are_skipped() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.png"), PNG).unwrap();
        // Sparse: it takes no room on the disk.
        let mut big = File::create(dir.path().join("big.png")).unwrap();
        io::Write::write_all(&mut big, &PNG[..100]).unwrap();
        big.set_len(MAX_FILE_BYTES + 1).unwrap();
        let locked = dir.path().join("locked.png");
        fs::write(&locked, PNG).unwrap();
        fs::set_permissions(&locked, fs::Permissions::from_mode(0o000)).unwrap();
        let (_, report) = load(&dir, options(0)).unwrap();
        assert!(matches!(report.skipped[0].reason, SkipReason::FileTooLarge(_)));
        // Root may read everything.
        if File::open(&locked).is_err() {
            assert!(matches!(report.skipped[1].reason, SkipReason::Io(_)));
        }
    }

    #[test]
    fn from_fn_fills_every_picture() {
        let dataset = Dataset::from_fn(5, 2, Channels::Gray, |i, out| out.fill(i as u8)).unwrap();
        assert_eq!(block(&dataset), [[0; 4], [1; 4], [2; 4], [3; 4], [4; 4]].concat());
        assert!(Dataset::from_fn(0, 2, Channels::Gray, |_, _| unreachable!()).unwrap().is_empty());
    }
}
