//! The training loop.
//!
//! One step is the tutorial's: D learns from real pictures, D learns from fakes, G learns to deceive D; an Adam step after each.
//!
//! Three streams of random numbers, each of which PyTorch gives too. The main stream, `torch.manual_seed(seed)`, draws D's weights, G's
//! weights, then for every step the noise for D's fakes and the noise for G's part, and nothing else. The order of the pictures is
//! [`epoch_order`](crate::epoch_order). The preview's noise is [`preview_noise`].

use crate::order::batches;
use crate::{
    EpochSummary, Event, Listener, ListenerError, Picture, Plan, StepMetrics, Summary, TrainConfig, TrainConfigError,
};
use dcgan_data::{Dataset, Prefetcher};
use dcgan_model::{Engine, EngineError, ModelConfig, Network, TorchRng, initial_state};
use std::sync::Arc;
use std::time::Instant;

/// Faces in a preview: 4 rows of 8.
pub const PREVIEW_FACES: usize = 32;

/// Why a run ended before its time.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The settings are impossible.
    #[error(transparent)]
    Config(#[from] TrainConfigError),
    /// The data set has no pictures.
    #[error("there are no pictures to learn from")]
    NoPictures,
    /// Pictures and networks differ in size.
    #[error(
        "the pictures are {data_channels} × {data_size} × {data_size}, but the networks are made for {channels} × {size} × {size}"
    )]
    Shape {
        /// Channels of the pictures.
        data_channels: usize,
        /// Side of the pictures in pixels.
        data_size: usize,
        /// Channels of the networks.
        channels: usize,
        /// Side of the networks' pictures in pixels.
        size: usize,
    },
    /// A loss or a mean output of D is not a number or infinite, so the weights are worth nothing.
    #[error("step {step}: {metric} is {value}; the training has diverged, try a smaller learning rate")]
    NotFinite {
        /// The step, counted from 1.
        step: u64,
        /// Its name in `metrics.jsonl`.
        metric: &'static str,
        /// Its value.
        value: f32,
    },
    /// The engine refused.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A listener could not go on.
    #[error(transparent)]
    Listener(ListenerError),
}

/// What is drawn after every epoch: `torch.manual_seed(seed); torch.randn(32, latent)`, the noise of `dcgan generate --seed`.
pub fn preview_noise(model: &ModelConfig, seed: u64) -> Vec<f32> {
    TorchRng::seed_from_u64(seed).randn(PREVIEW_FACES * model.latent_dim)
}

/// Trains `engine` on `data` from the first weights to the end of the run; `engine` then holds the result. The same settings and pictures
/// give the same weights.
///
/// # Errors
/// See [`TrainError`]. The engine then holds the state in which the run broke off.
pub fn train(
    config: &TrainConfig,
    data: &Arc<Dataset>,
    engine: &mut impl Engine,
    listeners: &mut [&mut dyn Listener],
) -> Result<Summary, TrainError> {
    config.validate()?;
    check_data(config, data)?;
    let plan = Plan {
        pictures: data.len(),
        batches_per_epoch: config.batches_per_epoch(data.len()),
        steps: config.steps(data.len()),
        data_bytes: data.len() * data.image_bytes(),
        engine_bytes: engine.memory_bytes(),
        engine: engine.description(),
    };
    let mut rng = TorchRng::seed_from_u64(config.seed);
    engine.load_state(&initial_state(&config.model, config.init, &mut rng))?;
    let mut run =
        Run { config, engine, listeners, rng, preview_noise: preview_noise(&config.model, config.seed), step: 0 };
    run.tell(&Event::Started { config, plan: &plan })?;
    run.preview(0)?;

    let order = batches(config.seed, config.epochs, data.len(), config.batch_size, config.flip);
    let mut batches = Prefetcher::new(Arc::clone(data), order);
    let mut epoch = 0;
    while run.step < plan.steps {
        epoch += 1;
        let steps = plan.batches_per_epoch.min(plan.steps - run.step);
        run.epoch(epoch, steps, &mut batches)?;
        run.preview(epoch)?;
    }

    let summary = Summary { epochs: epoch, steps: run.step };
    let network = Network::generator(&config.model);
    let generator = run.engine.state().generator.tensors;
    run.tell(&Event::Finished { summary: &summary, network: &network, generator: &generator })?;
    Ok(summary)
}

fn check_data(config: &TrainConfig, data: &Dataset) -> Result<(), TrainError> {
    let ModelConfig { image_size: size, channels, .. } = config.model;
    let (data_channels, data_size) = (data.channels().count(), data.size());
    if (data_channels, data_size) != (channels, size) {
        return Err(TrainError::Shape { data_channels, data_size, channels, size });
    }
    if data.is_empty() {
        return Err(TrainError::NoPictures);
    }
    Ok(())
}

/// A run under way.
struct Run<'a, 'l, E> {
    config: &'a TrainConfig,
    engine: &'a mut E,
    listeners: &'a mut [&'l mut dyn Listener],
    /// The main stream.
    rng: TorchRng,
    preview_noise: Vec<f32>,
    /// Steps taken.
    step: u64,
}

impl<E: Engine> Run<'_, '_, E> {
    fn tell(&mut self, event: &Event<'_>) -> Result<(), TrainError> {
        self.listeners.iter_mut().try_for_each(|listener| listener.on_event(event)).map_err(TrainError::Listener)
    }

    fn preview(&mut self, epoch: u64) -> Result<(), TrainError> {
        let ModelConfig { image_size, channels, .. } = self.config.model;
        let faces = Picture::from_nchw(&self.engine.generate(&self.preview_noise)?, channels, image_size);
        self.tell(&Event::Preview { epoch, faces: &faces })
    }

    fn epoch(&mut self, epoch: u64, steps: u64, batches: &mut Prefetcher) -> Result<(), TrainError> {
        let (mut d_loss, mut g_loss) = (0.0, 0.0);
        let mut start = Instant::now();
        for _ in 0..steps {
            // `batches` holds all epochs, so it cannot end before them.
            let asked = Instant::now();
            let Some(batch) = batches.next_batch() else { break };
            let data_seconds = asked.elapsed().as_secs_f32();
            let mut metrics = StepMetrics { data_seconds, ..self.step(epoch, &batch.pixels)? };
            let now = Instant::now();
            metrics.images_per_second = (batch.indices.len() as f64 / (now - start).as_secs_f64()) as f32;
            start = now;
            d_loss += f64::from(metrics.d_loss_real) + f64::from(metrics.d_loss_fake);
            g_loss += f64::from(metrics.g_loss);
            self.tell(&Event::Step(&metrics))?;
        }
        let mean = |sum: f64| sum / steps as f64;
        self.tell(&Event::EpochDone(&EpochSummary { epoch, steps, d_loss: mean(d_loss), g_loss: mean(g_loss) }))
    }

    /// One step on `images` (u8, N × H × W × C).
    fn step(&mut self, epoch: u64, images: &[u8]) -> Result<StepMetrics, TrainError> {
        let noise_len = self.config.batch_size * self.config.model.latent_dim;
        let step = self.step + 1;
        let check = |metric: &'static str, value: f32| match value.is_finite() {
            true => Ok(()),
            false => Err(TrainError::NotFinite { step, metric, value }),
        };
        let real = self.engine.train_discriminator_real(images)?;
        check("d_loss_real", real.loss)?;
        check("d_x", real.mean_output)?;
        let fake = self.engine.train_discriminator_fake(&self.rng.randn(noise_len))?;
        check("d_loss_fake", fake.loss)?;
        check("d_g_z1", fake.mean_output)?;
        let generator = self.engine.train_generator(&self.rng.randn(noise_len))?;
        check("g_loss", generator.loss)?;
        check("d_g_z2", generator.mean_output)?;
        self.step = step;
        Ok(StepMetrics {
            step,
            epoch,
            d_loss_real: real.loss,
            d_loss_fake: fake.loss,
            g_loss: generator.loss,
            d_x: real.mean_output,
            d_g_z1: fake.mean_output,
            d_g_z2: generator.mean_output,
            images_per_second: 0.0,
            data_seconds: 0.0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::epoch_order;
    use dcgan_data::Channels;
    use dcgan_model::{Init, StepReport, TrainState};

    const MODEL: ModelConfig = ModelConfig { image_size: 32, channels: 1, latent_dim: 5, base_channels: 1 };
    const CONFIG: TrainConfig = TrainConfig {
        model: MODEL,
        adam: dcgan_model::AdamConfig { lr: 1e-3, beta1: 0.5, beta2: 0.999, eps: 1e-8 },
        init: Init::Normal,
        seed: 11,
        batch_size: 4,
        epochs: 2,
        max_steps: None,
        flip: false,
    };

    #[derive(Debug, PartialEq)]
    enum Call {
        Load(Box<TrainState>),
        Real(Vec<u8>),
        Fake(Vec<f32>),
        Generator(Vec<f32>),
        Generate(Vec<f32>),
    }

    /// Learns nothing and remembers everything. The k-th part of a step, counted over the run, has loss k and mean output k / 100, unless
    /// there is another report for k.
    #[derive(Default)]
    struct FakeEngine {
        calls: Vec<Call>,
        parts: u32,
        other: Option<(u32, StepReport)>,
    }

    impl FakeEngine {
        fn part(&mut self, call: Call) -> Result<StepReport, EngineError> {
            self.calls.push(call);
            self.parts += 1;
            let usual = StepReport { loss: self.parts as f32, mean_output: self.parts as f32 / 100.0 };
            Ok(self.other.filter(|(part, _)| *part == self.parts).map_or(usual, |(_, report)| report))
        }
    }

    impl Engine for FakeEngine {
        fn description(&self) -> String {
            "a fake".to_owned()
        }

        fn memory_bytes(&self) -> usize {
            7
        }

        fn load_state(&mut self, state: &TrainState) -> Result<(), EngineError> {
            self.calls.push(Call::Load(Box::new(state.clone())));
            Ok(())
        }

        fn state(&self) -> TrainState {
            match &self.calls[0] {
                Call::Load(state) => (**state).clone(),
                other => panic!("{other:?} came first"),
            }
        }

        fn train_discriminator_real(&mut self, images: &[u8]) -> Result<StepReport, EngineError> {
            self.part(Call::Real(images.to_vec()))
        }

        fn train_discriminator_fake(&mut self, noise: &[f32]) -> Result<StepReport, EngineError> {
            self.part(Call::Fake(noise.to_vec()))
        }

        fn train_generator(&mut self, noise: &[f32]) -> Result<StepReport, EngineError> {
            self.part(Call::Generator(noise.to_vec()))
        }

        fn generate(&mut self, noise: &[f32]) -> Result<Vec<f32>, EngineError> {
            self.calls.push(Call::Generate(noise.to_vec()));
            Ok(vec![0.0; noise.len() / MODEL.latent_dim * MODEL.image_len()])
        }
    }

    /// Writes down what it hears, in short, and refuses `refuse`.
    #[derive(Default)]
    struct Diary {
        entries: Vec<String>,
        steps: Vec<StepMetrics>,
        epochs: Vec<EpochSummary>,
        refuse: Option<&'static str>,
    }

    impl Listener for Diary {
        fn on_event(&mut self, event: &Event<'_>) -> Result<(), ListenerError> {
            let entry = match event {
                Event::Started { plan, .. } => {
                    assert_eq!((plan.engine.as_str(), plan.engine_bytes), ("a fake", 7));
                    assert_eq!(plan.data_bytes, plan.pictures * 32 * 32);
                    format!("started {}", plan.steps)
                }
                Event::Step(metrics) => {
                    self.steps.push(**metrics);
                    format!("step {}", metrics.step)
                }
                Event::EpochDone(summary) => {
                    self.epochs.push(**summary);
                    format!("epoch {}", summary.epoch)
                }
                Event::Preview { epoch, faces } => {
                    assert_eq!((faces.len(), faces[0].width, faces[0].channels), (PREVIEW_FACES, 32, 1));
                    format!("preview {epoch}")
                }
                Event::Finished { summary, .. } => format!("finished {}", summary.steps),
            };
            if self.refuse == Some(entry.as_str()) {
                return Err("the disk is full".into());
            }
            self.entries.push(entry);
            Ok(())
        }
    }

    /// `len` pictures, number i all of value i.
    fn pictures(len: usize) -> Arc<Dataset> {
        Arc::new(Dataset::from_fn(len, 32, Channels::Grey, |i, out| out.fill(i as u8)).unwrap())
    }

    fn run(
        config: &TrainConfig,
        len: usize,
        engine: &mut FakeEngine,
        diary: &mut Diary,
    ) -> Result<Summary, TrainError> {
        train(config, &pictures(len), engine, &mut [diary])
    }

    #[test]
    fn the_three_parts_get_the_documented_random_numbers() {
        let mut engine = FakeEngine::default();
        run(&CONFIG, 6, &mut engine, &mut Diary::default()).unwrap();

        let mut rng = TorchRng::seed_from_u64(11);
        let mut expected = vec![Call::Load(Box::new(initial_state(&MODEL, Init::Normal, &mut rng)))];
        let preview = || Call::Generate(TorchRng::seed_from_u64(11).randn(32 * 5));
        expected.push(preview());
        for epoch in 0..2 {
            // 6 pictures in batches of 4: the second batch is short, the noise is not.
            for batch in epoch_order(11, epoch, 6).chunks(4) {
                expected.push(Call::Real(batch.iter().flat_map(|&i| [i as u8; 32 * 32]).collect()));
                expected.push(Call::Fake(rng.randn(4 * 5)));
                expected.push(Call::Generator(rng.randn(4 * 5)));
            }
            expected.push(preview());
        }
        assert_eq!(engine.calls.len(), expected.len());
        for (index, (call, expected)) in engine.calls.iter().zip(&expected).enumerate() {
            assert!(call == expected, "call {index} differs: {call:?}");
        }
    }

    #[test]
    fn events_come_in_order_with_their_numbers() {
        let mut diary = Diary::default();
        let summary = run(&CONFIG, 6, &mut FakeEngine::default(), &mut diary).unwrap();
        assert_eq!(summary, Summary { epochs: 2, steps: 4 });
        let expected = [
            "started 4",
            "preview 0",
            "step 1",
            "step 2",
            "epoch 1",
            "preview 1",
            "step 3",
            "step 4",
            "epoch 2",
            "preview 2",
            "finished 4",
        ];
        assert_eq!(diary.entries, expected);
        let StepMetrics { images_per_second, data_seconds, .. } = diary.steps[2];
        assert!(images_per_second > 0.0 && data_seconds >= 0.0);
        let expected = StepMetrics {
            step: 3,
            epoch: 2,
            d_loss_real: 7.0,
            d_loss_fake: 8.0,
            g_loss: 9.0,
            d_x: 0.07,
            d_g_z1: 0.08,
            d_g_z2: 0.09,
            images_per_second,
            data_seconds,
        };
        assert_eq!(diary.steps[2], expected);
        // Steps 3 and 4 have the losses 7, 8, 9 and 10, 11, 12.
        assert_eq!(
            diary.epochs[1],
            EpochSummary { epoch: 2, steps: 2, d_loss: (7.0 + 8.0 + 10.0 + 11.0) / 2.0, g_loss: 10.5 }
        );
    }

    #[test]
    fn a_run_can_end_within_an_epoch() {
        let mut diary = Diary::default();
        let summary =
            run(&TrainConfig { max_steps: Some(3), ..CONFIG }, 6, &mut FakeEngine::default(), &mut diary).unwrap();
        assert_eq!(summary, Summary { epochs: 2, steps: 3 });
        assert_eq!(diary.entries[5..], ["preview 1", "step 3", "epoch 2", "preview 2", "finished 3"]);
        assert_eq!(diary.epochs[1], EpochSummary { epoch: 2, steps: 1, d_loss: 15.0, g_loss: 9.0 });
    }

    #[test]
    fn a_number_that_is_none_ends_the_run() {
        for (part, loss, mean_output, expected) in [
            (4, f32::NAN, 0.5, "step 2: d_loss_real is NaN"),
            (5, f32::INFINITY, 0.5, "step 2: d_loss_fake is inf"),
            (6, f32::NEG_INFINITY, 0.5, "step 2: g_loss is -inf"),
            (4, 1.0, f32::NAN, "step 2: d_x is NaN"),
            (5, 1.0, f32::NAN, "step 2: d_g_z1 is NaN"),
            (6, 1.0, f32::NAN, "step 2: d_g_z2 is NaN"),
        ] {
            let other = Some((part, StepReport { loss, mean_output }));
            let mut engine = FakeEngine { other, ..FakeEngine::default() };
            let mut diary = Diary::default();
            let error = run(&CONFIG, 6, &mut engine, &mut diary).unwrap_err().to_string();
            assert!(error.starts_with(expected) && error.contains("smaller learning rate"), "{error}");
            assert_eq!(diary.entries.last().unwrap(), "step 1");
            assert_eq!(engine.parts, part, "nothing may be learnt after it");
        }
    }

    #[test]
    fn a_listener_can_end_the_run() {
        for refuse in ["started 4", "preview 0", "step 3", "epoch 1", "finished 4"] {
            let mut diary = Diary { refuse: Some(refuse), ..Diary::default() };
            let error = run(&CONFIG, 6, &mut FakeEngine::default(), &mut diary).unwrap_err();
            assert_eq!(error.to_string(), "the disk is full", "{refuse}");
        }
    }

    #[test]
    fn every_listener_hears_everything() {
        let (mut first, mut second) = (Diary::default(), Diary::default());
        train(&CONFIG, &pictures(6), &mut FakeEngine::default(), &mut [&mut first, &mut second]).unwrap();
        assert_eq!(first.entries.len(), 11);
        assert_eq!(first.entries, second.entries);
    }

    #[test]
    fn what_cannot_be_learnt_from_is_refused_before_the_start() {
        let mut diary = Diary::default();
        let colour = TrainConfig { model: ModelConfig { channels: 3, ..MODEL }, ..CONFIG };
        let error = run(&colour, 6, &mut FakeEngine::default(), &mut diary).unwrap_err();
        assert!(error.to_string().contains("1 × 32 × 32, but the networks are made for 3 × 32 × 32"), "{error}");
        let error =
            run(&TrainConfig { batch_size: 0, ..CONFIG }, 6, &mut FakeEngine::default(), &mut diary).unwrap_err();
        assert!(matches!(error, TrainError::Config(TrainConfigError::BatchSize(0))), "{error}");
        assert!(diary.entries.is_empty());
    }
}
