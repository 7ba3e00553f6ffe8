//! All pictures of a data set as one block of bytes.

use dcgan_kernels::memory::MappedFile;
use rayon::prelude::*;

use crate::decode::Channels;
use crate::error::DataError;

/// Square pictures of one size: `len` × size × size × channels bytes, rows from the top (NHWC), in memory or in a mapped file.
#[derive(Debug)]
pub struct Dataset {
    block: Block,
    len: usize,
    size: usize,
    channels: Channels,
}

/// Where the bytes are.
#[derive(Debug)]
pub(crate) enum Block {
    Memory(Vec<u8>),
    /// From `start` on.
    Mapped {
        file: MappedFile,
        start: usize,
    },
}

impl Block {
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Block::Memory(bytes) => bytes,
            Block::Mapped { file, start } => &file[*start..],
        }
    }
}

impl Dataset {
    /// The first `len` pictures of a block.
    pub(crate) fn new(block: Block, len: usize, size: usize, channels: Channels) -> Dataset {
        let dataset = Dataset { block, len, size, channels };
        assert!(dataset.block.bytes().len() >= len * dataset.image_bytes(), "pictures are missing");
        dataset
    }

    /// Makes `len` pictures with `draw(i, out)`, which fills size × size × channels bytes, on all threads.
    ///
    /// # Panics
    /// If `size` is 0, or in `draw`.
    pub fn from_fn(
        len: usize,
        size: usize,
        channels: Channels,
        draw: impl Fn(usize, &mut [u8]) + Sync,
    ) -> Result<Dataset, DataError> {
        assert!(size > 0, "pictures of no size");
        let out_of_memory = || DataError::OutOfMemory { pictures: len, size, channels: channels.count() };
        let bytes = [size, size, channels.count()].into_iter().try_fold(len, usize::checked_mul);
        let bytes = bytes.ok_or_else(out_of_memory)?;
        let mut pixels = Vec::new();
        pixels.try_reserve_exact(bytes).map_err(|_| out_of_memory())?;
        pixels.resize(bytes, 0);
        let image_bytes = size * size * channels.count();
        pixels.par_chunks_exact_mut(image_bytes).enumerate().for_each(|(i, out)| draw(i, out));
        Ok(Dataset::new(Block::Memory(pixels), len, size, channels))
    }

    /// The number of pictures.
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

    /// What each pixel holds.
    pub fn channels(&self) -> Channels {
        self.channels
    }

    /// Bytes per picture: size × size × channels.
    pub fn image_bytes(&self) -> usize {
        self.size * self.size * self.channels.count()
    }

    /// Picture `i`, size × size × channels.
    ///
    /// # Panics
    /// If `i` is not below [`len`](Self::len).
    pub fn image(&self, i: usize) -> &[u8] {
        assert!(i < self.len, "picture {i} of {}", self.len);
        let bytes = self.image_bytes();
        &self.block.bytes()[i * bytes..(i + 1) * bytes]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_memory_is_an_error() {
        for (len, size) in [(usize::MAX / 2, 64), (1 << 40, 1 << 10)] {
            let error = Dataset::from_fn(len, size, Channels::Rgb, |_, _| {}).unwrap_err();
            assert!(matches!(error, DataError::OutOfMemory { pictures, .. } if pictures == len));
        }
    }
}
