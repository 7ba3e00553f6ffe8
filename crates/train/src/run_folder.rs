//! The folder that holds everything about a run.
//!
//! ```text
//! runs/0000-avatars/
//!   config.toml              every setting
//!   metrics.jsonl            one StepMetrics a line
//!   samples/epoch-0000.png   the same faces before training and after every epoch
//!   generator.pt             the result: TorchScript
//!   generator.safetensors    the result: plain tensors
//! ```

use crate::files::write_durable;
use crate::{Event, Listener, ListenerError, Picture, StepMetrics, compose};
use dcgan_formats::{FormatError, describe, write_safetensors, write_torchscript};
use dcgan_model::{Network, StateDict};
use std::fs::{self, File};
use std::io::{self, BufWriter, Cursor, Write};
use std::path::{Path, PathBuf};

/// A listener that writes a run to disk. Every file but the growing `metrics.jsonl` is whole or not there.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    metrics: BufWriter<File>,
}

/// Why a run folder could not be made or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunFolderError {
    /// There is something that must not be overwritten.
    #[error("{0:?} is not empty, and a run is never overwritten: name another folder or remove it first")]
    NotEmpty(PathBuf),
    /// The place is taken by a file.
    #[error("{0:?} is not a folder: name another place for the run")]
    NotAFolder(PathBuf),
    /// The system refused.
    #[error("cannot write {path:?}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The generator's tensors are not those of its network.
    #[error("cannot save the generator")]
    Generator(#[from] FormatError),
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> RunFolderError {
    move |source| RunFolderError::Io { path: path.to_owned(), source }
}

impl RunFolder {
    /// Makes `path` a run folder, with `config` as its `config.toml`. The folder is created, or is there and empty.
    ///
    /// # Errors
    /// If `path` is a file or holds anything, or cannot be written.
    pub fn create(path: &Path, config: &str) -> Result<Self, RunFolderError> {
        fs::create_dir_all(path).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => RunFolderError::NotAFolder(path.to_owned()),
            _ => at(path)(error),
        })?;
        if fs::read_dir(path).map_err(at(path))?.next().is_some() {
            return Err(RunFolderError::NotEmpty(path.to_owned()));
        }
        let samples = path.join("samples");
        fs::create_dir(&samples).map_err(at(&samples))?;
        let config_path = path.join("config.toml");
        write_durable(&config_path, config.as_bytes()).map_err(at(&config_path))?;
        let metrics_path = path.join("metrics.jsonl");
        let metrics = BufWriter::new(File::create_new(&metrics_path).map_err(at(&metrics_path))?);
        Ok(Self { path: path.to_owned(), metrics })
    }

    /// Makes the run folder `parent/NNNN-name`, where NNNN is one more than the largest number there.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn create_numbered(parent: &Path, name: &str, config: &str) -> Result<Self, RunFolderError> {
        fs::create_dir_all(parent).map_err(at(parent))?;
        let mut number = 0;
        for entry in fs::read_dir(parent).map_err(at(parent))? {
            let entry_name = entry.map_err(at(parent))?.file_name();
            let taken = entry_name.to_str().and_then(|name| name.split('-').next()?.parse::<u32>().ok());
            number = number.max(taken.map_or(0, |taken| taken.saturating_add(1)));
        }
        loop {
            let path = parent.join(format!("{number:04}-{name}"));
            match fs::create_dir(&path) {
                Ok(()) => return Self::create(&path, config),
                // Another run that starts at this moment was quicker.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < u32::MAX => number += 1,
                Err(error) => return Err(at(&path)(error)),
            }
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The sheet of faces after `epoch` epochs.
    pub fn sample_path(&self, epoch: u64) -> PathBuf {
        self.path.join(format!("samples/epoch-{epoch:04}.png"))
    }

    /// The trained generator as TorchScript.
    pub fn torchscript_path(&self) -> PathBuf {
        self.path.join("generator.pt")
    }

    /// The trained generator as safetensors.
    pub fn safetensors_path(&self) -> PathBuf {
        self.path.join("generator.safetensors")
    }

    fn write_metrics(&mut self, metrics: &StepMetrics) -> io::Result<()> {
        serde_json::to_writer(&mut self.metrics, metrics)?;
        self.metrics.write_all(b"\n")
    }

    fn flush_metrics(&mut self) -> Result<(), RunFolderError> {
        self.metrics.flush().map_err(at(&self.path.join("metrics.jsonl")))
    }

    fn write_sample(&self, epoch: u64, faces: &[Picture]) -> Result<(), RunFolderError> {
        let path = self.sample_path(epoch);
        compose(faces).save_png(&path).map_err(at(&path))
    }

    fn write_generator(&self, network: &Network, generator: &StateDict) -> Result<(), RunFolderError> {
        let metadata = describe(network);
        let mut bytes = Vec::new();
        write_torchscript(Cursor::new(&mut bytes), network, generator, &metadata)?;
        let path = self.torchscript_path();
        write_durable(&path, &bytes).map_err(at(&path))?;

        bytes.clear();
        write_safetensors(&mut bytes, generator, &metadata)?;
        let path = self.safetensors_path();
        write_durable(&path, &bytes).map_err(at(&path))
    }
}

impl Listener for RunFolder {
    fn on_event(&mut self, event: &Event<'_>) -> Result<(), ListenerError> {
        match event {
            Event::Step(metrics) => {
                self.write_metrics(metrics).map_err(at(&self.path.join("metrics.jsonl")))?;
            }
            Event::EpochDone(_) => self.flush_metrics()?,
            Event::Preview { epoch, faces } => self.write_sample(*epoch, faces)?,
            Event::Finished { network, generator, .. } => {
                self.flush_metrics()?;
                self.write_generator(network, generator)?;
            }
            Event::Started { .. } => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EpochSummary, Summary};
    use dcgan_model::{Init, ModelConfig, TorchRng, initial_network};

    #[test]
    fn a_folder_with_anything_in_it_is_left_alone() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("run");
        RunFolder::create(&path, "seed = 0\n").unwrap();
        assert_eq!(fs::read_to_string(path.join("config.toml")).unwrap(), "seed = 0\n");
        let error = RunFolder::create(&path, "seed = 1\n").unwrap_err();
        assert!(matches!(error, RunFolderError::NotEmpty(_)), "{error}");
        assert_eq!(fs::read_to_string(path.join("config.toml")).unwrap(), "seed = 0\n");
        let error = RunFolder::create(&path.join("config.toml"), "").unwrap_err();
        assert!(matches!(error, RunFolderError::NotAFolder(_)), "{error}");
        let error = RunFolder::create(&path.join("config.toml/below"), "").unwrap_err();
        assert!(matches!(error, RunFolderError::NotAFolder(_)), "{error}");
    }

    #[test]
    fn numbers_go_up() {
        let parent = tempfile::tempdir().unwrap();
        let runs = parent.path().join("runs");
        let name = |run: &RunFolder| run.path().file_name().unwrap().to_str().unwrap().to_owned();
        assert_eq!(name(&RunFolder::create_numbered(&runs, "faces", "").unwrap()), "0000-faces");
        assert_eq!(name(&RunFolder::create_numbered(&runs, "cats", "").unwrap()), "0001-cats");
        fs::create_dir(runs.join("0041-old")).unwrap();
        fs::create_dir(runs.join("notes")).unwrap();
        assert_eq!(name(&RunFolder::create_numbered(&runs, "faces", "").unwrap()), "0042-faces");
    }

    #[test]
    fn a_run_is_written_down() {
        let model = ModelConfig { image_size: 32, channels: 1, latent_dim: 3, base_channels: 1 };
        let network = Network::generator(&model);
        let generator = initial_network(&network, Init::Default, &mut TorchRng::seed_from_u64(1));
        let metrics = StepMetrics {
            step: 1,
            epoch: 1,
            d_loss_real: 0.1,
            d_loss_fake: 1e-30,
            g_loss: 100.0,
            d_x: 0.5,
            d_g_z1: 0.25,
            d_g_z2: 0.75,
            images_per_second: 123.5,
            data_seconds: 0.0,
        };
        let faces = vec![Picture::black(32, 32, 1); 32];
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("run");
        let mut folder = RunFolder::create(&path, "").unwrap();
        let mut tell = |event: Event<'_>| folder.on_event(&event).unwrap();

        tell(Event::Preview { epoch: 0, faces: &faces });
        tell(Event::Step(&metrics));
        tell(Event::Step(&StepMetrics { step: 2, ..metrics }));
        tell(Event::EpochDone(&EpochSummary { epoch: 1, steps: 2, d_loss: 1.0, g_loss: 1.0 }));
        let lines = fs::read_to_string(path.join("metrics.jsonl")).unwrap();
        let expected = r#"{"step":1,"epoch":1,"d_loss_real":0.1,"d_loss_fake":1e-30,"g_loss":100.0,"d_x":0.5,"d_g_z1":0.25,"d_g_z2":0.75,"images_per_second":123.5,"data_seconds":0.0}"#;
        assert_eq!(lines.lines().next(), Some(expected));
        assert_eq!(lines.lines().count(), 2);

        tell(Event::Preview { epoch: 1, faces: &faces });
        let summary = Summary { epochs: 1, steps: 2 };
        tell(Event::Finished { summary: &summary, network: &network, generator: &generator });
        for file in ["generator.pt", "generator.safetensors"] {
            let model = dcgan_formats::load(path.join(file)).unwrap();
            assert_eq!((model.network, model.tensors), (network.clone(), generator.clone()), "{file}");
        }
        assert!(path.join("samples/epoch-0000.png").exists() && path.join("samples/epoch-0001.png").exists());
        assert_eq!(
            fs::read_dir(&path).unwrap().count(),
            5,
            "config, metrics, samples, two generators and nothing else"
        );
        assert_eq!(fs::read_dir(path.join("samples")).unwrap().count(), 2);
    }

    #[test]
    fn a_folder_that_has_gone_is_named() {
        let parent = tempfile::tempdir().unwrap();
        let mut folder = RunFolder::create(&parent.path().join("run"), "").unwrap();
        fs::remove_dir_all(folder.path()).unwrap();
        let faces = [Picture::black(32, 32, 1)];
        let error = folder.on_event(&Event::Preview { epoch: 7, faces: &faces }).unwrap_err().to_string();
        assert!(error.contains("cannot write") && error.contains("epoch-0007.png"), "{error}");
    }
}
