//! `dcgan report`: a run as one HTML file.

use crate::model_file::RunArgs;
use crate::output::WriteArgs;
use crate::picture_file;
use crate::progress::say;
use anyhow::{Context, Result};
use dcgan_files::write_durable;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Arguments of `dcgan report`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    run: RunArgs,
    /// File to write, or - for standard output [default: report.html]
    #[arg(long, value_name = "FILE", allow_hyphen_values = true)]
    out: Option<PathBuf>,
    #[command(flatten)]
    write: WriteArgs,
}

/// Where the report goes by default.
const OUT: &str = "report.html";

/// Writes the report of the run, by default that of the newest one.
pub(crate) fn run(args: &Args) -> Result<()> {
    let output = args.write.output("--out", args.out.as_deref(), Path::new(OUT))?;
    let run = args.run.locate(|run| run.join("config.toml").is_file())?;
    picture_file::prepare_output(output.path())?;
    let report = dcgan_serve::write_report(&run)?;
    write_durable(output.path(), report.as_bytes()).with_context(|| format!("cannot write {:?}", output.path()))?;
    let name = output.name();
    let bytes = report.len();
    output.finish()?;
    args.write.json.print(&json!({ "file": name, "bytes": bytes }))?;
    say(&format!("report    {name} ({:.1} MB): open it in a browser; it needs no internet", bytes as f64 / 1e6));
    Ok(())
}
