//! Files that PyTorch wrote.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod common;

use common::{SMALL, fixture, pytorch_zip, values};
use dcgan_formats::{ErrorKind, Format, Metadata, Model, load, load_all, load_bytes, load_named, write_safetensors};
use std::fs;
use std::io::Read;

use dcgan_model::{ModelConfig, Network, Role, StateDict, Tensor};

/// Checks that a file holds `network` with the fixtures' values.
fn assert_is(name: &str, model: &Model, network: &Network) {
    let expected = values(network);
    assert_eq!(model.network, *network, "{name}");
    assert!(model.metadata.is_empty(), "{name}");
    assert!(model.tensors.keys().eq(expected.keys()), "{name}: {:?}", model.tensors.keys());
    for (tensor, value) in &model.tensors {
        assert_eq!(*value, expected[tensor], "{name}: {tensor}");
    }
}

#[test]
fn generators_are_read_to_the_bit() {
    let network = Network::generator(&SMALL);
    for (name, format, prefix) in [
        ("generator-scripted-1.13.pt", Format::TorchScript, ""),
        ("generator-scripted-2.4.pt", Format::TorchScript, ""),
        ("generator-scripted-2.11.pt", Format::TorchScript, ""),
        ("generator-scripted-2.15.pt", Format::TorchScript, ""),
        ("generator-traced-1.13.pt", Format::TorchScript, "main"),
        ("generator-traced-2.4.pt", Format::TorchScript, "main"),
        ("generator-traced-2.11.pt", Format::TorchScript, "main"),
        ("generator-traced-2.15.pt", Format::TorchScript, "main"),
        ("generator-state-dict-1.13.pth", Format::StateDict, ""),
        ("generator-state-dict-2.4.pth", Format::StateDict, ""),
        ("generator-state-dict-2.11.pth", Format::StateDict, ""),
        ("generator-state-dict-2.15.pth", Format::StateDict, ""),
        ("generator-example-2.11.pth", Format::StateDict, "main"),
        ("generator-parallel-2.11.pth", Format::StateDict, "module.main"),
        ("generator-old-layout-2.11.pth", Format::StateDict, "main"),
        // With strides that are not row-major.
        ("generator-channels-last-2.11.pth", Format::StateDict, "main"),
        ("generator-2.11.safetensors", Format::Safetensors, ""),
    ] {
        let model = load(fixture(name)).unwrap();
        assert_is(name, &model, &network);
        assert_eq!((model.format, &*model.name), (format, prefix), "{name}");
    }
}

#[test]
fn discriminators_are_read_to_the_bit() {
    // Their files do not tell the length of the noise; the tutorial's stands in.
    let network = Network::discriminator(&ModelConfig { latent_dim: 100, ..SMALL });
    for name in [
        "discriminator-scripted-1.13.pt",
        "discriminator-scripted-2.4.pt",
        "discriminator-scripted-2.11.pt",
        "discriminator-scripted-2.15.pt",
        "discriminator-traced-1.13.pt",
        "discriminator-traced-2.4.pt",
        "discriminator-traced-2.11.pt",
        "discriminator-traced-2.15.pt",
        "discriminator-example-2.11.pth",
    ] {
        assert_is(name, &load(fixture(name)).unwrap(), &network);
    }
}

#[test]
fn of_several_networks_each_can_be_had() {
    let name = "checkpoint-2.11.pth";
    let generator = Network::generator(&SMALL);
    let discriminator = Network::discriminator(&ModelConfig { latent_dim: 100, ..SMALL });
    // Without a word the generator is meant.
    assert_is(name, &load(fixture(name)).unwrap(), &generator);
    let models = load_all(fixture(name)).unwrap();
    assert_is(name, &models.clone().choose(Some(Role::Generator)).unwrap(), &generator);
    assert_is(name, &models.clone().choose(Some(Role::Discriminator)).unwrap(), &discriminator);
    let names: Vec<String> = models.into_vec().into_iter().map(|model| model.name).collect();
    assert_eq!(names, ["netG.main", "netD.main"], "and the optimizer is no network");

    let alone = load_all(fixture("generator-example-2.11.pth")).unwrap();
    let message = alone.choose(Some(Role::Discriminator)).unwrap_err().to_string();
    assert_eq!(message, "it holds no discriminator, but a generator main");

    // A running average beside the generator: nobody knows which is meant.
    let name = "kind-two.pth";
    let message = load(fixture(name)).unwrap_err().to_string();
    let expected = "it holds more than one generator: generator netG, generator netG_ema, discriminator netD; choose \
                    one by its name, as with --network netG_ema";
    assert!(message.ends_with(expected), "{message}");
    assert_is(name, &load_named(fixture(name), "netG").unwrap(), &generator);
    assert_is(name, &load_named(fixture(name), "netD").unwrap(), &discriminator);
    assert_is(name, &load_named(fixture(name), "discriminator").unwrap(), &discriminator);
    let average = load_named(fixture(name), "netG_ema").unwrap();
    assert_eq!((&*average.name, &average.network), ("netG_ema", &generator));
    assert_ne!(average.tensors, values(&generator));
    let message = load_named(fixture(name), "ema").unwrap_err().to_string();
    assert!(
        message.ends_with("it holds no network ema, but a generator netG, generator netG_ema, discriminator netD"),
        "{message}"
    );
    let message = load_named(fixture(name), "generator").unwrap_err().to_string();
    assert!(message.contains("more than one generator"), "{message}");
    // Networks kept by numbers are called by them.
    let name = "kind-by-epoch.pth";
    let message = load(fixture(name)).unwrap_err().to_string();
    let expected = "generator [9].netG, generator [10].netG; choose one by its name, as with --network '[10].netG'";
    assert!(message.ends_with(expected), "{message}");
    assert_is(name, &load_named(fixture(name), "[10].netG").unwrap(), &generator);
    assert_is(name, &load_named(fixture(name), "[10]").unwrap(), &generator);
    let both = load_all(fixture("checkpoint-2.11.pth")).unwrap();
    assert_eq!(both.clone().choose_named("netG").unwrap().name, "netG.main");
    assert_eq!(
        both.choose_named("main").unwrap_err().to_string(),
        "it holds more than one network main: generator netG.main, discriminator netD.main"
    );

    // The same values under two names are one network, whether they are in one place or two.
    let mut tensors = StateDict::new();
    for name in ["netG", "netG_ema"] {
        tensors.extend(values(&generator).into_iter().map(|(tensor, value)| (format!("{name}.{tensor}"), value)));
    }
    let mut bytes = Vec::new();
    write_safetensors(&mut bytes, &tensors, &Metadata::new()).unwrap();
    assert_eq!(load_bytes(&bytes).unwrap().name, "netG");
    assert_eq!(load_all(fixture("kind-twice.pth")).unwrap().into_vec().len(), 1);

    // What looks like the network that is wanted is explained, however sound the other is.
    let model = load(fixture("discriminator-example-2.11.pth")).unwrap();
    let mut tensors: StateDict =
        model.tensors.iter().map(|(name, tensor)| (format!("netD.{name}"), tensor.clone())).collect();
    tensors.extend(values(&generator).into_iter().map(|(name, tensor)| (format!("netG.{name}"), tensor)));
    tensors.insert("netG.3.bias".to_owned(), Tensor::f32([4], vec![0.0; 4]));
    let mut bytes = Vec::new();
    write_safetensors(&mut bytes, &tensors, &Metadata::new()).unwrap();
    let message = load_bytes(&bytes).unwrap_err().to_string();
    let expected = "it looks like a generator of 32 × 32 pictures, but tensor 3.bias of shape [4] does not belong to \
                    one (names are below netG.)";
    assert_eq!(message, expected);
}

#[test]
fn what_cannot_be_read_is_said_with_what_to_do() {
    // An exported program, cut down to its names.
    let entries = ["m/models/model.json", "m/data/weights/weight_0", "m/archive_format"]
        .map(|name| (name.to_owned(), b"pt2".to_vec()));
    let error = load_bytes(&pytorch_zip(&entries)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("torch.export") && error.to_string().contains("state_dict()"), "{error}");

    let error = load(fixture("generator-frozen-2.11.pt")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("before torch.jit.freeze"), "{error}");

    let error = load(fixture("generator-whole-2.11.pth")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let message = error.to_string();
    assert!(message.contains("torch.nn.modules.container.Sequential") && message.contains("state_dict()"), "{message}");
}

/// The ways in which people keep a generator beside other things: tools/reference/checkpoint_kinds.py.
#[test]
fn a_generator_is_found_among_whatever_is_kept_with_it() {
    let network = Network::generator(&SMALL);
    for (file, name, dtype, left_out, notes) in [
        ("averaged.pth", "module", "float32", &["n_averaged"][..], &[][..]),
        ("fixed-noise.pth", "netG", "float32", &["fixed_noise"], &[]),
        ("noise-beside-layers.pth", "", "float32", &["fixed_noise"], &["beside its layers the file has fixed_noise"]),
        (
            "extra.safetensors",
            "netG",
            "float32",
            &["done", "rng", "netG.n_averaged"],
            &["beside its layers the file has netG.n_averaged"],
        ),
        ("ema-pytorch.pth", "ema_model", "float32", &["initted", "step"], &[]),
        ("half-beside.pth", "netG", "float32", &["z", "mask", "index"], &[]),
        ("containers.pth", "netG", "float32", &[], &[]),
        ("twice.pth", "state_dict", "float32", &[], &[]),
        ("flat.pth", "netG", "float32", &[], &[]),
        ("flat-old.pth", "netG", "float32", &[], &[]),
        ("python2.pth", "netG", "float32", &[], &[]),
        ("pytorch03.pth", "netG", "float32", &["loss"], &[]),
        ("bfloat16.pth", "", "bfloat16", &[], &["its weights are bfloat16 in the file and were converted to float32"]),
        ("float64.pth", "", "float64", &[], &["its weights are float64 in the file and were converted to float32"]),
        (
            "float16.safetensors",
            "",
            "float16",
            &[],
            &["its weights are float16 in the file and were converted to float32"],
        ),
        ("counts-as-floats.pth", "", "float32", &[], &[]),
        ("lightning.pth", "state_dict.generator", "float32", &["state_dict.validation_z"], &[]),
        ("attributes.pth", "netG", "float32", &["tensor", "parameter"], &[]),
        ("protocol4.pth", "netG", "float32", &[], &[]),
        ("numpy.pth", "netG", "float32", &[], &["nothing of them was run: numpy._core.multiarray.scalar, numpy.dtype"]),
        ("namespace.pth", "netG", "float32", &[], &["nothing of them was run: argparse.Namespace"]),
        ("dict-subclass.pth", "netG", "float32", &[], &["nothing of them was run: checkpoint_kinds.Options"]),
        ("path-not-utf8.pth", "netG", "float32", &[], &["nothing of them was run: argparse.Namespace"]),
        ("deep-config.pth", "netG", "float32", &[], &[]),
        ("holds-itself.pth", "netG", "float32", &[], &[]),
        ("quantized-old.pth", "netG", "float32", &[], &[]),
    ] {
        let model = load(fixture(&format!("kind-{file}"))).unwrap_or_else(|error| panic!("{error}"));
        assert_is(file, &model, &network);
        assert_eq!((&*model.name, &*model.dtype), (name, dtype), "{file}");
        let mut found = model.left_out.clone();
        found.sort_by_key(|name| left_out.iter().position(|known| known == name));
        assert_eq!(found, left_out, "{file}");
        assert_eq!(model.notes.len(), notes.len(), "{file}: {:?}", model.notes);
        for (note, words) in model.notes.iter().zip(notes) {
            assert!(note.contains(words), "{file}: {note}");
        }
    }
}

#[test]
fn weights_that_are_not_numbers_are_named() {
    let mut model = load(fixture("generator-state-dict-2.11.pth")).unwrap();
    model.check_finite().unwrap();
    let set = |model: &mut Model, name: &str, value: f32| {
        let tensor = &model.tensors[name];
        let mut values = tensor.as_f32().unwrap().to_vec();
        values[1] = value;
        let shape = tensor.shape.clone();
        model.tensors.insert(name.to_owned(), Tensor::f32(shape, values));
    };
    set(&mut model, "1.running_var", f32::INFINITY);
    let message = model.check_finite().unwrap_err().to_string();
    assert!(message.contains("NaN or infinity in 1.running_var)"), "{message}");
    set(&mut model, "0.weight", f32::NAN);
    let message = model.check_finite().unwrap_err().to_string();
    assert!(message.contains("NaN or infinity in 0.weight and 1 more)"), "{message}");
}

/// The folder in the archive has the stem of the file's name, and some lengths of it have been mistaken for damage.
#[test]
fn files_of_any_name_are_read() {
    let network = Network::generator(&SMALL);
    for name in ["generator-state-dict-2.11.pth", "generator-scripted-2.11.pt"] {
        let mut zip = zip::ZipArchive::new(fs::File::open(fixture(name)).unwrap()).unwrap();
        let mut entries = Vec::new();
        for index in 0..zip.len() {
            let mut entry = zip.by_index(index).unwrap();
            let (_, name) = entry.name().unwrap().split_once('/').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
            // The `zip` crate inflates nothing here; PyTorch stores all that is asked for.
            if entry.compression() == zip::CompressionMethod::Stored {
                let mut content = Vec::new();
                entry.read_to_end(&mut content).unwrap();
                entries.push((name, content));
            }
        }
        for length in 1..=60 {
            let stem = "n".repeat(length);
            let entries: Vec<_> =
                entries.iter().map(|(name, content)| (format!("{stem}/{name}"), content.clone())).collect();
            let model = load_bytes(&pytorch_zip(&entries)).unwrap_or_else(|error| panic!("{name} {length}: {error}"));
            assert_is(name, &model, &network);
        }
    }
}

/// Layers with names run in the order of the code, whatever the order of the file; and a trace keeps the mode that it
/// was made in.
#[test]
fn scripts_are_read_as_their_code_runs() {
    let network = Network::generator(&SMALL);
    for name in ["generator-named-traced-2.11.pt", "generator-named-scripted-2.11.pt"] {
        let model = load(fixture(name)).unwrap_or_else(|error| panic!("{error}"));
        assert_is(name, &model, &network);
        assert!(model.notes.is_empty());
    }
    let name = "generator-traced-in-training-2.11.pt";
    let model = load(fixture(name)).unwrap();
    assert_is(name, &model, &network);
    assert!(model.notes.len() == 1 && model.notes[0].contains("training mode"), "{:?}", model.notes);
    assert!(load(fixture("generator-traced-2.11.pt")).unwrap().notes.is_empty());
}
