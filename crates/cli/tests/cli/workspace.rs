//! A folder to run the program in, and what it answered.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// A small run on few of the built-in faces: 3 steps an epoch.
pub(crate) const TINY: &str =
    "--image-size 32 --base-channels 2 --latent-dim 4 --max-images 24 --batch-size 8 --epochs 2 --threads 2";

/// A temporary folder that is the program's current one.
pub(crate) struct Workspace {
    folder: TempDir,
}

/// What a finished program left.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Workspace {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// A workspace in which `TINY` has been trained on the built-in faces into `run`.
    pub(crate) fn trained() -> Self {
        let workspace = Self::new();
        workspace.run(&format!("train --demo {TINY} --out run")).succeeds();
        workspace
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// The names in a folder, sorted.
    pub(crate) fn names(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(folder)).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The program, with the arguments of `line`.
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dcgan"));
        command.current_dir(self.folder.path()).args(line.split_whitespace()).env_remove("DCGAN_ISA");
        // Nobody's own cache, on any system.
        for variable in ["HOME", "XDG_CACHE_HOME", "LOCALAPPDATA"] {
            command.env(variable, self.path("user"));
        }
        // The tests know the processor's bits and figures, whatever else this machine has.
        let runs_networks = ["train", "generate", "interpolate", "project", "evaluate", "neighbours", "bench"]
            .iter()
            .any(|name| line.split_whitespace().next() == Some(name));
        if cfg!(any(feature = "gpu", feature = "cuda")) && runs_networks && !line.contains("--device") {
            command.args(["--device", "cpu"]);
        }
        command
    }

    /// [`Workspace::run`] with pictures of the networks' own size, unless `line` has another.
    pub(crate) fn run(&self, line: &str) -> Answer {
        let draws = ["generate", "interpolate", "project", "neighbours"]
            .iter()
            .any(|name| line.split_whitespace().next() == Some(name));
        let mut command = self.command(line);
        if draws && !line.contains("--scale") {
            command.args(["--scale", "1"]);
        }
        Answer::new(command.output().unwrap())
    }

    /// The program with nothing but the arguments of `line`.
    pub(crate) fn run_plain(&self, line: &str) -> Answer {
        Answer::new(self.command(line).output().unwrap())
    }

    /// Width, height, and the pixels as the file has them.
    pub(crate) fn png(&self, name: &str) -> Png {
        Png::read(&self.path(name))
    }
}

impl Answer {
    pub(crate) fn new(output: Output) -> Self {
        let Output { status, stdout, stderr } = output;
        let answer = Self {
            status: status.code(),
            stdout: String::from_utf8(stdout).unwrap(),
            stderr: String::from_utf8(stderr).unwrap(),
        };
        assert!(!answer.stderr.contains("panicked"), "{answer:?}");
        answer
    }

    pub(crate) fn succeeds(self) -> Self {
        assert_eq!(self.status, Some(0), "{self:?}");
        self
    }

    /// Checks that the program ended with `status` and one line of error that contains all of `words`.
    pub(crate) fn fails(self, status: i32, words: &[&str]) {
        assert_eq!(self.status, Some(status), "{self:?}");
        let errors: Vec<&str> = self.stderr.lines().skip_while(|line| !line.starts_with("error: ")).collect();
        assert_eq!(errors.len(), 1, "not one line of error: {self:?}");
        for word in words {
            assert!(errors[0].contains(word), "no {word:?} in {self:?}");
        }
    }
}

#[derive(Debug, PartialEq)]
pub(crate) struct Png {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) channels: usize,
    pub(crate) pixels: Vec<u8>,
}

impl Png {
    fn read(path: &Path) -> Self {
        let file = fs::File::open(path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        let mut reader = png::Decoder::new(std::io::BufReader::new(file)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        let channels = info.color_type.samples();
        Self { width: info.width as usize, height: info.height as usize, channels, pixels }
    }

    /// The square of `size` pixels at (`left`, `top`).
    pub(crate) fn cut(&self, left: usize, top: usize, size: usize) -> Self {
        let row = |y: usize| ((top + y) * self.width + left) * self.channels;
        let pixels = (0..size).flat_map(|y| self.pixels[row(y)..row(y) + size * self.channels].to_vec()).collect();
        Self { width: size, height: size, channels: self.channels, pixels }
    }
}
