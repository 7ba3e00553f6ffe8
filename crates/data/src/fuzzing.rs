//! What the fuzz targets in `fuzz/` and the replay of their corpora run: readers of hostile bytes, and what must hold
//! whatever they say.

use std::fs;
use std::path::{Component, Path};

use crate::cache;
use crate::decode::DecodeError;
use crate::decode::{Channels, decode, dimensions};
use crate::source::FileSource;

/// Pictures of more pixels are left alone: they take long and show nothing new.
const PIXELS: u64 = 1 << 18;

/// Decodes a picture both ways. Gives the reason why it cannot be decoded.
///
/// # Panics
/// If what comes out makes no sense.
pub fn picture(bytes: &[u8]) -> Result<(), DecodeError> {
    let (width, height) = dimensions(bytes)?;
    if u64::from(width) * u64::from(height) > PIXELS {
        return Ok(());
    }
    for channels in [Channels::Gray, Channels::Rgb] {
        let picture = decode(bytes, channels, [1, 2, 3])?;
        assert!(picture.width > 0 && picture.height > 0, "no pixels");
        assert_eq!(picture.pixels.len(), picture.width * picture.height * channels.count());
        // Turned upright, sides may have changed places.
        let sides = (picture.width as u32, picture.height as u32);
        assert!(sides == (width, height) || sides == (height, width), "{sides:?} of {width} x {height}");
    }
    Ok(())
}

/// Lists an archive and reads its first files. The bytes go to a file in `folder`.
///
/// # Panics
/// If what comes out makes no sense, or the file cannot be written.
pub fn archive(bytes: &[u8], folder: &Path) {
    let path = folder.join(format!("archive-{}", std::process::id()));
    fs::write(&path, bytes).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    if let Ok(source) = FileSource::open(&path) {
        for item in source.listing.items.iter().take(16) {
            let below = item.path.strip_prefix(&path).unwrap_or(Path::new("/"));
            let is_inside = below.components().all(|part| matches!(part, Component::Normal(_)));
            assert!(is_inside, "{:?} is outside", item.path);
            // An error is as good as bytes.
            let _ = source.read(item);
        }
    }
}

/// Reads a cache file; those of the corpus were made for gray pictures of 2 × 2 pixels and have a fingerprint of
/// zeros.
pub fn cache(bytes: &[u8]) {
    // The hash would keep everything that was changed away from the reader of entries.
    cache::check_any(bytes, &[0; 32], 4);
}
