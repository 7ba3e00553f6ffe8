//! A program without MPI: it trains alone.

use super::Launch;
use crate::usage::UsageError;
use anyhow::Result;
use dcgan_model::Transport;
use std::convert::Infallible;
use std::sync::Arc;

/// MPI, which is never in use.
pub(super) type Mpi = Infallible;

/// Nobody is watched.
pub(super) type Watch = Infallible;

/// Refuses to be one of several processes, each of which would train for itself.
pub(super) fn join(launched: Launch) -> Result<Option<(Mpi, Arc<dyn Transport>)>> {
    match launched {
        Launch::Ranks(count) if count > 1 => Err(UsageError::new(format_args!(
            "{count} of these processes were started to train together, but this program was built without MPI: build \
             it with cargo install --path crates/cli --features mpi, or start one process"
        ))
        .into()),
        _ => Ok(None),
    }
}

/// There are no other ranks.
pub(super) fn abort(_: i32) {}

/// There are no other machines.
pub(super) fn machine() -> String {
    String::new()
}

/// There are no other ranks.
pub(super) fn watch(_: u32, _: impl FnOnce(usize)) -> Option<Watch> {
    None
}
