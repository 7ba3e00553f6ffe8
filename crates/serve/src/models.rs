//! Finds and loads the generators that requests draw with, and keeps the last used ones in memory.

use crate::counters::Counters;
use crate::error::{Answer, RequestError, ServeError};
use crate::run_list::{RunList, is_plain_name};
use crate::sefa::{Directions, first_weight};
use dcgan::{Cpu, Generator, ModelConfig};
use dcgan_formats::{Model, load_network};
use dcgan_model::TensorData;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::SystemTime;

/// Largest number of generators in memory. One of the tutorial's size takes about 60 MB.
const MAX_LOADED: usize = 3;
/// Suffix of an identifier that names the generator with the best measures of the run.
const BEST: &str = "@best";

/// A loaded generator with its fingerprint and principal directions.
#[derive(Debug)]
pub(crate) struct LoadedModel {
    generator: Generator,
    /// Changes with the weights.
    fingerprint: String,
    /// Latent × outputs.
    first_weight: Vec<f32>,
    directions: OnceLock<Directions>,
}

impl LoadedModel {
    /// Prepares `model` for drawing.
    ///
    /// # Errors
    /// If it is not a generator, or its weights are not finite; the text is for the user.
    pub(crate) fn new(model: &Model, cpu: Cpu) -> Result<Self, String> {
        let generator = Generator::new(model, cpu).map_err(|error| error.to_string())?;
        let mut hash = Sha256::new();
        for (name, tensor) in &model.tensors {
            hash.update(name);
            match &tensor.data {
                TensorData::F32(values) => values.iter().for_each(|value| hash.update(value.to_le_bytes())),
                TensorData::I64(values) => values.iter().for_each(|value| hash.update(value.to_le_bytes())),
            }
        }
        let fingerprint = hash.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        let first_weight = first_weight(&model.tensors).unwrap_or_default().to_vec();
        Ok(Self { generator, fingerprint, first_weight, directions: OnceLock::new() })
    }

    pub(crate) fn generator(&self) -> &Generator {
        &self.generator
    }

    pub(crate) fn config(&self) -> &ModelConfig {
        self.generator.config()
    }

    pub(crate) fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Returns the principal directions. The first call computes them, which takes milliseconds for noise of 100
    /// values.
    pub(crate) fn directions(&self) -> &Directions {
        self.directions.get_or_init(|| Directions::of(&self.first_weight, self.config().latent_dim))
    }
}

/// Facts about a generator, as the service answers them in JSON.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct ModelFacts {
    pub(crate) id: String,
    pub(crate) fingerprint: String,
    /// The path of the file, as `dcgan generate` takes it.
    pub(crate) file: String,
    pub(crate) image_size: usize,
    pub(crate) channels: usize,
    pub(crate) latent_dim: usize,
    /// How much the first layer's output changes per unit of each principal direction.
    pub(crate) direction_gains: Vec<f64>,
}

/// Identifies the content of a file by its path, modification time and length.
#[derive(Debug, Clone, PartialEq)]
struct Version {
    path: PathBuf,
    modified: Option<SystemTime>,
    len: u64,
}

impl Version {
    /// Returns the version of the file at `path`; `None` if it does not exist.
    fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Some(Self { path: path.to_owned(), modified: metadata.modified().ok(), len: metadata.len() })
    }
}

/// All models of the service, and a cache of the loaded ones.
#[derive(Debug)]
pub(crate) struct Models {
    runs: Option<Arc<RunList>>,
    /// Identifier and path of the file of `--model`.
    file: Option<(String, PathBuf)>,
    cpu: Cpu,
    counters: Arc<Counters>,
    /// The loaded models, the last used one first.
    loaded: Mutex<Vec<(Version, Arc<LoadedModel>)>>,
}

impl Models {
    /// Creates the cache of the models of `runs`, and of `file`, whose identifier is made of its name.
    pub(crate) fn new(
        runs: Option<Arc<RunList>>,
        file: Option<PathBuf>,
        cpu: Cpu,
        counters: Arc<Counters>,
    ) -> Result<Self, ServeError> {
        let file = file.map(|path| {
            let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or("model");
            let id: String =
                stem.chars().map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '-' }).collect();
            (if is_plain_name(&id) { id } else { "model".to_owned() }, path)
        });
        Ok(Self { runs, file, cpu, counters, loaded: Mutex::default() })
    }

    /// Returns the identifier of the file of `--model`.
    pub(crate) fn named(&self) -> Option<&str> {
        self.file.as_ref().map(|(id, _)| id.as_str())
    }

    /// Returns the file of a model.
    fn file(&self, id: &str) -> Answer<PathBuf> {
        if let Some((_, path)) = self.file.as_ref().filter(|(known, _)| known == id) {
            return Ok(match path.is_dir() {
                true => generator_file(path).ok_or_else(|| no_generator(id))?,
                false => path.clone(),
            });
        }
        let Some(runs) = &self.runs else {
            return Err(no_model(id));
        };
        let (run, is_best) = id.strip_suffix(BEST).map_or((id, false), |run| (run, true));
        let run = runs.open(run).map_err(|_| no_model(id))?;
        let file = if is_best { run.regular_file(&["generator-best.safetensors"]) } else { run.generator_file() };
        file.ok_or_else(|| no_generator(id))
    }

    /// Returns a model, read from its file if it is not loaded or the file has changed. Blocks.
    ///
    /// # Errors
    /// If there is no such model, or its file cannot be used.
    pub(crate) fn get(&self, id: &str) -> Answer<Arc<LoadedModel>> {
        self.find(id).map(|(_, model)| model)
    }

    /// Returns the path and the model for an identifier. Loads the model if this version of the file is not in memory.
    fn find(&self, id: &str) -> Answer<(PathBuf, Arc<LoadedModel>)> {
        // A checkpoint may be replaced by a newer one before it is read.
        for is_last in [false, true] {
            let path = self.file(id)?;
            let Some(version) = Version::of(&path) else { continue };
            // Held while a file is read, so that requests for one model read it once.
            let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(place) = loaded.iter().position(|(known, _)| *known == version) {
                loaded[..=place].rotate_right(1);
                return Ok((path, Arc::clone(&loaded[0].1)));
            }
            let model = load_network(&path, None).map_err(|error| error.to_string());
            let model = match model.and_then(|model| LoadedModel::new(&model, self.cpu.clone())) {
                Ok(model) => Arc::new(model),
                Err(_) if !is_last && !path.exists() => continue,
                Err(message) => return Err(RequestError::internal(message)),
            };
            self.counters.loads.fetch_add(1, Relaxed);
            loaded.retain(|(known, _)| known.path != path);
            loaded.insert(0, (version, Arc::clone(&model)));
            loaded.truncate(MAX_LOADED);
            return Ok((path, model));
        }
        Err(no_generator(id))
    }

    /// Returns a model that is loaded and whose file has not changed, without reading it.
    pub(crate) fn get_loaded(&self, id: &str) -> Option<Arc<LoadedModel>> {
        let version = Version::of(&self.file(id).ok()?)?;
        // Whoever reads a file holds the lock for long.
        let mut loaded = self.loaded.try_lock().ok()?;
        let place = loaded.iter().position(|(known, _)| *known == version)?;
        loaded[..=place].rotate_right(1);
        Some(Arc::clone(&loaded[0].1))
    }

    /// Returns the facts about a model. Blocks while it is read.
    pub(crate) fn facts(&self, id: &str) -> Answer<ModelFacts> {
        let (path, model) = self.find(id)?;
        let &ModelConfig { image_size, channels, latent_dim, .. } = model.config();
        Ok(ModelFacts {
            id: id.to_owned(),
            fingerprint: model.fingerprint().to_owned(),
            file: path.to_string_lossy().into_owned(),
            image_size,
            channels,
            latent_dim,
            direction_gains: model.directions().gains.clone(),
        })
    }
}

/// Error for a name that no generator has.
fn no_model(id: &str) -> RequestError {
    RequestError::not_found(format!("there is no generator {id:?}: /api/models lists them"))
}

/// Error for a run without a generator.
fn no_generator(id: &str) -> RequestError {
    RequestError::not_found(format!("{id:?} has no generator yet: it is saved with the first checkpoint"))
}

/// Returns the finished generator of the run in `folder`, or else its newest checkpoint.
fn generator_file(folder: &Path) -> Option<PathBuf> {
    let (list, id) = RunList::of_run(folder)?;
    list.open(&id).ok()?.generator_file()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use dcgan::{Init, Network, TorchRng};
    use dcgan_formats::{describe, write_safetensors};

    /// A file of an untrained generator.
    pub(crate) fn write_tiny_model(path: &Path, seed: u64) {
        let config = ModelConfig { image_size: 32, latent_dim: 16, ..ModelConfig::TUTORIAL }.with_base_channels(2);
        let network = Network::generator(&config);
        let tensors = dcgan_model::initial_network(&network, Init::Normal, &mut TorchRng::seed_from_u64(seed));
        write_safetensors(&mut fs::File::create(path).unwrap(), &tensors, &describe(&network)).unwrap();
    }

    pub(crate) fn tiny_model() -> Arc<LoadedModel> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("generator.safetensors");
        write_tiny_model(&path, 0);
        let model = load_network(&path, None).unwrap();
        Arc::new(LoadedModel::new(&model, dcgan::cpu(Some(2)).unwrap()).unwrap())
    }

    #[test]
    fn a_file_is_read_again_when_it_has_changed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("my model (1).safetensors");
        write_tiny_model(&path, 0);
        let cpu = dcgan::cpu(Some(1)).unwrap();
        let models = Models::new(None, Some(path.clone()), cpu, Arc::default()).unwrap();
        assert_eq!(models.named(), Some("my-model--1-"));
        let first = models.get("my-model--1-").unwrap();
        assert!(Arc::ptr_eq(&first, &models.get("my-model--1-").unwrap()));
        assert!(models.get_loaded("my-model--1-").is_some());
        fs::remove_file(&path).unwrap();
        write_tiny_model(&path, 1);
        fs::File::options().write(true).open(&path).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        assert!(models.get_loaded("my-model--1-").is_none());
        let second = models.get("my-model--1-").unwrap();
        assert_ne!(first.fingerprint(), second.fingerprint());
        assert_eq!(models.counters.loads.load(Relaxed), 2);
        fs::write(&path, "no model").unwrap();
        assert!(models.get("my-model--1-").unwrap_err().message().contains("my model (1).safetensors"));
        assert!(models.get("other").unwrap_err().message().contains("no generator"));
    }
}
