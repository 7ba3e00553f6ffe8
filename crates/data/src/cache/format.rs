//! The layout of a cache file.
//!
//! ```text
//! 0      4096                       manifest
//! header │ image, image, image, … │ entries, one for each file, usable or not
//! ```
//! The header has the length of each part, the fingerprint of the data set's place and options, and the manifest's
//! SHA-256. Images are size × size × channels bytes each, in the order of the entries that are usable.

use std::ops::Range;

use sha2::{Digest, Sha256};

use super::entry::Entry;

/// Name and version of the format.
pub(super) const MAGIC: &[u8; 16] = b"dcgan pictures\n\x03";
/// Position of the first image.
pub(super) const HEADER_BYTES: usize = 4096;

/// The numbers at the start of the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) fingerprint: [u8; 32],
    pub(super) images: u64,
    pub(super) image_bytes: u64,
    pub(super) manifest_bytes: u64,
    pub(super) manifest_hash: [u8; 32],
}

impl Header {
    /// Returns the bytes that the file starts with; the rest up to [`HEADER_BYTES`] is zeros.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let Header { fingerprint, images, image_bytes, manifest_bytes, manifest_hash } = self;
        let numbers = [images, image_bytes, manifest_bytes].map(|number| number.to_le_bytes()).concat();
        [MAGIC.as_slice(), fingerprint, &numbers, manifest_hash].concat()
    }

    /// Reads the header at the start of `bytes`; `None` if there is none.
    pub(super) fn parse(bytes: &[u8]) -> Option<Header> {
        let (fingerprint, bytes) = bytes.strip_prefix(MAGIC)?.split_first_chunk::<32>()?;
        let (numbers, bytes) = bytes.split_first_chunk::<24>()?;
        let number = |i: usize| u64::from_le_bytes(std::array::from_fn(|byte| numbers[8 * i + byte]));
        Some(Header {
            fingerprint: *fingerprint,
            images: number(0),
            image_bytes: number(1),
            manifest_bytes: number(2),
            manifest_hash: *bytes.first_chunk()?,
        })
    }

    /// Position of the manifest in a file of `file_bytes` bytes; `None` if the file was made for another fingerprint or
    /// image size, or does not have the length that the header says.
    pub(super) fn manifest(&self, fingerprint: &[u8; 32], image_bytes: usize, file_bytes: u64) -> Option<Range<u64>> {
        if self.fingerprint != *fingerprint || self.image_bytes != image_bytes as u64 {
            return None;
        }
        let start = self.images.checked_mul(self.image_bytes)?.checked_add(HEADER_BYTES as u64)?;
        let end = start.checked_add(self.manifest_bytes)?;
        (end == file_bytes).then_some(start..end)
    }

    /// The entries in the bytes of the manifest; `None` if they are damaged.
    pub(super) fn entries(&self, manifest: &[u8]) -> Option<Vec<Entry>> {
        if Sha256::digest(manifest).as_slice() != self.manifest_hash {
            return None;
        }
        parse_entries(manifest, self.images)
    }
}

/// Reads the entries of a manifest. Returns `None` unless it is complete and has `images` usable entries.
fn parse_entries(manifest: &[u8], images: u64) -> Option<Vec<Entry>> {
    let (entries, rest) = postcard::take_from_bytes::<Vec<Entry>>(manifest).ok()?;
    let usable = entries.iter().filter(|entry| entry.outcome.is_usable()).count() as u64;
    (rest.is_empty() && usable == images).then_some(entries)
}

/// Whether `bytes` start like a file of another version of the format.
pub(super) fn is_other_version(bytes: &[u8]) -> bool {
    let (name, version) = MAGIC.split_at(MAGIC.len() - 1);
    bytes.strip_prefix(name).is_some_and(|rest| !rest.starts_with(version))
}

/// The entries of a whole file in memory.
pub(super) fn parse(file: &[u8], fingerprint: &[u8; 32], image_bytes: usize) -> Option<Vec<Entry>> {
    let header = Header::parse(file)?;
    let manifest = header.manifest(fingerprint, image_bytes, file.len() as u64)?;
    header.entries(file.get(usize::try_from(manifest.start).ok()?..)?)
}

/// Reads a file as it is, and its entries again as if their hash were right. For fuzzing.
///
/// # Panics
/// If a file is accepted that is too short for its images.
pub(crate) fn check_any(file: &[u8], fingerprint: &[u8; 32], image_bytes: usize) {
    if let Some(entries) = parse(file, fingerprint, image_bytes) {
        let usable = entries.iter().filter(|entry| entry.outcome.is_usable()).count();
        assert!(HEADER_BYTES + usable * image_bytes <= file.len(), "pictures are missing");
    }
    if let Some(header) = Header::parse(file) {
        let start = file.len().saturating_sub(usize::try_from(header.manifest_bytes).unwrap_or(usize::MAX));
        let _ = parse_entries(&file[start..], header.images);
    }
}
