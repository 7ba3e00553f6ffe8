//! Generators.

use crate::errors::{exception, memory, of_file, value};
use crate::process::PerProcess;
use crate::threads;
use dcgan::{Cpu, Error, Format, ModelConfig, Picture, TensorData, cpu, seed_noise};
use numpy::{
    PyArray1, PyArray4, PyArrayDyn, PyArrayMethods, PyReadonlyArray2, PyReadonlyArray3, PyReadonlyArray4,
    PyUntypedArrayMethods,
};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use rayon::prelude::*;
use std::path::PathBuf;

/// Largest number of images that are drawn before signals are looked at.
const PIECE: usize = 1024;

/// A generator: `dcgan.Generator` without its conveniences.
#[pyclass(frozen, module = "dcgan._dcgan")]
pub(crate) struct NativeGenerator {
    generators: PerProcess<dcgan::Generator>,
    config: ModelConfig,
    threads: Option<usize>,
}

impl NativeGenerator {
    pub(crate) fn new(generator: dcgan::Generator, threads: Option<usize>) -> Self {
        let config = *generator.config();
        Self { generators: PerProcess::with(generator), config, threads }
    }

    /// Returns a CPU with as many threads as the generator has.
    pub(crate) fn cpu(&self) -> Result<Cpu, Error> {
        cpu(self.threads)
    }

    /// Returns the generator with threads of this process.
    pub(crate) fn generator(&self) -> Result<&dcgan::Generator, Error> {
        let make = || match self.generators.any() {
            Some(generator) => generator.with_cpu(self.cpu()?),
            None => Err(Error::NoWeights),
        };
        self.generators.get(make)
    }

    /// Draws the images of `noise`, `PIECE` at a time.
    fn draw_pieces<T: Send>(
        &self,
        py: Python<'_>,
        noise: &[f32],
        mut convert: impl FnMut(Vec<f32>, &mut Vec<T>) -> PyResult<()> + Send,
    ) -> PyResult<Vec<T>> {
        let count = noise.len() / self.config.latent_dim;
        let mut images = Vec::new();
        let bytes = count.checked_mul(self.config.image_len()).map(|len| images.try_reserve_exact(len).is_ok());
        if bytes != Some(true) {
            return Err(memory(format!("{count} images do not fit into memory: draw fewer at a time")));
        }
        for piece in noise.chunks(PIECE * self.config.latent_dim) {
            py.check_signals()?;
            py.detach(|| {
                let values = self.generator().and_then(|generator| generator.draw_values(piece));
                convert(values.map_err(|error| exception(&error))?, &mut images)
            })?;
        }
        Ok(images)
    }
}

#[pymethods]
impl NativeGenerator {
    /// Reads a file in any format or the folder of a run.
    #[staticmethod]
    #[pyo3(signature = (path, network, threads))]
    fn load(py: Python<'_>, path: PathBuf, network: Option<&str>, threads: Option<usize>) -> PyResult<Self> {
        py.detach(|| {
            let load = || dcgan::Generator::open(&path, network, cpu(threads)?);
            let generator = load().map_err(|error| of_file(&error, &path))?;
            Ok(Self::new(generator, threads))
        })
    }

    /// Reads a file in memory.
    #[staticmethod]
    #[pyo3(signature = (data, threads))]
    fn from_bytes(py: Python<'_>, data: &[u8], threads: Option<usize>) -> PyResult<Self> {
        py.detach(|| {
            let load = || dcgan::Generator::from_bytes(data, cpu(threads)?);
            Ok(Self::new(load().map_err(|error| exception(&error))?, threads))
        })
    }

    /// Length of a noise vector.
    #[getter]
    fn latent_dim(&self) -> usize {
        self.config.latent_dim
    }

    /// Height and width of an image.
    #[getter]
    fn image_size(&self) -> usize {
        self.config.image_size
    }

    /// Number of channels of an image.
    #[getter]
    fn channels(&self) -> usize {
        self.config.channels
    }

    /// Number of channels of the layers next to the image.
    #[getter]
    fn base_channels(&self) -> usize {
        self.config.base_channels_g
    }

    /// Draws the images of noise, N × latent: float32, N × C × H × W in [-1, 1].
    fn draw<'py>(&self, py: Python<'py>, noise: PyReadonlyArray2<'py, f32>) -> PyResult<Bound<'py, PyArray4<f32>>> {
        let ModelConfig { latent_dim, image_size: size, channels, .. } = self.config;
        let [count, length] = [0, 1].map(|axis| noise.shape()[axis]);
        if length != latent_dim {
            return Err(value(format!("noise vectors of {length} values, and this generator takes {latent_dim}")));
        }
        let noise = noise.as_slice()?;
        let values = if count <= PIECE {
            // Without a copy. An engine takes no empty batch.
            let draw = || if count == 0 { Ok(Vec::new()) } else { self.generator()?.draw_values(noise) };
            py.detach(draw).map_err(|error| exception(&error))?
        } else {
            self.draw_pieces(py, noise, |piece, all| {
                all.extend_from_slice(&piece);
                Ok(())
            })?
        };
        PyArray1::from_vec(py, values).reshape([count, channels, size, size])
    }

    /// Draws the images of seeds, each from its own noise times `trunc`: uint8, N × H × W × C.
    fn faces<'py>(&self, py: Python<'py>, seeds: Vec<u64>, trunc: f32) -> PyResult<Bound<'py, PyArray4<u8>>> {
        let ModelConfig { latent_dim, image_size: size, channels, .. } = self.config;
        let noise: Vec<f32> =
            seeds.iter().flat_map(|&seed| seed_noise(seed, latent_dim)).map(|value| value * trunc).collect();
        let quantize = |values: Vec<f32>, images: &mut Vec<u8>| {
            let images_of = |values: &[f32]| Picture::from_nchw(values, channels, size);
            let pictures: Vec<Picture> =
                threads::install(|| values.par_chunks(self.config.image_len()).flat_map_iter(images_of).collect())?;
            pictures.iter().for_each(|picture| images.extend_from_slice(&picture.pixels));
            Ok(())
        };
        let images = self.draw_pieces(py, &noise, quantize)?;
        PyArray1::from_vec(py, images).reshape([seeds.len(), size, size, channels])
    }

    /// Returns the noise of seeds, N × latent.
    fn noise<'py>(&self, py: Python<'py>, seeds: Vec<u64>) -> PyResult<Bound<'py, PyArrayDyn<f32>>> {
        let latent_dim = self.config.latent_dim;
        let noise: Vec<f32> = seeds.iter().flat_map(|&seed| seed_noise(seed, latent_dim)).collect();
        PyArray1::from_vec(py, noise).reshape(vec![seeds.len(), latent_dim])
    }

    /// Returns the tensors by their names, in PyTorch's order.
    fn state_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let generator = self.generator().map_err(|error| exception(&error))?;
        let tensors = PyDict::new(py);
        for (name, tensor) in generator.state_dict().map_err(|error| exception(&error))?.iter() {
            let shape = tensor.shape.clone();
            match &tensor.data {
                TensorData::F32(values) => {
                    tensors.set_item(name, PyArray1::from_slice(py, values).reshape(shape)?)?;
                }
                TensorData::I64(values) => {
                    tensors.set_item(name, PyArray1::from_slice(py, values).reshape(shape)?)?;
                }
            }
        }
        Ok(tensors)
    }

    /// Writes a file whose extension says the format.
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        py.detach(|| self.generator()?.save(&path)).map_err(|error| exception(&error))
    }

    /// Returns a safetensors file.
    fn to_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = py.detach(|| self.generator()?.to_bytes(Format::Safetensors)).map_err(|error| exception(&error))?;
        Ok(PyBytes::new(py, &bytes))
    }
}

/// Places images side by side, `columns` to a row, as the sheets of the command line: uint8, N × H × W × C to
/// H' × W' × C.
#[pyfunction]
pub(crate) fn sheet<'py>(
    py: Python<'py>,
    images: PyReadonlyArray4<'py, u8>,
    columns: usize,
) -> PyResult<Bound<'py, PyArrayDyn<u8>>> {
    let images = pictures(&images)?;
    if images.is_empty() || columns == 0 || images[0].width != images[0].height {
        return Err(value("a sheet needs a column and one or more square images"));
    }
    let sheet = dcgan::compose_columns(&images, columns);
    PyArray1::from_vec(py, sheet.pixels).reshape(vec![sheet.height, sheet.width, sheet.channels])
}

/// Returns an image, H × W × C, as a PNG file.
#[pyfunction]
pub(crate) fn png<'py>(py: Python<'py>, image: PyReadonlyArray3<'py, u8>) -> PyResult<Bound<'py, PyBytes>> {
    let [height, width, channels] = [0, 1, 2].map(|axis| image.shape()[axis]);
    check_extent(height, width, channels)?;
    let picture = Picture { width, height, channels, pixels: image.as_slice()?.to_vec() };
    let png = py.detach(|| picture.to_png()).map_err(|error| value(format!("cannot make a PNG file: {error}")))?;
    Ok(PyBytes::new(py, &png))
}

/// Copies images out of an array, N × H × W × C with 1 or 3 channels.
///
/// # Errors
/// If the array has another number of channels, or images without pixels.
pub(crate) fn pictures(images: &PyReadonlyArray4<'_, u8>) -> PyResult<Vec<Picture>> {
    let [_, height, width, channels] = [0, 1, 2, 3].map(|axis| images.shape()[axis]);
    check_extent(height, width, channels)?;
    let pixels = images.as_slice()?.chunks_exact(height * width * channels);
    Ok(pixels.map(|pixels| Picture { width, height, channels, pixels: pixels.to_vec() }).collect())
}

fn check_extent(height: usize, width: usize, channels: usize) -> PyResult<()> {
    if !matches!(channels, 1 | 3) || height == 0 || width == 0 {
        return Err(value(format!(
            "images of {height} × {width} × {channels}: give uint8 images, N × H × W × C with 1 or 3 channels"
        )));
    }
    Ok(())
}
