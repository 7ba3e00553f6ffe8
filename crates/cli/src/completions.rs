//! `dcgan completions`: completion scripts for shells.

use crate::report::CANNOT_PRINT;
use anyhow::{Context, Result};
use clap::Command;
use clap_complete::Shell;
use std::io::{self, Write};

/// Arguments of `dcgan completions`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// Prints the script for the command line `command`.
pub(crate) fn run(args: &Args, mut command: Command) -> Result<()> {
    // The generator panics if it cannot write, as when a pipe has been closed.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "dcgan", &mut script);
    io::stdout().write_all(&script).context(CANNOT_PRINT)?;
    Ok(())
}
