//! What the tests of this folder share.
#![allow(dead_code, reason = "no test uses all of it")]

use dcgan_model::{ModelConfig, Network, StateDict, Tensor};
use std::io::{Cursor, Write};
use std::path::PathBuf;
use zip::write::SimpleFileOptions;

/// The sizes of the networks in the fixtures.
pub(crate) const SMALL: ModelConfig = ModelConfig { image_size: 32, channels: 3, latent_dim: 4, base_channels: 2 };

/// A file that PyTorch wrote, by tools/reference/model_file_fixtures.py.
pub(crate) fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// The values in the fixtures: the same exact fractions as in the script that wrote them.
pub(crate) fn values(network: &Network) -> StateDict {
    let tensor = |index: usize, name: &str, shape: &[usize]| {
        if name.ends_with("num_batches_tracked") {
            return Tensor::scalar_i64(1000 + index as i64);
        }
        let len: usize = shape.iter().product();
        let data = (0..len).map(|i| (((i * 37 + 11 * index) % 101) as f32 - 50.0) / 128.0);
        if name.ends_with("running_var") {
            return Tensor::f32(shape, data.map(|value| 1.0 + value.abs()).collect());
        }
        Tensor::f32(shape, data.collect())
    };
    let specs = network.tensors().into_iter().enumerate();
    specs.map(|(index, spec)| (spec.name.clone(), tensor(index, &spec.name, &spec.shape))).collect()
}

/// A zip of uncompressed entries.
pub(crate) fn zip_of(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut zip = zip::ZipWriter::new(Cursor::new(&mut bytes));
    for (name, content) in entries {
        zip.start_file(*name, SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored)).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap();
    bytes
}
