//! The CPU device that kernels run on: an instruction set and threads.

use crate::Isa;
use crate::pool::Pool;
use std::io;
use std::marker::PhantomData;
use std::sync::Arc;

/// A CPU device: an instruction set and a pool of threads.
///
/// Work is cut into pieces by the problem, never by the number of threads, and every sum over pieces is taken in a
/// fixed order: results are bit-identical for any number of threads. A clone shares the threads.
#[derive(Debug, Clone)]
pub struct Cpu {
    isa: Isa,
    pool: Arc<Pool>,
}

impl Cpu {
    /// Creates a device with `threads` threads, the caller's included; 0 means one per core.
    ///
    /// # Errors
    /// If the system refuses to start the threads.
    pub fn new(isa: Isa, threads: usize) -> io::Result<Self> {
        Ok(Self { isa, pool: Arc::new(Pool::new(threads)?) })
    }

    /// Returns the instruction set in use.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// Number of threads.
    pub fn threads(&self) -> usize {
        self.pool.threads()
    }

    /// Runs `work`, a sequence of kernels, and keeps the threads awake between them.
    pub fn run<R>(&self, work: impl FnOnce() -> R) -> R {
        self.pool.run(work)
    }

    /// Runs `work(piece)` for every piece, in any order, on all threads.
    pub(crate) fn for_each(&self, pieces: usize, work: impl Fn(usize) + Sync) {
        self.pool.each(pieces, |_, piece| work(piece));
    }

    /// Runs `work(start, chunk)` for every chunk of `chunk_len` values; the last one may be shorter.
    pub(crate) fn for_each_chunk(&self, values: &mut [f32], chunk_len: usize, work: impl Fn(usize, &mut [f32]) + Sync) {
        let len = values.len();
        let values = SharedMut::new(values);
        self.for_each(len.div_ceil(chunk_len), |chunk| {
            let start = chunk * chunk_len;
            // SAFETY: chunks are disjoint.
            work(start, unsafe { values.range(start, chunk_len.min(len - start)) });
        });
    }

    /// As [`Cpu::for_each`]; each call also gets `per_worker` values of `scratch` that no other call uses at the same
    /// time.
    ///
    /// # Panics
    /// If `scratch` has fewer than [`Cpu::threads`] times `per_worker` values.
    pub(crate) fn for_each_with_scratch(
        &self,
        pieces: usize,
        scratch: &mut [f32],
        per_worker: usize,
        work: impl Fn(usize, &mut [f32]) + Sync,
    ) {
        assert!(scratch.len() >= self.threads() * per_worker, "scratch of {} values", scratch.len());
        let scratch = SharedMut::new(scratch);
        self.pool.each(pieces, |thread, piece| {
            // SAFETY: calls of this loop's `work` that run at the same time have different thread numbers, and a
            // thread's calls follow each other.
            let mine = unsafe { scratch.range(thread * per_worker, per_worker) };
            work(piece, mine);
        });
    }
}

/// A mutable slice that several pieces of work write to, each in ranges of its own.
pub(crate) struct SharedMut<'a> {
    ptr: *mut f32,
    len: usize,
    lifetime: PhantomData<&'a mut [f32]>,
}

// SAFETY: it is access to `f32`s, which may move between threads. Shared access goes through `part`, `values` and
// `range`, whose callers promise that no value is accessed twice at a time; everything else needs `&mut`.
unsafe impl Send for SharedMut<'_> {}
// SAFETY: as above.
unsafe impl Sync for SharedMut<'_> {}

impl<'a> SharedMut<'a> {
    pub(crate) fn new(slice: &'a mut [f32]) -> Self {
        Self { ptr: slice.as_mut_ptr(), len: slice.len(), lifetime: PhantomData }
    }

    /// Number of values.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Pointer to the first value, for prefetching.
    pub(crate) fn as_ptr(&self) -> *const f32 {
        self.ptr
    }

    /// Pointer to the first value, for writing. Takes the slice exclusively: who has it so has the values that may be
    /// written through it, by the promise made to [`SharedMut::new`] or [`SharedMut::part`].
    pub(crate) fn as_mut_ptr(&mut self) -> *mut f32 {
        self.ptr
    }

    /// Returns the `len` values from `start`, for a piece of work that writes some of them.
    ///
    /// # Safety
    /// The part must be given only to code of which it is known which values it reads and writes. While the part is
    /// alive, the values written through it must not be read or written in any other way, and the values read through
    /// it must not be written in any other way.
    ///
    /// # Panics
    /// If the range is out of bounds.
    pub(crate) unsafe fn part(&self, start: usize, len: usize) -> SharedMut<'a> {
        assert!(start <= self.len && len <= self.len - start, "{start}+{len} of {}", self.len);
        SharedMut { ptr: self.ptr.wrapping_add(start), len, lifetime: PhantomData }
    }

    /// Returns the `len` values from `start`, to be read while other pieces of work may write those between them.
    ///
    /// # Safety
    /// While it is alive, no value that is read through it may be written.
    ///
    /// # Panics
    /// If the range is out of bounds.
    pub(crate) unsafe fn values(&self, start: usize, len: usize) -> Values<'a> {
        assert!(start <= self.len && len <= self.len - start, "{start}+{len} of {}", self.len);
        Values { ptr: self.ptr.wrapping_add(start), len, lifetime: PhantomData }
    }

    /// Returns the `len` values from `start`.
    ///
    /// # Safety
    /// No other range that overlaps it may be alive.
    ///
    /// # Panics
    /// If the range is out of bounds.
    #[allow(clippy::mut_from_ref)] // that is what it is for; see Safety
    pub(crate) unsafe fn range(&self, start: usize, len: usize) -> &'a mut [f32] {
        assert!(start <= self.len && len <= self.len - start, "{start}+{len} of {}", self.len);
        // SAFETY: in bounds by the assertion, unique by the caller's promise, alive for 'a by construction.
        unsafe { std::slice::from_raw_parts_mut(self.ptr.add(start), len) }
    }
}

/// Values to read: a slice, or part of one in which other pieces of work write other values.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Values<'a> {
    ptr: *const f32,
    len: usize,
    lifetime: PhantomData<&'a [f32]>,
}

impl<'a> From<&'a [f32]> for Values<'a> {
    fn from(slice: &'a [f32]) -> Self {
        Self { ptr: slice.as_ptr(), len: slice.len(), lifetime: PhantomData }
    }
}

impl Values<'_> {
    /// Number of values.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Pointer to the first value. It may be used to read the values of the slice, or those that [`SharedMut::values`]
    /// was promised.
    pub(crate) fn as_ptr(&self) -> *const f32 {
        self.ptr
    }
}
