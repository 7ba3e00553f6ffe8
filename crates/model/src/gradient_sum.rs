//! Sums of gradients over ranks, on a thread of their own beside the computation.
//!
//! The last layers' gradients are known while those of the first layers are still computed, so they can be sent
//! meanwhile. How gradients are cut into parts does not change their sums: each value is summed by itself, in the order
//! of the tree.

use crate::tree::merge;
use crate::{Transport, TransportError};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Instant;

/// A part of a network's gradients on its way through a sum over ranks.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct GradientPart {
    /// A row of values for each of this rank's nodes.
    pub partials: Vec<f32>,
    /// The sum over all ranks, of the length of a row.
    pub sum: Vec<f32>,
}

/// Sums [`GradientPart`]s over all ranks, first in, first out.
#[derive(Debug)]
pub(crate) struct GradientSums {
    transport: Arc<dyn Transport>,
    place: Place,
    /// All later calls return it, too.
    failure: Option<TransportError>,
}

/// Where the sums are computed.
#[derive(Debug)]
enum Place {
    /// Within the call that starts a sum, because the transport serves one thread only.
    Here(Summation, VecDeque<GradientPart>),
    /// On a thread that has a transport of its own.
    Beside(Worker),
}

#[derive(Debug)]
struct Worker {
    /// `None` when the thread is to end.
    parts: Option<Sender<GradientPart>>,
    sums: Receiver<Result<GradientPart, TransportError>>,
    thread: Option<JoinHandle<()>>,
}

impl GradientSums {
    /// Sums over the ranks of `transport`, which have these nodes of a tree of `shards` shards. All ranks call this at
    /// the same time.
    pub(crate) fn new(
        transport: &Arc<dyn Transport>,
        shards: usize,
        nodes: Vec<Range<usize>>,
        node_counts: Vec<usize>,
    ) -> Result<Self, TransportError> {
        let summation = Summation::new(shards, nodes, node_counts);
        let place = match Worker::start(Arc::clone(transport), summation.clone())? {
            Some(worker) => Place::Beside(worker),
            None => Place::Here(summation, VecDeque::new()),
        };
        Ok(Self { transport: Arc::clone(transport), place, failure: None })
    }

    pub(crate) fn start(&mut self, mut part: GradientPart) -> Result<(), TransportError> {
        let Self { transport, place, failure } = self;
        if let Some(failure) = failure {
            return Err(failure.clone());
        }
        match place {
            Place::Here(summation, done) => {
                summation.run(&**transport, &mut part).inspect_err(|error| *failure = Some(error.clone()))?;
                done.push_back(part);
                Ok(())
            }
            Place::Beside(worker) => {
                let sent = worker.parts.as_ref().map(|parts| parts.send(part));
                sent.and_then(Result::ok).ok_or_else(ended)
            }
        }
    }

    pub(crate) fn finish(&mut self) -> Result<GradientPart, TransportError> {
        let Self { transport, place, failure } = self;
        if let Some(failure) = failure {
            return Err(failure.clone());
        }
        let result = match place {
            Place::Here(_, done) => done.pop_front().ok_or_else(|| TransportError("no sum was started".to_owned())),
            Place::Beside(worker) => {
                let start = Instant::now();
                let result = worker.sums.recv();
                transport.waited(start.elapsed());
                result.unwrap_or_else(|_| Err(ended()))
            }
        };
        result.inspect_err(|error| *failure = Some(error.clone()))
    }
}

fn ended() -> TransportError {
    TransportError("the thread that communicates has ended".to_owned())
}

impl Worker {
    /// Starts the thread; `None` if the transport serves one thread only.
    fn start(transport: Arc<dyn Transport>, mut summation: Summation) -> Result<Option<Self>, TransportError> {
        let (parts, started) = channel::<GradientPart>();
        let (finished, sums) = channel();
        let (ready, is_ready) = channel();
        let work = move || {
            let duplicate = transport.duplicate();
            drop(transport);
            // If nobody waits for an answer, the engine is gone.
            let _ = ready.send(duplicate.is_some());
            let Some(transport) = duplicate else { return };
            for mut part in started {
                let result = summation.run(&*transport, &mut part).map(|()| part);
                let is_over = result.is_err();
                if finished.send(result).is_err() || is_over {
                    return;
                }
            }
        };
        let thread = thread::Builder::new().name("ranks".to_owned()).spawn(work);
        let thread = thread.map_err(|error| TransportError(format!("cannot start a thread: {error}")))?;
        // Until then, this thread must make no calls of its own.
        match is_ready.recv() {
            Ok(true) => Ok(Some(Self { parts: Some(parts), sums, thread: Some(thread) })),
            Ok(false) => Ok(None),
            Err(_) => Err(ended()),
        }
    }
}

impl Drop for Worker {
    /// Waits for the thread, which must not use its transport when this rank has taken its leave from the others.
    fn drop(&mut self) {
        self.parts = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// One sum over ranks after the other.
#[derive(Debug, Clone)]
struct Summation {
    shards: usize,
    /// The nodes of all ranks, in the order of the shards.
    nodes: Vec<Range<usize>>,
    /// Number of nodes of each rank.
    node_counts: Vec<usize>,
    /// Number of values that each rank sends.
    counts: Vec<usize>,
    other_counts: Vec<usize>,
    sent: Vec<f32>,
    received: Vec<f32>,
}

impl Summation {
    fn new(shards: usize, nodes: Vec<Range<usize>>, node_counts: Vec<usize>) -> Self {
        let counts = vec![0; node_counts.len()];
        Self {
            shards,
            nodes,
            node_counts,
            other_counts: counts.clone(),
            counts,
            sent: Vec::new(),
            received: Vec::new(),
        }
    }

    /// Every rank sums a share of the values and then sends it to the others, which is what moves the fewest bytes.
    fn run(&mut self, transport: &dyn Transport, part: &mut GradientPart) -> Result<(), TransportError> {
        let (len, ranks, rank) = (part.sum.len(), transport.ranks(), transport.rank());
        let Self { shards, nodes, node_counts, counts, other_counts, sent, received } = self;
        let own_nodes = node_counts[rank];
        let share = |rank: usize| rank * len / ranks..(rank + 1) * len / ranks;
        let own_share = share(rank);
        let sent: &[f32] = if own_nodes == 1 {
            &part.partials
        } else {
            sent.clear();
            for share in (0..ranks).map(share) {
                for row in part.partials.chunks_exact(len) {
                    sent.extend_from_slice(&row[share.clone()]);
                }
            }
            sent
        };
        for (other, (count, other_count)) in counts.iter_mut().zip(other_counts.iter_mut()).enumerate() {
            *count = own_nodes * share(other).len();
            *other_count = node_counts[other] * own_share.len();
        }
        received.resize(nodes.len() * own_share.len(), 0.0);
        transport.exchange(sent, counts, received, other_counts)?;
        merge(0..*shards, nodes, received, own_share.len(), &mut |a, b| {
            a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
        });
        counts.iter_mut().enumerate().for_each(|(rank, count)| *count = share(rank).len());
        transport.gather_f32(&received[..own_share.len()], &mut part.sum, counts)
    }
}
