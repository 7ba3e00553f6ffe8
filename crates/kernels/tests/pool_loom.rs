//! The thread pool under loom: every order in which its threads can run, and every value that a weakly ordered
//! processor may let them read, for small loops with few preemptions.
//!
//! Fails if two threads access the work without synchronization, a piece is done twice or not at all, two calls at a
//! time have the same thread number, or the pool hangs. Not covered: what only sequential consistency guarantees, which
//! loom does not model; it is that a sleeping worker is woken, and a loop ends without the worker too.

// Without the test harness, so that the pool's own tests, which have nothing to do with loom, are left out.
#[allow(unused_imports)]
#[path = "../src/pool.rs"]
mod pool;

/// What `src/sync.rs` has, of loom.
mod sync {
    pub(crate) use loom::cell::UnsafeCell;
    pub(crate) use loom::hint::spin_loop;
    pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
    pub(crate) use loom::sync::{Arc, Condvar, Mutex, MutexGuard};
    pub(crate) use loom::thread::{Builder, JoinHandle, yield_now};

    loom::thread_local! {
        pub(crate) static IN_LOOP: std::cell::Cell<bool> = std::cell::Cell::new(false);
    }

    pub(crate) const LOOKS: usize = 1;
    pub(crate) const PATIENCE: usize = 1;
}

use pool::Pool;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Instant;

/// A loop over `pieces` that counts how often each is done. The counters are not loom's, so that they synchronize
/// nothing and add no states.
fn every_piece_is_done_once(pool: &Pool, pieces: usize) {
    let done: Vec<AtomicUsize> = (0..pieces).map(|_| AtomicUsize::new(0)).collect();
    let busy: Vec<AtomicBool> = (0..pool.threads()).map(|_| AtomicBool::new(false)).collect();
    pool.each(pieces, |thread, piece| {
        assert!(!busy[thread].swap(true, SeqCst), "thread {thread} twice");
        done[piece].fetch_add(1, SeqCst);
        busy[thread].store(false, SeqCst);
    });
    let done: Vec<usize> = done.into_iter().map(AtomicUsize::into_inner).collect();
    assert_eq!(done, vec![1; pieces]);
}

/// Explores `body` with at most `preemptions` switches away from a thread that could go on.
fn explore(name: &str, preemptions: usize, body: impl Fn() + Sync + Send + 'static) {
    let (start, runs) = (Instant::now(), std::sync::Arc::new(AtomicUsize::new(0)));
    let counted = std::sync::Arc::clone(&runs);
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 10_000;
    builder.check(move || {
        counted.fetch_add(1, SeqCst);
        body();
    });
    println!("{name}: {} orders in {:.1} s", runs.load(SeqCst), start.elapsed().as_secs_f64());
}

fn main() {
    // The harness's options. What is ignored otherwise is the same with another preemption: a minute of work.
    let is_given = |option: &str| std::env::args().any(|argument| argument == option);
    let more = usize::from(is_given("--ignored"));
    if is_given("--list") {
        return;
    }
    explore("a pool that does nothing", 3, || drop(Pool::new(2)));
    explore("two loops outside a run", 2 + more, || {
        let pool = Pool::new(2).expect("loom starts threads");
        every_piece_is_done_once(&pool, 2);
        every_piece_is_done_once(&pool, 3);
    });
    explore("two loops in a run", 2, || {
        let pool = Pool::new(2).expect("loom starts threads");
        pool.run(|| {
            every_piece_is_done_once(&pool, 3);
            every_piece_is_done_once(&pool, 2);
        });
    });
    explore("three threads", 1 + more, || {
        let pool = Pool::new(3).expect("loom starts threads");
        every_piece_is_done_once(&pool, 3);
    });
}
