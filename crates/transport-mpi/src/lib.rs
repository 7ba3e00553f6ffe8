//! Implements [`Transport`] between ranks with the installed MPI library.
//!
//! MPI handles errors itself: an error in a call ends all ranks, so calls here do not return it. A rank that fails for
//! another reason must call [`abort`]; otherwise the other ranks wait for it until a [`Watch`] finds it silent.

mod watch;

pub use watch::Watch;

use dcgan_model::{Transport, TransportError};
use mpi::datatype::{Partition, PartitionMut};
use mpi::environment::Universe;
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator, CommunicatorCollectives, Equivalence, Root};
use mpi::{Count, Threading};
use std::cell::OnceCell;
use std::sync::Arc;

thread_local! {
    /// The communicator of the thread that called [`Transport::duplicate`]: a communicator cannot be moved to another
    /// thread.
    static DUPLICATE: OnceCell<SimpleCommunicator> = const { OnceCell::new() };
}

/// The transport between all ranks that `mpirun` started.
#[derive(Debug)]
pub struct MpiTransport {
    rank: usize,
    ranks: usize,
    /// Whether it uses [`DUPLICATE`] instead of the world communicator.
    is_duplicate: bool,
}

/// The initialized MPI library. Dropping it finalizes MPI, which waits until all ranks do so.
pub struct Mpi {
    _universe: Universe,
}

impl std::fmt::Debug for Mpi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mpi")
    }
}

/// Initializes MPI. Returns `None` if it was initialized before.
pub fn initialize() -> Option<(Mpi, MpiTransport)> {
    // Several threads communicate, and any thread may call `abort`.
    let (universe, _) = mpi::initialize_with_threading(Threading::Multiple)?;
    let world = SimpleCommunicator::world();
    let [rank, ranks] = [world.rank(), world.size()].map(|count| usize::try_from(count).unwrap_or(0));
    Some((Mpi { _universe: universe }, MpiTransport { rank, ranks, is_duplicate: false }))
}

/// Ends all ranks with this exit status. Any thread may call it.
pub fn abort(status: i32) -> ! {
    SimpleCommunicator::world().abort(status)
}

/// Returns whether the MPI library allows several threads of a rank to communicate at the same time.
pub fn serves_threads() -> bool {
    mpi::environment::threading_support() == Threading::Multiple
}

/// Returns the name of this rank's machine.
pub fn machine() -> String {
    mpi::environment::processor_name().unwrap_or_else(|_| "unknown".to_owned())
}

/// Returns the name and version of the MPI library.
pub fn library() -> String {
    let text = mpi::environment::library_version().unwrap_or_default();
    text.trim_end_matches('\0').split(',').next().unwrap_or_default().to_owned()
}

/// Converts `counts` to MPI's integer type, and returns them with the offset of each part, which is the sum of the
/// counts before it.
///
/// # Errors
/// If a count or an offset is too large for that type.
fn parts(counts: &[usize]) -> Result<(Vec<Count>, Vec<Count>), TransportError> {
    let mut offset = 0usize;
    let mut offsets = Vec::with_capacity(counts.len());
    let counts = counts.iter().map(|&count| {
        offsets.push(Count::try_from(offset));
        offset += count;
        Count::try_from(count)
    });
    let counts = counts.collect::<Result<Vec<_>, _>>();
    let offsets = offsets.into_iter().collect::<Result<Vec<_>, _>>();
    let too_much = |_| TransportError("more than 2 billion values in one message".to_owned());
    Ok((counts.map_err(too_much)?, offsets.map_err(too_much)?))
}

impl MpiTransport {
    /// Calls `call` with this transport's communicator.
    ///
    /// # Errors
    /// If this is a duplicate and another thread than the one that made it calls it.
    fn with<R>(&self, call: impl FnOnce(&SimpleCommunicator) -> R) -> Result<R, TransportError> {
        if !self.is_duplicate {
            return Ok(call(&SimpleCommunicator::world()));
        }
        let other_thread = || TransportError("a duplicate was used by another thread".to_owned());
        DUPLICATE.with(|communicator| communicator.get().map(call)).ok_or_else(other_thread)
    }

    /// Gathers `own` of all ranks in `all`, in the order of the ranks; `counts` are the lengths of their parts.
    fn gather<T: Equivalence>(&self, own: &[T], all: &mut [T], counts: &[usize]) -> Result<(), TransportError> {
        let (counts, offsets) = parts(counts)?;
        let mut all = PartitionMut::new(all, counts, offsets);
        self.with(|communicator| communicator.all_gather_varcount_into(own, &mut all))
    }
}

impl Transport for MpiTransport {
    fn rank(&self) -> usize {
        self.rank
    }

    fn ranks(&self) -> usize {
        self.ranks
    }

    fn gather_f32(&self, own: &[f32], all: &mut [f32], counts: &[usize]) -> Result<(), TransportError> {
        self.gather(own, all, counts)
    }

    fn gather_f64(&self, own: &[f64], all: &mut [f64], counts: &[usize]) -> Result<(), TransportError> {
        self.gather(own, all, counts)
    }

    fn gather_bytes(&self, own: &[u8], all: &mut [u8], counts: &[usize]) -> Result<(), TransportError> {
        self.gather(own, all, counts)
    }

    fn exchange(
        &self,
        sent: &[f32],
        sent_counts: &[usize],
        received: &mut [f32],
        received_counts: &[usize],
    ) -> Result<(), TransportError> {
        let (counts, offsets) = parts(sent_counts)?;
        let sent = Partition::new(sent, counts, offsets);
        let (counts, offsets) = parts(received_counts)?;
        let mut received = PartitionMut::new(received, counts, offsets);
        self.with(|communicator| communicator.all_to_all_varcount_into(&sent, &mut received))
    }

    fn broadcast(&self, bytes: &mut [u8]) -> Result<(), TransportError> {
        self.with(|communicator| communicator.process_at_rank(0).broadcast_into(bytes))
    }

    fn duplicate(&self) -> Option<Arc<dyn Transport>> {
        let Self { rank, ranks, .. } = *self;
        if !serves_threads() {
            return None;
        }
        let is_new = DUPLICATE.with(|own| own.set(SimpleCommunicator::world().duplicate()).is_ok());
        is_new.then(|| Arc::new(Self { rank, ranks, is_duplicate: true }) as Arc<dyn Transport>)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_sums_of_counts() {
        assert_eq!(parts(&[2, 0, 3]).unwrap(), (vec![2, 0, 3], vec![0, 2, 2]));
        assert!(parts(&[1 << 31]).is_err() && parts(&[1 << 30, 1 << 30, 1]).is_err());
    }
}
