//! Files that are none of ours, broken, or made to deceive. Each gets one sentence, and none a panic.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod common;

use common::{SMALL, fixture, values, zip_of};
use dcgan_formats::{ErrorKind, Metadata, describe, load, load_bytes, write_safetensors, write_torchscript};
use dcgan_model::{ModelConfig, Network, StateDict, Tensor};
use std::fs;
use std::io::Cursor;

/// The smallest file of ours, and its tensors.
fn tiny_torchscript() -> (Vec<u8>, StateDict) {
    let network = Network::generator(&ModelConfig { latent_dim: 1, ..SMALL }.with_base_channels(1));
    let tensors = values(&network);
    let mut bytes = Vec::new();
    write_torchscript(Cursor::new(&mut bytes), &network, &tensors, &describe(&network)).unwrap();
    (bytes, tensors)
}

fn tiny_safetensors() -> Vec<u8> {
    let network = Network::generator(&ModelConfig { latent_dim: 1, ..SMALL }.with_base_channels(1));
    let mut bytes = Vec::new();
    write_safetensors(&mut bytes, &values(&network), &describe(&network)).unwrap();
    bytes
}

fn failure(bytes: &[u8]) -> (ErrorKind, String) {
    let error = load_bytes(bytes).unwrap_err();
    (error.kind(), error.to_string())
}

/// A PyTorch zip with this pickle and one storage of four floats.
fn with_pickle(pickle: &[u8]) -> Vec<u8> {
    zip_of(&[("m/data/0", &[0; 16]), ("m/data.pkl", pickle), ("m/version", b"3\n")])
}

/// The pickle `{NAME: tensor}`; numbers are pickled as 8 bytes each.
fn tensor_pickle(name: &str, storage_len: i64, offset: i64, shape: &[i64], strides: &[i64]) -> Vec<u8> {
    let int = |value: i64| [&b"\x8a\x08"[..], &value.to_le_bytes()].concat();
    let text = |text: &str| [&b"X"[..], &(text.len() as u32).to_le_bytes(), text.as_bytes()].concat();
    let tuple = |values: &[i64]| [&b"("[..], &values.iter().flat_map(|&v| int(v)).collect::<Vec<u8>>(), b"t"].concat();
    [
        b"\x80\x02}".to_vec(),
        text(name),
        b"ctorch._utils\n_rebuild_tensor_v2\n((".to_vec(),
        text("storage"),
        b"ctorch\nFloatStorage\n".to_vec(),
        text("0"),
        text("cpu"),
        int(storage_len),
        b"tQ".to_vec(),
        int(offset),
        tuple(shape),
        tuple(strides),
        b"\x89NtRs.".to_vec(),
    ]
    .concat()
}

#[test]
fn foreign_files_are_called_by_their_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.pt");
    let message = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let error = load(&path).unwrap_err();
        assert!(error.to_string().starts_with(&path.display().to_string()), "{error}");
        (error.kind(), error.to_string())
    };
    for (bytes, words) in [
        (&b""[..], "it is empty"),
        (b"PK", "text"),
        (b"import torch\n", "it is a text file"),
        (b"let f = {}", "it is a text file"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "it is a PNG picture"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "it is a JPEG picture"),
        (b"\x1f\x8b\x08\0", "it is a gzip archive"),
        (b"\x7fELF\x02\x01", "its content is unknown"),
        (&zip_of(&[("pictures/1.png", b"")]), "it has no data.pkl"),
        (&zip_of(&[]), "content is unknown"),
    ] {
        let (kind, message) = message(bytes);
        assert_eq!(kind, ErrorKind::NotThisFormat, "{message}");
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn paths_that_are_no_files_are_io_errors() {
    let folder = tempfile::tempdir().unwrap();
    let missing = load(folder.path().join("none.pt")).unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::Io);
    assert!(missing.to_string().ends_with("none.pt: there is no such file"), "{missing}");
    let directory = load(folder.path()).unwrap_err();
    assert_eq!(directory.kind(), ErrorKind::Io);
    assert!(directory.to_string().contains("it is a folder"), "{directory}");
    #[cfg(unix)]
    assert!(load("/dev/zero").unwrap_err().to_string().contains("no regular file"));
}

#[test]
fn a_truncated_file_is_an_error_wherever_it_ends() {
    let (bytes, _) = tiny_torchscript();
    for len in (0..bytes.len()).filter(|len| len % 7 == 0 || len + 200 > bytes.len()) {
        assert!(load_bytes(&bytes[..len]).is_err(), "{len} of {} bytes", bytes.len());
    }
    let (kind, message) = failure(&bytes[..bytes.len() / 2]);
    assert_eq!(kind, ErrorKind::Malformed);
    assert!(message.contains("truncated"), "{message}");

    let bytes = tiny_safetensors();
    for len in 0..bytes.len() {
        assert!(load_bytes(&bytes[..len]).is_err(), "{len} of {} bytes", bytes.len());
    }
    assert_eq!(failure(&bytes[..bytes.len() - 1]).0, ErrorKind::Malformed);
    assert_eq!(failure(&bytes[..100]).0, ErrorKind::Malformed);
}

#[test]
fn a_flipped_byte_is_noticed_or_does_not_matter() {
    let (bytes, tensors) = tiny_torchscript();
    let mut noticed = 0;
    // The directory at the end has the most to break; it is tried byte by byte.
    let directory = bytes.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
    for at in (0..directory).step_by(5).chain(directory..bytes.len()) {
        let mut damaged = bytes.clone();
        damaged[at] ^= if at % 2 == 0 { 0xff } else { 0x01 };
        match load_bytes(&damaged) {
            Ok(model) => assert!(model.tensors == tensors, "byte {at} changed a tensor unnoticed"),
            Err(_) => noticed += 1,
        }
    }
    assert!(noticed > 1000, "{noticed} of {}", bytes.len());

    // The metadata have a checksum. Damage to its key makes the file one without, which may then hold anything; nothing
    // may panic.
    let bytes = tiny_safetensors();
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= [0xff, 0x01, 0x20][at % 3];
        let _ = load_bytes(&damaged);
    }
    // A state_dict of PyTorch's.
    let bytes = fs::read(fixture("generator-channels-last-2.11.pth")).unwrap();
    let tensors = load_bytes(&bytes).unwrap().tensors;
    for at in (0..bytes.len()).step_by(11) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        if let Ok(model) = load_bytes(&damaged) {
            assert!(model.tensors == tensors, "byte {at} changed a tensor unnoticed");
        }
    }
}

#[test]
fn a_damaged_pickle_with_a_right_checksum_does_not_panic() {
    let bytes = fs::read(fixture("generator-scripted-2.11.pt")).unwrap();
    let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut pickle = Vec::new();
    std::io::copy(&mut zip.by_name("generator-scripted-2.11/data.pkl").unwrap(), &mut pickle).unwrap();
    // Every instruction and the extremes of numbers, some of them in place of each byte.
    let bytes = b"\x80.(NKMJGXc)]}t\x85\x87aesuqrhjR\x81bQ\x88\x89\x8a\x00\x7f\xff";
    for at in 0..pickle.len() {
        for turn in 0..3 {
            let mut damaged = pickle.clone();
            damaged[at] = bytes[(3 * at + turn) % bytes.len()];
            let _ = load_bytes(&with_pickle(&damaged));
        }
        assert!(load_bytes(&with_pickle(&pickle[..at])).is_err());
    }
}

#[test]
fn nothing_is_executed() {
    let marker = tempfile::tempdir().unwrap().path().join("executed");
    let command = format!("touch {}", marker.display());
    let pickle =
        [&b"\x80\x02cos\nsystem\nX"[..], &(command.len() as u32).to_le_bytes(), command.as_bytes(), b"\x85R."].concat();
    let (kind, message) = failure(&with_pickle(&pickle));
    assert_eq!(kind, ErrorKind::Unsupported, "{message}");
    assert!(message.contains("entry data.pkl: byte 2: it refers to os.system"), "{message}");
    assert!(!marker.exists());
}

/// A PyTorch zip of the smallest generator, each tensor in a storage of its own, of which `change` may change what is
/// said of the first: length of the storage, offset, shape and strides.
fn with_first_tensor(change: impl Fn(&mut i64, &mut i64, &mut Vec<i64>, &mut Vec<i64>)) -> Vec<u8> {
    let network = Network::generator(&ModelConfig { latent_dim: 1, ..SMALL }.with_base_channels(1));
    let mut pickle = b"\x80\x02}".to_vec();
    let mut storages = Vec::new();
    for (index, (name, tensor)) in values(&network).into_iter().enumerate() {
        let Some(floats) = tensor.as_f32() else { continue };
        let mut shape: Vec<i64> = tensor.shape.iter().map(|&size| size as i64).collect();
        let mut strides = vec![1; shape.len()];
        for i in (0..shape.len().saturating_sub(1)).rev() {
            strides[i] = strides[i + 1] * shape[i + 1];
        }
        let (mut len, mut offset) = (floats.len() as i64, 0);
        if index == 0 {
            change(&mut len, &mut offset, &mut shape, &mut strides);
        }
        let one = tensor_pickle(&name, len, offset, &shape, &strides);
        let one = one[3..one.len() - 1].to_vec();
        // The key of its storage.
        let key = one.windows(6).position(|window| window == b"X\x01\0\0\x000").unwrap();
        let digits = format!("{index:02}");
        pickle.extend([&one[..key], b"X\x02\0\0\0", digits.as_bytes(), &one[key + 6..]].concat());
        let bytes = floats.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
        storages.push((format!("m/data/{digits}"), bytes));
    }
    pickle.push(b'.');
    storages.push(("m/data.pkl".to_owned(), pickle));
    let entries: Vec<(&str, &[u8])> = storages.iter().map(|(name, bytes)| (&**name, &**bytes)).collect();
    zip_of(&entries)
}

#[test]
fn tensors_cannot_lie_about_their_size() {
    // Honest, and still no DCGAN.
    let (kind, message) = failure(&with_pickle(&tensor_pickle("0.weight", 4, 0, &[2, 2], &[2, 1])));
    assert_eq!(kind, ErrorKind::Unsupported, "{message}");
    assert!(message.contains("none of its 1 tensors is a convolution"), "{message}");
    // Honest, and a DCGAN.
    assert!(load_bytes(&with_first_tensor(|_, _, _, _| ())).is_ok());
    // The first tensor has shape [1, 4, 4, 4]; every lie keeps that, or it is not the network's.
    let lie = |len: Option<i64>, offset: i64, strides: &[i64]| {
        with_first_tensor(move |its_len, its_offset, _, its_strides| {
            *its_len = len.unwrap_or(*its_len);
            *its_offset = offset;
            *its_strides = strides.to_vec();
        })
    };
    let (huge, usual) = (i64::MAX, &[64, 16, 4, 1][..]);
    for (len, offset, strides) in [
        (None, 1, usual),              // from an offset on
        (None, -1, usual),             // before the start
        (None, huge, usual),           // an index beyond 64 bits
        (None, 0, &[64, 16, 4]),       // fewer strides than dimensions
        (None, 0, &[64, -16, 4, 1]),   // negative strides
        (None, 0, &[64, 16, huge, 1]), // an index beyond 64 bits
        (None, 0, &[64, 32, 4, 1]),    // beyond its end
        (Some(huge), 0, usual),        // a storage beyond the file
        (Some(1 << 40), 0, usual),     // 4 TiB
        (Some(65), 0, usual),          // a storage longer than its entry
        (Some(63), 0, usual),          // a storage shorter than its entry
    ] {
        let (kind, message) = failure(&lie(len, offset, strides));
        assert_eq!(kind, ErrorKind::Malformed, "{len:?} {offset} {strides:?}: {message}");
        assert!(message.contains("tensor 0.weight") || message.contains("is negative"), "{message}");
    }
    // The same value many times is what `expand` makes.
    assert!(load_bytes(&lie(None, 0, &[0, 0, 0, 0])).is_ok());
    let shapes = [vec![-1, 4, 4, 4], vec![1; 9], vec![huge, huge, huge, huge]];
    for (shape, kind) in shapes.into_iter().zip([ErrorKind::Malformed, ErrorKind::Limit, ErrorKind::Unsupported]) {
        let bytes = with_first_tensor(|_, _, its_shape, _| *its_shape = shape.clone());
        assert_eq!(failure(&bytes).0, kind, "{shape:?}");
    }
    let (kind, message) = failure(&with_pickle(&tensor_pickle(&"x".repeat(513), 4, 0, &[4], &[1])));
    assert_eq!(kind, ErrorKind::Limit, "{message}");
    assert!(message.len() < 200, "a long name is not repeated");
}

/// A network as large as they come, of which all values are one and the same: gigabytes from some kilobytes.
#[test]
fn tensors_that_repeat_their_values_cannot_fill_the_memory() {
    let config = ModelConfig { image_size: 256, ..ModelConfig::TUTORIAL }.with_base_channels(1024);
    let mut pickle = b"\x80\x02}".to_vec();
    for spec in Network::generator(&config).tensors() {
        let shape: Vec<i64> = spec.shape.iter().map(|&size| size as i64).collect();
        let one = tensor_pickle(&spec.name, 4, 0, &shape, &vec![0; shape.len()]);
        pickle.extend(&one[3..one.len() - 1]);
    }
    pickle.push(b'.');
    let (kind, message) = failure(&with_pickle(&pickle));
    assert_eq!(kind, ErrorKind::Limit, "{message}");
    assert!(message.contains("share their values"), "{message}");
}

#[test]
fn tensors_that_share_a_storage_cannot_fill_the_memory() {
    // 5000 tensors of 64 KiB each, all in the same storage, and no network among them.
    let one = tensor_pickle("x", 16_384, 0, &[16_384], &[1]);
    let one = &one[3..one.len() - 1];
    let pickle = [&b"\x80\x02}"[..], &one.repeat(5000), b"."].concat();
    let pickle: Vec<u8> = number_names(pickle);
    let bytes = zip_of(&[("m/data/0", &vec![0; 65_536]), ("m/data.pkl", &pickle)]);
    assert_eq!(failure(&bytes).0, ErrorKind::Unsupported);
}

/// Replaces each name `x` by a character of its own.
fn number_names(pickle: Vec<u8>) -> Vec<u8> {
    let name = b"X\x01\x00\x00\x00x";
    let mut numbered = Vec::new();
    let mut at = 0;
    let mut count = 0;
    while at < pickle.len() {
        if pickle[at..].starts_with(name) {
            numbered.extend(b"X\x05\x00\x00\x00");
            numbered.extend(format!("{count:05}").as_bytes());
            count += 1;
            at += name.len();
        } else {
            numbered.push(pickle[at]);
            at += 1;
        }
    }
    numbered
}

#[test]
fn depth_cycles_and_counts_are_limited() {
    // Dicts inside dicts, 100 deep, and a tensor in the innermost.
    let key = b"X\x01\x00\x00\x00a";
    let tensor = tensor_pickle("x", 4, 0, &[4], &[1]);
    let tensor = &tensor[3..tensor.len() - 1];
    let deep = |inner: &[u8]| {
        [&b"\x80\x02}"[..], &[&key[..], b"}"].concat().repeat(100), inner, &b"s".repeat(100), b"."].concat()
    };
    let (kind, message) = failure(&with_pickle(&deep(tensor)));
    assert_eq!(kind, ErrorKind::Limit, "{message}");
    // Each of 30 dicts holds the one before twice: 2³⁰ paths.
    let doubling = |inner: &[u8]| {
        let mut doubling = [b"\x80\x02}q\x00", inner].concat();
        for _ in 0..30 {
            doubling.extend(b"}X\x01\x00\x00\x00ah\x00sX\x01\x00\x00\x00bh\x00sq\x00");
        }
        doubling.push(b'.');
        doubling
    };
    let (kind, message) = failure(&with_pickle(&doubling(tensor)));
    assert_eq!(kind, ErrorKind::Limit, "{message}");
    // What holds no tensors is not looked through.
    for pickle in [deep(b""), doubling(b"")] {
        assert!(failure(&with_pickle(&pickle)).1.contains("it holds no tensors"));
    }
    // A dict that holds itself, and two that hold each other, with a tensor or without: there is no way without end.
    let itself = |inner: &[u8]| [&b"\x80\x02}q\x00"[..], inner, key, b"h\x00s."].concat();
    let each_other = |inner: &[u8]| [&b"\x80\x02}q\x00"[..], key, b"}", key, b"h\x00s", inner, b"s."].concat();
    for inner in [tensor, b""] {
        for cycle in [itself(inner), each_other(inner)] {
            assert_eq!(failure(&with_pickle(&cycle)).0, ErrorKind::Unsupported);
        }
    }
    // A pickle of more than 16 MiB.
    let large = vec![b'N'; (16 << 20) + 1];
    assert_eq!(failure(&with_pickle(&large)).0, ErrorKind::Limit);
    let old = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}U\x0dlittle_endian\x88s.\x80\x02(";
    let (kind, message) = failure(&[&old[..], &large].concat());
    assert_eq!(kind, ErrorKind::Limit, "{message}");
    assert_eq!(failure(&[&old[..], &large[..1000]].concat()).0, ErrorKind::Malformed);
}

#[test]
fn other_types_networks_and_layouts_are_explained() {
    let (kind, message) = failure(&with_pickle(b"\x80\x06N."));
    assert_eq!(kind, ErrorKind::Unsupported, "{message}");
    assert!(message.contains("pickle protocol 6"), "{message}");
    let (kind, message) = failure(&with_pickle(b"\x80\x04N."));
    assert_eq!(kind, ErrorKind::Unsupported, "{message}");
    assert!(message.contains("it holds no tensors"), "{message}");

    let big_endian = zip_of(&[("m/data.pkl", b"\x80\x02}."), ("m/byteorder", b"big")]);
    assert_eq!(failure(&big_endian).0, ErrorKind::Unsupported);
}

/// The smallest file of ours with another text in one of its entries.
fn changed_torchscript(entry: &str, from: &str, to: &str) -> Vec<u8> {
    let (bytes, _) = tiny_torchscript();
    let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut entries = Vec::new();
    for index in 0..zip.len() {
        let mut file = zip.by_index(index).unwrap();
        let name = file.name().unwrap().into_owned();
        let mut content = Vec::new();
        std::io::copy(&mut file, &mut content).unwrap();
        if name.ends_with(entry) {
            let at = content.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
            content.splice(at..at + from.len(), to.bytes());
        }
        entries.push((name, content));
    }
    let entries: Vec<(&str, &[u8])> = entries.iter().map(|(name, content)| (&**name, &**content)).collect();
    zip_of(&entries)
}

#[test]
fn layers_that_no_tensor_tells_of_are_checked() {
    assert!(load_bytes(&changed_torchscript("batchnorm.py", "BatchNorm2d", "BatchNorm2d")).is_ok());
    for (entry, from, to, words) in [
        ("data.pkl", "Tanh\n", "Sigmoid\n", "module 10 is a Sigmoid and not a Tanh"),
        (
            "batchnorm.py",
            "eps : Final[float] = 1e-5",
            "eps : Final[float] = 0.8",
            "module 1, a BatchNorm2d, has eps 0.8 and not 1e-5",
        ),
        // The last layer, elsewhere.
        (
            "data.pkl",
            "10c__torch__.torch.nn.modules.activation\nTanh",
            "12c__torch__.torch.nn.modules.activation\nTanh",
            "module 10, a Tanh, is missing",
        ),
    ] {
        let (kind, message) = failure(&changed_torchscript(entry, from, to));
        assert_eq!(kind, ErrorKind::Unsupported, "{message}");
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn safetensors_are_judged_by_their_header() {
    let header = br#"{"0.weight":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}}   "#;
    let bytes = [&(header.len() as u64).to_le_bytes()[..], header, &[0; 4]].concat();
    let (kind, message) = failure(&bytes);
    assert_eq!(kind, ErrorKind::Unsupported, "{message}");
    assert!(message.contains("none of its 1 tensors is a convolution"), "{message}");
    let message = dcgan_formats::read_safetensors(&bytes).unwrap_err().to_string();
    assert!(message.contains("tensor 0.weight is of type F16"), "{message}");

    let long = [&99_999_999_u64.to_le_bytes()[..], b"{}"].concat();
    assert_eq!(failure(&long).0, ErrorKind::Malformed);
    let long = [&5_000_000_u64.to_le_bytes()[..], b"{}", &[b' '; 5_000_000]].concat();
    assert_eq!(failure(&long).0, ErrorKind::Limit);
    let tensors: StateDict = (0..10_001).map(|i| (format!("{i}"), Tensor::f32([0], vec![]))).collect();
    let mut many = Vec::new();
    write_safetensors(&mut many, &tensors, &Metadata::new()).unwrap();
    let (kind, message) = failure(&many);
    assert_eq!(kind, ErrorKind::Limit, "{message}");
    // The tensors of a file that is cut off are not even looked for.
    let whole = tiny_safetensors();
    let (kind, message) = failure(&whole[..whole.len() - 8]);
    assert_eq!(kind, ErrorKind::Malformed, "{message}");
    assert!(message.contains(&format!("need {} bytes, and it has {}", whole.len(), whole.len() - 8)), "{message}");
}
