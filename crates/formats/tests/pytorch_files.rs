//! Files that PyTorch wrote.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod common;

use common::{SMALL, fixture, values};
use dcgan_formats::{ErrorKind, Format, load};
use dcgan_model::Network;

#[test]
fn generators_are_read_to_the_bit() {
    let network = Network::generator(&SMALL);
    let expected = values(&network);
    for (name, format) in [
        ("generator-scripted-1.13.pt", Format::TorchScript),
        ("generator-scripted-2.11.pt", Format::TorchScript),
        // Inside another module, as names below `main.` show.
        ("generator-traced-2.11.pt", Format::TorchScript),
        // Inside another module, and with strides that are not row-major.
        ("generator-channels-last-2.11.pth", Format::StateDict),
        ("generator-2.11.safetensors", Format::Safetensors),
    ] {
        let model = load(fixture(name)).unwrap();
        assert_eq!(model.format, format, "{name}");
        assert_eq!(model.network, network, "{name}");
        assert!(model.metadata.is_empty(), "{name}");
        let (names, expected_names): (Vec<_>, Vec<_>) = (model.tensors.keys().collect(), expected.keys().collect());
        assert_eq!(names, expected_names, "{name}");
        for (tensor, value) in &model.tensors {
            assert_eq!(*value, expected[tensor], "{name}: {tensor}");
        }
    }
}

#[test]
fn a_discriminator_is_recognised() {
    let model = load(fixture("discriminator-scripted-2.11.pt")).unwrap();
    // Its file does not tell the length of the noise; the tutorial's stands in.
    let network = Network::discriminator(&dcgan_model::ModelConfig { latent_dim: 100, ..SMALL });
    assert_eq!(model.network, network);
    assert_eq!(model.tensors, values(&network));
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
