//! The entries and images that an earlier run has cached.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::entry::Entry;
use crate::image_file::ImageFile;

/// The contents of a cache file.
#[derive(Debug)]
pub(crate) struct CachedImages {
    pub(crate) entries: Vec<Entry>,
    images: ImageFile,
    /// For each entry: number of usable ones before it, which is the index of its image.
    image_of: Vec<usize>,
    /// For each image: whether it fits its checksum, once that has been looked at.
    intact: Vec<OnceLock<bool>>,
    by_name: HashMap<Vec<u8>, usize>,
    by_content: HashMap<[u8; 32], usize>,
}

impl CachedImages {
    /// Indexes the entries of a cache file by name and by content.
    pub(super) fn new(images: ImageFile, entries: Vec<Entry>) -> CachedImages {
        let mut usable = 0;
        let mut image_of = |entry: &Entry| {
            let image = usable;
            usable += usize::from(entry.outcome.is_usable());
            image
        };
        let image_of = entries.iter().map(&mut image_of).collect();
        let by_name = entries.iter().enumerate().map(|(i, entry)| (entry.name.clone(), i)).collect();
        // Of equal contents, the first.
        let by_content = entries.iter().enumerate().rev().filter_map(|(i, entry)| Some((entry.content?, i))).collect();
        let intact = vec![OnceLock::new(); images.len()];
        CachedImages { entries, images, image_of, intact, by_name, by_content }
    }

    /// The entry of a file of this name.
    pub(crate) fn find(&self, name: &[u8]) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// An entry of a file with this content.
    pub(crate) fn find_content(&self, content: &[u8; 32]) -> Option<usize> {
        self.by_content.get(content).copied()
    }

    /// The index of the image of an entry, if it has one.
    fn image_of(&self, entry: usize) -> Option<usize> {
        self.entries[entry].outcome.is_usable().then(|| self.image_of[entry])
    }

    /// Compares the images of these entries with their checksums: images that lie one after the other are read in one
    /// go. [`is_intact`](Self::is_intact) then knows the answer.
    pub(crate) fn verify(&self, entries: impl Iterator<Item = usize>) {
        let images = entries.filter_map(|entry| self.image_of(entry));
        let mut images: Vec<usize> = images.filter(|&image| self.intact[image].get().is_none()).collect();
        images.sort_unstable();
        images.dedup();
        for row in images.chunk_by(|a, b| a + 1 == *b) {
            let (first, end) = (row[0], row[0] + row.len());
            for (image, is_intact) in (first..).zip(self.images.are_intact(first..end)) {
                self.intact[image].get_or_init(|| is_intact);
            }
        }
    }

    /// Whether the image of an entry, if it has one, is as it was written.
    pub(crate) fn is_intact(&self, entry: usize) -> bool {
        let Some(image) = self.image_of(entry) else { return true };
        *self.intact[image].get_or_init(|| self.images.are_intact(image..image + 1) == [true])
    }

    /// Index of the image of a usable entry in [`images`](Self::images).
    pub(crate) fn image_index(&self, entry: usize) -> usize {
        self.image_of[entry]
    }

    /// All images.
    pub(crate) fn images(&self) -> &ImageFile {
        &self.images
    }

    /// All images, without the entries.
    pub(crate) fn into_images(self) -> ImageFile {
        self.images
    }
}
