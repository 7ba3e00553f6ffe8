//! Memory for kernels.

use std::alloc::{Layout, handle_alloc_error};
use std::ops::{Deref, DerefMut};

/// A fixed number of f32, initialized with zeros.
///
/// Buffers ask the system for huge pages, if it has them: kernels read hundreds of megabytes in order, and with small
/// pages much of that time goes into address translation. The system provides memory when it is first touched.
#[derive(Debug)]
pub struct Buffer(memmap2::MmapMut, usize);

impl Buffer {
    /// Allocates `len` zeros.
    ///
    /// Ends the process as a `Vec` does, through [`handle_alloc_error`], if there is not enough memory.
    ///
    /// # Panics
    /// If the size in bytes overflows.
    pub fn zeros(len: usize) -> Self {
        let layout = Layout::array::<f32>(len).unwrap_or_else(|error| panic!("{len} values: {error}"));
        // An empty mapping is an error of its own.
        let memory = memmap2::MmapMut::map_anon(layout.size().max(1)).unwrap_or_else(|_| handle_alloc_error(layout));
        #[cfg(all(target_os = "linux", not(miri)))]
        {
            // Only advice: the memory works without huge pages, too.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_zero_and_hold_what_is_written() {
        for len in [0, 1, if cfg!(miri) { 1_003 } else { 1_000_003 }] {
            let mut buffer = Buffer::zeros(len);
            assert!(buffer.len() == len && buffer.iter().all(|v| *v == 0.0));
            if let Some(last) = buffer.last_mut() {
                *last = 2.5;
            }
            assert!(buffer.last().is_none_or(|v| *v == 2.5));
        }
    }

    /// The size in bytes is 2⁶⁴, which wraps around to 0: unchecked, the buffer would claim values that it has no
    /// memory for.
    #[test]
    #[should_panic(expected = "4611686018427387904 values")]
    #[cfg(target_pointer_width = "64")]
    fn a_size_that_overflows_panics() {
        let _ = Buffer::zeros(1 << 62);
    }
}
