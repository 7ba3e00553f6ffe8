//! Memory for what kernels work on, and files as memory.

use std::fs::File;
use std::io;
use std::ops::{Deref, DerefMut};

/// A fixed number of f32, zero at first.
///
/// Large buffers ask the system for huge pages, where it has them for the asking: kernels stream through hundreds of megabytes, and with
/// small pages the processor spends a good part of that looking addresses up. Memory is not used before it is touched.
#[derive(Debug)]
pub struct Buffer(memmap2::MmapMut, usize);

impl Buffer {
    /// `len` zeros.
    ///
    /// # Panics
    /// If the memory cannot be had.
    pub fn zeros(len: usize) -> Self {
        // An empty mapping is an error of its own.
        let bytes = (len * size_of::<f32>()).max(1);
        let memory =
            memmap2::MmapMut::map_anon(bytes).unwrap_or_else(|error| panic!("{bytes} bytes of memory: {error}"));
        #[cfg(target_os = "linux")]
        {
            // Advice: the memory is as good without.
            let _ = memory.advise(memmap2::Advice::HugePage);
        }
        Self(memory, len)
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: a mapping starts at a page, holds at least `len` f32, and any bits are an f32.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast(), self.1) }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as in `deref`; `self` is borrowed for as long as the slice.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), self.1) }
    }
}

/// A whole file as memory, to be read and not written.
///
/// The system reads pages when they are touched and may drop them again, so a file can be larger than memory.
///
/// A file that another program cuts or overwrites in place while it is mapped breaks what Rust takes for granted about a slice, and reading
/// beyond its new end kills the program; no program that maps files can prevent either. So map only files that are never changed under
/// their name: written under another one, renamed, and from then on only replaced or removed, which leaves a mapping as it is.
#[derive(Debug)]
pub struct MappedFile(memmap2::Mmap);

impl MappedFile {
    /// Maps all of `file`, which may be closed after that.
    ///
    /// # Errors
    /// Whatever the system says, as for a file that is no regular one.
    pub fn open(file: &File) -> io::Result<Self> {
        // SAFETY: the caller keeps to what the type's documentation asks for: nobody changes the file in place.
        unsafe { memmap2::Mmap::map(file) }.map(Self)
    }
}

impl Deref for MappedFile {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_zero_and_hold_what_is_written() {
        for len in [0, 1, 1_000_003] {
            let mut buffer = Buffer::zeros(len);
            assert!(buffer.len() == len && buffer.iter().all(|v| *v == 0.0));
            if let Some(last) = buffer.last_mut() {
                *last = 2.5;
            }
            assert!(buffer.last().is_none_or(|v| *v == 2.5));
        }
    }
}
