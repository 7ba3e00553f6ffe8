//! Printing the result of a command to stdout.

use anyhow::{Context, Result};
use serde::Serialize;
use std::io::{self, Write};

/// Prints `report` as JSON, or as `table` writes it.
pub(crate) fn print<R: Serialize>(
    report: &R,
    json: bool,
    table: impl FnOnce(&R, &mut dyn Write) -> io::Result<()>,
) -> Result<()> {
    try_print(report, json, table).context(CANNOT_PRINT)
}

/// Message for a standard output that cannot be written.
pub(crate) const CANNOT_PRINT: &str = "cannot write to standard output";

/// Prints the report as [`print`], and returns the error of stdout as it is.
fn try_print<R: Serialize>(
    report: &R,
    json: bool,
    table: impl FnOnce(&R, &mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    if json {
        serde_json::to_writer_pretty(&mut out, report)?;
        writeln!(out)?;
    } else {
        table(report, &mut out)?;
    }
    out.flush()
}
