//! Exit statuses, and the line that an error prints.

use crate::rank;
use crate::usage::UsageError;
use std::io::{self, Write};

/// Exit status of a command that failed.
pub(crate) const FAILED: u8 = 1;
/// Exit status of wrong usage, as clap has it.
pub(crate) const WRONG_USAGE: u8 = 2;
/// Exit status of a program that was stopped: 128 and the number of SIGINT, as shells have it.
pub(crate) const INTERRUPTED: u8 = 130;

/// Prints an error, with the rank if there are several, and returns the exit status it stands for.
pub(crate) fn report(error: &anyhow::Error) -> u8 {
    let _ = writeln!(io::stderr(), "error: {}{}", rank::prefix(), dcgan::text::error_message(error.as_ref()));
    if error.is::<UsageError>() { WRONG_USAGE } else { FAILED }
}

#[cfg(test)]
mod tests {
    use anyhow::Context;
    use std::io;

    #[test]
    fn a_cause_is_told_once() {
        let message = |error: &anyhow::Error| dcgan::text::error_message(error.as_ref());
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        let repeated = anyhow::Error::new(full()).context(format!("cannot write \"x\": {}", full()));
        let expected = format!("cannot write \"x\": {}; free space on the disk and try again", full());
        assert_eq!(message(&repeated), expected);
        let plain: anyhow::Result<()> = Err(full()).context("cannot write \"x\"");
        assert_eq!(message(&plain.unwrap_err()), expected);
        let hostile = anyhow::anyhow!("{:?} and \u{1b}[2J", "x").context("y".repeat(10_000_000));
        assert!(message(&hostile).chars().count() < 5000 && !message(&hostile).contains('\u{1b}'));
    }
}
