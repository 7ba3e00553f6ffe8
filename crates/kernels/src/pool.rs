//! A thread pool for many short parallel loops, one after the other.
//!
//! A training step is about a hundred short loops with some single-threaded work between them. A pool whose threads
//! sleep as soon as there is no work has to wake them for nearly every loop, which takes up to a millisecond on a
//! virtual machine (`conv/notes.md`). These threads therefore spin for a moment before they sleep, but only while a
//! [`Pool::run`] is in progress. Starting a loop allocates nothing.
//!
//! The thread that starts a loop works on it, too. Each thread starts with a share of neighboring pieces, and then
//! steals half of what another thread has left. A loop does not wait for threads that wake too late: they find it
//! closed.

use crate::sync::{
    Arc, AtomicBool, AtomicU64, AtomicUsize, Builder, Condvar, IN_LOOP, JoinHandle, LOOKS, Mutex, MutexGuard, PATIENCE,
    UnsafeCell, spin_loop, yield_now,
};
use std::any::Any;
use std::cell::Cell;
use std::io;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::PoisonError;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};
use std::thread::available_parallelism;

/// A fixed number of threads, the caller's included.
#[derive(Debug)]
pub(crate) struct Pool {
    shared: Arc<Shared>,
    /// Locked while a loop is open.
    loops: Mutex<()>,
    workers: Vec<JoinHandle<()>>,
}

/// Function that is called with the number of a thread and the number of a piece.
type Work<'a> = dyn Fn(usize, usize) + Sync + 'a;

#[derive(Debug)]
struct Shared {
    /// Number of the loop, whether it is open, and how many workers are in it: see [`OPEN`].
    gate: AtomicU64,
    /// The work of the open loop.
    work: UnsafeCell<Option<*const Work<'static>>>,
    /// The pieces that each thread has left.
    shares: Box<[Share]>,
    /// Number of calls of [`Pool::run`] in progress.
    runs: AtomicUsize,
    /// Number of workers that sleep, or are about to.
    asleep: AtomicUsize,
    /// Locked by a worker while it checks a last time before it sleeps, and by the thread that wakes workers.
    sleep_lock: Mutex<()>,
    wake: Condvar,
    stop: AtomicBool,
    /// The payload of the first panic of a piece.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

// SAFETY: `work` is written only by the thread that holds `Pool::loops`, while the gate is closed and no worker is
// inside, and read only by workers inside. It points to a `Sync` function, which outlives the loop (see `Pool::each`).
unsafe impl Sync for Shared {}
// SAFETY: as above.
unsafe impl Send for Shared {}

/// The gate's bit for an open loop. Below it is the number of workers inside, above it the number of the loop.
const OPEN: u64 = 1 << 31;
/// The gate's increment for the next loop.
const NEXT: u64 = 1 << 32;

/// Pieces from `first` to `end`, as `first << 32 | end`; in a cache line of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Share(AtomicU64);

impl Share {
    /// Stores the range of pieces `first` to `end`.
    fn set(&self, first: usize, end: usize) {
        self.0.store((first as u64) << 32 | end as u64, Release);
    }

    /// Takes away the first `count(left)` pieces, or with `back` the last; none if there are none.
    fn take(&self, back: bool, count: impl Fn(usize) -> usize) -> Option<(usize, usize)> {
        let mut now = self.0.load(Acquire);
        loop {
            let (first, end) = ((now >> 32) as usize, (now & 0xffff_ffff) as usize);
            if first >= end {
                return None;
            }
            let count = count(end - first);
            let (taken, left) = if back {
                ((end - count, end), (first, end - count))
            } else {
                ((first, first + count), (first + count, end))
            };
            // A share that has the same value again has the same pieces, which nobody else has done.
            match self.0.compare_exchange_weak(now, (left.0 as u64) << 32 | left.1 as u64, AcqRel, Acquire) {
                Ok(_) => return Some(taken),
                Err(other) => now = other,
            }
        }
    }
}

impl Pool {
    /// Returns a pool of `threads` threads; 0 means one per core.
    ///
    /// # Errors
    /// If the system refuses to start them.
    pub(crate) fn new(threads: usize) -> io::Result<Self> {
        let threads = match threads {
            0 => available_parallelism().map_or(1, NonZeroUsize::get),
            threads => threads,
        };
        let shared = Arc::new(Shared {
            gate: AtomicU64::new(0),
            work: UnsafeCell::new(None),
            shares: (0..threads).map(|_| Share::default()).collect(),
            runs: AtomicUsize::new(0),
            asleep: AtomicUsize::new(0),
            sleep_lock: Mutex::new(()),
            wake: Condvar::new(),
            stop: AtomicBool::new(false),
            panic: Mutex::new(None),
        });
        // From here on, dropping the pool ends the threads that have been started.
        let mut pool = Self { shared, loops: Mutex::new(()), workers: Vec::with_capacity(threads - 1) };
        for index in 1..threads {
            let shared = Arc::clone(&pool.shared);
            let builder = Builder::new().name(format!("dcgan-{index}"));
            pool.workers.push(builder.spawn(move || shared.work_until_stopped(index))?);
        }
        Ok(pool)
    }

    /// Number of threads.
    pub(crate) fn threads(&self) -> usize {
        self.shared.shares.len()
    }

    /// Runs `work`, a sequence of loops, on this thread, and keeps the others awake between them.
    pub(crate) fn run<R>(&self, work: impl FnOnce() -> R) -> R {
        struct Run<'a>(&'a AtomicUsize);
        impl Drop for Run<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Relaxed);
            }
        }
        self.shared.runs.fetch_add(1, Relaxed);
        let _run = Run(&self.shared.runs);
        work()
    }

    /// Calls `work(thread, piece)` for every piece, in any order. No two calls at a time have the same thread's number,
    /// all of which are below [`Pool::threads`]. A loop within a piece is done by the thread that asks for it.
    ///
    /// # Panics
    /// If `work` does, once the loop is over; or if there are 2³² pieces.
    pub(crate) fn each(&self, pieces: usize, work: impl Fn(usize, usize) + Sync) {
        assert!(u32::try_from(pieces).is_ok(), "{pieces} pieces");
        if pieces <= 1 || self.workers.is_empty() || IN_LOOP.with(Cell::get) {
            (0..pieces).for_each(|piece| work(0, piece));
            return;
        }
        let _loops = lock(&self.loops);
        let (shared, threads) = (&*self.shared, self.threads());
        for (thread, share) in shared.shares.iter().enumerate() {
            share.set(thread * pieces / threads, (thread + 1) * pieces / threads);
        }
        let work: &Work<'_> = &work;
        // SAFETY: only the lifetime is changed. Workers use `work` while they are inside, and this function does not
        // return, nor unwind, before the gate is closed and they have all left.
        let erased = unsafe { std::mem::transmute::<*const Work<'_>, *const Work<'static>>(work) };
        // SAFETY: the gate is closed, nobody is inside, and `loops` is held: nobody else touches it.
        shared.work.with_mut(|slot| unsafe { *slot = Some(erased) });
        let closed = shared.gate.load(Relaxed);
        shared.gate.store((closed & !(NEXT - 1)).wrapping_add(NEXT) | OPEN, SeqCst);
        // Either this sees that a worker is going to sleep, or the worker sees the open gate.
        if shared.asleep.load(SeqCst) > 0 {
            let _guard = lock(&shared.sleep_lock);
            shared.wake.notify_all();
        }

        shared.take_pieces(0, work);

        let mut inside = shared.gate.fetch_and(!OPEN, AcqRel) & (OPEN - 1);
        while inside > 0 {
            wait_a_little(|| {
                inside = shared.gate.load(Acquire) & (OPEN - 1);
                inside == 0
            });
        }
        if let Some(panic) = lock(&shared.panic).take() {
            resume_unwind(panic);
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.stop.store(true, SeqCst);
        {
            let _guard = lock(&self.shared.sleep_lock);
            self.shared.wake.notify_all();
        }
        for worker in self.workers.drain(..) {
            // A worker does not panic: what pieces panic with is caught.
            let _ = worker.join();
        }
    }
}

impl Shared {
    /// The main loop of a worker.
    fn work_until_stopped(&self, thread: usize) {
        // The number of the last loop that it worked on.
        let mut last = 0;
        while let Some(number) = self.enter(last) {
            last = number;
            // SAFETY: this thread is inside, so the work has been written, before the gate was opened, and is not
            // written again before this thread has left; the function it points to is alive until then.
            let work = self.work.with(|slot| unsafe { (*slot).map(|work| &*work) });
            if let Some(work) = work {
                self.take_pieces(thread, work);
            }
            self.gate.fetch_sub(1, Release);
        }
    }

    /// Waits for an open loop that is not `last` and enters it. `None` if the pool ends.
    fn enter(&self, last: u64) -> Option<u64> {
        let is_next = |gate: u64| gate & OPEN != 0 && gate / NEXT != last;
        let mut patience = PATIENCE;
        loop {
            let gate = self.gate.load(Acquire);
            if is_next(gate) {
                if self.gate.compare_exchange(gate, gate + 1, AcqRel, Relaxed).is_ok() {
                    return Some(gate / NEXT);
                }
            } else if self.stop.load(Relaxed) {
                return None;
            } else if patience > 0 && self.runs.load(Relaxed) > 0 {
                patience -= 1;
                wait_a_little(|| is_next(self.gate.load(Relaxed)));
            } else {
                self.sleep(last);
                patience = PATIENCE;
            }
        }
    }

    /// Sleeps until there is an open loop that is not `last`, or the pool ends.
    fn sleep(&self, last: u64) {
        let mut guard = lock(&self.sleep_lock);
        self.asleep.fetch_add(1, SeqCst);
        loop {
            let gate = self.gate.load(SeqCst);
            if gate & OPEN != 0 && gate / NEXT != last || self.stop.load(SeqCst) {
                break;
            }
            guard = self.wake.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
        self.asleep.fetch_sub(1, SeqCst);
    }

    /// Works on pieces until no thread has any left.
    fn take_pieces(&self, thread: usize, work: &Work<'_>) {
        let (threads, own) = (self.shares.len(), &self.shares[thread]);
        IN_LOOP.with(|in_loop| in_loop.set(true));
        let result = catch_unwind(AssertUnwindSafe(|| {
            loop {
                while let Some((piece, _)) = own.take(false, |_| 1) {
                    work(thread, piece);
                }
                let others = (1..threads).map(|distance| &self.shares[(thread + distance) % threads]);
                let Some((first, end)) = others.into_iter().find_map(|other| other.take(true, |left| left.div_ceil(2)))
                else {
                    break;
                };
                own.set(first, end);
            }
        }));
        IN_LOOP.with(|in_loop| in_loop.set(false));
        if let Err(panic) = result {
            lock(&self.panic).get_or_insert(panic);
        }
    }
}

/// Checks [`LOOKS`] times whether something is `done`, and yields the core if it is not.
fn wait_a_little(mut done: impl FnMut() -> bool) {
    for _ in 0..LOOKS {
        if done() {
            return;
        }
        spin_loop();
    }
    yield_now();
}

/// Locks a mutex whose data a panic cannot leave in an inconsistent state.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32;
    use std::thread;
    use std::time::{Duration, Instant};

    /// Every piece is done once, and calls at the same time have different thread numbers: for short and long loops,
    /// within runs and outside, and with late threads.
    #[test]
    fn every_piece_is_done_once() {
        for threads in [1, 2, 3, 8] {
            let pool = Pool::new(threads).unwrap();
            assert_eq!(pool.threads(), threads);
            // Miri takes a thousand times as long.
            let rounds: usize = if cfg!(miri) { 10 } else { 200 };
            for round in 0..rounds {
                let pieces = [0, 1, 2, threads, threads + 1, 100, if cfg!(miri) { 120 } else { 1000 }][round % 7];
                let done: Vec<AtomicU32> = (0..pieces).map(|_| AtomicU32::new(0)).collect();
                let busy: Vec<AtomicBool> = (0..threads).map(|_| AtomicBool::new(false)).collect();
                let work = |thread: usize, piece: usize| {
                    assert!(!busy[thread].swap(true, SeqCst), "thread {thread} twice");
                    if piece % 50 == 7 && round % 10 == 3 {
                        thread::sleep(Duration::from_micros(200));
                    }
                    done[piece].fetch_add(1, SeqCst);
                    busy[thread].store(false, SeqCst);
                };
                if round % 3 == 0 {
                    pool.each(pieces, work);
                } else {
                    pool.run(|| pool.each(pieces, work));
                }
                assert!(done.iter().all(|done| done.load(SeqCst) == 1), "{threads} threads, {pieces} pieces");
            }
        }
    }

    /// All threads take part in a loop, also after they have slept.
    #[test]
    fn sleeping_threads_are_woken() {
        let pool = Pool::new(4).unwrap();
        for _ in 0..3 {
            let seen: Vec<AtomicBool> = (0..4).map(|_| AtomicBool::new(false)).collect();
            let start = Instant::now();
            // No thread goes on before all are there.
            pool.each(4, |thread, _| {
                seen[thread].store(true, SeqCst);
                while !seen.iter().all(|seen| seen.load(SeqCst)) {
                    assert!(start.elapsed() < Duration::from_secs(60), "a thread sleeps");
                    thread::yield_now();
                }
            });
            while pool.shared.asleep.load(SeqCst) < 3 {
                assert!(start.elapsed() < Duration::from_secs(60), "a thread does not go to sleep");
                thread::yield_now();
            }
        }
    }

    /// Other threads do the pieces of a thread that is busy.
    #[test]
    fn pieces_of_a_busy_thread_are_stolen() {
        let pool = Pool::new(2).unwrap();
        let left = AtomicUsize::new(99);
        let start = Instant::now();
        pool.each(100, |_, piece| {
            if piece == 0 {
                while left.load(SeqCst) > 0 {
                    assert!(start.elapsed() < Duration::from_secs(60), "pieces wait for the first");
                    thread::yield_now();
                }
            } else {
                left.fetch_sub(1, SeqCst);
            }
        });
    }

    #[test]
    fn a_panic_is_propagated_and_the_pool_stays_usable() {
        let pool = Pool::new(3).unwrap();
        for bad in [0, 50, 99] {
            let loop_with_panic = || pool.each(100, |_, piece| assert!(piece != bad, "piece {bad}"));
            let panic = catch_unwind(AssertUnwindSafe(loop_with_panic)).unwrap_err();
            assert!(panic.downcast_ref::<String>().unwrap().contains(&format!("piece {bad}")));
            let done = AtomicUsize::new(0);
            pool.each(100, |_, _| {
                done.fetch_add(1, SeqCst);
            });
            assert_eq!(done.into_inner(), 100);
        }
    }

    /// A loop started within a piece runs on that piece's thread; loops of several threads run one after the other.
    #[test]
    fn loops_can_be_nested_and_started_by_several_threads() {
        const LOOPS: usize = if cfg!(miri) { 3 } else { 50 };
        let pool = Pool::new(3).unwrap();
        let done = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..LOOPS {
                        pool.each(5, |_, _| {
                            let outer = thread::current().id();
                            pool.each(4, |_, _| {
                                assert_eq!(thread::current().id(), outer);
                                done.fetch_add(1, SeqCst);
                            });
                        });
                    }
                });
            }
        });
        assert_eq!(done.into_inner(), 4 * LOOPS * 5 * 4);
    }
}
