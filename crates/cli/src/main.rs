//! The `dcgan` program: trains a DCGAN on pictures and draws new ones.
//!
//! Every command is one file: it parses its arguments into plain settings, builds what they describe, and runs it. Errors become one line
//! on stderr and an exit status here and nowhere else.

mod animation;
mod bench;
mod check;
mod cli;
mod completions;
mod convert;
mod demo;
mod demo_data;
mod device;
mod devices;
mod generate;
mod info;
mod interpolate;
mod interrupt;
mod json_events;
mod machine;
mod man;
mod model_file;
mod neighbours;
mod noise;
mod picture_file;
mod pictures;
mod pipeline;
mod preview;
mod progress;
mod project;
mod report;
mod resume;
mod seeds;
mod settings;
mod text;
mod threads;
mod timelapse;
mod train;
mod upscale;
mod usage;

use clap::Parser;
use std::io::{self, Write};
use std::process::ExitCode;

/// Exit status: the command did not reach its end.
const FAILED: u8 = 1;
/// Exit status: the command was asked for something impossible. It is clap's status too.
const WRONG_USAGE: u8 = 2;

fn main() -> ExitCode {
    keep_quiet_about_broken_pictures();
    match cli::Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read our output has seen enough.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) if error.is::<interrupt::Interrupted>() => {
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::from(interrupt::INTERRUPTED)
        }
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::from(if error.is::<usage::UsageError>() { WRONG_USAGE } else { FAILED })
        }
    }
}

/// A decoder that panics on a file has only failed: the file is left out, with a reason.
fn keep_quiet_about_broken_pictures() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !dcgan_data::decode::catches_panics() {
            usual(panic);
        }
    }));
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io_error = error.chain().find_map(|cause| cause.downcast_ref::<io::Error>());
    io_error.is_some_and(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}
