//! The built-in faces as a data set.

use dcgan_data::{Channels, DataError, Dataset};

/// Default number of faces for `--demo` and `demo-data`.
pub(crate) use dcgan_settings::DEMO_FACES as FACES;

/// Seed of the faces of `train --demo`, and the default of `demo-data`, so that both have the same faces. It is not the
/// seed of the training: a run with another seed still has the same data.
pub(crate) const SEED: u64 = 0;

/// Draws face number `index` as height × width × `channels` bytes.
pub(crate) fn face(seed: u64, index: usize, size: usize, channels: usize) -> Vec<u8> {
    dcgan::demo_face(seed, index as u64, size, Channels::from_count(channels))
}

/// Draws the first `count` faces of `train --demo`. `drawn` is called with 1 after each.
pub(crate) fn dataset(
    count: usize,
    size: usize,
    channels: Channels,
    drawn: impl Fn(u64) + Sync,
) -> Result<Dataset, DataError> {
    Dataset::from_fn(count, size, channels, |index, out| {
        out.copy_from_slice(&face(SEED, index, size, channels.count()));
        drawn(1);
    })
}
