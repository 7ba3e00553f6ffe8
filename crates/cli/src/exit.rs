//! How the program ends when a command does not do all of its work: messages and exit statuses.

use crate::usage::UsageError;
use crate::{rank_name, text};
use std::fmt;
use std::io::{self, Write};

/// Exit status of a command that failed.
pub(crate) const FAILED: u8 = 1;
/// Exit status of wrong usage, as clap has it.
const WRONG_USAGE: u8 = 2;
/// Exit status of a program that was stopped: 128 and the number of SIGINT, as shells have it.
pub(crate) const INTERRUPTED: u8 = 130;

/// The command was told to stop and has saved what it had; the message says how to go on. The program then ends with
/// status [`INTERRUPTED`].
#[derive(Debug)]
pub(crate) struct Interruption(pub(crate) String);

impl fmt::Display for Interruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Interruption {}

/// Error of a command that failed on all ranks for the same reason, which rank 0 has printed already.
#[derive(Debug)]
pub(crate) struct AlreadyReported;

impl fmt::Display for AlreadyReported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the ranks differ")
    }
}

impl std::error::Error for AlreadyReported {}

/// Prints what ended a command, with the rank if there are several, and returns the exit status it stands for.
pub(crate) fn report_error(error: &anyhow::Error) -> u8 {
    if error.is::<Interruption>() {
        let _ = writeln!(io::stderr(), "{}", text::printable(&error.to_string()));
        return INTERRUPTED;
    }
    if error.is::<AlreadyReported>() {
        return WRONG_USAGE;
    }
    let _ = writeln!(io::stderr(), "error: {}{}", rank_name::prefix(), dcgan::text::error_message(error.as_ref()));
    if error.is::<UsageError>() { WRONG_USAGE } else { FAILED }
}
