//! Finds ranks that have fallen silent: stopped, swapped out, or on a machine that hangs.
//!
//! MPI waits for such a rank forever. So a thread of each rank other than 0 exchanges a message with rank 0 every
//! second, whatever the rank computes. Time is counted in a rank's own seconds: a training that is stopped as a whole
//! and goes on later finds nobody silent.

use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator, CommunicatorCollectives, Destination, Source};
use std::fmt;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
/// How often a rank that takes its leave looks whether the others do.
const LEAVING: Duration = Duration::from_millis(5);

/// Messages: a sign of life, or the last one.
const ALIVE: u8 = 0;
const LEAVES: u8 = 1;

/// Watches the other ranks until it is dropped.
pub struct Watch {
    leave: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watch")
    }
}

impl Watch {
    /// Calls `on_silence` with the number of the first rank that was silent for so many seconds. Rank 0 watches all
    /// ranks, and each of the others rank 0. `None` if the thread cannot be started. All ranks call this at the same
    /// time.
    pub fn start(seconds: u32, on_silence: impl FnOnce(usize) + Send + 'static) -> Option<Self> {
        let (leave, leaving) = channel();
        let (ready, is_ready) = channel();
        let work = move || {
            let communicator = SimpleCommunicator::world().duplicate();
            let _ = ready.send(());
            watch(&communicator, seconds, &leaving, on_silence);
            // Ranks free their communicators together.
            communicator.barrier();
        };
        let thread = thread::Builder::new().name("watch".to_owned()).spawn(work).ok()?;
        is_ready.recv().ok()?;
        Some(Self { leave: Some(leave), thread: Some(thread) })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.leave = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Another rank, as seen from this one.
struct Peer {
    rank: i32,
    /// Number of this rank's seconds without a message.
    silent: u32,
    has_left: bool,
}

fn watch(communicator: &SimpleCommunicator, seconds: u32, leaving: &Receiver<()>, on_silence: impl FnOnce(usize)) {
    let others = if communicator.rank() == 0 { 1..communicator.size() } else { 0..1 };
    let mut peers: Vec<_> = others.map(|rank| Peer { rank, silent: 0, has_left: false }).collect();
    let send = |peers: &[Peer], message: u8| {
        for peer in peers.iter().filter(|peer| !peer.has_left) {
            communicator.process_at_rank(peer.rank).send(&message);
        }
    };
    // The ranks that watch rank 0 report it one after the other, so that one message is printed.
    let patience = seconds.saturating_add(communicator.rank().unsigned_abs());
    loop {
        send(&peers, ALIVE);
        let is_leaving = leaving.recv_timeout(SECOND) == Err(RecvTimeoutError::Disconnected);
        receive(communicator, &mut peers);
        if is_leaving {
            break;
        }
        let silent = peers.iter_mut().filter(|peer| !peer.has_left);
        let silent = silent.map(|peer| {
            peer.silent += 1;
            &*peer
        });
        if let Some(peer) = silent.max_by_key(|peer| peer.silent).filter(|peer| peer.silent > patience) {
            return on_silence(usize::try_from(peer.rank).unwrap_or(0));
        }
    }
    // Every message must have been received before MPI ends.
    let mut all = peers;
    for peer in &all {
        communicator.process_at_rank(peer.rank).send(&LEAVES);
    }
    while all.iter().any(|peer| !peer.has_left) {
        receive(communicator, &mut all);
        thread::sleep(LEAVING);
    }
}

/// Takes down what has come from the peers.
fn receive(communicator: &SimpleCommunicator, peers: &mut [Peer]) {
    while let Some((message, status)) = communicator.any_process().immediate_matched_probe() {
        let (message, _) = message.matched_receive::<u8>();
        if let Some(peer) = peers.iter_mut().find(|peer| peer.rank == status.source_rank()) {
            peer.silent = 0;
            peer.has_left |= message == LEAVES;
        }
    }
}
