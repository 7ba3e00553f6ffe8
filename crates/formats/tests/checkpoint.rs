//! Checkpoints come back as they were, or not at all.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod common;

use common::{SMALL, values};
use dcgan_formats::{
    ErrorKind, Format, Metadata, checkpoint_config, load_all, load_bytes, load_checkpoint, read_checkpoint,
    read_safetensors, write_checkpoint, write_safetensors,
};
use dcgan_model::{
    AdamState, BestGenerator, Checkpoint, DiscriminatorNorm, EpochMeans, EpochSums, ModelConfig, Network, NetworkState,
    Progress, Role, StateDict, Tensor, TensorData, TorchRng, TrainState,
};
use std::fs;

/// No two tensors alike.
fn checkpoint() -> Checkpoint {
    checkpoint_of(&SMALL)
}

fn checkpoint_of(config: &ModelConfig) -> Checkpoint {
    let mut next = 0.0;
    let mut filled = |state: &StateDict| -> StateDict {
        let mut fill = |tensor: &Tensor| {
            next += 1.0;
            match &tensor.data {
                TensorData::F32(values) => {
                    Tensor::f32(tensor.shape.clone(), (0..values.len()).map(|i| next + i as f32 / 1e4).collect())
                }
                TensorData::I64(_) => Tensor::scalar_i64(next as i64),
            }
        };
        state.iter().map(|(name, tensor)| (name.clone(), fill(tensor))).collect()
    };
    let mut network = |network: Network, step: u64| {
        let zero = AdamState::new(&network);
        NetworkState {
            tensors: filled(&values(&network)),
            adam: AdamState { step, exp_avg: filled(&zero.exp_avg), exp_avg_sq: filled(&zero.exp_avg_sq) },
        }
    };
    let discriminator = network(Network::discriminator(config), 84);
    let generator = network(Network::generator(config), 42);
    let average = Some(filled(&generator.adam.exp_avg));
    let state = TrainState { discriminator, generator, average };
    let mut rng = TorchRng::seed_from_u64(4);
    // An odd number of few values leaves one for later.
    rng.randn(5);
    // Numbers whose shortest texts are long.
    let means = EpochMeans { d_loss: 0.1 + 0.2, g_loss: 1.0 / 3.0, d_x: 1e-300, d_g_z1: 5e-324 };
    let sums = EpochSums { steps: 2, d_loss: 2.0f64.sqrt(), g_loss: 1e300 / 7.0, d_x: 0.1, d_g_z1: 0.7 };
    let best = Some(BestGenerator { epoch: 3, step: 31, swd: 0.1 + 0.2, swd_floor: 1.0 / 3.0 });
    let progress = Progress { step: 42, epoch: 4, pictures: 16, sums, recent: vec![means; 3], rollbacks: 2, best };
    Checkpoint { state, rng, progress }
}

fn facts() -> Metadata {
    [("config", "lr = 1\n# \"crc32\":\"00000000\"\n"), ("data", "数据")]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into()
}

fn written(checkpoint: &Checkpoint) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_checkpoint(&mut bytes, checkpoint, &facts()).unwrap();
    bytes
}

#[test]
fn a_checkpoint_comes_back_to_the_bit() {
    let checkpoint = checkpoint();
    let bytes = written(&checkpoint);
    assert!(bytes == written(&checkpoint), "the same input gives the same bytes");
    let (read, metadata) = read_checkpoint(&bytes).unwrap();
    assert_eq!(read, checkpoint);
    assert!(read.state.generator.tensors.keys().eq(checkpoint.state.generator.tensors.keys()), "order");
    assert!(read.state.generator.adam.exp_avg.keys().eq(checkpoint.state.generator.adam.exp_avg.keys()), "order");
    assert!(written(&read) == bytes);

    let mut without = checkpoint.clone();
    without.state.average = None;
    assert_eq!(read_checkpoint(&written(&without)).unwrap().0, without);
    for (key, value) in facts() {
        assert_eq!(metadata[&key], value);
    }
    assert_eq!(checkpoint_config(&read).unwrap(), SMALL);
}

#[test]
fn every_discriminator_comes_back_to_the_bit() {
    for (_, norm_d) in DiscriminatorNorm::ALL {
        let config = ModelConfig { norm_d, base_channels_d: 3, ..SMALL };
        let checkpoint = checkpoint_of(&config);
        let (read, _) = read_checkpoint(&written(&checkpoint)).unwrap();
        assert_eq!(read, checkpoint);
        assert!(read.state.discriminator.tensors.keys().eq(checkpoint.state.discriminator.tensors.keys()), "order");
        assert_eq!(checkpoint_config(&read).unwrap(), config);
    }
}

#[test]
fn other_commands_see_its_generator() {
    let checkpoint = checkpoint();
    let model = load_bytes(&written(&checkpoint)).unwrap();
    assert_eq!((model.format, model.network), (Format::Checkpoint, Network::generator(&SMALL)));
    assert_eq!(model.tensors, checkpoint.state.generator.tensors);
    assert!(model.tensors.keys().eq(checkpoint.state.generator.tensors.keys()), "order");
}

/// Without batch norm, the moments of D's Adam have the names and shapes of a whole discriminator.
#[test]
fn other_commands_see_its_discriminator() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    for (_, norm_d) in DiscriminatorNorm::ALL {
        let checkpoint = checkpoint_of(&ModelConfig { norm_d, ..SMALL });
        fs::write(&path, written(&checkpoint)).unwrap();
        let models = load_all(&path).unwrap();
        let mut names: Vec<String> = models.clone().into_vec().into_iter().map(|model| model.name).collect();
        names.sort();
        assert_eq!(names, ["discriminator", "generator"], "{norm_d:?}");
        let model = models.choose(Some(Role::Discriminator)).unwrap();
        assert_eq!(model.tensors, checkpoint.state.discriminator.tensors, "{norm_d:?}");
    }
}

#[test]
fn any_damaged_bit_is_noticed() {
    let checkpoint = checkpoint();
    let bytes = written(&checkpoint);
    // Every byte of the header would take long; every 7th of the file will do, and the first.
    for position in (0..bytes.len()).step_by(7).chain(0..16) {
        let mut damaged = bytes.clone();
        damaged[position] ^= 1 << (position % 8);
        match read_checkpoint(&damaged) {
            Err(_) => {}
            // The name of the checksum itself is the one thing that can be lost without a trace.
            Ok((read, metadata)) => {
                assert_eq!(read, checkpoint, "byte {position}");
                assert!(metadata.keys().any(|key| key.starts_with("crc") || key.ends_with("32")), "byte {position}");
            }
        }
    }
    for len in (0..bytes.len()).step_by(101) {
        read_checkpoint(&bytes[..len]).unwrap_err();
    }
    let mut damaged = bytes.clone();
    *damaged.last_mut().unwrap() ^= 1;
    let error = read_checkpoint(&damaged).unwrap_err();
    assert!(error.to_string().contains("its checksum should be") && error.kind() == ErrorKind::Malformed, "{error}");
    let error = load_bytes(&damaged).unwrap_err();
    assert!(error.to_string().contains("its checksum should be"), "{error}");
}

#[test]
fn what_does_not_fit_is_named() {
    let (tensors, metadata) = read_safetensors(&written(&checkpoint())).unwrap();
    let error = |change: &dyn Fn(&mut StateDict, &mut Metadata)| {
        let (mut tensors, mut metadata) = (tensors.clone(), metadata.clone());
        change(&mut tensors, &mut metadata);
        let mut bytes = Vec::new();
        write_safetensors(&mut bytes, &tensors, &metadata).unwrap();
        read_checkpoint(&bytes).unwrap_err()
    };
    let set = |key: &'static str, value: &'static str| {
        move |_: &mut StateDict, metadata: &mut Metadata| _ = metadata.insert(key.to_owned(), value.to_owned())
    };
    let drop = |name: &'static str| move |tensors: &mut StateDict, _: &mut Metadata| _ = tensors.shift_remove(name);
    let put = |name: &'static str, tensor: Tensor| {
        move |tensors: &mut StateDict, _: &mut Metadata| _ = tensors.insert(name.to_owned(), tensor.clone())
    };

    let newer = error(&set("format_version", "2"));
    assert!(newer.to_string().contains("format \"2\"") && newer.kind() == ErrorKind::Unsupported, "{newer}");
    let other = error(&set("format", "something"));
    assert!(other.to_string().contains("no checkpoint") && other.kind() == ErrorKind::NotThisFormat, "{other}");
    let one = || Tensor::f32([1], vec![0.0]);
    for (error, words) in [
        (error(&set("progress", "{\"step\": -1}")), "progress"),
        (error(&drop("generator.0.weight")), "generator"),
        (error(&drop("discriminator.3.running_mean")), "3.running_mean of shape [4] is missing"),
        (error(&drop("generator_adam.exp_avg.3.weight")), "generator_adam.exp_avg.3.weight is missing"),
        (error(&drop("discriminator_adam.step")), "discriminator_adam.step is missing"),
        (error(&drop("rng")), "rng is missing"),
        (error(&put("rng", one())), "rng is no state"),
        (error(&put("discriminator_adam.step", Tensor::scalar_i64(-1))), "discriminator_adam.step is no count"),
        (error(&put("discriminator_adam.exp_avg_sq.0.weight", one())), "exp_avg_sq.0.weight has shape [1]"),
        (error(&put("discriminator.2.weight", one())), "discriminator"),
        (error(&put("generator.99.weight", one())), "99.weight"),
        (error(&put("other", one())), "other has no place"),
    ] {
        assert!(error.to_string().contains(words), "{error} does not say {words:?}");
    }
    let error = load_checkpoint("no/such/file").unwrap_err();
    assert!(error.to_string().starts_with("no/such/file: there is no such file"), "{error}");
}
