//! The built-in cartoon faces, a data set without a download.

use dcgan_data::decode::luma;
use dcgan_data::{Channels, DataError, Dataset};

/// Draws the face number `index` of `seed` as height × width × channels bytes, `size` pixels a side.
pub fn demo_face(seed: u64, index: u64, size: usize, channels: Channels) -> Vec<u8> {
    let rgb = dcgan_demo_faces::draw(seed, index, size as u32);
    match channels {
        Channels::Rgb => rgb,
        Channels::Gray => rgb.as_chunks::<3>().0.iter().map(|&pixel| luma(pixel)).collect(),
    }
}

/// Draws the first `count` built-in faces, those that `dcgan train --demo` learns from.
///
/// ```
/// let images = dcgan::demo_faces(8, 32, dcgan::Channels::Rgb)?;
/// assert_eq!(images.len(), 8);
/// # Ok::<(), dcgan::DataError>(())
/// ```
///
/// # Errors
/// If there is not enough memory.
pub fn demo_faces(count: usize, size: usize, channels: Channels) -> Result<Dataset, DataError> {
    Dataset::from_fn(count, size, channels, |index, out| {
        out.copy_from_slice(&demo_face(0, index as u64, size, channels));
    })
}
