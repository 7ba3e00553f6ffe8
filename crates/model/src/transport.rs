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

/// A transport that measures the time that another takes, waiting for other ranks included.
#[derive(Debug)]
pub struct TimedTransport {
    inner: Arc<dyn Transport>,
    nanoseconds: AtomicU64,
    calls: AtomicU64,
}

impl TimedTransport {
    /// Measures `inner`.
    pub fn new(inner: Arc<dyn Transport>) -> Self {
        Self { inner, nanoseconds: AtomicU64::new(0), calls: AtomicU64::new(0) }
    }

    /// Returns the time in calls, and their number, since the start or the last call of this function.
    pub fn take(&self) -> (Duration, u64) {
        let nanoseconds = self.nanoseconds.swap(0, Ordering::Relaxed);
        (Duration::from_nanos(nanoseconds), self.calls.swap(0, Ordering::Relaxed))
    }

    fn time<R>(&self, call: impl FnOnce(&dyn Transport) -> R) -> R {
        let start = Instant::now();
        let result = call(&*self.inner);
        let nanoseconds = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
        self.calls.fetch_add(1, Ordering::Relaxed);
        result
    }
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
}
