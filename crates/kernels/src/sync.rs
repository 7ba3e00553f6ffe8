//! What the thread pool is synchronized with: the standard library's types. `tests/pool_loom.rs` compiles the pool with
//! those of loom instead, which tries every order of the threads.

use std::cell::Cell;
pub(crate) use std::hint::spin_loop;
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
pub(crate) use std::sync::{Arc, Condvar, Mutex, MutexGuard};
pub(crate) use std::thread::{Builder, JoinHandle, yield_now};

thread_local! {
    /// Whether this thread is working on a piece.
    pub(crate) static IN_LOOP: Cell<bool> = const { Cell::new(false) };
}

/// Number of times that a waiting thread checks its condition before it yields its core.
pub(crate) const LOOKS: usize = if cfg!(miri) { 2 } else { 64 };
/// Number of times that it yields before it sleeps: most of a millisecond, longer than any single-threaded work between
/// two loops.
pub(crate) const PATIENCE: usize = if cfg!(miri) { 3 } else { 400 };

/// [`std::cell::UnsafeCell`] with the interface of loom's, which notices unsynchronized accesses.
#[derive(Debug)]
pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

impl<T> UnsafeCell<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(std::cell::UnsafeCell::new(value))
    }

    /// Calls `read` with a pointer to the value.
    pub(crate) fn with<R>(&self, read: impl FnOnce(*const T) -> R) -> R {
        read(self.0.get())
    }

    /// Calls `write` with a pointer to the value.
    pub(crate) fn with_mut<R>(&self, write: impl FnOnce(*mut T) -> R) -> R {
        write(self.0.get())
    }
}
