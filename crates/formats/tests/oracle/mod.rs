//! What must hold whatever bytes a reader is given. The fuzz targets ask for it, and `corpus.rs` for what they have
//! found.
#![allow(dead_code, reason = "a fuzz target uses one of these")]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use dcgan_formats::{Format, FormatError, WriteOptions, load_bytes, read_checkpoint, write, write_checkpoint};
use std::io::{Cursor, Write};
use zip::write::SimpleFileOptions;

/// A model file of any kind: it holds a whole network, which survives being written in every format, or it is refused
/// in one sentence.
pub(crate) fn model_file(bytes: &[u8]) {
    let model = match load_bytes(bytes) {
        Ok(model) => model,
        Err(error) => return one_sentence(&error),
    };
    assert_eq!(model.network.check(&model.tensors), Ok(()));
    for format in [Format::TorchScript, Format::StateDict, Format::Safetensors] {
        let mut written = Vec::new();
        let options = WriteOptions::default();
        let out = Cursor::new(&mut written);
        write(out, format, &model.network, &model.tensors, &model.metadata, &options).unwrap();
        let again = load_bytes(&written).unwrap();
        assert_eq!(again.network.layers, model.network.layers);
        assert!(again.tensors.keys().eq(model.tensors.keys()));
        for (one, other) in again.tensors.values().zip(model.tensors.values()) {
            let bits =
                |values: Option<&[f32]>| values.map(|values| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>());
            assert_eq!((bits(one.as_f32()), one.as_i64()), (bits(other.as_f32()), other.as_i64()));
        }
    }
}

/// The pickle of a PyTorch file whose other entries are in order.
pub(crate) fn pickle(bytes: &[u8]) {
    model_file(&with_pickle(bytes));
}

/// A checkpoint: it is written as it was read, or it is refused in one sentence. As a model file it holds a generator
/// at least.
pub(crate) fn checkpoint(bytes: &[u8]) {
    model_file(bytes);
    match read_checkpoint(bytes) {
        Ok((checkpoint, facts)) => {
            load_bytes(bytes).unwrap();
            let mut written = Vec::new();
            write_checkpoint(&mut written, &checkpoint, &facts).unwrap();
            let mut twice = Vec::new();
            let (checkpoint, facts) = read_checkpoint(&written).unwrap();
            write_checkpoint(&mut twice, &checkpoint, &facts).unwrap();
            assert!(written == twice);
        }
        Err(error) => one_sentence(&error),
    }
}

/// A zip like PyTorch's with this pickle, and storages of few values.
pub(crate) fn with_pickle(pickle: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut zip = zip::ZipWriter::new(Cursor::new(&mut file));
    let mut add = |name: &str, content: &[u8]| {
        let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        zip.start_file(name, options).unwrap();
        zip.write_all(content).unwrap();
    };
    add("m/data.pkl", pickle);
    add("m/version", b"3\n");
    // Of the lengths of the smallest generator's tensors; an int64 has two float32s' bytes.
    let lengths = [64, 4, 4, 4, 4, 2, 128, 2, 2, 2, 2, 2, 32, 1, 1, 1, 1, 2, 48];
    for (key, length) in lengths.into_iter().enumerate() {
        add(&format!("m/data/{key}"), &vec![0; 4 * length]);
    }
    zip.finish().unwrap();
    file
}

/// Checks that an error is what a user can be shown.
pub(crate) fn one_sentence(error: &FormatError) {
    let message = error.to_string();
    assert!(!message.is_empty() && message.chars().count() < 5000, "{} bytes of message", message.len());
    assert!(!message.contains(char::is_control), "{message:?}");
}
