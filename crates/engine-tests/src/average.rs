//! The moving average of the generator, and running statistics taken anew.

use crate::Subject;
use dcgan_model::{
    AdamConfig, Augmentation, Engine, EngineError, Init, ModelConfig, Network, Recipe, StateDict, TorchRng, TrainState,
    initial_state,
};
use dcgan_testkit::{assert_close, assert_close_scaled, random_bytes};

const CONFIG: ModelConfig =
    ModelConfig { image_size: 32, channels: 3, latent_dim: 6, ..ModelConfig::TUTORIAL }.with_base_channels(4);
const BATCH: usize = 8;

/// Absolute and relative tolerance of averages of up to six values, which are of the order of 1. A step of an average
/// has four roundings of up to 2⁻²⁵: of a difference, a product and a sum, and of the expected value. Six steps
/// have up to 24 · 3e-8 = 7e-7.
const TOLERANCE: f64 = 1e-6;

fn engine(subject: &dyn Subject, recipe: Recipe) -> Box<dyn Engine> {
    let mut engine = subject.engine(&CONFIG, recipe, BATCH);
    engine.load_state(&start()).unwrap();
    engine
}

fn start() -> TrainState {
    initial_state(&CONFIG, Init::Default, &mut TorchRng::seed_from_u64(3))
}

fn train(engine: &mut dyn Engine, steps: std::ops::Range<u64>) {
    for step in steps {
        let noise = TorchRng::seed_from_u64(50 + step).randn(BATCH * CONFIG.latent_dim);
        engine.train_discriminator_real(&random_bytes(BATCH * CONFIG.image_len(), step)).unwrap();
        engine.train_discriminator_fake(&noise).unwrap();
        engine.train_generator(&noise).unwrap();
    }
}

fn averaging(decay: f64) -> Recipe {
    // A rate that moves weights far enough to tell an average from the last.
    Recipe { ema: Some(decay), ..AdamConfig { lr: 5e-3, ..AdamConfig::default() }.into() }
}

/// The average follows the weights and changes nothing.
pub fn the_average_follows_the_weights_and_changes_nothing(subject: &dyn Subject) {
    let (mut with, mut without) =
        (engine(subject, averaging(0.4)), engine(subject, Recipe { ema: None, ..averaging(0.4) }));
    let mut expected: StateDict = without.state().unwrap().generator.tensors;
    for step in 0..6 {
        train(&mut *with, step..step + 1);
        train(&mut *without, step..step + 1);
        let now = without.state().unwrap().generator.tensors;
        // 2/11, 3/12, 4/13, 5/14, 6/15 and then the decay.
        let decay = Recipe::average_decay(0.4, step + 1);
        for (name, tensor) in &mut expected {
            let dcgan_model::TensorData::F32(values) = &mut tensor.data else { continue };
            for (average, &value) in values.iter_mut().zip(now[name].as_f32().unwrap()) {
                *average = (decay * f64::from(*average) + (1.0 - decay) * f64::from(value)) as f32;
            }
        }
    }
    let state = with.state().unwrap();
    assert_eq!(
        (&state.generator, &state.discriminator),
        (&without.state().unwrap().generator, &without.state().unwrap().discriminator)
    );
    let average = state.average.unwrap();
    let parameters = Network::generator(&CONFIG).tensors().into_iter().filter(|spec| spec.is_parameter).count();
    assert_eq!(average.len(), parameters);
    let full = with.averaged_generator().unwrap().unwrap();
    for (name, tensor) in &full {
        let Some(values) = tensor.as_f32() else { continue };
        let is_parameter = average.contains_key(name);
        // The statistics are those of the generator itself until they are taken anew.
        let want = if is_parameter { &expected[name] } else { &state.generator.tensors[name] };
        let want: Vec<f64> = want.as_f32().unwrap().iter().copied().map(f64::from).collect();
        let got: Vec<f64> = values.iter().copied().map(f64::from).collect();
        assert_close(name, &got, &want, TOLERANCE, TOLERANCE);
    }
    assert!(without.state().unwrap().average.is_none() && without.averaged_generator().unwrap().is_none());
    assert!(average["0.weight"] != state.generator.tensors["0.weight"]);
}

/// The average goes on from a state.
pub fn the_average_resumes_from_a_state(subject: &dyn Subject) {
    let mut whole = engine(subject, averaging(0.9));
    train(&mut *whole, 0..5);
    let mut first = engine(subject, averaging(0.9));
    train(&mut *first, 0..2);
    let mut second = engine(subject, averaging(0.9));
    second.load_state(&first.state().unwrap()).unwrap();
    train(&mut *second, 2..5);
    assert!(second.state().unwrap() == whole.state().unwrap());

    let mut broken = first.state().unwrap();
    broken.average.as_mut().unwrap().shift_remove("4.weight");
    let error = second.load_state(&broken).unwrap_err().to_string();
    assert!(error.contains("4.weight of the generator's average"), "{error}");
}

/// What PyTorch computes with `momentum=None`: the statistics of batches in training mode, averaged with equal weights.
pub fn calibrated_statistics_are_the_mean_of_the_batches(subject: &dyn Subject) {
    let mut engine = engine(subject, averaging(0.9));
    train(&mut *engine, 0..4);
    let before = engine.state().unwrap();
    let average = engine.averaged_generator().unwrap().unwrap();
    let noise = TorchRng::seed_from_u64(7).randn(3 * BATCH * CONFIG.latent_dim);
    let calibrated = engine.calibrate(&average, &noise).unwrap();
    assert!(engine.state().unwrap() == before, "what is trained must stay as it was");

    let each: Vec<StateDict> =
        noise.chunks(BATCH * CONFIG.latent_dim).map(|noise| engine.calibrate(&average, noise).unwrap()).collect();
    for (name, tensor) in &calibrated {
        let Some(values) = tensor.as_f32() else { continue };
        if !name.contains("running") {
            assert_eq!(tensor, &average[name]);
            continue;
        }
        let mean = |i: usize| each.iter().map(|state| f64::from(state[name].as_f32().unwrap()[i])).sum::<f64>() / 3.0;
        let want: Vec<f64> = (0..values.len()).map(mean).collect();
        let got: Vec<f64> = values.iter().copied().map(f64::from).collect();
        assert_close(name, &got, &want, TOLERANCE, TOLERANCE);
    }

    // On the noise that the statistics are of, eval mode draws what training mode does: one batch's statistics differ
    // from what normalizes it by the factor of the unbiased variance only, n / (n − 1) with n the values of a
    // channel, which are 128 or more.
    let drawn = engine.generate_from(&each[0], &noise[..BATCH * CONFIG.latent_dim]).unwrap();
    let mut alone = subject.generator(&Network::generator(&CONFIG), &each[0]);
    assert_eq!(drawn, alone.generate(&noise[..BATCH * CONFIG.latent_dim]).unwrap());
    let stale = engine.generate_from(&average, &noise[..BATCH * CONFIG.latent_dim]).unwrap();
    assert!(drawn.iter().zip(&stale).any(|(a, b)| (a - b).abs() > 0.02), "the statistics make no difference");
    assert!(engine.state().unwrap() == before);
}

/// Drawing with batch statistics is what training mode does: eval mode with the statistics of the same images, but with
/// the variance that normalizes a batch instead of the unbiased one.
pub fn batch_statistics_are_those_of_the_images(subject: &dyn Subject) {
    let mut engine = engine(subject, averaging(0.9));
    train(&mut *engine, 0..4);
    let before = engine.state().unwrap();
    let noise = TorchRng::seed_from_u64(7).randn(BATCH * CONFIG.latent_dim);
    let drawn = engine.generate_with_batch_statistics(&noise).unwrap();
    assert!(engine.state().unwrap() == before, "what is trained must stay as it was");

    let mut statistics = engine.calibrate(&before.generator.tensors, &noise).unwrap();
    for (layer, (_, _, output)) in Network::generator(&CONFIG).shapes().into_iter().enumerate() {
        let Some(variance) = statistics.get_mut(&format!("{layer}.running_var")) else { continue };
        let dcgan_model::TensorData::F32(values) = &mut variance.data else { panic!("{layer}") };
        let n = (BATCH * output.height * output.width) as f64;
        values.iter_mut().for_each(|value| *value = (f64::from(*value) * (n - 1.0) / n) as f32);
    }
    let wide = |values: &[f32]| values.iter().copied().map(f64::from).collect::<Vec<_>>();
    let want = engine.generate_from(&statistics, &noise).unwrap();
    // Two ways through the same network differ by what `eval.rs` allows for.
    assert_close_scaled("images", &wide(&drawn), &wide(&want), 4e-5);
    let with_running = engine.generate(&noise).unwrap();
    assert!(drawn.iter().zip(&with_running).any(|(a, b)| (a - b).abs() > 0.02), "the statistics make no difference");

    // More images than a batch, and the same bits again.
    let more = TorchRng::seed_from_u64(8).randn((BATCH + 3) * CONFIG.latent_dim);
    assert_eq!(engine.generate_with_batch_statistics(&more).unwrap().len(), (BATCH + 3) * CONFIG.image_len());
    assert_eq!(engine.generate_with_batch_statistics(&noise).unwrap(), drawn);
    for len in [0, 5] {
        let error = engine.generate_with_batch_statistics(&vec![0.0; len]).unwrap_err();
        assert!(matches!(error, EngineError::Batch { .. }), "{error}");
    }
}

/// Invalid arguments are errors.
pub fn invalid_arguments_are_errors(subject: &dyn Subject) {
    let mut engine = engine(subject, Recipe { augment: true, ..Recipe::default() });
    let generator = engine.state().unwrap().generator.tensors;
    for len in [0, 5, BATCH * CONFIG.latent_dim + CONFIG.latent_dim] {
        let error = engine.calibrate(&generator, &vec![0.0; len]).unwrap_err();
        assert!(matches!(error, EngineError::Batch { .. }), "{error}");
    }
    let other = engine.state().unwrap().discriminator.tensors;
    assert!(matches!(engine.generate_from(&other, &[0.0; 6]), Err(EngineError::State { .. })));

    let outside = Augmentation { cutout: [[0, 33], [0, 1]], ..Augmentation::NONE };
    assert!(matches!(engine.set_augmentations(&[outside]), Err(EngineError::Augmentation(_))));
    // Seven for eight images.
    engine.set_augmentations(&[Augmentation::NONE; 7]).unwrap();
    let noise = vec![0.0; BATCH * CONFIG.latent_dim];
    assert!(matches!(engine.train_generator(&noise), Err(EngineError::Augmentation(_))));
    let mut without = subject.engine(&CONFIG, Recipe::default(), BATCH);
    assert!(matches!(without.set_augmentations(&[Augmentation::NONE]), Err(EngineError::Augmentation(_))));
}
