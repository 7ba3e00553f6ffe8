//! `--threads`, shared by the commands that compute.

use crate::rank_name;
use crate::usage::UsageError;
use anyhow::{Context, Result};
use dcgan_engine_cpu::{Cpu, Isa};
use dcgan_settings::Threads;

/// `--threads`
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct ThreadArgs {
    /// Threads to compute with; the result is the same for any number [default: one per core]
    #[arg(long, value_name = "N")]
    threads: Option<Threads>,
}

impl ThreadArgs {
    /// Starts the threads for pictures; see [`start`].
    pub(crate) fn start(self) -> Result<()> {
        start(self.threads)
    }

    /// Returns the number of threads that was asked for.
    pub(crate) fn count(self) -> Option<Threads> {
        self.threads
    }
}

/// Starts the threads that read, draw and write pictures; `None` is one per core. Call it once, before the first of
/// them is needed.
pub(crate) fn start(threads: Option<Threads>) -> Result<()> {
    let builder = rayon::ThreadPoolBuilder::new().num_threads(count(threads));
    builder.build_global().context(CANNOT_START)
}

/// Creates the CPU device, with its own threads for the networks.
pub(crate) fn cpu(threads: Option<Threads>) -> Result<Cpu> {
    let isa = Isa::select().map_err(UsageError::new)?;
    Cpu::new(isa, count(threads)).context(CANNOT_START)
}

/// Message for a thread that the system does not start.
pub(crate) const CANNOT_START: &str =
    "cannot start a thread: choose a smaller --threads, or raise the limit of processes (ulimit -u)";

/// Returns the number for a thread pool: 0 for one thread per core, if this rank shares the machine with no other.
fn count(threads: Option<Threads>) -> usize {
    threads.map(Threads::get).or_else(by_default).unwrap_or(0)
}

/// Number of threads of a process if nothing else is asked for: with several ranks on this machine, its share of the
/// cores. `None` for all of them.
fn by_default() -> Option<usize> {
    if !rank_name::is_set() {
        return None;
    }
    let here = std::env::var("OMPI_COMM_WORLD_LOCAL_SIZE").ok()?.parse::<usize>().ok().filter(|&here| here > 1)?;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    Some((cores / here).max(1))
}
