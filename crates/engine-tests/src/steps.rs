//! What needs no reference values: the same bits whatever the threads, stopping and going on, what each part of a step
//! leaves alone, and what is refused.

use crate::{Subject, gradients};
use dcgan_model::{
    DiscriminatorNorm, Engine, EngineError, Init, Loss, ModelConfig, Network, NetworkState, Recipe, StateDict, Tensor,
    TorchRng, TrainState, initial_state,
};
use dcgan_testkit::random_bytes;

/// The sizes of the networks: wide enough for Winograd's algorithm.
pub const CONFIG: ModelConfig =
    ModelConfig { image_size: 32, channels: 3, latent_dim: 10, ..ModelConfig::TUTORIAL }.with_base_channels(16);
/// More than a block of images, and not a multiple of one.
pub(crate) const BATCH: usize = 20;

/// The same networks with everything that a discriminator without batch norm can have.
const SPECTRAL: ModelConfig = ModelConfig { norm_d: DiscriminatorNorm::Spectral, ..CONFIG };

pub(crate) fn start_of(config: &ModelConfig) -> TrainState {
    initial_state(config, Init::Default, &mut TorchRng::seed_from_u64(1))
}

fn start() -> TrainState {
    start_of(&CONFIG)
}

/// Returns an engine for `CONFIG` or `SPECTRAL`.
fn engine_of(subject: &dyn Subject, config: &ModelConfig, state: &TrainState) -> Box<dyn Engine> {
    let recipe = match config.norm_d {
        DiscriminatorNorm::Batch => Recipe::default(),
        _ => Recipe { loss: Loss::Relativistic, r1: 0.5, r2: 0.25, ema: Some(0.9), ..Recipe::default() },
    };
    let mut engine = subject.engine(config, recipe, BATCH);
    engine.load_state(state).unwrap();
    engine
}

fn engine(subject: &dyn Subject, state: &TrainState) -> Box<dyn Engine> {
    engine_of(subject, &CONFIG, state)
}

/// Images and both noises of a step; every second batch of images is short.
pub(crate) fn batch(step: u64) -> (Vec<u8>, [Vec<f32>; 2]) {
    let pictures = if step % 2 == 1 { 7 } else { BATCH };
    let mut rng = TorchRng::seed_from_u64(100 + step);
    let noise = [0, 1].map(|_| rng.randn(BATCH * CONFIG.latent_dim));
    (random_bytes(pictures * CONFIG.image_len(), step), noise)
}

fn train(engine: &mut dyn Engine, step: u64) {
    train_of(engine, &CONFIG, step);
}

fn train_of(engine: &mut dyn Engine, config: &ModelConfig, step: u64) {
    let (images, noise) = batch(step);
    if config.norm_d == DiscriminatorNorm::Batch {
        engine.train_discriminator_real(&images).unwrap();
        engine.train_discriminator_fake(&noise[0]).unwrap();
    } else {
        engine.train_discriminator(&images, &noise[0]).unwrap();
    }
    engine.train_generator(&noise[1]).unwrap();
}

/// Returns the bits of every value of a state_dict.
fn bits(state: &StateDict) -> Vec<u64> {
    let bits = |tensor: &Tensor| -> Vec<u64> {
        match (tensor.as_f32(), tensor.as_i64()) {
            (Some(values), _) => values.iter().map(|v| u64::from(v.to_bits())).collect(),
            (_, values) => values.unwrap().iter().map(|v| v.cast_unsigned()).collect(),
        }
    };
    state.values().flat_map(bits).collect()
}

/// Those of a network and its Adam.
fn network_bits(NetworkState { tensors, adam }: &NetworkState) -> [Vec<u64>; 4] {
    [vec![adam.step], bits(tensors), bits(&adam.exp_avg), bits(&adam.exp_avg_sq)]
}

fn state_bits(state: &TrainState) -> ([[Vec<u64>; 4]; 2], Option<Vec<u64>>) {
    ([network_bits(&state.discriminator), network_bits(&state.generator)], state.average.as_ref().map(bits))
}

/// What an optimizer changes, without the running statistics, which move in every forward pass in training mode.
fn trained_bits(state: &NetworkState, network: &Network) -> [Vec<u64>; 4] {
    let mut parameters = state.tensors.clone();
    let specs = network.tensors();
    parameters.retain(|name, _| specs.iter().any(|spec| spec.is_parameter && spec.name == *name));
    assert!(!parameters.is_empty());
    network_bits(&NetworkState { tensors: parameters, adam: state.adam.clone() })
}

/// For an engine that may compute in several ways, such as with more or fewer threads.
pub fn all_subjects_agree_to_the_bit(subjects: &[&dyn Subject]) {
    for config in [CONFIG, SPECTRAL] {
        let start = start_of(&config);
        let states = subjects.iter().map(|subject| {
            let mut engine = engine_of(*subject, &config, &start);
            (0..3).for_each(|step| train_of(&mut *engine, &config, step));
            let pictures = engine.generate(&batch(9).1[0]).unwrap();
            (state_bits(&engine.state().unwrap()), pictures.iter().map(|v| v.to_bits()).collect::<Vec<_>>())
        });
        let states: Vec<_> = states.collect();
        assert_ne!(states[0].0, state_bits(&start), "nothing was learned");
        for (subject, state) in subjects.iter().zip(&states) {
            assert!(*state == states[0], "{} differs from {}", subject.name(), subjects[0].name());
        }
    }
}

/// Stopping and going on changes no bit.
pub fn resuming_from_a_state_gives_the_same_bits(subject: &dyn Subject) {
    for config in [CONFIG, SPECTRAL] {
        let mut unbroken = engine_of(subject, &config, &start_of(&config));
        (0..2).for_each(|step| train_of(&mut *unbroken, &config, step));
        let saved = unbroken.state().unwrap();
        (2..4).for_each(|step| train_of(&mut *unbroken, &config, step));

        let mut resumed = engine_of(subject, &config, &saved);
        assert!(state_bits(&resumed.state().unwrap()) == state_bits(&saved), "a state does not survive loading");
        (2..4).for_each(|step| train_of(&mut *resumed, &config, step));
        let resumed = state_bits(&resumed.state().unwrap());
        assert!(resumed == state_bits(&unbroken.state().unwrap()), "a resumed run differs");

        // An engine that has done something else meanwhile goes on alike.
        unbroken.load_state(&saved).unwrap();
        (2..4).for_each(|step| train_of(&mut *unbroken, &config, step));
        assert!(resumed == state_bits(&unbroken.state().unwrap()), "a rewound run differs");
    }
}

/// Each part leaves the other network alone.
pub fn each_part_changes_one_network_only(subject: &dyn Subject) {
    let (d, g) = (Network::discriminator(&CONFIG), Network::generator(&CONFIG));
    let mut engine = engine(subject, &start());
    train(&mut *engine, 0);
    let (images, noise) = batch(1);

    let before = engine.state().unwrap();
    let generator_gradient = bits(&gradients(&*engine)[1]);
    assert!(generator_gradient.iter().any(|v| *v != 0));
    let discriminator_gradient = bits(&gradients(&*engine)[0]);

    engine.train_discriminator_real(&images).unwrap();
    let real = engine.state().unwrap();
    assert!(network_bits(&real.generator) == network_bits(&before.generator), "part 1 touches G");
    assert!(bits(&gradients(&*engine)[0]) != discriminator_gradient);
    let discriminator_gradient = bits(&gradients(&*engine)[0]);

    engine.train_discriminator_fake(&noise[0]).unwrap();
    let fake = engine.state().unwrap();
    assert!(trained_bits(&fake.generator, &g) == trained_bits(&real.generator, &g), "part 2 trains G");
    assert!(bits(&fake.generator.tensors) != bits(&real.generator.tensors), "its running statistics move");
    assert!(trained_bits(&fake.discriminator, &d) != trained_bits(&real.discriminator, &d), "part 2 trains D");
    assert!(bits(&gradients(&*engine)[0]) != discriminator_gradient);
    let discriminator_gradient = bits(&gradients(&*engine)[0]);
    assert!(bits(&gradients(&*engine)[1]) == generator_gradient, "parts 1 and 2 write G's gradient");

    engine.train_generator(&noise[1]).unwrap();
    let after = engine.state().unwrap();
    assert!(trained_bits(&after.discriminator, &d) == trained_bits(&fake.discriminator, &d), "part 3 trains D");
    assert!(bits(&after.discriminator.tensors) != bits(&fake.discriminator.tensors), "its statistics move");
    assert!(trained_bits(&after.generator, &g) != trained_bits(&fake.generator, &g), "part 3 trains G");
    assert!(bits(&gradients(&*engine)[0]) == discriminator_gradient, "part 3 writes D's gradient");
    assert!(bits(&gradients(&*engine)[1]) != generator_gradient);

    let pictures = engine.generate(&noise[0]).unwrap();
    assert!(state_bits(&engine.state().unwrap()) == state_bits(&after), "drawing changes the state");
    assert_eq!(pictures.len(), BATCH * CONFIG.image_len());
}

/// Reports wait in order until they are taken.
pub fn reports_wait_in_order_until_they_are_taken(subject: &dyn Subject) {
    let mut engine = engine(subject, &start());
    let mut one_by_one = Vec::new();
    for step in 0..2 {
        train(&mut *engine, step);
        let before = one_by_one.len();
        engine.take_reports(&mut one_by_one).unwrap();
        assert_eq!(one_by_one.len() - before, 3);
    }
    engine.take_reports(&mut one_by_one).unwrap();
    assert_eq!(one_by_one.len(), 6, "a report is taken once");

    let mut together = Vec::new();
    engine.load_state(&start()).unwrap();
    (0..2).for_each(|step| train(&mut *engine, step));
    engine.take_reports(&mut together).unwrap();
    assert_eq!(together, one_by_one);

    train(&mut *engine, 2);
    engine.load_state(&start()).unwrap();
    engine.take_reports(&mut together).unwrap();
    assert_eq!(together.len(), 6, "those of another state are dropped");
}

/// A face depends on its own noise only: not on its place, the batch, or whether the training engine draws it.
pub fn an_image_depends_on_its_noise_only(subject: &dyn Subject) {
    let mut engine = engine(subject, &start());
    train(&mut *engine, 0);
    let tensors = engine.state().unwrap().generator.tensors;
    let network = Network::generator(&CONFIG);
    let mut generator = subject.generator(&network, &tensors);
    // More than any batch.
    let count = 75;
    let noise = TorchRng::seed_from_u64(7).randn(count * CONFIG.latent_dim);
    let together = generator.generate(&noise).unwrap();
    assert!(together.iter().all(|v| v.abs() <= 1.0));
    subject.assert_same("drawn by the training engine", &engine.generate(&noise).unwrap(), &together);
    for index in [0, 1, 31, 32, 50, 74] {
        let alone = generator.generate(&noise[index * CONFIG.latent_dim..][..CONFIG.latent_dim]).unwrap();
        let among = &together[index * CONFIG.image_len()..][..CONFIG.image_len()];
        subject.assert_same(&format!("picture {index}"), &alone, among);
    }
    assert_eq!(generator.generate(&[]), Ok(Vec::new()));
}

/// Noise may be longer than any stage's output.
pub fn generate_takes_more_noise_than_a_batch(subject: &dyn Subject) {
    let config =
        ModelConfig { image_size: 32, channels: 1, latent_dim: 2000, ..ModelConfig::TUTORIAL }.with_base_channels(1);
    let network = Network::generator(&config);
    let tensors = dcgan_model::initial_network(&network, Init::Default, &mut TorchRng::seed_from_u64(0));
    let mut generator = subject.generator(&network, &tensors);
    let noise = TorchRng::seed_from_u64(1).randn(33 * config.latent_dim);
    assert_eq!(generator.generate(&noise).unwrap().len(), 33 * config.image_len());
}

/// Impossible batches are refused.
pub fn impossible_batches_are_errors(subject: &dyn Subject) {
    let mut engine = engine(subject, &start());
    let before = state_bits(&engine.state().unwrap());
    let (image, latent) = (CONFIG.image_len(), CONFIG.latent_dim);
    for len in [0, 1, image - 1, image + 1, (BATCH + 1) * image] {
        let error = engine.train_discriminator_real(&vec![0; len]).unwrap_err();
        assert_eq!(error, EngineError::Batch { got: len, max_batch: BATCH, item_len: image });
    }
    for len in [0, 1, latent + 1, (BATCH + 1) * latent] {
        let error = EngineError::Batch { got: len, max_batch: BATCH, item_len: latent };
        assert_eq!(engine.train_discriminator_fake(&vec![0.0; len]), Err(error.clone()));
        assert_eq!(engine.train_generator(&vec![0.0; len]), Err(error));
    }
    assert!(matches!(engine.generate(&[0.0; 11]), Err(EngineError::Batch { got: 11, .. })));
    assert!(state_bits(&engine.state().unwrap()) == before, "a refused batch changes the state");
}

/// Parts of a step that do not fit the discriminator's normalization, and recipes, are refused.
pub fn parts_for_another_discriminator_are_errors(subject: &dyn Subject) {
    let (images, noise) = batch(0);
    let mut engine = engine(subject, &start());
    assert!(matches!(engine.train_discriminator(&images, &noise[0]), Err(EngineError::Recipe(_))));
    let start = start_of(&SPECTRAL);
    let mut engine = engine_of(subject, &SPECTRAL, &start);
    assert!(matches!(engine.train_discriminator_real(&images), Err(EngineError::Recipe(_))));
    assert!(matches!(engine.train_discriminator_fake(&noise[0]), Err(EngineError::Recipe(_))));
    // The relativistic loss pairs the generator's images with those of the discriminator's part.
    assert!(matches!(engine.train_generator(&noise[0]), Err(EngineError::Recipe(_))));
    let too_many = vec![0.0; (BATCH + 1) * CONFIG.latent_dim];
    assert!(matches!(engine.train_discriminator(&images, &too_many), Err(EngineError::Batch { .. })));
    assert!(matches!(engine.train_discriminator(&[], &noise[0]), Err(EngineError::Batch { .. })));
    assert!(state_bits(&engine.state().unwrap()).0 == state_bits(&start).0, "what is refused changes the state");
}

/// States of other networks are refused.
pub fn states_of_other_networks_are_errors(subject: &dyn Subject) {
    let mut engine = engine(subject, &start());
    train(&mut *engine, 0);
    let before = state_bits(&engine.state().unwrap());
    let mut refuse = |change: &dyn Fn(&mut TrainState)| -> String {
        let mut state = start();
        change(&mut state);
        let error = engine.load_state(&state).unwrap_err().to_string();
        assert!(state_bits(&engine.state().unwrap()) == before, "a refused state is half loaded: {error}");
        error
    };
    let error = refuse(&|state| std::mem::swap(&mut state.discriminator, &mut state.generator));
    assert!(error.contains("discriminator"), "{error}");
    let error = refuse(&|state| drop(state.generator.tensors.shift_remove("4.running_var")));
    assert!(error.contains("generator") && error.contains("4.running_var"), "{error}");
    let error = refuse(&|state| drop(state.discriminator.adam.exp_avg.shift_remove("2.weight")));
    assert!(error.contains("discriminator") && error.contains("2.weight"), "{error}");
    let error = refuse(&|state| {
        state.generator.adam.exp_avg_sq.insert("4.bias".to_owned(), Tensor::f32([3], vec![0.0; 3]));
    });
    assert!(error.contains("generator") && error.contains("4.bias"), "{error}");
}
