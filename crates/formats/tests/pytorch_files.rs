//! Files that PyTorch wrote.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod common;

use common::{SMALL, fixture, values};
use dcgan_formats::{ErrorKind, Format, Metadata, Model, load, load_all, load_bytes, write_safetensors};
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
    let mut tensors = StateDict::new();
    for name in ["netG", "netG_ema"] {
        tensors.extend(values(&generator).into_iter().map(|(tensor, value)| (format!("{name}.{tensor}"), value)));
    }
    let mut bytes = Vec::new();
    write_safetensors(&mut bytes, &tensors, &Metadata::new()).unwrap();
    let message = load_bytes(&bytes).unwrap_err().to_string();
    assert_eq!(message, "it holds more than one generator: generator netG, generator netG_ema");

    // What looks like the network that is wanted is explained, however sound the other is.
    let model = load(fixture("discriminator-example-2.11.pth")).unwrap();
    let mut tensors: StateDict =
        model.tensors.iter().map(|(name, tensor)| (format!("netD.{name}"), tensor.clone())).collect();
    tensors.extend(values(&generator).into_iter().map(|(name, tensor)| (format!("netG.{name}"), tensor)));
    tensors.insert("netG.3.bias".to_owned(), Tensor::f32([4], vec![0.0; 4]));
    let mut bytes = Vec::new();
    write_safetensors(&mut bytes, &tensors, &Metadata::new()).unwrap();
    let message = load_bytes(&bytes).unwrap_err().to_string();
    let expected = "it looks like a generator of 32 × 32 pictures, but tensor 3.bias of shape [4] does not belong to one (names are below netG.)";
    assert_eq!(message, expected);
}

#[test]
fn what_cannot_be_read_is_said_with_what_to_do() {
    let error = load(fixture("generator-frozen-2.11.pt")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("before torch.jit.freeze"), "{error}");

    let error = load(fixture("generator-whole-2.11.pth")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let message = error.to_string();
    assert!(message.contains("torch.nn.modules.container.Sequential") && message.contains("state_dict()"), "{message}");
}
