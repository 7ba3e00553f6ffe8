//! `dcgan man`: the manual pages, made from the same text as `--help`.

use crate::output::ForceArgs;
use crate::report::CANNOT_PRINT;
use anyhow::{Context, Result};
use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use dcgan_files::write_atomic;
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

/// Arguments of `dcgan man`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder to write a page for each command to; without it, dcgan(1) is printed
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
    #[command(flatten)]
    force: ForceArgs,
}

/// Prints or writes the pages of the command line `command`.
pub(crate) fn run(args: &Args, command: Command) -> Result<()> {
    let command = complete(command);
    let Some(dir) = &args.dir else {
        io::stdout().write_all(&page(&command)?).context(CANNOT_PRINT)?;
        return Ok(());
    };
    fs::create_dir_all(dir).with_context(|| format!("cannot write to {dir:?}"))?;
    args.force.check_folder("DIR", dir, |name| name.starts_with("dcgan") && name.ends_with(".1"))?;
    write_pages(&command, dir)
}

/// Completes the command line for the pages. The version does not name the instruction set of this machine.
fn complete(command: Command) -> Command {
    let mut command = command.version(env!("CARGO_PKG_VERSION")).disable_help_subcommand(true);
    command.build();
    command
}

/// Writes a page for `command` and for each of its subcommands.
fn write_pages(command: &Command, dir: &std::path::Path) -> Result<()> {
    let path = dir.join(Man::new(command.clone()).get_filename());
    write_atomic(&path, &page(command)?).with_context(|| format!("cannot write {path:?}"))?;
    command.get_subcommands().try_for_each(|subcommand| write_pages(subcommand, dir))
}

/// Returns the manual page of a command in troff format. The page of `dcgan` itself has closing sections.
fn page(command: &Command) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(command.clone()).manual("dcgan manual").render(&mut page)?;
    if command.get_name() == "dcgan" {
        closing_sections().to_writer(&mut page)?;
    }
    Ok(page)
}

/// Returns the sections at the end of dcgan(1): exit status, environment and examples.
fn closing_sections() -> Roff {
    let mut roff = Roff::new();
    let mut section = |title: &str, entries: &[(&str, &str)]| {
        roff.control("SH", [title]);
        for (term, text) in entries {
            roff.control("TP", []);
            roff.text([bold(*term)]);
            roff.text([roman(*text)]);
        }
    };
    section(
        "EXIT STATUS",
        &[
            ("0", "Done."),
            ("1", "Failed; the last line on stderr says why."),
            ("2", "Wrong usage, or a wrong configuration file."),
            ("130", "Interrupted, with everything saved unless it was asked twice; dcgan train --resume goes on."),
        ],
    );
    section(
        "ENVIRONMENT",
        &[
            ("DCGAN_ISA", "Computes with this instruction set instead of the best: avx512, avx2, neon or portable."),
            (
                "DCGAN_RANK_TIMEOUT",
                "Seconds that a rank under mpirun may be silent before all are ended: 60; 0 for ever.",
            ),
        ],
    );
    section(
        "EXAMPLES",
        &[
            ("dcgan train pictures/", "Trains on a folder of pictures with the settings of the PyTorch tutorial."),
            (
                "dcgan generate runs/0000-pictures --seeds 0-99 --out faces/",
                "Draws a hundred faces with the generator of that run.",
            ),
            ("dcgan convert runs/0000-pictures generator.onnx", "Writes that generator for ONNX Runtime."),
        ],
    );
    roff
}
