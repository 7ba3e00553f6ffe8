//! Replays the corpora of `fuzz/`, and damaged copies of every file in them.

// The exemption of tests in clippy.toml does not reach helpers outside of `#[test]` functions.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::panic;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use dcgan_data::fuzzing;

/// Damaged copies of each file in the replay that is part of every test run.
const COPIES: u64 = 20;
/// A single input that takes longer hangs, for all that one can tell.
const PATIENCE: Duration = Duration::from_secs(20);

fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

/// SplitMix64.
fn random(state: &mut u64) -> usize {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)) as usize
}

/// A copy with a few bytes changed, removed, repeated or cut off; headers, which are short, are hit as often as all the
/// rest.
fn damaged(file: &[u8], state: &mut u64) -> Vec<u8> {
    let mut bytes = file.to_vec();
    for _ in 0..=random(state) % 4 {
        if bytes.is_empty() {
            break;
        }
        let reach = if random(state).is_multiple_of(2) { bytes.len().min(64) } else { bytes.len() };
        let at = random(state) % reach;
        match random(state) % 8 {
            0 => bytes[at] ^= 1 << (random(state) % 8),
            1 => bytes[at] = random(state) as u8,
            2 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][random(state) % 5],
            3 => {
                let value = [0, 1, 0x7fff_ffff, 0x8000_0000, u32::MAX][random(state) % 5];
                let end = bytes.len().min(at + 4);
                bytes[at..end].copy_from_slice(&value.to_le_bytes()[..end - at]);
            }
            4 => bytes.truncate(at),
            5 => drop(bytes.drain(at..bytes.len().min(at + 1 + random(state) % 16))),
            6 => {
                let piece = bytes[at..bytes.len().min(at + 1 + random(state) % 64)].to_vec();
                let to = random(state) % bytes.len();
                bytes.splice(to..to, piece);
            }
            _ => bytes[at] = bytes[at].wrapping_add(1),
        }
    }
    bytes
}

/// Runs `check` on the corpus and on damaged copies; a panic names the input, which is left in the system's temporary
/// folder.
fn replay(target: &str, copies: u64, seed: u64, check: impl Fn(&[u8])) {
    for (name, file) in corpus(target) {
        let mut state = seed;
        for copy in 0..=copies {
            let bytes = if copy == 0 { file.clone() } else { damaged(&file, &mut state) };
            let start = Instant::now();
            let result = panic::catch_unwind(panic::AssertUnwindSafe(|| check(&bytes)));
            let is_slow = start.elapsed() > PATIENCE;
            if result.is_err() || is_slow {
                let kept = std::env::temp_dir().join(format!("dcgan-fuzz-{target}-{seed}-{copy}-{name}"));
                fs::write(&kept, &bytes).unwrap();
                panic!(
                    "{target}, copy {copy} of {name} with seed {seed}, kept in {kept:?}: {}",
                    if is_slow { "slow" } else { "panic" }
                );
            }
        }
    }
}

fn picture(bytes: &[u8]) {
    if let Err(error) = fuzzing::picture(bytes) {
        // What `decode` makes of a panic.
        assert!(!error.to_string().contains("the decoder has given up"), "a decoder panics");
    }
}

#[test]
fn pictures() {
    for (name, file) in corpus("picture") {
        assert_eq!(fuzzing::picture(&file).err(), None, "{name} as it is");
    }
    replay("picture", COPIES, 0, picture);
}

#[test]
fn archives() {
    let folder = tempfile::tempdir().unwrap();
    replay("archive", 20 * COPIES, 0, |bytes| fuzzing::archive(bytes, folder.path()));
}

#[test]
fn caches() {
    replay("cache", 20 * COPIES, 0, fuzzing::cache);
}

/// Without a nightly compiler, this is the fuzzer: `DCGAN_FUZZ_SEED=7 cargo test --release -p dcgan-data --test
/// fuzz_corpus -- --ignored`.
#[test]
#[ignore = "most of a minute; `tools/check/run.sh rust` runs it"]
fn everything_for_longer() {
    let seed = std::env::var("DCGAN_FUZZ_SEED").map_or(1, |seed| seed.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    replay("picture", 100 * COPIES, seed, picture);
    replay("archive", 100 * COPIES, seed, |bytes| fuzzing::archive(bytes, folder.path()));
    replay("cache", 100 * COPIES, seed, fuzzing::cache);
}
