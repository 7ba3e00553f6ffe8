//! `dcgan completions`: what a shell needs to complete the command line.

use crate::cli::Cli;
use anyhow::Result;
use clap::CommandFactory;
use clap_complete::Shell;
use std::io::{self, Write};

/// Arguments of `dcgan completions`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    // The generator panics if it cannot write, as when a pipe has been closed.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "dcgan", &mut script);
    io::stdout().write_all(&script)?;
    Ok(())
}
