//! What there is beside drawing and training, as on the command line.

use crate::errors::{exception, exceptions, memory, of_file, system, value};
use crate::generator::{NativeGenerator, pictures};
use crate::threads;
use dcgan::{
    Background, CacheLocation, Channels, CpuDifferentiableGenerator, Dataset, Error, FaceDistance, ImageOptions,
    LoadReport, ModelConfig, NeighbourReport, Neighbours, Network, Picture, ProjectOptions, Walk, levels,
    poor_projection,
};
use numpy::{
    PyArray1, PyArray4, PyArrayDyn, PyArrayMethods, PyReadonlyArray2, PyReadonlyArray4, PyUntypedArrayMethods,
};
use pyo3::prelude::*;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// How images are read: `fit`, `filter`, `background`, `cache`, `no_cache`.
pub(crate) type ImageArguments = (Option<String>, Option<String>, Option<String>, Option<PathBuf>, bool);

fn option<T: FromStr<Err: std::fmt::Display>>(name: &str, text: Option<&str>) -> PyResult<Option<T>> {
    let read = |text: &str| text.parse().map_err(|error| value(format!("{name} cannot be {text:?}: {error}")));
    text.map(read).transpose()
}

fn image_options((fit, filter, background, cache, no_cache): ImageArguments) -> PyResult<ImageOptions> {
    let background: Option<Background> = option("background", background.as_deref())?;
    Ok(ImageOptions {
        fit: option("fit", fit.as_deref())?.unwrap_or_default(),
        filter: option("filter", filter.as_deref())?.unwrap_or_default(),
        background: background.unwrap_or_default(),
        strict: false,
        cache: CacheLocation::new(cache, no_cache),
    })
}

/// Images to compare with: a folder or archive, or an array.
#[derive(FromPyObject)]
pub(crate) enum Source<'py> {
    /// N × H × W × C.
    Array(PyReadonlyArray4<'py, u8>),
    /// A folder or archive.
    Path(PathBuf),
}

/// The same, copied, so that it can be read without the GIL.
enum OwnedSource {
    Array { bytes: Vec<u8>, extent: [usize; 2], channels: usize },
    Path(PathBuf),
}

impl OwnedSource {
    fn new(source: Source<'_>) -> PyResult<Self> {
        match source {
            Source::Path(path) => Ok(Self::Path(path)),
            Source::Array(array) => {
                let [count, height, width, channels] = [0, 1, 2, 3].map(|axis| array.shape()[axis]);
                if count == 0 || height == 0 || width == 0 || !matches!(channels, 1 | 3) {
                    return Err(exceptions::DataError::new_err(format!(
                        "images of the shape ({count}, {height}, {width}, {channels}): give uint8 images, N × H × W × \
                         C with 1 or 3 channels"
                    )));
                }
                let bytes = array.as_slice()?.to_vec();
                Ok(Self::Array { bytes, extent: [height, width], channels })
            }
        }
    }

    /// Reads the images at the size of `config`, with their names.
    fn load(
        self,
        config: &ModelConfig,
        max_images: Option<usize>,
        options: &ImageOptions,
    ) -> PyResult<(Dataset, Vec<String>)> {
        let (size, channels) = (config.image_size, config.channels);
        match self {
            Self::Path(path) => {
                let (data, report) = load(&path, size, channels, max_images, options)?;
                let names = report.images.iter().map(|image| image.path.to_string_lossy().into_owned());
                Ok((data, names.collect()))
            }
            Self::Array { channels: given, .. } if given != channels => Err(value(format!(
                "the images have {given} channels, and those of the generator {channels}: give images of {channels}"
            ))),
            Self::Array { mut bytes, extent, .. } => {
                let channels = Channels::from_count(channels);
                if extent != [size, size] {
                    bytes = dcgan::fit_images(&bytes, extent, size, channels, options);
                }
                bytes.truncate(max_images.unwrap_or(usize::MAX).saturating_mul(config.image_len()));
                let data = Dataset::from_bytes(bytes, size, channels);
                let names = (0..data.len()).map(|index| format!("picture {index}")).collect();
                Ok((data, names))
            }
        }
    }
}

fn load(
    path: &Path,
    size: usize,
    channels: usize,
    max_images: Option<usize>,
    options: &ImageOptions,
) -> PyResult<(Dataset, LoadReport)> {
    let options = options.load_options(size, Channels::from_count(channels), max_images);
    Dataset::load(path, &options, |_| {}).map_err(|error| exception(&error.into()))
}

/// Returns the report about a data set as JSON, and its sheet: H × W × 3.
#[pyfunction]
#[pyo3(signature = (data, image_size, channels, strict, max_images, arguments))]
pub(crate) fn check<'py>(
    py: Python<'py>,
    data: PathBuf,
    image_size: usize,
    channels: usize,
    strict: bool,
    max_images: Option<usize>,
    arguments: ImageArguments,
) -> PyResult<(String, Bound<'py, PyArrayDyn<u8>>)> {
    let model = ModelConfig { image_size, channels, ..ModelConfig::default() };
    model.validate().map_err(|error| value(error.to_string()))?;
    let options = image_options(arguments)?;
    let (report, sheet) = py.detach(|| {
        threads::install(|| {
            let (data, report) = load(&data, image_size, channels, max_images, &options)?;
            dcgan::check_strict(strict, &report).map_err(|error| exception(&error.into()))?;
            let sheet = dcgan::contact_sheet(&data, &report).map_err(|error| exception(&error))?.0;
            let json = dcgan::data_report(&report, &data).map_err(|error| exception(&error.into()))?;
            PyResult::Ok((json.to_string(), sheet))
        })?
    })?;
    Ok((report, image(py, sheet)?))
}

/// Returns the measures of a generator, or of generated images, as JSON.
#[pyfunction]
#[pyo3(signature = (generator, data, samples, seed, max_images, arguments))]
pub(crate) fn evaluate(
    py: Python<'_>,
    generator: &NativeGenerator,
    data: Source<'_>,
    samples: usize,
    seed: u64,
    max_images: Option<usize>,
    arguments: ImageArguments,
) -> PyResult<String> {
    let (data, options) = (OwnedSource::new(data)?, image_options(arguments)?);
    py.detach(|| {
        threads::install(|| {
            let failed = |error: Error| exception(&error);
            let cpu = generator.cpu().map_err(failed)?;
            let generator = generator.generator().map_err(failed)?;
            let (data, _) = data.load(generator.config(), max_images, &options)?;
            let evaluation = dcgan::evaluate(&cpu, generator, &data, samples, seed).map_err(failed)?;
            serde_json::to_string(&evaluation).map_err(|error| value(error.to_string()))
        })?
    })
}

/// Returns the frames of a walk through faces (keys, N × latent): uint8, frames × H × W × C.
#[pyfunction]
pub(crate) fn interpolate<'py>(
    py: Python<'py>,
    generator: &NativeGenerator,
    keys: PyReadonlyArray2<'py, f32>,
    steps: u32,
    loops: bool,
    grid: (usize, usize),
    trunc: f32,
) -> PyResult<Bound<'py, PyArray4<u8>>> {
    let latent_dim = keys.shape()[1];
    let (columns, rows) = grid;
    let (faces, cells) = (keys.shape()[0] as u64, (columns * rows) as u64);
    let walk = Walk::new(faces, cells, steps, loops).ok_or_else(|| {
        value(format!(
            "{faces} faces for {cells} walks: name 2 or more for each, as many for one as for another, and 1 \
             or more steps"
        ))
    })?;
    let keys = keys.as_slice()?;
    let drawn = py.detach(|| {
        threads::install(|| {
            let generator = generator.generator().map_err(|error| exception(&error))?;
            let config = *generator.config();
            if latent_dim != config.latent_dim {
                let expected = config.latent_dim;
                return Err(value(format!(
                    "noise vectors of {latent_dim} values, and this generator takes {expected}"
                )));
            }
            let (mut frames, mut shape) = (Vec::new(), [0; 4]);
            let key = |index: u64| keys[index as usize * latent_dim..][..latent_dim].to_vec();
            for frame in 0..walk.frames() {
                let noise: Vec<f32> = walk.noise(frame, key).into_iter().map(|value| value * trunc).collect();
                let faces = generator.draw(&noise).map_err(|error| exception(&error))?;
                let frame =
                    if cells == 1 { faces.into_iter().next() } else { Some(dcgan::compose_columns(&faces, columns)) };
                let Some(frame) = frame else { continue };
                if frames.is_empty() {
                    shape = [walk.frames() as usize, frame.height, frame.width, frame.channels];
                    let bytes = shape.iter().try_fold(1usize, |bytes, side| bytes.checked_mul(*side));
                    let reserved = bytes.is_some_and(|bytes| frames.try_reserve_exact(bytes).is_ok());
                    if !reserved {
                        return Err(memory(format!("{} frames do not fit into memory: choose fewer steps", shape[0])));
                    }
                }
                frames.extend_from_slice(&frame.pixels);
            }
            Ok((frames, shape))
        })?
    });
    let (frames, shape) = drawn?;
    PyArray1::from_vec(py, frames).reshape(shape)
}

/// Picture to find a face for: a file, or an image of the shape 1 × H × W × C.
#[derive(FromPyObject)]
pub(crate) enum Target<'py> {
    /// 1 × H × W × C.
    Array(PyReadonlyArray4<'py, u8>),
    /// A picture file.
    Path(PathBuf),
}

/// Result of [`project`]: noise, error, noise and error of the random face it began with, a warning about a poor
/// result, and the target at the generator's size.
type Projected<'py> =
    (Bound<'py, PyArrayDyn<f32>>, f64, Bound<'py, PyArrayDyn<f32>>, f64, Option<String>, Bound<'py, PyArrayDyn<u8>>);

/// Searches for the noise whose image is nearest to a picture.
#[pyfunction]
#[pyo3(signature = (generator, target, starts, steps, lr, prior, seed, arguments))]
#[allow(clippy::too_many_arguments)] // they have names in Python
pub(crate) fn project<'py>(
    py: Python<'py>,
    generator: &NativeGenerator,
    target: Target<'py>,
    starts: usize,
    steps: usize,
    lr: f64,
    prior: f64,
    seed: u64,
    arguments: ImageArguments,
) -> PyResult<Projected<'py>> {
    let options = ProjectOptions { starts, steps, lr, prior, seed, ..ProjectOptions::default() };
    options.validate().map_err(value)?;
    let fit = image_options(arguments)?;
    let ModelConfig { image_size: size, channels, .. } =
        *generator.generator().map_err(|error| exception(&error))?.config();
    let target = match target {
        Target::Path(path) => {
            let bytes = fs::read(&path).map_err(|error| system(error.kind(), format!("{path:?}: {error}")))?;
            dcgan::prepare_picture(&bytes, size, Channels::from_count(channels), &fit)
                .map_err(|source| exception(&Error::Picture { path, source }))?
        }
        Target::Array(array) => {
            let Some(given) = pictures(&array)?.into_iter().next() else { return Err(value("no picture was given")) };
            if given.channels != channels {
                let given = given.channels;
                return Err(value(format!("the picture has {given} channels, and those of the generator {channels}")));
            }
            let extent = [given.height, given.width];
            let pixels = py.detach(|| {
                threads::install(|| {
                    dcgan::fit_images(&given.pixels, extent, size, Channels::from_count(channels), &fit)
                })
            })?;
            Picture { width: size, height: size, channels, pixels }
        }
    };
    let found = py.detach(|| {
        let (cpu, generator) = (generator.cpu()?, generator.generator()?);
        let network = Network::generator(generator.config());
        let mut engine = CpuDifferentiableGenerator::new(cpu, &network, generator.state_dict()?, starts)?;
        dcgan::project(&mut engine, &target.to_nchw(), &options, |_, _| {})
    });
    let found = found.map_err(|error| exception(&error))?;
    let [before, after] = [found.start_error, found.error].map(levels);
    let vector = |values: Vec<f32>| {
        let len = values.len();
        PyArray1::from_vec(py, values).reshape(vec![len])
    };
    let poor = poor_projection(before, after);
    Ok((vector(found.noise)?, after, vector(found.start)?, before, poor, image(py, target)?))
}

/// Result of [`neighbours`]: the report as JSON, its verdict, and indices and distances of the nearest images, faces ×
/// k, one after the other.
type NearestImages = (String, String, Vec<Vec<usize>>, Vec<Vec<f64>>);

/// Compares faces with training images: N × H × W × C of the generator's size.
#[pyfunction]
#[pyo3(signature = (generator, faces, names, data, nearest, max_images, arguments))]
#[allow(clippy::too_many_arguments)] // they have names in Python
pub(crate) fn neighbours(
    py: Python<'_>,
    generator: &NativeGenerator,
    faces: PyReadonlyArray4<'_, u8>,
    names: Vec<String>,
    data: Source<'_>,
    nearest: usize,
    max_images: Option<usize>,
    arguments: ImageArguments,
) -> PyResult<NearestImages> {
    let (data, options, faces) = (OwnedSource::new(data)?, image_options(arguments)?, pictures(&faces)?);
    if faces.len() != names.len() || nearest == 0 {
        return Err(value("a name for each face and 1 or more nearest pictures are needed"));
    }
    py.detach(|| {
        threads::install(|| {
            let config = *generator.generator().map_err(|error| exception(&error))?.config();
            let (data, files) = data.load(&config, max_images, &options)?;
            let neighbours = Neighbours::new(&data).map_err(|error| exception(&error.into()))?;
            let found: Vec<_> = faces.iter().map(|face| neighbours.nearest(face, nearest)).collect();
            let distances = names.into_iter().zip(&found).map(|(face, found)| FaceDistance {
                face,
                nearest: files[found[0].index].clone(),
                distance: found[0].distance,
            });
            let report = NeighbourReport::new(distances.collect(), &neighbours);
            let json = serde_json::to_string(&report).map_err(|error| value(error.to_string()))?;
            let indices = found.iter().map(|found| found.iter().map(|near| near.index).collect()).collect();
            let distances = found.iter().map(|found| found.iter().map(|near| near.distance).collect()).collect();
            Ok((json, report.verdict(), indices, distances))
        })?
    })
}

/// Converts a model file. Returns the number of bytes written.
#[pyfunction]
#[pyo3(signature = (source, target, network, uint8, prefix))]
pub(crate) fn convert(
    py: Python<'_>,
    source: PathBuf,
    target: PathBuf,
    network: Option<&str>,
    uint8: bool,
    prefix: &str,
) -> PyResult<usize> {
    let converted = py.detach(|| dcgan::convert(&source, &target, network, uint8, prefix));
    converted.map_err(|error| of_file(&error, &source))
}

/// Draws built-in faces: uint8, N × H × W × C.
#[pyfunction]
pub(crate) fn demo_faces<'py>(
    py: Python<'py>,
    count: usize,
    seed: u64,
    image_size: usize,
    channels: usize,
) -> PyResult<Bound<'py, PyArray4<u8>>> {
    if !matches!(channels, 1 | 3) || !(1..=4096).contains(&image_size) {
        return Err(value(format!(
            "faces of {image_size} pixels with {channels} channels: choose 1 to 4096 pixels and 1 or 3 channels"
        )));
    }
    let kind = Channels::from_count(channels);
    let bytes = count.checked_mul(image_size * image_size * channels).filter(|bytes| isize::try_from(*bytes).is_ok());
    let too_many = || memory(format!("{count} faces do not fit into memory: draw fewer"));
    let bytes = bytes.ok_or_else(too_many)?;
    let faces = py.detach(|| {
        threads::install(|| {
            let mut faces = Vec::new();
            faces.try_reserve_exact(bytes).map_err(|_| too_many())?;
            let data = Dataset::from_fn(count, image_size, kind, |index, out| {
                out.copy_from_slice(&dcgan::demo_face(seed, index as u64, image_size, kind));
            });
            let data = data.map_err(|error| exception(&error.into()))?;
            for index in 0..data.len() {
                faces.extend_from_slice(&data.image(index).map_err(|error| exception(&error.into()))?);
            }
            PyResult::Ok(faces)
        })?
    })?;
    PyArray1::from_vec(py, faces).reshape([count, image_size, image_size, channels])
}

fn image(py: Python<'_>, picture: Picture) -> PyResult<Bound<'_, PyArrayDyn<u8>>> {
    PyArray1::from_vec(py, picture.pixels).reshape(vec![picture.height, picture.width, picture.channels])
}
