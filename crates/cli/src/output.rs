//! Where a command writes: nothing that exists is overwritten without `--force`, and `-` is standard output.
//!
//! A file under a default name gets a number if the name is taken: faces.png, faces-1.png, faces-2.png. A name that the
//! user chose is an error then.

use crate::report::CANNOT_PRINT;
use crate::usage::UsageError;
use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// `--force`
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub(crate) struct ForceArgs {
    /// Replace files that exist
    #[arg(long)]
    force: bool,
}

/// One file that a command writes.
#[derive(Debug)]
pub(crate) struct Output {
    path: PathBuf,
    /// Holds the file until it is complete, if it goes to standard output.
    stdout: Option<TempDir>,
}

/// `--json`
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct JsonArgs {
    /// Print what was written as JSON
    #[arg(long)]
    json: bool,
}

impl JsonArgs {
    /// Checks that JSON is not printed to the standard output that a file goes to.
    ///
    /// # Errors
    /// [`UsageError`] for `--json` with `-`.
    pub(crate) fn check(self, output: &Output) -> Result<()> {
        if self.json && output.is_stdout() {
            bail!(UsageError::new("--json and - both write to standard output: name a file, or drop --json"));
        }
        Ok(())
    }

    /// Prints `report` as JSON if `--json` was given.
    ///
    /// # Errors
    /// If standard output cannot be written.
    pub(crate) fn print(self, report: &serde_json::Value) -> Result<()> {
        if self.json {
            writeln!(io::stdout().lock(), "{report:#}").context(CANNOT_PRINT)?;
        }
        Ok(())
    }
}

/// `--force` and `--json`, of commands that write a file.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct WriteArgs {
    #[command(flatten)]
    pub(crate) force: ForceArgs,
    #[command(flatten)]
    pub(crate) json: JsonArgs,
}

impl WriteArgs {
    /// As [`ForceArgs::output`], and checks that JSON is not printed to where the file goes.
    ///
    /// # Errors
    /// [`UsageError`] for a file that exists, or `--json` with `-`.
    pub(crate) fn output(self, name: &str, asked: Option<&Path>, default: &Path) -> Result<Output> {
        let output = self.force.output(name, asked, default)?;
        self.json.check(&output)?;
        Ok(output)
    }
}

impl ForceArgs {
    /// Returns the file to write for the option `name`: the one the user asked for, or `default`, with a number if that
    /// name is taken.
    ///
    /// # Errors
    /// [`UsageError`] if the file the user asked for exists and `--force` was not given.
    pub(crate) fn output(self, name: &str, asked: Option<&Path>, default: &Path) -> Result<Output> {
        let Some(asked) = asked else {
            let path = if self.force { default.to_owned() } else { free(default) };
            return Ok(Output { path, stdout: None });
        };
        if is_stdout(asked) {
            return Output::to_stdout(name, default);
        }
        self.check(name, asked)?;
        Ok(Output { path: asked.to_owned(), stdout: None })
    }

    /// Checks that a file does not exist.
    ///
    /// # Errors
    /// [`UsageError`] unless `--force` was given. A folder is left to whoever wants to write there.
    pub(crate) fn check(self, name: &str, path: &Path) -> Result<()> {
        if !self.force && !path.is_dir() && exists(path) {
            bail!(UsageError::new(format_args!(
                "{name} {path:?} exists and is not overwritten: choose another name, or replace it with --force"
            )));
        }
        Ok(())
    }

    /// Checks that a folder has none of the files that would be overwritten: those whose names `is_written` accepts.
    ///
    /// # Errors
    /// [`UsageError`] unless `--force` was given. A folder that cannot be read is left to whoever wants to write there.
    pub(crate) fn check_folder(self, name: &str, folder: &Path, is_written: impl Fn(&str) -> bool) -> Result<()> {
        if self.force {
            return Ok(());
        }
        let names = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name());
        let taken = names.filter_map(|file| file.into_string().ok()).find(|file| is_written(file));
        match taken {
            Some(file) => bail!(UsageError::new(format_args!(
                "{name} {folder:?} has {file}, which is not overwritten: choose another folder, or replace such files \
                 with --force"
            ))),
            None => Ok(()),
        }
    }
}

impl Output {
    /// Creates an output to standard output, for a file of the kind of `default`.
    fn to_stdout(name: &str, default: &Path) -> Result<Self> {
        if io::stdout().is_terminal() {
            bail!(UsageError::new(format_args!(
                "{name} - writes a file to standard output, which is a terminal: add > FILE or | COMMAND"
            )));
        }
        let folder = TempDir::new().context("cannot make a temporary folder")?;
        Ok(Self { path: folder.path().join(default.file_name().unwrap_or_default()), stdout: Some(folder) })
    }

    /// Returns the path to write the file to; a temporary one for standard output.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns whether the file goes to standard output.
    pub(crate) fn is_stdout(&self) -> bool {
        self.stdout.is_some()
    }

    /// Returns the file's name for messages.
    pub(crate) fn name(&self) -> String {
        if self.is_stdout() { "standard output".to_owned() } else { self.path.display().to_string() }
    }

    /// Copies the complete file to standard output, if it goes there.
    ///
    /// # Errors
    /// If standard output cannot be written.
    pub(crate) fn finish(self) -> Result<()> {
        if self.is_stdout() {
            let mut file = File::open(&self.path).with_context(|| format!("cannot read {:?}", self.path))?;
            let mut out = io::stdout().lock();
            io::copy(&mut file, &mut out).and_then(|_| out.flush()).context(CANNOT_PRINT)?;
        }
        Ok(())
    }
}

/// Returns whether a name stands for standard output.
pub(crate) fn is_stdout(path: &Path) -> bool {
    path == Path::new("-")
}

/// Returns whether there is a file or folder, or a link without a target.
fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// Returns the first of `NAME.png`, `NAME-1.png`, `NAME-2.png`, … that does not exist.
fn free(path: &Path) -> PathBuf {
    let [stem, extension] = [path.file_stem(), path.extension()].map(|part| part.unwrap_or_default().to_string_lossy());
    let numbered = |number: u64| path.with_file_name(format!("{stem}-{number}.{extension}"));
    let names = std::iter::once(path.to_owned()).chain((1..).map(numbered));
    names.into_iter().find(|path| !exists(path)).unwrap_or_else(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEEP: ForceArgs = ForceArgs { force: false };
    const FORCE: ForceArgs = ForceArgs { force: true };

    #[test]
    fn a_default_name_that_is_taken_gets_a_number() {
        let folder = tempfile::tempdir().unwrap();
        let default = folder.path().join("faces.png");
        for name in ["faces.png", "faces-1.png", "faces-2.png"] {
            let output = KEEP.output("--out", None, &default).unwrap();
            assert_eq!(output.path(), folder.path().join(name));
            fs::write(output.path(), name).unwrap();
        }
        assert_eq!(FORCE.output("--out", None, &default).unwrap().path(), default);
    }

    #[test]
    fn a_chosen_name_that_is_taken_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine.png");
        assert_eq!(KEEP.output("--out", Some(&path), Path::new("faces.png")).unwrap().path(), path);
        fs::write(&path, "").unwrap();
        let error = KEEP.output("--out", Some(&path), Path::new("faces.png")).unwrap_err();
        assert!(error.is::<UsageError>() && error.to_string().contains("--force"), "{error}");
        assert_eq!(FORCE.output("--out", Some(&path), Path::new("faces.png")).unwrap().path(), path);
        assert!(KEEP.check_folder("--out", folder.path(), |name| name == "mine.png").is_err());
        assert!(KEEP.check_folder("--out", folder.path(), |name| name == "other.png").is_ok());
        assert!(FORCE.check_folder("--out", folder.path(), |_| true).is_ok());
        #[cfg(unix)]
        {
            let link = folder.path().join("link");
            std::os::unix::fs::symlink("nowhere", &link).unwrap();
            assert!(KEEP.check("--out", &link).is_err(), "a link without a target is there too");
        }
    }
}
