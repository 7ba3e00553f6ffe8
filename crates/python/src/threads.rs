//! Threads for pictures. The networks have their own.

use crate::errors::runtime;
use crate::process::PerProcess;
use pyo3::PyResult;
use rayon::{ThreadPool, ThreadPoolBuilder};

/// The threads of this process that draw, read and compare pictures.
static POOL: PerProcess<ThreadPool> = PerProcess::new();

/// Runs `work` with the threads of this process. Rayon's global threads are never used, because a forked process has
/// none of them and cannot start new ones.
///
/// # Errors
/// If the threads cannot be started.
pub(crate) fn install<R: Send>(work: impl FnOnce() -> R + Send) -> PyResult<R> {
    Ok(POOL.get(|| pool(0))?.install(work))
}

/// Creates a pool of `threads` threads; 0 is one per core.
///
/// # Errors
/// If the system refuses to start them.
pub(crate) fn pool(threads: usize) -> PyResult<ThreadPool> {
    ThreadPoolBuilder::new().num_threads(threads).build().map_err(|_| {
        runtime(
            "cannot start a thread: choose a smaller number of threads, or raise the limit of processes (ulimit -u)",
        )
    })
}
