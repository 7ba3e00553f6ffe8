//! Loading with a cache: what is taken from it, what is noticed, and what happens when it is damaged.

use super::format::{HEADER_BYTES, MAGIC, parse};
use super::*;
use crate::dataset::Dataset;
use crate::decode::Channels;
use crate::error::DataError;
use crate::load::{LoadOutcome, load};
use crate::prefetch::Prefetcher;
use crate::report::{CacheUse, LoadReport};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

const PICTURES: [&[u8]; 3] = [
    include_bytes!("../../tests/fixtures/rgb-64x64.png"),
    include_bytes!("../../tests/fixtures/420-40x30.jpg"),
    include_bytes!("../../tests/fixtures/rgba-40x60.png"),
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

    /// Writes a file that was last changed an hour ago. The time of the last change to everything about it (ctime)
    /// cannot be set back, so its stamp is only old enough for a later clock; see [`load_at`](Self::load_at).
    fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path("data").join(name);
        fs::write(&path, bytes).unwrap();
        let hour_ago = SystemTime::now() - Duration::from_secs(3600);
        File::options().write(true).open(path).unwrap().set_modified(hour_ago).unwrap();
    }

    fn options(&self) -> LoadOptions {
        LoadOptions { cache: Some(self.path("cache")), ..LoadOptions::new(8, Channels::Rgb) }
    }

    fn load(&self, options: &LoadOptions) -> Result<(Dataset, LoadReport), DataError> {
        Dataset::load(&self.path("data"), options, |_| {})
    }

    /// Loads with the cache as if it were `now`.
    fn load_at(&self, now: SystemTime) -> LoadOutcome {
        load(&self.path("data"), &self.options(), |_| {}, now).unwrap()
    }

    /// Loads with the cache, and checks that without it nothing would be different.
    fn check(&self) -> CacheUse {
        let options = self.options();
        let (data, report) = self.load(&options).unwrap();
        let (expected, its_report) = self.load(&LoadOptions { cache: None, ..options }).unwrap();
        assert_eq!(
            (&report.images, &report.skipped, report.other_files),
            (&its_report.images, &its_report.skipped, its_report.other_files)
        );
        assert_eq!(data.fingerprint(), expected.fingerprint());
        assert_eq!(data.len(), expected.len());
        for i in 0..data.len() {
            assert_eq!(data.image(i).unwrap(), expected.image(i).unwrap(), "picture {i}");
        }
        report.cache
    }

    /// How many pictures of the cache are found to be damaged.
    fn damaged(&self) -> usize {
        self.load(&self.options()).unwrap().1.damaged_in_cache
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

/// A file's own stamp tells that it has not changed, if the stamp was old enough when the cache was written.
#[test]
fn files_with_settled_stamps_are_not_opened() {
    let place = Place::new();
    place.write("a.png", PICTURES[0]);
    place.write("broken.png", &PICTURES[0][..99]);
    place.write("notes.txt", b"text");
    let files_read = |now| place.load_at(now).files_read;
    let later = SystemTime::now() + Duration::from_secs(60);
    assert_eq!(files_read(later), 3, "there is no cache");
    assert_eq!(files_read(later), 0, "all stamps are a minute old");
    place.write("a.png", PICTURES[1]);
    assert_eq!(files_read(later), 1, "one is new");
    assert_eq!(files_read(later), 0);
    assert_eq!(files_read(SystemTime::now()), 0, "what counts is the time at which the cache was written");
}

#[test]
fn files_with_young_stamps_are_opened_and_not_decoded() {
    let place = Place::new();
    place.write("a.png", PICTURES[0]);
    place.write("b.png", PICTURES[2]);
    place.load_at(SystemTime::now());
    for _ in 0..2 {
        let loaded = place.load_at(SystemTime::now() + Duration::from_secs(60));
        assert_eq!(loaded.files_read, 2, "they may have changed within a tick of the clock");
        assert!(is_read(&loaded.report.cache));
    }
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
}

/// Reading a mapped file beyond its new end would kill the process.
#[test]
fn a_cache_that_is_cut_while_it_is_in_use_is_one_error() {
    let place = Place::new();
    (0..20).for_each(|i| place.write(&format!("{i}.png"), PICTURES[i % 3]));
    for _ in 0..2 {
        // Written by this process, then read by it.
        let data = Arc::new(place.load(&place.options()).unwrap().0);
        let file = place.files().remove(0);
        let whole = fs::read(&file).unwrap();
        let endless = std::iter::repeat_with(|| (0..20).collect());
        let mut prefetcher = Prefetcher::new(Arc::clone(&data), endless).unwrap();
        assert!(prefetcher.next_batch().unwrap().is_some());
        File::options().write(true).open(&file).unwrap().set_len((HEADER_BYTES + 10 * 192) as u64).unwrap();
        // Two batches may have been gathered before that.
        let error = (0..4).find_map(|_| prefetcher.next_batch().err()).unwrap().to_string();
        assert!(error.contains(&format!("{file:?}")) && error.contains("has become shorter"), "{error}");
        assert!(error.contains("start again"), "{error}");
        assert!(prefetcher.next_batch().unwrap().is_none(), "the error is told once");
        assert!(data.image(9).is_ok() && data.image(10).is_err());
        fs::write(&file, &whole).unwrap();
        assert_eq!(*data.image(10).unwrap(), whole[HEADER_BYTES + 10 * 192..][..192]);
        // A change that leaves the length is noticed as well.
        let mut changed = whole.clone();
        changed[HEADER_BYTES + 3 * 192] ^= 1;
        fs::write(&file, &changed).unwrap();
        assert!(data.image(3).unwrap_err().to_string().contains("have changed"));
        assert!(data.image(4).is_ok());
        fs::write(&file, whole).unwrap();
    }
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

/// A cache is found again by its name only, so the name must not change when a type in the options is renamed.
#[test]
fn file_names_are_stable() {
    for (channels, name) in [
        (Channels::Gray, "faces-64x1-0edafb83c4e0e20b.pictures"),
        (Channels::Rgb, "faces-64x3-bf53f2100ac5a12d.pictures"),
    ] {
        // A folder that does not exist has no real path, which would differ between machines.
        let options = LoadOptions::new(64, channels);
        let cache = Cache::new(Path::new("cache"), Path::new("no-such-folder/faces"), &options);
        assert_eq!(cache.path(), Path::new("cache").join(name));
    }
}

#[test]
fn every_option_has_its_own_file() {
    let place = Place::new();
    place.write("a.png", PICTURES[2]);
    let options = place.options();
    let others = [
        LoadOptions { size: 4, ..options.clone() },
        LoadOptions { channels: Channels::Gray, ..options.clone() },
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
        assert_eq!(place.damaged(), 2, "byte {at}");
        assert!(is_read(&place.check()));
    }
    let mut old = whole.clone();
    old[MAGIC.len() - 1] = 1;
    fs::write(&file, old).unwrap();
    assert_eq!(place.damaged(), 0, "another version is no damage");
}

#[test]
fn a_damaged_picture_is_read_from_its_source_again() {
    let place = Place::new();
    place.write("a.png", PICTURES[0]);
    place.write("b.jpg", PICTURES[1]);
    place.write("c.png", PICTURES[2]);
    place.write("d.png", PICTURES[1]);
    place.check();
    let file = place.files().remove(0);
    let whole = fs::read(&file).unwrap();
    for picture in 0..4 {
        for at in [0, 100, 191] {
            let mut damaged = whole.clone();
            damaged[HEADER_BYTES + picture * 192 + at] ^= 4;
            fs::write(&file, &damaged).unwrap();
            assert_eq!(place.damaged(), 1, "picture {picture}");
            assert!(is_read(&place.check()), "it is written again");
            fs::write(&file, damaged).unwrap();
            // Of equal pictures, an intact one serves.
            assert!(taken_over(&place.check()) >= 3);
        }
    }
    let mut damaged = whole;
    damaged[HEADER_BYTES + 3 * 192] ^= 1;
    fs::write(&file, damaged).unwrap();
    let few = LoadOptions { max_images: NonZeroUsize::new(2), ..place.options() };
    assert!(is_read(&place.load(&few).unwrap().1.cache), "what is not used is not looked at");
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
    let left = place.path("cache/.faces-64x3-0123456789abcdef.pictures.tmp123-0.dcgan");
    fs::write(&left, "half of it").unwrap();
    fs::write(place.path("cache/somebody-elses.tmp"), "").unwrap();
    #[cfg(unix)]
    {
        let pipe = place.path("cache/.pipe.pictures.tmp123-0.dcgan");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    }
    place.check();
    assert!(!left.exists(), "nobody is writing it");
    assert!(writing.new.as_ref().unwrap().temporary().exists(), "somebody is writing it");
    assert_eq!(place.files().len(), if cfg!(unix) { 4 } else { 3 });
}

/// The seed of the fuzz target's corpus (three entries, one of each outcome, and one picture) is a cache of today's
/// format. `DCGAN_WRITE_CORPUS=1` writes it anew.
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
    let options = LoadOptions { cache: Some(place.path("cache")), ..LoadOptions::new(2, Channels::Gray) };
    place.load(&options).unwrap();
    let mut bytes = fs::read(place.files().remove(0)).unwrap();
    bytes[MAGIC.len()..MAGIC.len() + 32].fill(0);
    assert!(parse(&bytes, &[0; 32], 4).is_some());
    bytes
}
