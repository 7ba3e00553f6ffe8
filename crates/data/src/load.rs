//! From a folder or archive to a [`Dataset`]: every file is read once, in parallel.

use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::cache::{Cache, Entry, Known, Outcome, Writer};
use crate::dataset::{Block, Dataset};
use crate::decode::{Channels, check_size, decode, dimensions};
use crate::error::{DataError, SkipReason, Skipped};
use crate::fit::{Fit, Fitter};
use crate::report::{CacheUse, Facts, Report, Used};
use crate::resize::Filter;
use crate::source::{Found, Item, Source};

/// Files that are read at a time, fewer if their pictures, which wait in memory until all of them are done, would have more bytes than this.
const ROUND: usize = 1024;
const ROUND_BYTES: usize = 256 << 20;
/// A file of more bytes, or a picture of more pixels, is large: while one is decoded, the other large ones wait. So a folder of bombs takes
/// no more memory than one of them, whatever the number of threads.
const LARGE_FILE: u64 = 16 << 20;
const LARGE_PICTURE: u64 = 1 << 23;
/// So many files whose stamps alone have changed are worth writing the cache anew.
const RESTAMPED: usize = 256;

/// How [`Dataset::load`] reads a data set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadOptions {
    /// Height and width in pixels that every picture gets: 1 to [`LoadOptions::MAX_SIZE`].
    pub size: usize,
    /// Grey or colour; the conversion comes before the resize, as in Pillow's `convert` then `resize`.
    pub channels: Channels,
    /// What happens to pictures that are not square.
    pub fit: Fit,
    /// How pixels are weighed in resizing.
    pub filter: Filter,
    /// What transparent pixels and the bars of [`Fit::Pad`] show: red, green, blue.
    pub background: [u8; 3],
    /// Stop at this many usable pictures. They are the first in the order of [`source`](crate::source); broken ones do not count.
    pub max_images: Option<NonZeroUsize>,
    /// The folder of the cache; `None` keeps the pictures in memory.
    pub cache: Option<PathBuf>,
}

impl LoadOptions {
    /// The largest size. Far beyond use; every thread holds a picture of it.
    pub const MAX_SIZE: usize = 4096;

    /// The tutorial's: stretched, bilinear, all pictures; a white background and no cache.
    pub fn new(size: usize, channels: Channels) -> LoadOptions {
        let (fit, filter) = (Fit::default(), Filter::default());
        LoadOptions { size, channels, fit, filter, background: [255; 3], max_images: None, cache: None }
    }

    /// Bytes of a picture.
    pub(crate) fn image_bytes(&self) -> usize {
        self.size * self.size * self.channels.count()
    }
}

/// How far [`Dataset::load`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadProgress {
    /// Files read, usable or not.
    pub done: usize,
    /// Files to read, as far as is known: a broken file can bring in another one under `max_images`.
    pub total: usize,
}

impl Dataset {
    /// Reads every picture in the folder, zip or tar at `path`, decoding on all threads of the current rayon pool.
    ///
    /// The result depends only on the files and the options. A broken file is left out and reported, never an
    /// error, unless none is left. `progress` is called after each file, from any thread.
    ///
    /// # Panics
    /// If `options.size` is not possible.
    pub fn load(
        path: &Path,
        options: &LoadOptions,
        progress: impl Fn(LoadProgress) + Sync,
    ) -> Result<(Dataset, Report), DataError> {
        assert!((1..=LoadOptions::MAX_SIZE).contains(&options.size), "pictures of {0} x {0}", options.size);
        let started = SystemTime::now();
        let source = Source::open(path)?;
        let cache = options.cache.as_deref().map(|folder| Cache::new(folder, path, options));
        let known = cache.as_ref().and_then(Cache::read);
        let mut pass = Pass::new(&source, options, cache, known.as_ref(), started)?;
        pass.run(&progress)?;
        let (block, entries, cache) = pass.finish()?;

        let mut report = Report {
            path: path.to_owned(),
            size: options.size,
            channels: options.channels,
            used: Vec::new(),
            skipped: source.listing.skipped.clone(),
            other_files: source.listing.other_files,
            cache,
        };
        let mut example = source.listing.example.clone();
        // Files that were not read, because enough pictures came before them, have no entry.
        for (item, entry) in source.listing.items.iter().zip(entries) {
            let path = item.path.clone();
            match entry.outcome {
                Outcome::Used(facts) => report.used.push(Used { path, facts }),
                Outcome::Skipped(reason) => report.skipped.push(Skipped { path, reason }),
                Outcome::Other => {
                    report.other_files += 1;
                    example = example.or(Some(path));
                }
            }
        }
        let path = path.to_owned();
        if report.used.is_empty() {
            return Err(match report.skipped.is_empty() {
                true => DataError::NoPictures { path, other_files: report.other_files, example },
                false => DataError::AllSkipped { path, skipped: report.skipped },
            });
        }
        let block = match (block, known) {
            (Some(block), _) => block,
            (None, Some(known)) => known.into_block(),
            (None, None) => Block::Memory(Vec::new()),
        };
        Ok((Dataset::new(block, report.used.len(), options.size, options.channels), report))
    }
}

/// What is known about a file once it has been looked at.
enum Examined {
    /// The cache knows it: the number of its entry, and whether its name or stamp has changed.
    Known { entry: usize, restamped: bool },
    /// It was read; the pixels are empty unless it can be used.
    New { content: Option<[u8; 32]>, outcome: Outcome, pixels: Vec<u8> },
}

/// The pictures that have been gathered.
enum Gathered {
    Memory(Vec<u8>),
    Cache(Writer),
}

/// One pass over all files. As long as everything is as the cache has it, nothing is written.
struct Pass<'a> {
    source: &'a Source,
    options: &'a LoadOptions,
    known: Option<&'a Known>,
    started: SystemTime,
    cache: Option<Cache>,
    /// The pictures of `entries`; `None` while they are the first ones of `known`.
    gathered: Option<Gathered>,
    entries: Vec<Entry>,
    used: usize,
    wanted: usize,
    restamped: usize,
    taken_over: usize,
    failure: Option<CacheUse>,
}

impl<'a> Pass<'a> {
    fn new(
        source: &'a Source,
        options: &'a LoadOptions,
        cache: Option<Cache>,
        known: Option<&'a Known>,
        started: SystemTime,
    ) -> Result<Self, DataError> {
        let wanted = options.max_images.map_or(usize::MAX, NonZeroUsize::get).min(source.listing.items.len());
        let mut pass = Pass {
            source,
            options,
            known,
            started,
            cache,
            gathered: None,
            entries: Vec::new(),
            used: 0,
            wanted,
            restamped: 0,
            taken_over: 0,
            failure: None,
        };
        if known.is_none() {
            pass.leave_known()?;
        }
        Ok(pass)
    }

    fn run(&mut self, progress: &(impl Fn(LoadProgress) + Sync)) -> Result<(), DataError> {
        let items = &self.source.listing.items;
        let most = ROUND.min(ROUND_BYTES / self.options.image_bytes()).max(1);
        while self.used < self.wanted && self.entries.len() < items.len() {
            let start = self.entries.len();
            // No more than there are places: what comes after the last picture wanted is not read.
            let round = &items[start..][..most.min(self.wanted - self.used).min(items.len() - start)];
            let total = (start + self.wanted - self.used).min(items.len());
            let done = AtomicUsize::new(start);
            let this = &*self;
            let LoadOptions { size, fit, filter, background, .. } = *this.options;
            let examined: Vec<Examined> = round
                .par_iter()
                .map_init(
                    || Fitter::new(size, fit, filter, background),
                    |fitter, item| {
                        let examined = this.examine(item, fitter);
                        progress(LoadProgress { done: done.fetch_add(1, Ordering::Relaxed) + 1, total });
                        examined
                    },
                )
                .collect();
            for (item, examined) in round.iter().zip(examined) {
                self.add(item, examined)?;
            }
        }
        Ok(())
    }

    fn examine(&self, item: &Item, fitter: &mut Fitter) -> Examined {
        let known = self.known.and_then(|known| Some((known.find(self.name(item))?, known)));
        if let Some((entry, known)) = known
            && known.entries[entry].holds(item.stamp)
        {
            return Examined::Known { entry, restamped: false };
        }
        let (content, outcome, pixels) = self.read(item, fitter);
        // Nothing new under its own name, the same trouble included; or known content under another name.
        let is_same = |entry: &Entry| match content {
            Some(content) => entry.content == Some(content),
            None => entry.outcome == outcome,
        };
        let same = known.filter(|(entry, known)| is_same(&known.entries[*entry])).map(|(entry, _)| entry);
        match same.or_else(|| self.known?.find_content(&content?)) {
            Some(entry) => Examined::Known { entry, restamped: true },
            None => Examined::New { content, outcome, pixels },
        }
    }

    /// Reads and decodes a file. If the cache knows its content, that is all that is told about it.
    fn read(&self, item: &Item, fitter: &mut Fitter) -> (Option<[u8; 32]>, Outcome, Vec<u8>) {
        let turn = (item.len > LARGE_FILE).then(large_ones_turn);
        let bytes = match self.source.read(item) {
            Ok(Found::Picture(bytes)) => bytes,
            Ok(Found::Other) => return (None, Outcome::Other, Vec::new()),
            Err(reason) => return (None, Outcome::Skipped(reason), Vec::new()),
        };
        let content = Some(Sha256::digest(&bytes).into());
        if content.as_ref().and_then(|content| self.known?.find_content(content)).is_some() {
            return (content, Outcome::Other, Vec::new());
        }
        let mut pixels = vec![0; self.options.image_bytes()];
        match decode_and_fit(&bytes, self.options, fitter, &mut pixels, turn) {
            Ok(facts) => (content, Outcome::Used(facts), pixels),
            Err(reason) => (content, Outcome::Skipped(reason), Vec::new()),
        }
    }

    fn add(&mut self, item: &Item, examined: Examined) -> Result<(), DataError> {
        let (name, stamp, settled) = (self.name(item).to_vec(), item.stamp, item.stamp.is_settled(self.started));
        match (examined, self.known) {
            (Examined::Known { entry: number, restamped }, Some(known)) => {
                let Entry { content, outcome, .. } = known.entries[number].clone();
                if self.gathered.is_none() && number != self.entries.len() {
                    self.leave_known()?;
                }
                if outcome.is_used() {
                    if self.gathered.is_some() {
                        self.gather(known.image(number))?;
                        self.taken_over += 1;
                    }
                    self.used += 1;
                }
                self.restamped += usize::from(restamped && settled);
                self.entries.push(Entry { name, stamp, settled, content, outcome });
            }
            (Examined::New { content, outcome, pixels }, _) => {
                if self.gathered.is_none() {
                    self.leave_known()?;
                }
                if outcome.is_used() {
                    self.gather(&pixels)?;
                    self.used += 1;
                }
                self.entries.push(Entry { name, stamp, settled, content, outcome });
            }
            (Examined::Known { .. }, None) => unreachable!("only a cache knows anything"),
        }
        Ok(())
    }

    /// Starts gathering pictures, with those so far, because the cache has others.
    fn leave_known(&mut self) -> Result<(), DataError> {
        self.gathered = Some(match self.cache.as_ref().map(Cache::create) {
            Some(Ok(writer)) => Gathered::Cache(writer),
            Some(Err(error)) => {
                self.fail(&error);
                Gathered::Memory(self.memory()?)
            }
            None => Gathered::Memory(self.memory()?),
        });
        if let Some(known) = self.known {
            self.taken_over = self.used;
            self.gather(&known.pixels()[..self.used * self.options.image_bytes()])?;
        }
        Ok(())
    }

    fn gather(&mut self, pixels: &[u8]) -> Result<(), DataError> {
        let error = match &mut self.gathered {
            // There is room for all; see `memory`.
            Some(Gathered::Memory(block)) => {
                block.extend_from_slice(pixels);
                return Ok(());
            }
            Some(Gathered::Cache(writer)) => match writer.write(pixels) {
                Ok(()) => return Ok(()),
                Err(error) => error,
            },
            None => return Ok(()),
        };
        // The disk is full, perhaps. What it has taken is still there to be read.
        self.fail(&error);
        let mut block = self.memory()?;
        if let Some(Gathered::Cache(writer)) = self.gathered.take() {
            writer.take_back(&mut block).map_err(|source| self.lost(source))?;
        }
        block.extend_from_slice(pixels);
        self.gathered = Some(Gathered::Memory(block));
        Ok(())
    }

    /// The pictures, or `None` if they are those of the cache, what is known about the files, and what became of the cache.
    fn finish(mut self) -> Result<(Option<Block>, Vec<Entry>, CacheUse), DataError> {
        if self.gathered.is_none() && self.restamped > RESTAMPED {
            self.leave_known()?;
        }
        let path = self.cache.as_ref().map(|cache| cache.path().to_owned()).unwrap_or_default();
        let block = match self.gathered.take() {
            None => return Ok((None, self.entries, CacheUse::Read(path))),
            Some(Gathered::Memory(block)) => Block::Memory(block),
            Some(Gathered::Cache(_)) if self.used == 0 => Block::Memory(Vec::new()),
            Some(Gathered::Cache(mut writer)) => match writer.finish(&self.entries) {
                Ok(block) => block,
                Err(error) => {
                    self.fail(&error);
                    let mut block = self.memory()?;
                    writer.take_back(&mut block).map_err(|source| self.lost(source))?;
                    Block::Memory(block)
                }
            },
        };
        let taken_over = self.taken_over;
        let cache = match (self.failure, self.cache) {
            (Some(failure), _) => failure,
            (None, Some(_)) => CacheUse::Written { path, taken_over },
            (None, None) => CacheUse::Off,
        };
        Ok((Some(block), self.entries, cache))
    }

    /// Room for all pictures that there may be.
    fn memory(&self) -> Result<Vec<u8>, DataError> {
        let mut block = Vec::new();
        let bytes = self.wanted.checked_mul(self.options.image_bytes());
        let reserved = bytes.map(|bytes| block.try_reserve_exact(bytes));
        reserved.and_then(Result::ok).ok_or_else(|| self.out_of_memory())?;
        Ok(block)
    }

    fn out_of_memory(&self) -> DataError {
        let LoadOptions { size, channels, .. } = *self.options;
        DataError::OutOfMemory { pictures: self.wanted, size, channels: channels.count() }
    }

    fn fail(&mut self, error: &io::Error) {
        let path = self.options.cache.clone().unwrap_or_default();
        self.failure = Some(CacheUse::Failed { path, reason: error.to_string() });
    }

    fn lost(&self, source: io::Error) -> DataError {
        DataError::Unreadable { path: self.options.cache.clone().unwrap_or_default(), source }
    }

    /// A file's name in the cache: its path below the root.
    fn name<'i>(&self, item: &'i Item) -> &'i [u8] {
        let relative = item.path.strip_prefix(self.source.root()).unwrap_or(&item.path);
        relative.as_os_str().as_encoded_bytes()
    }
}

fn decode_and_fit(
    bytes: &[u8],
    options: &LoadOptions,
    fitter: &mut Fitter,
    square: &mut [u8],
    turn: Option<MutexGuard<'_, ()>>,
) -> Result<Facts, SkipReason> {
    let (width, height) = dimensions(bytes)?;
    check_size(width, height)?;
    let large = u64::from(width) * u64::from(height) > LARGE_PICTURE;
    let _turn = turn.or_else(|| large.then(large_ones_turn));
    let picture = decode(bytes, options.channels, options.background)?;
    fitter.fit(square, &picture);
    Ok(Facts::new(&picture, square))
}

/// Waits until no other large picture is being decoded.
fn large_ones_turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::Format;
    use crate::source::MAX_FILE_BYTES;
    use std::fs::{self, File};

    const PNG: &[u8] = include_bytes!("../tests/fixtures/rgb-64x64.png");
    const JPEG: &[u8] = include_bytes!("../tests/fixtures/420-40x30.jpg");

    fn options(max_images: usize) -> LoadOptions {
        LoadOptions { max_images: NonZeroUsize::new(max_images), ..LoadOptions::new(8, Channels::Rgb) }
    }

    fn load(dir: &tempfile::TempDir, options: LoadOptions) -> Result<(Dataset, Report), DataError> {
        Dataset::load(dir.path(), &options, |_| {})
    }

    fn block(data: &Dataset) -> Vec<u8> {
        (0..data.len()).flat_map(|i| data.image(i).to_vec()).collect()
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
        assert_eq!(names(&mut report.used.iter().map(|used| &used.path)), ["a.png", "c.JPG", "e.jpg"]);
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
    fn large_squares_are_loaded_a_few_at_a_time() {
        let dir = folder_with_broken_files();
        let size = 4096;
        let options = LoadOptions { channels: Channels::Grey, ..LoadOptions::new(size, Channels::Rgb) };
        assert!(ROUND * options.image_bytes() > ROUND_BYTES);
        assert_eq!(load(&dir, options.clone()).unwrap().0.len(), 3);
        let larger = LoadOptions { size: size + 1, ..options };
        assert!(std::panic::catch_unwind(|| load(&dir, larger).is_ok()).is_err(), "refused before memory is taken");
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
    fn grey_is_made_before_the_resize() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.png"), PNG).unwrap();
        let grey = LoadOptions { channels: Channels::Grey, ..options(0) };
        let (dataset, _) = load(&dir, grey).unwrap();
        let picture = decode(PNG, Channels::Grey, [255; 3]).unwrap();
        let mut expected = [0; 64];
        Fitter::new(8, Fit::Stretch, Filter::Bilinear, [255; 3]).fit(&mut expected, &picture);
        assert_eq!(dataset.image(0), expected);
    }

    #[test]
    fn errors_say_what_to_do() {
        let message = |result: Result<(Dataset, Report), DataError>| result.unwrap_err().to_string();
        let dir = tempfile::tempdir().unwrap();
        assert!(
            message(load(&dir, options(0)))
                .ends_with("it holds no files; it takes PNG, JPEG, WebP, GIF, BMP or TIFF files, in subfolders too")
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
        assert_eq!(report.formats().into_iter().collect::<Vec<_>>(), [(Format::Png, 1), (Format::Jpeg, 2)]);
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
        let dataset = Dataset::from_fn(5, 2, Channels::Grey, |i, out| out.fill(i as u8)).unwrap();
        assert_eq!(block(&dataset), [[0; 4], [1; 4], [2; 4], [3; 4], [4; 4]].concat());
        assert!(Dataset::from_fn(0, 2, Channels::Grey, |_, _| unreachable!()).unwrap().is_empty());
    }
}
