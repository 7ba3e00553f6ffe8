//! All pictures of a data set, in memory or in the cache's file.

use std::borrow::Cow;

use rayon::prelude::*;

use crate::checksum::Append;
use crate::decode::Channels;
use crate::error::DataError;
use crate::image_file::ImageFile;

/// Square pictures of one size: `len` × size × size × channels bytes, rows from the top (NHWC), in memory or in the
/// cache's file, from which they are read when they are needed.
#[derive(Debug)]
pub struct Dataset {
    pixels: Pixels,
    len: usize,
    size: usize,
    channels: Channels,
}

/// Where the bytes are.
#[derive(Debug)]
pub(crate) enum Pixels {
    Memory(Vec<u8>),
    File(ImageFile),
}

impl Dataset {
    /// The first `len` pictures of `pixels`.
    pub(crate) fn new(mut pixels: Pixels, len: usize, size: usize, channels: Channels) -> Dataset {
        let available = match &pixels {
            Pixels::Memory(bytes) => bytes.len() / (size * size * channels.count()),
            Pixels::File(file) => file.len(),
        };
        assert!(available >= len, "pictures are missing");
        if let Pixels::File(file) = &mut pixels {
            file.truncate(len);
        }
        Dataset { pixels, len, size, channels }
    }

    /// Makes `len` pictures with `draw(i, out)`, which fills size × size × channels bytes, on all threads.
    ///
    /// # Errors
    /// [`DataError::Size`] if `size` is 0, [`DataError::OutOfMemory`] if there is not enough memory.
    ///
    /// # Panics
    /// In `draw`.
    pub fn from_fn(
        len: usize,
        size: usize,
        channels: Channels,
        draw: impl Fn(usize, &mut [u8]) + Sync,
    ) -> Result<Dataset, DataError> {
        if size == 0 {
            return Err(DataError::Size(size));
        }
        let out_of_memory = || DataError::OutOfMemory { pictures: len, size, channels: channels.count() };
        let bytes = [size, size, channels.count()].into_iter().try_fold(len, usize::checked_mul);
        let bytes = bytes.ok_or_else(out_of_memory)?;
        let mut pixels = Vec::new();
        pixels.try_reserve_exact(bytes).map_err(|_| out_of_memory())?;
        pixels.resize(bytes, 0);
        let image_bytes = size * size * channels.count();
        pixels.par_chunks_exact_mut(image_bytes).enumerate().for_each(|(i, out)| draw(i, out));
        Ok(Dataset::new(Pixels::Memory(pixels), len, size, channels))
    }

    /// Makes a data set of pictures that lie one after the other in `pixels`.
    ///
    /// # Panics
    /// If `size` is 0, or `pixels` is no whole number of pictures.
    pub fn from_bytes(pixels: Vec<u8>, size: usize, channels: Channels) -> Dataset {
        let image_bytes = size * size * channels.count();
        assert!(image_bytes > 0 && pixels.len().is_multiple_of(image_bytes), "{} bytes of pictures", pixels.len());
        let len = pixels.len() / image_bytes;
        Dataset::new(Pixels::Memory(pixels), len, size, channels)
    }

    /// Number of pictures.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no pictures; true only of `from_fn(0, ..)`.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Height and width of every picture in pixels.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Channels of every pixel.
    pub fn channels(&self) -> Channels {
        self.channels
    }

    /// Number of bytes of a picture: size × size × channels.
    pub fn image_bytes(&self) -> usize {
        self.size * self.size * self.channels.count()
    }

    /// Number of bytes of memory that the pictures take, besides buffers: none if they are in the cache's file.
    pub fn memory_bytes(&self) -> usize {
        match &self.pixels {
            Pixels::Memory(bytes) => bytes.capacity(),
            Pixels::File(_) => 0,
        }
    }

    /// Returns picture `i`, size × size × channels, reading it from the cache's file if it is there.
    ///
    /// # Errors
    /// [`DataError::CacheChanged`] if the file was changed after the data set was loaded, or cannot be read.
    ///
    /// # Panics
    /// If `i` is not below [`len`](Self::len).
    pub fn image(&self, i: usize) -> Result<Cow<'_, [u8]>, DataError> {
        match &self.pixels {
            Pixels::Memory(_) => Ok(Cow::Borrowed(self.in_memory(i))),
            Pixels::File(_) => {
                let mut image = vec![0; self.image_bytes()];
                self.read(i, &mut image)?;
                Ok(Cow::Owned(image))
            }
        }
    }

    /// Copies picture `i` to `out`, which takes size × size × channels bytes.
    ///
    /// # Errors
    /// As [`image`](Self::image).
    ///
    /// # Panics
    /// If `i` is not below [`len`](Self::len), or `out` has another length.
    pub fn read(&self, i: usize, out: &mut [u8]) -> Result<(), DataError> {
        self.check_index(i);
        assert_eq!(out.len(), self.image_bytes(), "bytes of a picture");
        match &self.pixels {
            Pixels::Memory(_) => out.copy_from_slice(self.in_memory(i)),
            Pixels::File(file) => file.read(i, out)?,
        }
        Ok(())
    }

    /// Returns `count` pictures, or all if there are fewer, evenly spaced over the data set, one after the other.
    ///
    /// # Errors
    /// As [`image`](Self::image).
    pub fn evenly_spaced(&self, count: usize) -> Result<Vec<u8>, DataError> {
        let count = count.min(self.len);
        let mut pixels = vec![0; count * self.image_bytes()];
        let mut images = pixels.chunks_exact_mut(self.image_bytes()).enumerate();
        images.try_for_each(|(i, image)| self.read(i * self.len / count, image))?;
        Ok(pixels)
    }

    /// Returns a short text that is another one if a picture, their order, number, size or number of channels is:
    /// `crc32:` and the CRC-32 of len, size and channels (u64, little-endian) followed by all pictures. Nothing is read
    /// from the cache's file, whose checksums were verified when it was loaded.
    pub fn fingerprint(&self) -> String {
        let mut crc = crc32fast::Hasher::new();
        let numbers = [self.len, self.size, self.channels.count()];
        numbers.into_iter().for_each(|number| crc.update(&(number as u64).to_le_bytes()));
        let crc = match &self.pixels {
            Pixels::Memory(bytes) => {
                crc.update(&bytes[..self.len * self.image_bytes()]);
                crc.finalize()
            }
            Pixels::File(file) => {
                let append = Append::new(self.image_bytes());
                file.checksums().iter().fold(crc.finalize(), |crc, image| append.apply(crc, *image))
            }
        };
        format!("crc32:{crc:08x}")
    }

    /// Picture `i` of a data set in memory; empty if it is in a file.
    fn in_memory(&self, i: usize) -> &[u8] {
        self.check_index(i);
        let bytes = self.image_bytes();
        match &self.pixels {
            Pixels::Memory(block) => &block[i * bytes..(i + 1) * bytes],
            Pixels::File(_) => &[],
        }
    }

    /// Asserts that there is an image `i`.
    fn check_index(&self, i: usize) {
        assert!(i < self.len, "picture {i} of {}", self.len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn more_than_memory_is_an_error() {
        for (len, size) in [(usize::MAX / 2, 64), (1 << 40, 1 << 10)] {
            let error = Dataset::from_fn(len, size, Channels::Rgb, |_, _| {}).unwrap_err();
            assert!(matches!(error, DataError::OutOfMemory { pictures, .. } if pictures == len));
        }
    }

    #[test]
    fn no_size_is_an_error() {
        assert!(matches!(Dataset::from_fn(1, 0, Channels::Rgb, |_, _| {}), Err(DataError::Size(0))));
    }

    #[test]
    fn any_change_of_the_pictures_changes_the_fingerprint() {
        let pictures = |len, size, channels, draw: fn(usize, &mut [u8])| {
            Dataset::from_fn(len, size, channels, draw).unwrap().fingerprint()
        };
        let usual: fn(usize, &mut [u8]) = |index, out| out.fill(index as u8);
        let first = pictures(4, 6, Channels::Gray, usual);
        assert_eq!(first, pictures(4, 6, Channels::Gray, usual));
        for other in [
            pictures(5, 6, Channels::Gray, usual),
            pictures(4, 5, Channels::Gray, usual),
            pictures(4, 6, Channels::Rgb, usual),
            pictures(4, 6, Channels::Gray, |index, out| out.fill(3 - index as u8)),
            pictures(4, 6, Channels::Gray, |index, out| {
                out.fill(index as u8);
                out[35] ^= u8::from(index == 3);
            }),
        ] {
            assert_ne!(first, other);
        }
        // Without the numbers, one row of black pixels would be as good as another.
        let black: fn(usize, &mut [u8]) = |_, _| {};
        assert_ne!(pictures(3, 4, Channels::Gray, black), pictures(12, 2, Channels::Gray, black));
    }

    #[test]
    fn pictures_in_a_file_are_those_in_memory() {
        let draw = |i: usize, out: &mut [u8]| out.iter_mut().zip(i * 7..).for_each(|(byte, value)| *byte = value as u8);
        let in_memory = Dataset::from_fn(9, 3, Channels::Rgb, draw).unwrap();
        let mut file = tempfile::tempfile().unwrap();
        let images: Vec<Vec<u8>> = (0..9).map(|i| in_memory.image(i).unwrap().into_owned()).collect();
        file.write_all(&images.concat()).unwrap();
        // One more than is asked for.
        let checksums = images.iter().map(|image| crc32fast::hash(image)).chain([17]).collect();
        let file = ImageFile::new(file, "cache".into(), 0, 27, checksums);
        let in_file = Dataset::new(Pixels::File(file), 9, 3, Channels::Rgb);
        for (i, image) in images.iter().enumerate() {
            assert_eq!(*in_file.image(i).unwrap(), **image);
        }
        assert_eq!(in_file.fingerprint(), in_memory.fingerprint());
        assert_eq!(in_file.memory_bytes(), 0);
        for count in [0, 1, 2, 4, 9, 10] {
            let expected: Vec<u8> = match count {
                2 => [images[0].as_slice(), &images[4]].concat(),
                4 => [0, 2, 4, 6].map(|i: usize| images[i].as_slice()).concat(),
                10 => images.concat(),
                count => images[..count].concat(),
            };
            assert_eq!(in_file.evenly_spaced(count).unwrap(), expected, "{count}");
            assert_eq!(in_memory.evenly_spaced(count).unwrap(), expected, "{count}");
        }
    }
}
