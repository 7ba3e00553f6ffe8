//! Communication between the processes that train one network together.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Error of a [`Transport`]: another rank has failed, or the connection to it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("communication between ranks failed: {0}")]
pub struct TransportError(pub String);

/// Moves numbers between *ranks*, the processes that train one network together. Nothing here computes.
///
/// Every call is collective: all ranks make the same calls in the same order, with lengths that fit together, and a
/// call returns when this rank has what it asked for.
pub trait Transport: fmt::Debug + Send + Sync {
    /// Number of this rank, from 0.
    fn rank(&self) -> usize;

    /// Number of ranks.
    fn ranks(&self) -> usize;

    /// Writes the values of all ranks to `all`, in the order of the ranks; `counts` has each rank's number of values.
    ///
    /// # Errors
    /// If another rank has failed.
    fn gather_f32(&self, own: &[f32], all: &mut [f32], counts: &[usize]) -> Result<(), TransportError>;

    /// As [`Transport::gather_f32`].
    ///
    /// # Errors
    /// If another rank has failed.
    fn gather_f64(&self, own: &[f64], all: &mut [f64], counts: &[usize]) -> Result<(), TransportError>;

    /// As [`Transport::gather_f32`].
    ///
    /// # Errors
    /// If another rank has failed.
    fn gather_bytes(&self, own: &[u8], all: &mut [u8], counts: &[usize]) -> Result<(), TransportError>;

    /// Sends a part of `sent` to every rank, and receives a part from every rank. Parts lie in the order of the ranks;
    /// the counts are the numbers of values of each.
    ///
    /// # Errors
    /// If another rank has failed.
    fn exchange(
        &self,
        sent: &[f32],
        sent_counts: &[usize],
        received: &mut [f32],
        received_counts: &[usize],
    ) -> Result<(), TransportError>;

    /// Copies rank 0's `bytes` to all ranks.
    ///
    /// # Errors
    /// If another rank has failed.
    fn broadcast(&self, bytes: &mut [u8]) -> Result<(), TransportError>;

    /// Returns another transport between the same ranks, for the calling thread alone: its calls do not mix with those
    /// of this one, so the two can be under way at the same time. `None` if this transport serves one thread only.
    fn duplicate(&self) -> Option<Arc<dyn Transport>> {
        None
    }

    /// Is told how long this rank has waited for calls on a duplicate, for those who measure.
    fn waited(&self, _: Duration) {}
}

/// The transport of a process that trains alone.
#[derive(Debug, Clone, Copy, Default)]
pub struct SingleRank;

impl Transport for SingleRank {
    fn rank(&self) -> usize {
        0
    }

    fn ranks(&self) -> usize {
        1
    }

    fn gather_f32(&self, own: &[f32], all: &mut [f32], _: &[usize]) -> Result<(), TransportError> {
        all.copy_from_slice(own);
        Ok(())
    }

    fn gather_f64(&self, own: &[f64], all: &mut [f64], _: &[usize]) -> Result<(), TransportError> {
        all.copy_from_slice(own);
        Ok(())
    }

    fn gather_bytes(&self, own: &[u8], all: &mut [u8], _: &[usize]) -> Result<(), TransportError> {
        all.copy_from_slice(own);
        Ok(())
    }

    fn exchange(&self, sent: &[f32], _: &[usize], received: &mut [f32], _: &[usize]) -> Result<(), TransportError> {
        received.copy_from_slice(sent);
        Ok(())
    }

    fn broadcast(&self, _: &mut [u8]) -> Result<(), TransportError> {
        Ok(())
    }
}

/// A transport that measures the time that another takes, waiting for other ranks included. Of what happens beside the
/// computation only the time counts that the computation waits for it.
#[derive(Debug)]
pub struct TimedTransport {
    inner: Arc<dyn Transport>,
    is_duplicate: bool,
    measured: Arc<Measured>,
}

#[derive(Debug, Default)]
struct Measured {
    /// In nanoseconds.
    waiting: AtomicU64,
    /// In nanoseconds.
    beside: AtomicU64,
    calls: AtomicU64,
}

/// The time that communication took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommunicationTime {
    /// Time in which nothing else was done.
    pub waiting: Duration,
    /// Time of calls beside the computation.
    pub beside: Duration,
    /// Number of calls, those beside the computation included.
    pub calls: u64,
}

impl TimedTransport {
    /// Measures `inner`.
    pub fn new(inner: Arc<dyn Transport>) -> Self {
        Self { inner, is_duplicate: false, measured: Arc::default() }
    }

    /// Returns the times since the start or the last call of this function.
    pub fn take(&self) -> CommunicationTime {
        let take = |value: &AtomicU64| value.swap(0, Ordering::Relaxed);
        let Measured { waiting, beside, calls } = &*self.measured;
        let [waiting, beside] = [waiting, beside].map(|value| Duration::from_nanos(take(value)));
        CommunicationTime { waiting, beside, calls: take(calls) }
    }

    fn time<R>(&self, call: impl FnOnce(&dyn Transport) -> R) -> R {
        let Measured { waiting, beside, calls } = &*self.measured;
        let start = Instant::now();
        let result = call(&*self.inner);
        add(if self.is_duplicate { beside } else { waiting }, start.elapsed());
        calls.fetch_add(1, Ordering::Relaxed);
        result
    }
}

fn add(total: &AtomicU64, time: Duration) {
    total.fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
}

impl Transport for TimedTransport {
    fn rank(&self) -> usize {
        self.inner.rank()
    }

    fn ranks(&self) -> usize {
        self.inner.ranks()
    }

    fn gather_f32(&self, own: &[f32], all: &mut [f32], counts: &[usize]) -> Result<(), TransportError> {
        self.time(|inner| inner.gather_f32(own, all, counts))
    }

    fn gather_f64(&self, own: &[f64], all: &mut [f64], counts: &[usize]) -> Result<(), TransportError> {
        self.time(|inner| inner.gather_f64(own, all, counts))
    }

    fn gather_bytes(&self, own: &[u8], all: &mut [u8], counts: &[usize]) -> Result<(), TransportError> {
        self.time(|inner| inner.gather_bytes(own, all, counts))
    }

    fn exchange(
        &self,
        sent: &[f32],
        sent_counts: &[usize],
        received: &mut [f32],
        received_counts: &[usize],
    ) -> Result<(), TransportError> {
        self.time(|inner| inner.exchange(sent, sent_counts, received, received_counts))
    }

    fn broadcast(&self, bytes: &mut [u8]) -> Result<(), TransportError> {
        self.time(|inner| inner.broadcast(bytes))
    }

    fn duplicate(&self) -> Option<Arc<dyn Transport>> {
        let (inner, measured) = (self.inner.duplicate()?, Arc::clone(&self.measured));
        Some(Arc::new(Self { inner, is_duplicate: true, measured }))
    }

    fn waited(&self, time: Duration) {
        add(&self.measured.waiting, time);
    }
}
