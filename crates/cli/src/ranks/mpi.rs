//! Ranks through MPI.

use super::Launch;
use anyhow::Result;
use dcgan_model::Transport;
pub(super) use dcgan_transport_mpi::{Mpi, Watch, machine};
use std::sync::Arc;

/// Initializes MPI if a launcher has started this process.
pub(super) fn join(launched: Launch) -> Result<Option<(Mpi, Arc<dyn Transport>)>> {
    if launched == Launch::Alone {
        return Ok(None);
    }
    Ok(dcgan_transport_mpi::initialize().map(|(mpi, transport)| (mpi, Arc::new(transport) as Arc<dyn Transport>)))
}

/// Ends all ranks; does not return.
pub(super) fn abort(status: i32) {
    dcgan_transport_mpi::abort(status)
}

/// Calls `on_silence` with the number of a rank that has been silent for so many seconds. `None` if this MPI serves one
/// thread only.
pub(super) fn watch(seconds: u32, on_silence: impl FnOnce(usize) + Send + 'static) -> Option<Watch> {
    if dcgan_transport_mpi::serves_threads() { Watch::start(seconds, on_silence) } else { None }
}
