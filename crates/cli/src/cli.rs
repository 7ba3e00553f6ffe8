//! The command line of `dcgan`: declares all commands, and calls the one that was given.

use crate::{
    bench, check, completions, convert, demo_data, devices, evaluate, generate, info, interpolate, interrupt, man,
    neighbours, project, timelapse, train,
};
use anyhow::Result;
use clap::{CommandFactory, Parser, Subcommand};
use dcgan_engine_cpu::Isa;
use std::sync::LazyLock;

/// Text of `--version`: the version and the instruction set that is used on this machine, such as `0.1.0 (avx2)`.
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
    /// Compares generated pictures with real ones: distances, precision and recall
    Evaluate(evaluate::Args),
    /// Shows generated faces beside the training pictures nearest to them, to find copies
    Neighbours(neighbours::Args),
    /// Writes an animation of a run's faces through its epochs
    Timelapse(timelapse::Args),
    /// Shows runs and explores generators in a web browser, and draws faces for other programs
    #[cfg(feature = "serve")]
    Serve(crate::serve::Args),
    /// Writes a run as one HTML file: faces, curves, measures and configuration
    #[cfg(feature = "serve")]
    Report(crate::report_html::Args),
    /// Writes a network in another format: TorchScript, PyTorch state_dict, safetensors or ONNX
    Convert(convert::Args),
    /// Shows the layers and sizes of a model file
    Info(info::Args),
    /// Writes the built-in faces as a folder of pictures
    DemoData(demo_data::Args),
    /// Lists the devices that networks can be computed on
    Devices(devices::Args),
    /// Times training and drawing on this machine
    Bench(bench::Args),
    /// Prints a completion script for a shell
    Completions(completions::Args),
    /// Prints the manual page, or writes those of all commands
    Man(man::Args),
}

impl Cli {
    /// Runs the command. `exit::report_error` decides the exit status from the error.
    pub(crate) fn run(self) -> Result<()> {
        // These write no files, and have to work even if no thread can be started.
        if !matches!(self.command, Command::Info(_) | Command::Devices(_) | Command::Completions(_)) {
            interrupt::watch()?;
        }
        match self.command {
            Command::Train(args) => train::run(args),
            Command::Check(args) => check::run(args),
            Command::Generate(args) => generate::run(args),
            Command::Interpolate(args) => interpolate::run(&args),
            Command::Project(args) => project::run(&args),
            Command::Evaluate(args) => evaluate::run(&args),
            Command::Neighbours(args) => neighbours::run(&args),
            Command::Timelapse(args) => timelapse::run(args),
            #[cfg(feature = "serve")]
            Command::Serve(args) => crate::serve::run(args),
            #[cfg(feature = "serve")]
            Command::Report(args) => crate::report_html::run(&args),
            Command::Convert(args) => convert::run(&args),
            Command::Info(args) => info::run(&args),
            Command::DemoData(args) => demo_data::run(&args),
            Command::Devices(args) => devices::run(&args),
            Command::Bench(args) => bench::run(args),
            Command::Completions(args) => completions::run(&args, Self::command()),
            Command::Man(args) => man::run(&args, Self::command()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    /// Returns the text that `docs/options.md` should have.
    fn option_reference() -> String {
        let mut command = Cli::command().disable_help_subcommand(true);
        command.build();
        let mut page = "# Options\n\nMade from the command line's own definitions by a test, \
                        `option_reference_is_current` in `crates/cli/src/cli.rs`; `UPDATE_DOCS=1 cargo test -p \
                        dcgan-cli option_reference` writes it anew. Every command also has `--help`.\n"
            .to_owned();
        for subcommand in command.get_subcommands() {
            page += &format!("\n## dcgan {}\n\n{}.\n", subcommand.get_name(), text(subcommand.get_about()));
            add_arguments(subcommand, &mut page);
            for below in subcommand.get_subcommands() {
                page += &format!(
                    "\n### dcgan {} {}\n\n{}.\n",
                    subcommand.get_name(),
                    below.get_name(),
                    text(below.get_about())
                );
                add_arguments(below, &mut page);
            }
        }
        page
    }

    fn text(styled: Option<&clap::builder::StyledStr>) -> String {
        styled.map(ToString::to_string).unwrap_or_default().replace('|', "\\|").replace('<', "&lt;")
    }

    /// Appends a table of the arguments of `command` except `--help`.
    fn add_arguments(command: &clap::Command, page: &mut String) {
        let arguments =
            command.get_arguments().filter(|argument| argument.get_id() != "help" && !argument.is_hide_set());
        let rows: Vec<String> = arguments.map(row).collect();
        if !rows.is_empty() {
            *page += &format!("\n| | |\n|---|---|\n{}", rows.concat());
        }
    }

    fn row(argument: &clap::Arg) -> String {
        let mut help = text(argument.get_help());
        let takes_value = argument.get_action().takes_values();
        let choices = argument.get_possible_values();
        // Many help texts list the choices.
        let is_told = choices.iter().all(|choice| help.contains(choice.get_name()));
        if takes_value && !is_told {
            let names: Vec<String> = choices.iter().map(|choice| format!("`{}`", choice.get_name())).collect();
            help += &format!(": {}", names.join(", "));
        }
        if takes_value && let [default] = argument.get_default_values() {
            help += &format!(" [default: {}]", default.to_string_lossy());
        }
        let value = argument.get_value_names().filter(|_| takes_value).map(|names| names[0].replace('|', "\\|"));
        let short = argument.get_short().map(|short| format!("`-{short}`, ")).unwrap_or_default();
        let name = match (argument.get_long(), value) {
            (Some(long), Some(value)) => format!("{short}`--{long} {value}`"),
            (Some(long), None) => format!("{short}`--{long}`"),
            (None, Some(value)) if argument.get_short().is_some() => {
                format!("{} `{value}`", short.trim_end_matches(", "))
            }
            (None, value) => format!("`{}`", value.unwrap_or_else(|| argument.get_id().to_string())),
        };
        format!("| {name} | {help} |\n")
    }

    #[test]
    #[cfg_attr(not(feature = "serve"), ignore = "the reference has the options of the page")]
    fn option_reference_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/options.md");
        let reference = option_reference();
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, &reference).unwrap();
        }
        // A GPU build has the same options.
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            written == reference,
            "docs/options.md is out of date: run UPDATE_DOCS=1 cargo test -p dcgan-cli option_reference"
        );
    }
}
