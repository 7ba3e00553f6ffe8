//! What the fuzz targets have found, and the files they began with, read once more: none may break what `oracle` asks
//! for, or take memory out of proportion.

mod oracle;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::fs;
use std::path::Path;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What may be taken beside multiples of a file's length: 10,000 names of 512 bytes, twice.
const MEMORY: usize = 16 << 20;

type Oracle = fn(&[u8]);

/// One test, so that no other takes memory meanwhile.
#[test]
fn what_fuzzing_has_found_is_survived() {
    let targets: [(&str, Oracle); 5] = [
        ("torch_zip", oracle::model_file),
        ("torch_pickle", oracle::pickle),
        ("torch_old_layout", oracle::model_file),
        ("safetensors", oracle::model_file),
        ("checkpoint", oracle::checkpoint),
    ];
    for (target, oracle) in targets {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
        let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        assert!(files.len() >= 10, "{folder:?} has {} files", files.len());
        let mut sound = 0;
        for path in files {
            let mut bytes = fs::read(&path).unwrap();
            // Seen in the output if the test fails.
            println!("{}", path.display());
            oracle(&bytes);
            if target == "torch_pickle" {
                bytes = oracle::with_pickle(&bytes);
            }
            let region = Region::new(ALLOCATOR);
            sound += usize::from(dcgan_formats::load_bytes(&bytes).is_ok());
            let taken = region.change();
            let taken = taken.bytes_allocated + taken.bytes_reallocated.max(0) as usize;
            assert!(
                taken < 64 * bytes.len() + MEMORY,
                "{}: {taken} bytes of memory for {}",
                path.display(),
                bytes.len()
            );
        }
        assert!(sound > 0, "{target}: no file can be read");
    }
}
