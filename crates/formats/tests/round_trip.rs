//! What is written can be read, and is the same bytes each time.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod common;

use common::{SMALL, values};
use dcgan_formats::{
    ErrorKind, Format, Metadata, WriteOptions, describe, load_bytes, read_safetensors, write, write_half_safetensors,
    write_safetensors, write_state_dict, write_torchscript, write_torchscript_uint8,
};
use dcgan_model::{DiscriminatorNorm, ModelConfig, Network, StateDict, Tensor};
use std::io::{Cursor, Read};

fn torchscript(network: &Network, tensors: &StateDict, metadata: &Metadata) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_torchscript(Cursor::new(&mut bytes), network, tensors, metadata).unwrap();
    bytes
}

fn state_dict(tensors: &StateDict, metadata: &Metadata) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_state_dict(Cursor::new(&mut bytes), tensors, metadata).unwrap();
    bytes
}

fn safetensors(tensors: &StateDict, metadata: &Metadata) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_safetensors(&mut bytes, tensors, metadata).unwrap();
    bytes
}

#[test]
fn every_network_survives_every_format() {
    for image_size in ModelConfig::IMAGE_SIZES {
        for channels in [1, 3] {
            // No wider: 256 pixels already have 32 times this width.
            let config =
                ModelConfig { image_size, channels, latent_dim: 5, ..ModelConfig::TUTORIAL }.with_base_channels(1);
            for network in [Network::generator(&config), Network::discriminator(&config)] {
                let tensors = values(&network);
                let metadata = describe(&network);
                for (format, bytes) in [
                    (Format::TorchScript, torchscript(&network, &tensors, &metadata)),
                    (Format::StateDict, state_dict(&tensors, &metadata)),
                    (Format::Safetensors, safetensors(&tensors, &metadata)),
                ] {
                    let model = load_bytes(&bytes).unwrap();
                    assert_eq!(model.format, format);
                    assert_eq!(model.network, network, "the discriminator's noise is told by the metadata");
                    assert_eq!(model.tensors, tensors);
                    assert!(model.tensors.keys().eq(tensors.keys()), "order");
                    assert_eq!(model.metadata, metadata);
                }
            }
        }
    }
}

/// Formats that hold code have no spectral norm: there a weight is what PyTorch's parametrization makes of it.
#[test]
fn a_discriminator_without_batch_norm_keeps_its_biases() {
    for norm_d in [DiscriminatorNorm::None, DiscriminatorNorm::Spectral] {
        let network = Network::discriminator(&ModelConfig { norm_d, ..SMALL });
        let tensors = values(&network);
        let plain = Network::discriminator(&ModelConfig { norm_d: DiscriminatorNorm::None, ..SMALL });
        let mut expected = StateDict::new();
        for spec in plain.tensors() {
            let tensor = tensors.get(&spec.name).cloned().unwrap_or_else(|| {
                let layer = spec.name.strip_suffix("weight").unwrap();
                let values =
                    |suffix: &str| tensors[&format!("{layer}parametrizations.weight.{suffix}")].as_f32().unwrap();
                let (weight, u, v) = (values("original"), values("0._u"), values("0._v"));
                let rows = u.iter().zip(weight.chunks(v.len()));
                let sigma: f64 = rows
                    .map(|(&u, row)| {
                        row.iter().zip(v).map(|(&w, &v)| f64::from(u) * f64::from(w) * f64::from(v)).sum::<f64>()
                    })
                    .sum();
                Tensor::f32(spec.shape, weight.iter().map(|&w| (f64::from(w) / sigma) as f32).collect())
            });
            expected.insert(spec.name, tensor);
        }
        let bytes = torchscript(&network, &tensors, &describe(&network));
        let model = load_bytes(&bytes).unwrap();
        assert_eq!((&model.network, model.tensors.len()), (&plain, expected.len()));
        for (name, tensor) in &expected {
            let (read, wanted) = (model.tensors[name].as_f32().unwrap(), tensor.as_f32().unwrap());
            assert!(read.iter().zip(wanted).all(|(a, b)| (a - b).abs() <= 1e-6 * b.abs()), "{norm_d:?} {name}");
        }
        // In both formats the code reads the bias of every convolution.
        let mut zip = zip::ZipArchive::new(Cursor::new(&bytes)).unwrap();
        let mut code = String::new();
        zip.by_name("discriminator/code/__torch__/torch/nn/modules/conv.py")
            .unwrap()
            .read_to_string(&mut code)
            .unwrap();
        assert!(code.contains("bias : Tensor\n") && !code.contains("Optional[Tensor]\n  training"), "{code}");
        let mut onnx = Vec::new();
        let options = WriteOptions::default();
        write(Cursor::new(&mut onnx), Format::Onnx, &network, &tensors, &Metadata::new(), &options).unwrap();
        for name in expected.keys() {
            // Once as an input of its layer, once as the name of the tensor.
            let count = onnx.windows(name.len()).filter(|window| *window == name.as_bytes()).count();
            assert_eq!(count, 2, "{norm_d:?} {name}");
        }
    }
}

/// The values of the fixtures are float16 too.
#[test]
fn half_precision_takes_half_the_bytes_and_keeps_what_does_not_fit() {
    let network = Network::generator(&SMALL.with_base_channels(16));
    let (mut tensors, metadata) = (values(&network), describe(&network));
    let half = |tensors: &StateDict| {
        let mut bytes = Vec::new();
        write_half_safetensors(&mut bytes, tensors, &metadata).unwrap();
        bytes
    };
    let bytes = half(&tensors);
    let whole = safetensors(&tensors, &metadata).len();
    assert!((whole * 45 / 100..whole * 55 / 100).contains(&bytes.len()), "{} of {whole} bytes", bytes.len());
    let model = load_bytes(&bytes).unwrap();
    assert_eq!((model.network, &model.tensors, model.metadata), (network.clone(), &tensors, metadata.clone()));
    assert_eq!(model.dtype, "float16, float32");

    let third = tensors.keys().nth(1).unwrap().clone();
    let weight = tensors.keys().find(|name| tensors[*name].shape.len() > 1).unwrap().clone();
    let place = |tensors: &mut StateDict, name: &str, value: f32| {
        let Tensor { shape, .. } = &tensors[name];
        let mut data = tensors[name].as_f32().unwrap().to_vec();
        let shape = shape.clone();
        data[0] = value;
        tensors.insert(name.to_owned(), Tensor::f32(shape, data));
    };
    // Too large, and too small in batch norm.
    place(&mut tensors, &weight, 1e6);
    place(&mut tensors, &third, 1e-12);
    let model = load_bytes(&half(&tensors)).unwrap();
    assert_eq!(model.tensors, tensors);
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let network = Network::generator(&SMALL);
    let tensors = values(&network);
    let metadata: Metadata = (0..50).map(|i| (format!("key {i}"), format!("\"value\" {i}\n"))).collect();
    let write = || {
        [torchscript(&network, &tensors, &metadata), state_dict(&tensors, &metadata), safetensors(&tensors, &metadata)]
    };
    let files = write();
    assert!(files == write());
    for file in files {
        assert_eq!(load_bytes(&file).unwrap().metadata, metadata);
    }
}

/// PyTorch maps files into memory; a misaligned tensor would be slow or refused.
#[test]
fn tensors_are_aligned() {
    // Of width 1, so that many tensors have an odd number of values.
    let network = Network::generator(&SMALL.with_base_channels(1));
    let tensors = values(&network);
    let bytes = torchscript(&network, &tensors, &Metadata::new());
    let mut zip = zip::ZipArchive::new(Cursor::new(&bytes)).unwrap();
    for index in 0..tensors.len() {
        let mut entry = zip.by_name(&format!("generator/data/{index}")).unwrap();
        assert_eq!(entry.compression(), zip::CompressionMethod::Stored);
        let start = entry.data_start().unwrap();
        assert_eq!(start % 64, 0, "data/{index}");
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        assert_eq!(bytes[start as usize..][..content.len()], content, "data/{index}");
    }

    let bytes = safetensors(&tensors, &Metadata::new());
    let (header_len, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    assert_eq!((8 + header_len) % 8, 0);
    for (name, info) in header.tensors() {
        assert_eq!(info.data_offsets.0 % (info.dtype.bitsize() / 8), 0, "{name}");
    }
}

#[test]
fn safetensors_keep_any_tensors() {
    let mut tensors = StateDict::new();
    tensors.insert("10.odd".to_owned(), Tensor::f32([3], vec![1.0, f32::NAN, -0.0]));
    tensors.insert("9.step".to_owned(), Tensor::scalar_i64(i64::MIN));
    tensors.insert("empty".to_owned(), Tensor::f32([2, 0], vec![]));
    let metadata = Metadata::from([("".to_owned(), "\u{1f600}".to_owned())]);
    let (read, read_metadata) = read_safetensors(&safetensors(&tensors, &metadata)).unwrap();
    assert_eq!(read_metadata, metadata);
    assert_eq!(read.keys().collect::<Vec<_>>(), ["9.step", "10.odd", "empty"], "8-byte types first");
    let bits = |state: &StateDict| state["10.odd"].as_f32().unwrap().iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&read), bits(&tensors));
    assert_eq!(read["9.step"], tensors["9.step"]);
    assert_eq!(read["empty"].shape, [2, 0]);
    assert!(read_safetensors(&safetensors(&StateDict::new(), &Metadata::new())).unwrap().0.is_empty());
}

#[test]
fn the_order_of_tensors_in_a_file_does_not_matter() {
    for network in [Network::generator(&ModelConfig::default()), Network::discriminator(&ModelConfig::default())] {
        let tensors = values(&network);
        let mut sorted = tensors.clone();
        sorted.sort_keys();
        let reversed: StateDict = tensors.clone().into_iter().rev().collect();
        for shuffled in [sorted, reversed] {
            let model = load_bytes(&safetensors(&shuffled, &Metadata::new())).unwrap();
            assert_eq!(model.network, network);
            assert!(model.tensors.keys().eq(tensors.keys()));
        }
    }
}

#[test]
fn uint8_generators_can_be_read_again() {
    for channels in [1, 3] {
        let network = Network::generator(&ModelConfig { channels, ..SMALL });
        let tensors = values(&network);
        let mut bytes = Vec::new();
        write_torchscript_uint8(Cursor::new(&mut bytes), &network, &tensors, &describe(&network)).unwrap();
        let model = load_bytes(&bytes).unwrap();
        assert_eq!((&*model.name, model.network, model.tensors), ("generator", network, tensors));
    }
    let network = Network::discriminator(&SMALL);
    let error =
        write_torchscript_uint8(Cursor::new(Vec::new()), &network, &values(&network), &Metadata::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[test]
fn options_that_a_format_does_not_have_are_refused() {
    let network = Network::generator(&SMALL);
    let tensors = values(&network);
    let write = |format, options: &WriteOptions| {
        let mut bytes = Vec::new();
        write(Cursor::new(&mut bytes), format, &network, &tensors, &describe(&network), options).map(|()| bytes)
    };
    let uint8 = WriteOptions { uint8: true, ..WriteOptions::default() };
    let prefix = WriteOptions { prefix: "main.".to_owned(), ..WriteOptions::default() };
    for (format, options) in [
        (Format::StateDict, &uint8),
        (Format::Safetensors, &uint8),
        (Format::TorchScript, &prefix),
        (Format::Onnx, &prefix),
        (Format::Checkpoint, &WriteOptions::default()),
    ] {
        let error = write(format, options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    }
    for format in [Format::StateDict, Format::Safetensors] {
        let model = load_bytes(&write(format, &prefix).unwrap()).unwrap();
        assert_eq!((&*model.name, &model.tensors), ("main", &tensors));
    }
    let error = load_bytes(&write(Format::Onnx, &uint8).unwrap()).unwrap_err();
    assert!(error.to_string().contains("ONNX"), "{error}");
}

/// Networks written by hand rather than as one `nn.Sequential` have other names; the order of their layers is that of
/// the file.
#[test]
fn layers_are_known_by_their_order_where_names_have_no_numbers() {
    for (network, norm_from) in [(Network::generator(&SMALL), 0), (Network::discriminator(&SMALL), 1)] {
        let tensors = values(&network);
        let mut convs = 0;
        let (mut words, mut blocks) = (StateDict::new(), StateDict::new());
        for (name, tensor) in &tensors {
            let (_, suffix) = name.split_once('.').unwrap();
            convs += usize::from(tensor.shape.len() == 4);
            let (layer, place) = if tensor.shape.len() == 4 { ("conv", 0) } else { ("bn", 1) };
            words.insert(format!("{layer}{}.{suffix}", convs - norm_from * place), tensor.clone());
            blocks.insert(format!("net.{}.{place}.{suffix}", convs - 1), tensor.clone());
        }
        for renamed in [&words, &blocks] {
            let model = load_bytes(&state_dict(renamed, &describe(&network))).unwrap();
            assert_eq!((&model.network, &model.tensors), (&network, &tensors));
            assert!(model.tensors.keys().eq(tensors.keys()));
        }
        // What does not fit is called by its own name.
        words.insert("conv1.bias".to_owned(), Tensor::f32([3], vec![0.0; 3]));
        let error = load_bytes(&state_dict(&words, &describe(&network))).unwrap_err();
        assert!(error.to_string().contains("tensor conv1.bias of shape [3] does not belong"), "{error}");
    }
}

#[test]
fn tensors_of_another_network_are_not_written() {
    let network = Network::generator(&SMALL);
    let mut tensors = values(&network);
    tensors.shift_remove("4.running_var");
    let error = write_torchscript(Cursor::new(Vec::new()), &network, &tensors, &Metadata::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed);
    assert!(error.to_string().contains("4.running_var"), "{error}");
}
