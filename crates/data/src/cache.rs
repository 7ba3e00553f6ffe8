//! The decoded, fitted pictures of a data set in one file, so that a second start need not decode them.
//!
//! # Which file
//! There is one file for a data set's place and the options that decide its pixels; its name is made from both. A picture is taken from it
//! if its file's content is known, which is asked in two steps: a file whose name and [`Stamp`] (length, times, inode) are as they were has
//! not changed, and any other is read, and looked up by the SHA-256 of its bytes. So files that were added, changed or removed are noticed,
//! and those that were only renamed, copied or touched are not decoded again.
//!
//! # What is in it
//! ```text
//! 0      4096                          manifest
//! header │ picture, picture, picture … │ entries, one for each file, used or not
//! ```
//! The header says how long everything is, and has the options' fingerprint and the manifest's SHA-256. Pictures are size × size × channels
//! bytes each, in the order of the entries that are used.
//!
//! # Why it can be trusted
//! A file gets its name only when all of it has been written and synced, and is never changed after that: two runs that start at once write
//! two files, and the last one stays. A file whose header, length or manifest is not exactly as it should be is as good as not there; the
//! pictures themselves are taken as they are, because to check them would be to read them all at every start. Temporary files of runs that
//! were killed are swept away by the next one: whoever writes one holds a lock on it.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use dcgan_kernels::memory::MappedFile;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::dataset::Block;
use crate::error::SkipReason;
use crate::load::LoadOptions;
use crate::report::Facts;
use crate::source::Stamp;

const MAGIC: &[u8; 16] = b"dcgan pictures\n\x01";
/// Pictures start on a page.
const HEADER_BYTES: usize = 4096;
/// To be raised whenever a decoder or the arithmetic of fitting changes what becomes of a file.
const PIXELS: u32 = 1;
const SUFFIX: &str = "pictures";
const TEMPORARY: &str = "tmp";

/// A place for the pictures of one data set under one set of options.
#[derive(Debug)]
pub(crate) struct Cache {
    folder: PathBuf,
    path: PathBuf,
    fingerprint: [u8; 32],
    image_bytes: usize,
}

/// What is known about one file of the data set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Its path below the root.
    pub(crate) name: Vec<u8>,
    pub(crate) stamp: Stamp,
    /// Whether the stamp was old enough to be trusted.
    pub(crate) settled: bool,
    /// The SHA-256 of its bytes, if all of them were read.
    pub(crate) content: Option<[u8; 32]>,
    pub(crate) outcome: Outcome,
}

/// What became of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Outcome {
    /// It is a picture.
    Used(Facts),
    /// It seems to be one, but cannot be used.
    Skipped(SkipReason),
    /// It is none and does not claim to be.
    Other,
}

impl Outcome {
    pub(crate) fn is_used(&self) -> bool {
        matches!(self, Outcome::Used(_))
    }
}

impl Entry {
    /// Whether the file is sure to be as it was, if its stamp is now this one.
    pub(crate) fn holds(&self, stamp: Stamp) -> bool {
        let lasting = match &self.outcome {
            Outcome::Skipped(reason) => reason.is_about_content(),
            Outcome::Used(_) | Outcome::Other => true,
        };
        lasting && self.settled && self.stamp == stamp
    }
}

impl Cache {
    /// The cache in `folder` for the data set at `root`. Nothing is read or written yet.
    pub(crate) fn new(folder: &Path, root: &Path, options: &LoadOptions) -> Cache {
        let LoadOptions { size, channels, fit, filter, background, max_images: _, cache: _ } = options;
        let real = fs::canonicalize(root).unwrap_or_else(|_| root.to_owned());
        let mut hash = Sha256::new();
        hash.update(format!("{PIXELS} {size} {channels:?} {fit:?} {filter:?} {background:?} "));
        hash.update(real.as_os_str().as_encoded_bytes());
        let fingerprint: [u8; 32] = hash.finalize().into();
        // The first letters are for people who look into the folder.
        let name = real.file_name().unwrap_or_default().to_string_lossy();
        let name: String = name.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).take(40).collect();
        let digits: String = fingerprint[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        let path = folder.join(format!("{name}-{size}x{}-{digits}.{SUFFIX}", channels.count()));
        Cache { folder: folder.to_owned(), path, fingerprint, image_bytes: options.image_bytes() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What an earlier run has left, if it is whole.
    pub(crate) fn read(&self) -> Option<Known> {
        // A file of these lengths is never a pipe that one could wait for.
        if !fs::metadata(&self.path).ok()?.is_file() {
            return None;
        }
        let map = MappedFile::open(&File::open(&self.path).ok()?).ok()?;
        let entries = parse(&map, &self.fingerprint, self.image_bytes)?;
        Some(Known::new(map, entries, self.image_bytes))
    }

    /// Starts a new file, which [`Writer::finish`] puts in the place of the old one.
    pub(crate) fn create(&self) -> io::Result<Writer> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        fs::create_dir_all(&self.folder)?;
        self.sweep();
        let mut name = OsString::from(self.path.file_name().unwrap_or_default());
        name.push(format!(".{}-{}.{TEMPORARY}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed)));
        let temporary = Temporary(self.folder.join(name));
        let mut file = OpenOptions::new().read(true).write(true).create_new(true).open(&temporary.0)?;
        // Where there are no locks, nobody can sweep either.
        let _ = file.lock();
        file.write_all(&[0; HEADER_BYTES])?;
        let (path, fingerprint) = (self.path.clone(), self.fingerprint);
        Ok(Writer { file, temporary, path, fingerprint, image_bytes: self.image_bytes, written: 0 })
    }

    /// Removes temporary files that nobody is writing any more.
    fn sweep(&self) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        let is_ours = |name: &str| name.ends_with(&format!(".{TEMPORARY}")) && name.contains(&format!(".{SUFFIX}."));
        for entry in entries.flatten().filter(|entry| entry.file_name().to_str().is_some_and(is_ours)) {
            // To open a pipe would be to wait for its writer.
            if entry.file_type().is_ok_and(|kind| kind.is_file())
                && File::open(entry.path()).is_ok_and(|file| file.try_lock().is_ok())
            {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

/// A file that goes away unless it gets its final name.
#[derive(Debug)]
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// A cache file being written.
#[derive(Debug)]
pub(crate) struct Writer {
    file: File,
    temporary: Temporary,
    path: PathBuf,
    fingerprint: [u8; 32],
    image_bytes: usize,
    /// Bytes of pictures that are in the file.
    written: u64,
}

impl Writer {
    /// Adds pictures.
    pub(crate) fn write(&mut self, pixels: &[u8]) -> io::Result<()> {
        self.file.write_all(pixels)?;
        self.written += pixels.len() as u64;
        Ok(())
    }

    /// Completes the file, gives it its name, and maps it.
    pub(crate) fn finish(&mut self, entries: &[Entry]) -> io::Result<Block> {
        let manifest = postcard::to_allocvec(entries).map_err(io::Error::other)?;
        let header = Header {
            fingerprint: self.fingerprint,
            pictures: self.written / self.image_bytes as u64,
            image_bytes: self.image_bytes as u64,
            manifest_bytes: manifest.len() as u64,
            manifest_hash: Sha256::digest(&manifest).into(),
        };
        let file = &mut self.file;
        file.write_all(&manifest)?;
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&header.to_bytes())?;
        file.sync_all()?;
        let map = MappedFile::open(file)?;
        fs::rename(&self.temporary.0, &self.path)?;
        Ok(Block::Mapped { file: map, start: HEADER_BYTES })
    }

    /// Reads the pictures back, when the file cannot be completed.
    pub(crate) fn take_back(mut self, block: &mut Vec<u8>) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(HEADER_BYTES as u64))?;
        let read = (&mut self.file).take(self.written).read_to_end(block)?;
        if read as u64 == self.written { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}

/// The contents of a cache file.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) entries: Vec<Entry>,
    map: MappedFile,
    image_bytes: usize,
    /// For each entry: how many before it are used.
    slots: Vec<usize>,
    by_name: HashMap<Vec<u8>, usize>,
    by_content: HashMap<[u8; 32], usize>,
}

impl Known {
    fn new(map: MappedFile, entries: Vec<Entry>, image_bytes: usize) -> Known {
        let mut used = 0;
        let mut slot = |entry: &Entry| {
            let slot = used;
            used += usize::from(entry.outcome.is_used());
            slot
        };
        let slots = entries.iter().map(&mut slot).collect();
        let by_name = entries.iter().enumerate().map(|(i, entry)| (entry.name.clone(), i)).collect();
        // Of equal contents, the first.
        let by_content = entries.iter().enumerate().rev().filter_map(|(i, entry)| Some((entry.content?, i))).collect();
        Known { entries, map, image_bytes, slots, by_name, by_content }
    }

    /// The entry of a file of this name.
    pub(crate) fn find(&self, name: &[u8]) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// An entry of a file with this content.
    pub(crate) fn find_content(&self, content: &[u8; 32]) -> Option<usize> {
        self.by_content.get(content).copied()
    }

    /// All pictures.
    pub(crate) fn pixels(&self) -> &[u8] {
        &self.map[HEADER_BYTES..]
    }

    /// The picture of an entry that is used.
    pub(crate) fn image(&self, entry: usize) -> &[u8] {
        let start = self.slots[entry] * self.image_bytes;
        &self.pixels()[start..start + self.image_bytes]
    }

    pub(crate) fn into_block(self) -> Block {
        Block::Mapped { file: self.map, start: HEADER_BYTES }
    }
}

/// The numbers at the start of the file.
#[derive(Debug, PartialEq, Eq)]
struct Header {
    fingerprint: [u8; 32],
    pictures: u64,
    image_bytes: u64,
    manifest_bytes: u64,
    manifest_hash: [u8; 32],
}

impl Header {
    fn to_bytes(&self) -> Vec<u8> {
        let Header { fingerprint, pictures, image_bytes, manifest_bytes, manifest_hash } = self;
        let numbers = [pictures, image_bytes, manifest_bytes].map(|number| number.to_le_bytes()).concat();
        [MAGIC.as_slice(), fingerprint, &numbers, manifest_hash].concat()
    }

    fn parse(bytes: &[u8]) -> Option<Header> {
        let (fingerprint, bytes) = bytes.strip_prefix(MAGIC)?.split_first_chunk::<32>()?;
        let (numbers, bytes) = bytes.split_first_chunk::<24>()?;
        let number = |i: usize| u64::from_le_bytes(std::array::from_fn(|byte| numbers[8 * i + byte]));
        Some(Header {
            fingerprint: *fingerprint,
            pictures: number(0),
            image_bytes: number(1),
            manifest_bytes: number(2),
            manifest_hash: *bytes.first_chunk()?,
        })
    }
}

/// The entries of a file that is whole and made for these options.
fn parse(file: &[u8], fingerprint: &[u8; 32], image_bytes: usize) -> Option<Vec<Entry>> {
    let header = Header::parse(file)?;
    if header.fingerprint != *fingerprint || header.image_bytes != image_bytes as u64 {
        return None;
    }
    let pixels = header.pictures.checked_mul(header.image_bytes)?;
    let manifest_start = pixels.checked_add(HEADER_BYTES as u64)?;
    if manifest_start.checked_add(header.manifest_bytes)? != file.len() as u64 {
        return None;
    }
    let manifest = file.get(usize::try_from(manifest_start).ok()?..)?;
    if Sha256::digest(manifest).as_slice() != header.manifest_hash {
        return None;
    }
    parse_entries(manifest, header.pictures)
}

fn parse_entries(manifest: &[u8], pictures: u64) -> Option<Vec<Entry>> {
    let (entries, rest) = postcard::take_from_bytes::<Vec<Entry>>(manifest).ok()?;
    let used = entries.iter().filter(|entry| entry.outcome.is_used()).count() as u64;
    (rest.is_empty() && used == pictures).then_some(entries)
}

/// Reads a file as it is, and its entries again as if their hash were right. For fuzzing.
pub(crate) fn check_any(file: &[u8], fingerprint: &[u8; 32], image_bytes: usize) {
    if let Some(entries) = parse(file, fingerprint, image_bytes) {
        let used = entries.iter().filter(|entry| entry.outcome.is_used()).count();
        assert!(HEADER_BYTES + used * image_bytes <= file.len(), "pictures are missing");
    }
    if let Some(header) = Header::parse(file) {
        let start = file.len().saturating_sub(usize::try_from(header.manifest_bytes).unwrap_or(usize::MAX));
        let _ = parse_entries(&file[start..], header.pictures);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Dataset;
    use crate::decode::Channels;
    use crate::error::DataError;
    use crate::report::{CacheUse, Report};
    use std::num::NonZeroUsize;
    use std::time::{Duration, SystemTime};

    const PICTURES: [&[u8]; 3] = [
        include_bytes!("../tests/fixtures/rgb-64x64.png"),
        include_bytes!("../tests/fixtures/420-40x30.jpg"),
        include_bytes!("../tests/fixtures/rgba-40x60.png"),
    ];

    /// A data set in `data` and a cache in `cache`.
    struct Place(tempfile::TempDir);

    impl Place {
        fn new() -> Place {
            let place = Place(tempfile::tempdir().unwrap());
            fs::create_dir(place.path("data")).unwrap();
            place
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        /// Writes a file that was last changed an hour ago. The clock of changes to everything about it cannot be set back, so an entry of
        /// this file is only trusted after `settle`.
        fn write(&self, name: &str, bytes: &[u8]) {
            let path = self.path("data").join(name);
            fs::write(&path, bytes).unwrap();
            let hour_ago = SystemTime::now() - Duration::from_secs(3600);
            File::options().write(true).open(path).unwrap().set_modified(hour_ago).unwrap();
        }

        fn options(&self) -> LoadOptions {
            LoadOptions { cache: Some(self.path("cache")), ..LoadOptions::new(8, Channels::Rgb) }
        }

        fn load(&self, options: &LoadOptions) -> Result<(Dataset, Report), DataError> {
            Dataset::load(&self.path("data"), options, |_| {})
        }

        /// Loads with the cache, and checks that without it nothing would be different.
        fn check(&self) -> CacheUse {
            let options = self.options();
            let (data, report) = self.load(&options).unwrap();
            let (expected, its_report) = self.load(&LoadOptions { cache: None, ..options }).unwrap();
            assert_eq!(
                (&report.used, &report.skipped, report.other_files),
                (&its_report.used, &its_report.skipped, its_report.other_files)
            );
            assert_eq!(data.len(), expected.len());
            for i in 0..data.len() {
                assert_eq!(data.image(i), expected.image(i), "picture {i}");
            }
            report.cache
        }

        fn files(&self) -> Vec<PathBuf> {
            fs::read_dir(self.path("cache")).unwrap().map(|entry| entry.unwrap().path()).collect()
        }
    }

    fn is_read(cache: &CacheUse) -> bool {
        matches!(cache, CacheUse::Read(_))
    }

    fn taken_over(cache: &CacheUse) -> usize {
        match cache {
            CacheUse::Written { taken_over, .. } => *taken_over,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn whatever_changes_is_noticed_and_nothing_else_is_decoded() {
        let place = Place::new();
        place.write("a.png", PICTURES[0]);
        place.write("b.jpg", PICTURES[1]);
        place.write("broken.png", &PICTURES[0][..99]);
        place.write("notes.txt", b"text");
        assert_eq!(taken_over(&place.check()), 0);
        assert!(is_read(&place.check()));
        place.write("c.png", PICTURES[2]);
        assert_eq!(taken_over(&place.check()), 2, "added at the end");
        assert!(is_read(&place.check()));
        place.write("0.png", PICTURES[2]);
        assert_eq!(taken_over(&place.check()), 4, "added at the start; its content is known");
        assert!(is_read(&place.check()));
        place.write("b.jpg", PICTURES[2]);
        assert_eq!(taken_over(&place.check()), 4, "changed to what is known");
        place.write("a.png", PICTURES[1]);
        assert_eq!(taken_over(&place.check()), 3, "changed to what is forgotten");
        fs::remove_file(place.path("data/a.png")).unwrap();
        assert_eq!(taken_over(&place.check()), 3, "removed");
        fs::rename(place.path("data/c.png"), place.path("data/z.png")).unwrap();
        assert_eq!(taken_over(&place.check()), 3, "only the name and the place are new");
        place.write("broken.png", PICTURES[0]);
        place.check();
        fs::remove_file(place.path("data/z.png")).unwrap();
        assert!(is_read(&place.check()), "the last one removed: what is left is a part");
        assert_eq!(place.files().len(), 1);
    }

    #[test]
    fn a_change_within_a_tick_of_the_clock_is_noticed() {
        let place = Place::new();
        place.write("a.png", PICTURES[0]);
        place.check();
        // As many bytes, and the same times if the clock is slow.
        let mut changed = PICTURES[0].to_vec();
        let middle = changed.len() / 2;
        changed[middle] ^= 1;
        place.write("a.png", &changed);
        place.write("b.png", PICTURES[2]);
        place.check();
        let now = SystemTime::now();
        let (young, old) = (Duration::from_secs(1), Duration::from_secs(3));
        let stamp = |age: Duration| {
            let path = place.path("data/a.png");
            File::options().write(true).open(&path).unwrap().set_modified(now - age).unwrap();
            Stamp::for_test(&fs::metadata(path).unwrap())
        };
        assert!(!stamp(young).is_settled(now) && stamp(old).is_settled(now + old));
    }

    #[test]
    fn a_few_pictures_are_a_part_of_all() {
        let place = Place::new();
        (0..5).for_each(|i| place.write(&format!("{i}.png"), PICTURES[i % 3]));
        place.check();
        let few = LoadOptions { max_images: NonZeroUsize::new(2), ..place.options() };
        let (data, report) = place.load(&few).unwrap();
        assert!(data.len() == 2 && is_read(&report.cache));
        assert!(is_read(&place.check()), "the others are still there");
    }

    #[test]
    fn every_option_has_its_own_file() {
        let place = Place::new();
        place.write("a.png", PICTURES[2]);
        let options = place.options();
        let others = [
            LoadOptions { size: 4, ..options.clone() },
            LoadOptions { channels: Channels::Grey, ..options.clone() },
            LoadOptions { fit: crate::Fit::Pad, ..options.clone() },
            LoadOptions { filter: crate::Filter::Nearest, ..options.clone() },
            LoadOptions { background: [0; 3], ..options.clone() },
        ];
        for (i, options) in std::iter::once(&options).chain(&others).enumerate() {
            taken_over(&place.load(options).unwrap().1.cache);
            assert_eq!(place.files().len(), i + 1);
        }
        assert!(is_read(&place.check()));
    }

    #[test]
    fn damaged_files_are_as_good_as_none() {
        let place = Place::new();
        place.write("a.png", PICTURES[0]);
        place.write("b.jpg", PICTURES[1]);
        place.check();
        let file = place.files().remove(0);
        let whole = fs::read(&file).unwrap();
        for end in [0, 1, 100, HEADER_BYTES, HEADER_BYTES + 200, whole.len() - 1] {
            fs::write(&file, &whole[..end]).unwrap();
            assert_eq!(taken_over(&place.check()), 0, "cut at {end}");
        }
        let numbers = [0, 17, 48, 56, 64, 72];
        for at in numbers.into_iter().chain([whole.len() - 1, whole.len() - 40]) {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            fs::write(&file, damaged).unwrap();
            assert_eq!(taken_over(&place.check()), 0, "byte {at}");
        }
    }

    #[test]
    fn a_folder_that_cannot_be_written_costs_nothing_but_memory() {
        let place = Place::new();
        place.write("a.png", PICTURES[0]);
        fs::write(place.path("cache"), "a file").unwrap();
        assert!(matches!(place.check(), CacheUse::Failed { .. }));
    }

    /// A disk that is full after some bytes: the pictures so far are read back.
    #[cfg(target_os = "linux")]
    #[test]
    fn what_a_full_disk_has_taken_is_read_back() {
        let place = Place::new();
        let mut writer = Cache::new(&place.path("cache"), &place.path("data"), &place.options()).create().unwrap();
        writer.write(&[1; 192]).unwrap();
        writer.write(&[2; 192]).unwrap();
        let mut block = vec![0];
        writer.take_back(&mut block).unwrap();
        assert_eq!(block, [vec![0], vec![1; 192], vec![2; 192]].concat());
        assert!(place.files().is_empty(), "nothing is left behind");
    }

    #[test]
    fn two_at_once_do_not_disturb_each_other() {
        let place = Place::new();
        (0..20).for_each(|i| place.write(&format!("{i}.png"), PICTURES[i % 3]));
        std::thread::scope(|scope| {
            let runs: Vec<_> = (0..4).map(|_| scope.spawn(|| place.check())).collect();
            runs.into_iter().for_each(|run| drop(run.join().unwrap()));
        });
        assert!(is_read(&place.check()));
        assert_eq!(place.files().len(), 1, "{:?}", place.files());
    }

    #[test]
    fn what_a_killed_run_has_left_is_swept_away() {
        let place = Place::new();
        place.write("a.png", PICTURES[0]);
        let cache = Cache::new(&place.path("cache"), &place.path("data"), &place.options());
        let writing = cache.create().unwrap();
        let left = place.path("cache/faces-64x3-0123456789abcdef.pictures.123-0.tmp");
        fs::write(&left, "half of it").unwrap();
        fs::write(place.path("cache/somebody-elses.tmp"), "").unwrap();
        #[cfg(unix)]
        {
            let pipe = place.path("cache/pipe.pictures.123-0.tmp");
            assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        }
        place.check();
        assert!(!left.exists(), "nobody is writing it");
        assert!(writing.temporary.0.exists(), "somebody is writing it");
        assert_eq!(place.files().len(), if cfg!(unix) { 4 } else { 3 });
    }

    /// The seed of the fuzz target's corpus (three entries, one of each outcome, and one picture) is a cache of today's format.
    /// `DCGAN_WRITE_CORPUS=1` writes it anew.
    #[test]
    fn the_corpus_is_of_this_format() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/cache/three-entries");
        if std::env::var_os("DCGAN_WRITE_CORPUS").is_some() {
            fs::write(&corpus, three_entries()).unwrap();
        }
        let [committed, fresh] = [fs::read(&corpus).unwrap(), three_entries()];
        assert!(parse(&committed, &[0; 32], 4).is_some());
        // The files' times and numbers differ, nothing else may.
        assert_eq!(committed.len(), fresh.len());
    }

    fn three_entries() -> Vec<u8> {
        let place = Place::new();
        place.write("a.png", PICTURES[0]);
        place.write("broken.png", &PICTURES[0][..99]);
        place.write("notes.txt", b"text");
        let options = LoadOptions { cache: Some(place.path("cache")), ..LoadOptions::new(2, Channels::Grey) };
        place.load(&options).unwrap();
        let mut bytes = fs::read(place.files().remove(0)).unwrap();
        bytes[MAGIC.len()..MAGIC.len() + 32].fill(0);
        assert!(parse(&bytes, &[0; 32], 4).is_some());
        bytes
    }
}
