//! The name of this rank in messages, if a launcher such as `mpirun` has started several.

use crate::text;
use std::sync::OnceLock;

static RANK: OnceLock<Rank> = OnceLock::new();

#[derive(Debug)]
struct Rank {
    number: usize,
    machine: String,
}

/// Says which of several ranks this process is, and on which machine.
pub(crate) fn set(number: usize, machine: String) {
    let _ = RANK.set(Rank { number, machine });
}

/// Returns whether there are other ranks.
pub(crate) fn is_set() -> bool {
    RANK.get().is_some()
}

/// Returns the name of this rank for the start of a message; nothing if there is one only.
pub(crate) fn prefix() -> String {
    RANK.get().map_or_else(String::new, |rank| format!("rank {} on {}: ", rank.number, text::printable(&rank.machine)))
}
