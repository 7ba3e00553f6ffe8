//! The rank of this process among those that train together, if there are several; see [`crate::ranks`].

use crate::text;
use std::sync::OnceLock;

/// The rank of this process, for messages, if there are others.
static RANK: OnceLock<Rank> = OnceLock::new();

/// A rank and the machine that it runs on.
#[derive(Debug)]
struct Rank {
    number: usize,
    machine: String,
}

/// Sets the rank of this process. Only the first call has an effect.
pub(crate) fn set(number: usize, machine: String) {
    let _ = RANK.set(Rank { number, machine });
}

/// The name of this rank at the start of a message; nothing if there is one only.
pub(crate) fn prefix() -> String {
    RANK.get().map_or_else(String::new, |rank| format!("rank {} on {}: ", rank.number, text::printable(&rank.machine)))
}

/// Number of threads of a process if nothing else is asked for: with several ranks on this machine, its share of the
/// cores. `None` for all of them.
pub(crate) fn threads_by_default() -> Option<usize> {
    let _ = RANK.get()?;
    let here = std::env::var("OMPI_COMM_WORLD_LOCAL_SIZE").ok()?.parse::<usize>().ok().filter(|&here| here > 1)?;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    Some((cores / here).max(1))
}
