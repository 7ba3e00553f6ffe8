//! The command line as a whole.

use crate::{
    bench, check, completions, convert, demo_data, devices, generate, info, interpolate, man, neighbours, project,
    timelapse, train,
};
use anyhow::Result;
use clap::{Parser, Subcommand};
use dcgan_engine_cpu::Isa;
use std::sync::LazyLock;

/// Version and instruction set: the two things to know about a result from another machine.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let isa = Isa::select().map_or_else(|problem| problem, |isa| isa.name().to_owned());
    format!("{} ({isa})", env!("CARGO_PKG_VERSION"))
});

/// Trains a DCGAN on a folder of pictures and draws new ones.
#[derive(Debug, Parser)]
#[command(name = "dcgan", version = VERSION.as_str(), arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[allow(clippy::large_enum_variant)] // there is only ever one
#[derive(Debug, Subcommand)]
enum Command {
    /// Trains on a folder of pictures, or on the built-in faces
    Train(train::Args),
    /// Reads every picture once and reports what is there and what is odd
    Check(check::Args),
    /// Draws new pictures with a trained generator
    Generate(generate::Args),
    /// Writes a walk from face to face as an animation
    Interpolate(interpolate::Args),
    /// Finds the noise whose face is nearest to a picture
    Project(project::Args),
    /// Shows generated faces beside the training pictures nearest to them: new, or memorised?
    Neighbours(neighbours::Args),
    /// Makes a moving picture of a run's faces through its epochs
    Timelapse(timelapse::Args),
    /// Writes a network in another format: TorchScript, PyTorch state_dict, safetensors or ONNX
    Convert(convert::Args),
    /// Shows the layers and sizes of a model file
    Info(info::Args),
    /// Writes the built-in faces as a folder of pictures
    DemoData(demo_data::Args),
    /// Lists what networks can be computed on here
    Devices(devices::Args),
    /// Times training and drawing on this machine
    Bench(bench::Args),
    /// Prints a completion script for a shell
    Completions(completions::Args),
    /// Prints the manual page, or writes those of all commands
    Man(man::Args),
}

impl Cli {
    pub(crate) fn run(self) -> Result<()> {
        match self.command {
            Command::Train(args) => train::run(args),
            Command::Check(args) => check::run(args),
            Command::Generate(args) => generate::run(args),
            Command::Interpolate(args) => interpolate::run(&args),
            Command::Project(args) => project::run(&args),
            Command::Neighbours(args) => neighbours::run(&args),
            Command::Timelapse(args) => timelapse::run(args),
            Command::Convert(args) => convert::run(&args),
            Command::Info(args) => info::run(&args),
            Command::DemoData(args) => demo_data::run(&args),
            Command::Devices(args) => devices::run(&args),
            Command::Bench(args) => bench::run(args),
            Command::Completions(args) => completions::run(&args),
            Command::Man(args) => man::run(&args),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
