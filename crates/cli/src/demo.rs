//! The built-in faces as a data set.

use dcgan_data::decode::luma;

/// Faces that `--demo` trains on and `demo-data` writes unless told otherwise. Enough for faces to appear within minutes on two cores;
/// the tutorial has 63,632.
pub(crate) const FACES: usize = 4096;

/// The seed of `train --demo`, and `demo-data`'s default, so that both mean the same faces. It is apart from the training's seed: another
/// run on the same data has another seed, not other data.
pub(crate) const SEED: u64 = 0;

/// Face number `index` as height × width × `channels` bytes.
pub(crate) fn face(seed: u64, index: usize, size: usize, channels: usize) -> Vec<u8> {
    let rgb = dcgan_demo_faces::draw(seed, index as u64, size as u32);
    if channels == 3 { rgb } else { rgb.as_chunks::<3>().0.iter().map(|&pixel| luma(pixel)).collect() }
}
