//! `--threads`, shared by the commands that compute.

use crate::usage::UsageError;
use anyhow::{Context, Result};
use dcgan_engine_cpu::{Cpu, Isa};

/// The most that can be asked for: far more than any machine has cores, and few enough to start.
pub(crate) const MAX_THREADS: usize = 1024;

/// `--threads`
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct ThreadArgs {
    /// Threads to compute with; the result is the same for any number [default: one per core]
    #[arg(long, value_name = "N", value_parser = parse)]
    threads: Option<usize>,
}

impl ThreadArgs {
    /// See [`start`].
    pub(crate) fn start(self) -> Result<()> {
        start(self.threads)
    }

    /// How many were asked for.
    pub(crate) fn count(self) -> Option<usize> {
        self.threads
    }
}

/// Starts the threads that read, draw and write pictures; `None` is one per core. To be called once, before any of that.
pub(crate) fn start(threads: Option<usize>) -> Result<()> {
    let builder = rayon::ThreadPoolBuilder::new().num_threads(threads.unwrap_or(0));
    builder.build_global().context(CANNOT_START)
}

/// The processor, with threads of its own for the networks.
pub(crate) fn cpu(threads: Option<usize>) -> Result<Cpu> {
    let isa = Isa::select().map_err(UsageError::new)?;
    Cpu::new(isa, threads.unwrap_or(0)).context(CANNOT_START)
}

const CANNOT_START: &str = "cannot start the threads; try a smaller --threads";

/// A number of threads.
pub(crate) fn parse(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(threads @ 1..=MAX_THREADS) => Ok(threads),
        _ => Err(format!("choose 1 to {MAX_THREADS}")),
    }
}
