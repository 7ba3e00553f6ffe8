//! What the tests of this folder share.
#![allow(dead_code, reason = "no test uses all of it")]

use dcgan_model::{ModelConfig, Network, StateDict, Tensor};
use std::io::{Cursor, Write};
use std::path::PathBuf;
use zip::write::SimpleFileOptions;

/// The sizes of the networks in the fixtures.
pub(crate) const SMALL: ModelConfig =
    ModelConfig { image_size: 32, channels: 3, latent_dim: 4, ..ModelConfig::TUTORIAL }.with_base_channels(2);

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

/// A zip as PyTorch writes it: uncompressed entries, and zip64 records at the end although no number needs them.
pub(crate) fn pytorch_zip(entries: &[(String, Vec<u8>)]) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in entries {
        let size = (content.len() as u32).to_le_bytes();
        let middle = [
            &[0, 0, 0, 0, 0, 0, 0, 0, 0x21, 0][..],
            &crc32fast::hash(content).to_le_bytes(),
            &size,
            &size,
            &(name.len() as u16).to_le_bytes(),
            &[0, 0],
        ]
        .concat();
        let start = (file.len() as u32).to_le_bytes();
        directory.extend([b"PK\x01\x02\0\0", &middle[..], &[0; 10], &start, name.as_bytes()].concat());
        file.extend([b"PK\x03\x04", &middle[..], name.as_bytes(), content].concat());
    }
    let (start, size, count) = (file.len() as u64, directory.len() as u64, entries.len() as u64);
    file.extend(directory);
    let end64 = file.len() as u64;
    file.extend([b"PK\x06\x06", &44_u64.to_le_bytes()[..], &[0x1e, 3, 0x2d, 0], &[0; 8]].concat());
    file.extend([count, count, size, start].map(u64::to_le_bytes).concat());
    file.extend([b"PK\x06\x07", &[0; 4][..], &end64.to_le_bytes(), &1_u32.to_le_bytes()].concat());
    file.extend([b"PK\x05\x06\0\0\0\0", &[count as u16; 2].map(u16::to_le_bytes).concat()[..]].concat());
    file.extend([size as u32, start as u32].map(u32::to_le_bytes).concat());
    file.extend([0, 0]);
    file
}
