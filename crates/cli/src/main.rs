//! The `dcgan` program: trains a DCGAN on pictures and draws new ones.
//!
//! Every command is one file: it parses its arguments into plain settings, builds what they describe, and runs it.
//! Errors become one line on stderr and an exit status here and nowhere else.

mod animation;
mod bench;
mod check;
mod cli;
mod completions;
mod config_file;
mod convert;
mod demo;
mod demo_data;
mod device;
mod devices;
mod evaluate;
mod exit;
mod generate;
mod hint;
mod info;
mod interpolate;
mod interrupt;
mod json_events;
mod limited;
mod limits;
mod man;
mod memory;
mod model_file;
mod neighbours;
mod noise;
mod output;
mod picture_file;
mod pictures;
mod pipeline;
mod preview;
mod progress;
mod project;
mod rank_name;
mod ranks;
mod report;
#[cfg(feature = "serve")]
mod report_html;
mod resume;
mod seeds;
#[cfg(feature = "serve")]
mod serve;
mod text;
mod threads;
mod timelapse;
mod train;
mod upscale;
mod usage;

use clap::Parser;
use std::io;
use std::process::ExitCode;

fn main() -> ExitCode {
    interrupt::prepare();
    keep_quiet_about_broken_pictures();
    match cli::Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        // The reader has closed the pipe.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => ExitCode::from(exit::report_error(&error)),
    }
}

/// Prints no message for panics of decoders: the data set catches them and leaves the file out, with a reason.
fn keep_quiet_about_broken_pictures() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !dcgan_data::decode::catches_panics() {
            usual(panic);
        }
    }));
}

/// Returns whether the error comes from writing to a pipe that the reader has closed.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io_error = error.chain().find_map(|cause| cause.downcast_ref::<io::Error>());
    io_error.is_some_and(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
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
