//! Tests of the training loop.

use super::drawing::CALIBRATION_BATCHES;
use super::fake_engine::{CONFIG, Call, Diary, FakeEngine, MODEL, marked};
use super::*;
use crate::order::epoch_order;
use crate::{Augment, EpochEvaluation, TrainConfigError};
use dcgan_data::Channels;
use dcgan_metrics::Images;
use dcgan_model::{DiscriminatorNorm, Init, StepReport};

/// `len` pictures, number i all of value i.
fn pictures(len: usize) -> Arc<Dataset> {
    Arc::new(Dataset::from_fn(len, 32, Channels::Gray, |i, out| out.fill(i as u8)).unwrap())
}

fn run(config: &TrainConfig, len: usize, engine: &mut FakeEngine, diary: &mut Diary) -> Result<Summary, TrainError> {
    train(config, Session::default(), &pictures(len), engine, &mut [diary])
}

#[test]
fn the_three_parts_get_the_documented_random_numbers() {
    let mut engine = FakeEngine::default();
    run(&CONFIG, 6, &mut engine, &mut Diary::default()).unwrap();

    let mut rng = TorchRng::seed_from_u64(11);
    let mut expected = vec![Call::Load(Box::new(initial_state(&MODEL, Init::Normal, &mut rng)))];
    let preview = || Call::GenerateInTraining(TorchRng::seed_from_u64(11).randn(32 * 5));
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
fn augmentations_are_drawn_from_the_main_stream() {
    let augment: Augment = "colour,translation,cutout".parse().unwrap();
    let config = TrainConfig { augment, max_steps: Some(2), ..CONFIG };
    let mut engine = FakeEngine { recipe: Some(config.recipe()), ..FakeEngine::default() };
    run(&config, 6, &mut engine, &mut Diary::default()).unwrap();
    let mut rng = TorchRng::seed_from_u64(11);
    initial_state(&MODEL, Init::Normal, &mut rng);
    let mut expected = Vec::new();
    // The second batch of the epoch is short.
    for pictures in [4, 2] {
        expected.push(Call::Augment(augment.draw(&mut rng, pictures, 32)));
        for generator in [false, true] {
            let noise = rng.randn(4 * 5);
            expected.push(Call::Augment(augment.draw(&mut rng, 4, 32)));
            expected.push(if generator { Call::Generator(noise) } else { Call::Fake(noise) });
        }
    }
    let calls: Vec<Call> = std::mem::take(&mut engine.calls)
        .into_iter()
        .filter(|call| matches!(call, Call::Augment(_) | Call::Fake(_) | Call::Generator(_)))
        .collect();
    assert_eq!(calls, expected);
}

#[test]
fn the_average_or_new_statistics_are_shown_and_saved() {
    for (has_average, recalibrate) in [(true, false), (false, true)] {
        let config = TrainConfig { recalibrate, max_steps: Some(1), ..CONFIG };
        let mut engine = FakeEngine { has_average, ..FakeEngine::default() };
        let mut diary = Diary::default();
        run(&config, 6, &mut engine, &mut diary).unwrap();
        let noise = TorchRng::seed_from_u64(10).randn(CALIBRATION_BATCHES * 4 * 5);
        let weights = if has_average { marked(1.0) } else { engine.state().unwrap().generator.tensors };
        let calibrations: Vec<&Call> = engine.calls.iter().filter(|call| matches!(call, Call::Calibrate(..))).collect();
        // Two previews and the end.
        assert_eq!(calibrations.len(), 3);
        assert!(calibrations.into_iter().all(|call| *call == Call::Calibrate(weights.clone(), noise.clone())));
        let preview = Call::GenerateFrom(marked(2.0), TorchRng::seed_from_u64(11).randn(32 * 5));
        assert_eq!(engine.calls.iter().filter(|call| **call == preview).count(), 2);
        let own = |call: &Call| matches!(call, Call::Generate(_) | Call::GenerateInTraining(_));
        assert!(!engine.calls.iter().any(own));
        assert_eq!(diary.generator, Some(marked(2.0)));
    }
}

/// An evaluator on 200 pictures.
fn evaluator() -> Evaluator {
    let mut rng = TorchRng::seed_from_u64(2);
    let pixels: Vec<u8> = (0..16 * 32 * 32).map(|_| 128 + (rng.next_u32() % 128) as u8).collect();
    let cpu = dcgan_engine_cpu::Cpu::new(dcgan_engine_cpu::Isa::PORTABLE, 1).unwrap();
    Evaluator::new(&cpu, Images::new(&pixels, 32, 1).unwrap(), 100).unwrap()
}

#[test]
fn the_generator_is_evaluated_and_the_best_one_is_told() {
    let config = TrainConfig { evaluate_every: NonZeroU64::new(2), epochs: 7, ..CONFIG };
    let evaluator = evaluator();
    let shades = || FakeEngine { draws_shades: true, ..FakeEngine::default() };
    let session = || Session { evaluator: Some(&evaluator), ..Session::default() };
    let (mut engine, mut diary) = (shades(), Diary::default());
    let summary = train(&config, session(), &pictures(6), &mut engine, &mut [&mut diary]).unwrap();
    // Every second epoch and the end.
    let epochs: Vec<u64> = diary.evaluations.iter().map(|evaluation| evaluation.epoch).collect();
    assert_eq!(epochs, [2, 4, 6, 7]);
    let mut least = f64::INFINITY;
    let mut told = Vec::new();
    for EpochEvaluation { epoch, evaluation, .. } in &diary.evaluations {
        let is_best = evaluation.swd.mean < least;
        least = least.min(evaluation.swd.mean);
        told.push(format!("evaluated {epoch}{}", if is_best { ", best" } else { "" }));
    }
    let entries: Vec<&String> = diary.entries.iter().filter(|entry| entry.starts_with("evaluated")).collect();
    assert!(entries.iter().copied().eq(&told), "{entries:?} {told:?}");
    assert!(told.iter().any(|entry| !entry.ends_with("best")), "some must be worse for this test: {told:?}");
    let best = summary.best.unwrap();
    assert_eq!(best.swd, least);
    assert_eq!(diary.checkpoint.as_ref().unwrap().progress.best, summary.best);
    // The noise is always the same, and the run's own is untouched by it.
    let noise = TorchRng::seed_from_u64(9).randn(evaluator.samples() * 5);
    assert_eq!(engine.calls.iter().filter(|call| **call == Call::Generate(noise.clone())).count(), 4);
    let mut plain = FakeEngine::default();
    run(&TrainConfig { evaluate_every: None, ..config }, 6, &mut plain, &mut Diary::default()).unwrap();
    let learnt = |engine: &FakeEngine| -> Vec<Call> {
        engine
            .calls
            .iter()
            .filter(|call| !matches!(call, Call::Generate(_) | Call::GenerateInTraining(_)))
            .cloned()
            .collect()
    };
    assert!(learnt(&engine) == learnt(&plain));

    // A run that was stopped remembers the best of before.
    let (mut engine, mut diary) = (shades(), Diary { stop: (8, Arc::default()), ..Diary::default() });
    let flag = Arc::clone(&diary.stop.1);
    let first = Session { stop: Some(&flag), ..session() };
    train(&config, first, &pictures(6), &mut engine, &mut [&mut diary]).unwrap();
    let second = Session { from: diary.checkpoint.take(), ..session() };
    let mut engine = FakeEngine { parts: engine.parts, ..shades() };
    let resumed = train(&config, second, &pictures(6), &mut engine, &mut [&mut diary]).unwrap();
    assert_eq!(resumed.best, summary.best);

    let error = train(&config, Session::default(), &pictures(6), &mut shades(), &mut []).unwrap_err();
    assert!(matches!(error, TrainError::NoEvaluator));
}

#[test]
fn rates_follow_the_schedule() {
    let config = TrainConfig { schedule: Schedule::Linear, ..CONFIG };
    let mut engine = FakeEngine { broken_after: vec![9], ..FakeEngine::default() };
    run(&config, 6, &mut engine, &mut Diary::default()).unwrap();
    // Loading a state sets the rate without a schedule, and each step its own. After the third step the run goes
    // back to the second, at half the rates.
    assert_eq!(engine.scales, [1.0, 1.0, 0.75, 0.5, 0.5, 0.25, 0.125]);
}

#[test]
fn several_steps_of_the_discriminator_have_batches_of_their_own() {
    let config = TrainConfig { d_steps: 2, epochs: 1, ..CONFIG };
    let (mut engine, mut diary) = (FakeEngine { max_in_flight: 2, ..FakeEngine::default() }, Diary::default());
    let summary = run(&config, 11, &mut engine, &mut diary).unwrap();
    assert_eq!(summary.steps, 2);
    let sizes = engine.calls.iter().filter_map(|call| match call {
        Call::Real(images) => Some(images.len() / MODEL.image_len()),
        Call::Generator(_) => Some(0),
        _ => None,
    });
    let sizes = sizes.collect::<Vec<usize>>();
    assert_eq!(sizes, [4, 4, 0, 3, 0], "two batches and a short one, with G after each step");
    // Parts 1 to 5 have the losses 1 to 5; those of D are means.
    let StepMetrics { d_loss_real, d_loss_fake, g_loss, .. } = diary.steps[0];
    assert_eq!((d_loss_real, d_loss_fake, g_loss), (2.0, 3.0, 5.0));
}

#[test]
fn without_batch_norm_both_kinds_of_pictures_come_together() {
    let augment: Augment = "translation".parse().unwrap();
    let model = ModelConfig { norm_d: DiscriminatorNorm::None, ..MODEL };
    let config = TrainConfig { model, augment, max_steps: Some(1), ..CONFIG };
    let mut engine = FakeEngine { recipe: Some(config.recipe()), ..FakeEngine::default() };
    run(&config, 3, &mut engine, &mut Diary::default()).unwrap();
    let mut rng = TorchRng::seed_from_u64(11);
    initial_state(&model, Init::Normal, &mut rng);
    let mut augmentations = augment.draw(&mut rng, 3, 32);
    let noise = rng.randn(4 * 5);
    augmentations.extend(augment.draw(&mut rng, 4, 32));
    let calls: Vec<&Call> =
        engine.calls.iter().filter(|call| matches!(call, Call::Augment(_) | Call::Fake(_))).collect();
    assert_eq!(calls[..2], [&Call::Augment(augmentations), &Call::Fake(noise)]);
}

#[test]
fn events_come_in_order_with_their_numbers() {
    let mut diary = Diary::default();
    let summary = run(&CONFIG, 6, &mut FakeEngine::default(), &mut diary).unwrap();
    assert_eq!(summary, Summary { epochs: 2, steps: 4, finished: true, best: None });
    let expected = "started 4, preview 0, step 1, step 2, epoch 1, preview 1, health 1, saving 2, checkpoint 2, \
                    step 3, step 4, epoch 2, preview 2, health 2, saving 4, checkpoint 4, finished 4";
    assert_eq!(diary.entries.join(", "), expected);
    let StepMetrics { images_per_second, data_seconds, .. } = diary.steps[2];
    assert!(images_per_second > 0.0 && data_seconds >= 0.0);
    let expected = StepMetrics {
        step: 3,
        epoch: 2,
        d_loss_real: 7.0,
        d_loss_fake: 8.0,
        g_loss: 9.0,
        d_gradient_real: None,
        d_gradient_fake: None,
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
        EpochSummary {
            epoch: 2,
            steps: 2,
            d_loss: (7.0 + 8.0 + 10.0 + 11.0) / 2.0,
            g_loss: 10.5,
            d_x: (f64::from(0.07f32) + f64::from(0.1f32)) / 2.0,
            d_g_z1: (f64::from(0.08f32) + f64::from(0.11f32)) / 2.0,
        }
    );
}

#[test]
fn a_run_can_end_within_an_epoch() {
    let mut diary = Diary::default();
    let summary =
        run(&TrainConfig { max_steps: Some(3), ..CONFIG }, 6, &mut FakeEngine::default(), &mut diary).unwrap();
    assert_eq!(summary, Summary { epochs: 2, steps: 3, finished: true, best: None });
    let expected = ["step 3", "epoch 2", "preview 2", "saving 3", "checkpoint 3", "finished 3"];
    assert_eq!(diary.entries[9..], expected);
    let EpochSummary { epoch, steps, d_loss, g_loss, .. } = diary.epochs[1];
    assert_eq!((epoch, steps, d_loss, g_loss), (2, 1, 15.0, 9.0));
}

/// Samples within epochs, and kept generators, change nothing else: not the numbers, and not what the engine learns.
#[test]
fn samples_and_kept_generators_come_beside_the_training() {
    let mut engine = FakeEngine::default();
    let mut plain = Diary::default();
    run(&CONFIG, 14, &mut engine, &mut plain).unwrap();
    for (max_in_flight, save_every) in [(1, None), (4, None), (4, NonZeroU64::new(3))] {
        let mut sampled = FakeEngine { max_in_flight, ..FakeEngine::default() };
        let mut diary = Diary::default();
        let (sample_every, keep_generators) = (NonZeroU64::new(2), true);
        let session = Session { sample_every, save_every, keep_generators, ..Session::default() };
        train(&CONFIG, session, &pictures(14), &mut sampled, &mut [&mut diary]).unwrap();
        // Two epochs of 4 steps: step 4 and step 8 have a preview.
        let own = |entry: &&String| entry.starts_with("sample") || entry.starts_with("generator");
        let entries: Vec<&String> = diary.entries.iter().filter(own).collect();
        assert_eq!(entries, ["sample 1 2", "generator 1", "sample 2 6", "generator 2"]);
        let place = |entry: &str| diary.entries.iter().position(|other| other == entry).unwrap();
        assert_eq!(place("sample 2 6"), place("step 6") + 1);
        assert!(place("generator 1") < place("saving 4"));
        if save_every.is_some() {
            assert!(place("sample 2 6") < place("saving 6"));
        } else {
            let others: Vec<&String> = diary.entries.iter().filter(|entry| !own(entry)).collect();
            assert_eq!(others, plain.entries.iter().collect::<Vec<_>>());
        }
        let learnt = |engine: &FakeEngine| {
            let draws = |call: &&Call| !matches!(call, Call::GenerateInTraining(_));
            engine.calls.iter().filter(draws).cloned().collect::<Vec<_>>()
        };
        assert!(learnt(&sampled) == learnt(&engine));
        assert_eq!(diary.generators[1], diary.generator.unwrap());
        let preview = Call::GenerateInTraining(TorchRng::seed_from_u64(CONFIG.seed).randn(32 * 5));
        assert_eq!(sampled.calls.iter().filter(|call| **call == preview).count(), 5);
    }
}

/// Runs until step `stop`, then in a second session to the end, and joins what both engines and diaries have.
fn run_in_two(config: &TrainConfig, stop: u64, save_every: Option<u64>) -> (Vec<Call>, Diary) {
    let save_every = save_every.and_then(NonZeroU64::new);
    let mut first = FakeEngine::default();
    let mut diary = Diary { stop: (stop, Arc::default()), ..Diary::default() };
    let flag = Arc::clone(&diary.stop.1);
    let session = Session { save_every, stop: Some(&flag), ..Session::default() };
    let summary = train(config, session, &pictures(6), &mut first, &mut [&mut diary]).unwrap();
    assert_eq!(summary, Summary { epochs: stop.div_ceil(2), steps: stop, finished: false, best: None });
    assert_eq!(diary.entries.last().unwrap(), &format!("stopped {stop}"));
    let from = diary.checkpoint.take().unwrap();
    assert_eq!(from.progress.step, stop);

    let mut second = FakeEngine { parts: first.parts, ..FakeEngine::default() };
    let session = Session { from: Some(from), save_every, ..Session::default() };
    let summary = train(config, session, &pictures(6), &mut second, &mut [&mut diary]).unwrap();
    assert_eq!(summary, Summary { epochs: 2, steps: 4, finished: true, best: None });
    let mut calls = first.calls;
    calls.extend(second.calls.into_iter().skip(1));
    (calls, diary)
}

#[test]
fn a_run_that_was_stopped_goes_on_as_if_nothing_had_happened() {
    let mut engine = FakeEngine::default();
    let mut whole = Diary::default();
    run(&CONFIG, 6, &mut engine, &mut whole).unwrap();
    for stop in 1..=3 {
        let (calls, diary) = run_in_two(&CONFIG, stop, None);
        assert!(calls == engine.calls, "stopped after step {stop}");
        assert_eq!(diary.epochs, whole.epochs, "stopped after step {stop}");
        let steps: Vec<u64> = diary.steps.iter().map(|metrics| metrics.step).collect();
        assert_eq!(steps, [1, 2, 3, 4]);
        assert_eq!(diary.checkpoint.unwrap().progress, whole.checkpoint.as_ref().unwrap().progress);
    }
}

/// 4 of 6 pictures were seen: with 4 or 3 the epoch under way would never end.
#[test]
fn a_checkpoint_from_more_pictures_is_refused() {
    let mut diary = Diary { stop: (1, Arc::default()), ..Diary::default() };
    let flag = Arc::clone(&diary.stop.1);
    let session = Session { stop: Some(&flag), ..Session::default() };
    train(&CONFIG, session, &pictures(6), &mut FakeEngine::default(), &mut [&mut diary]).unwrap();
    let checkpoint = diary.checkpoint.take().unwrap();
    for (len, is_refused) in [(3, true), (4, true), (5, false)] {
        let session = Session { from: Some(checkpoint.clone()), ..Session::default() };
        let result = train(&CONFIG, session, &pictures(len), &mut FakeEngine::default(), &mut []);
        let is_other = matches!(result, Err(TrainError::OtherPictures { seen: 4, pictures }) if pictures == len);
        assert_eq!((is_other, result.is_err()), (is_refused, is_refused), "{len} pictures: {result:?}");
    }
}

#[test]
fn checkpoints_come_after_everything_they_stand_for() {
    let (_, diary) = run_in_two(&CONFIG, 1, Some(3));
    let expected = "started 4, preview 0, step 1, saving 1, checkpoint 1, stopped 1, started 4, step 2, epoch 1, \
                    preview 1, health 1, saving 2, checkpoint 2, step 3, saving 3, checkpoint 3, step 4, epoch 2, \
                    preview 2, health 2, saving 4, checkpoint 4, finished 4";
    assert_eq!(diary.entries.join(", "), expected);
}

#[test]
fn more_may_be_asked_of_a_finished_run() {
    let mut whole = FakeEngine::default();
    let mut all = Diary::default();
    run(&TrainConfig { epochs: 3, ..CONFIG }, 6, &mut whole, &mut all).unwrap();
    // Of 6 steps: 2 epochs, 5 steps, and all of them.
    for first in [CONFIG, TrainConfig { max_steps: Some(5), epochs: 3, ..CONFIG }, TrainConfig { epochs: 3, ..CONFIG }]
    {
        let (mut engine, mut diary) = (FakeEngine::default(), Diary::default());
        run(&first, 6, &mut engine, &mut diary).unwrap();
        let session = Session { from: diary.checkpoint.take(), ..Session::default() };
        let mut longer = FakeEngine { parts: engine.parts, ..FakeEngine::default() };
        let config = TrainConfig { epochs: 3, ..CONFIG };
        train(&config, session, &pictures(6), &mut longer, &mut [&mut diary]).unwrap();
        // Where the first run ended there may be a preview that the longer one does not have.
        let learnt = |call: &&Call| !matches!(call, Call::GenerateInTraining(_));
        let calls: Vec<&Call> = engine.calls.iter().chain(&longer.calls[1..]).filter(learnt).collect();
        let expected: Vec<&Call> = whole.calls.iter().filter(learnt).collect();
        assert!(calls == expected, "{first:?}");
        assert_eq!(diary.epochs.last(), all.epochs.last());
        assert_eq!(diary.entries.last().unwrap(), "finished 6");
    }
}

#[test]
fn a_number_that_is_none_takes_the_run_back_to_the_last_checkpoint() {
    for (part, loss, mean_output, expected) in [
        (10, f32::NAN, 0.5, "step 4: d_loss_real is NaN to 2"),
        (11, f32::INFINITY, 0.5, "step 4: d_loss_fake is inf to 2"),
        (12, f32::NEG_INFINITY, 0.5, "step 4: g_loss is -inf to 2"),
        (10, 1.0, f32::NAN, "step 4: d_x is NaN to 2"),
        (11, 1.0, f32::NAN, "step 4: d_g_z1 is NaN to 2"),
        (12, 1.0, f32::NAN, "step 4: d_g_z2 is NaN to 2"),
        (4, f32::NAN, 0.5, "step 2: d_loss_real is NaN to 0"),
    ] {
        let other = Some((part, StepReport { loss, mean_output, gradient_norm: None }));
        let mut engine = FakeEngine { other, ..FakeEngine::default() };
        let mut diary = Diary::default();
        run(&CONFIG, 6, &mut engine, &mut diary).unwrap();
        let back = diary.entries.iter().position(|entry| entry == expected);
        let back = back.unwrap_or_else(|| panic!("no {expected:?} in {:?}", diary.entries));
        let to = if part == 4 { 0 } else { 2 };
        assert_eq!(diary.entries[back - 1], format!("step {}", part.div_ceil(3) - 1));
        assert_eq!(diary.entries[back + 1], format!("step {}", to + 1), "the steps after the checkpoint come again");
        assert_eq!(diary.entries.last().unwrap(), "finished 4");
        assert_eq!(engine.scales, [1.0, 0.5]);

        // The state, the noise and the pictures are those of the first time.
        let loads: Vec<usize> = (0..engine.calls.len()).filter(|&i| matches!(engine.calls[i], Call::Load(_))).collect();
        assert_eq!(loads.len(), 2);
        let again = &engine.calls[loads[1] + 1..][..3];
        let learnt = |call: &&Call| !matches!(call, Call::GenerateInTraining(_) | Call::Load(_));
        let first: Vec<&Call> = engine.calls.iter().filter(learnt).skip(3 * to).take(3).collect();
        assert!(again.iter().eq(first));
    }
}

#[test]
fn a_broken_tensor_is_noticed_after_the_step() {
    let mut engine = FakeEngine { broken_after: vec![9], ..FakeEngine::default() };
    let mut diary = Diary::default();
    run(&CONFIG, 6, &mut engine, &mut diary).unwrap();
    assert!(diary.entries.contains(&"step 3: a tensor is broken to 2".to_owned()), "{:?}", diary.entries);
}

#[test]
fn going_back_ends_after_some_times() {
    let broken_after = (7..100).collect();
    let mut engine = FakeEngine { broken_after, ..FakeEngine::default() };
    let mut diary = Diary::default();
    let error = run(&CONFIG, 6, &mut engine, &mut diary).unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("step 3: a tensor is broken; ") && text.contains("3 times"), "{text}");
    assert!(text.contains("Step 2 is the last good one") && text.contains("smaller learning rate"), "{text}");
    assert!(matches!(error, TrainError::NotFinite { step: 2, .. }));
    assert_eq!(engine.scales, [1.0, 0.5, 0.25, 0.125]);
    let checkpoints = diary.entries.iter().filter(|entry| entry.starts_with("checkpoint"));
    assert_eq!(checkpoints.count(), 1, "nothing bad is saved: {:?}", diary.entries);
}

#[test]
fn smaller_learning_rates_outlive_the_process() {
    let mut engine = FakeEngine { broken_after: vec![9], ..FakeEngine::default() };
    let mut diary = Diary::default();
    run(&CONFIG, 6, &mut engine, &mut diary).unwrap();
    let from = diary.checkpoint.take();
    assert_eq!(from.as_ref().unwrap().progress.rollbacks, 1);
    let mut engine = FakeEngine::default();
    let session = Session { from, ..Session::default() };
    train(&TrainConfig { epochs: 3, ..CONFIG }, session, &pictures(6), &mut engine, &mut [&mut diary]).unwrap();
    assert_eq!(engine.scales, [0.5]);
}

/// Whatever ends a window early, the events and their numbers are those of an engine that computes at once.
#[test]
fn steps_under_way_are_told_as_if_they_were_not() {
    let usual = FakeEngine::default;
    let nan = |step: u32, part: u32| {
        Some((3 * (step - 1) + part, StepReport { loss: f32::NAN, mean_output: 0.5, gradient_norm: None }))
    };
    let broken_in = |step: u32, part: u32| FakeEngine { other: nan(step, part), ..usual() };
    let stopped_in = |step: u32| FakeEngine { stop: (3 * step, Arc::default()), ..usual() };
    // Two epochs of 23 steps. What happens, checkpoints at multiples, the engine, the last entry.
    let cases: [(&str, u64, &dyn Fn() -> FakeEngine, &str); 8] = [
        ("epochs", 0, &usual, "finished 46"),
        ("saves", 5, &usual, "finished 46"),
        ("a stop", 0, &|| stopped_in(18), "stopped 18"),
        ("a stop at an epoch's end", 7, &|| stopped_in(23), "stopped 23"),
        ("a rollback", 0, &|| broken_in(13, 2), "finished 46"),
        ("a rollback from a window's first step", 0, &|| broken_in(12, 1), "finished 46"),
        ("a rollback to a save", 10, &|| broken_in(33, 3), "finished 46"),
        ("a broken tensor", 10, &|| FakeEngine { broken_after: vec![3 * 30], ..usual() }, "finished 46"),
    ];
    for (case, save_every, engine, end) in cases {
        let [at_once, ahead] = [1, 4].map(|max_in_flight| {
            let mut engine = FakeEngine { max_in_flight, ..engine() };
            let (mut diary, stop) = (Diary::default(), Arc::clone(&engine.stop.1));
            let session = Session { save_every: NonZeroU64::new(save_every), stop: Some(&stop), ..Session::default() };
            train(&CONFIG, session, &pictures(90), &mut engine, &mut [&mut diary]).unwrap();
            for metrics in &mut diary.steps {
                (metrics.images_per_second, metrics.data_seconds) = (0.0, 0.0);
            }
            (engine, diary)
        });
        let (one, other) = (&at_once.1, &ahead.1);
        assert_eq!(one.entries, other.entries, "{case}");
        assert_eq!(one.entries.last().unwrap(), end, "{case}");
        assert!(at_once.0.taken.iter().all(|&reports| reports == 3), "{case}");
        assert!(ahead.0.taken.contains(&12), "{case}: the fake is quick enough for windows to grow");

        // The fake's numbers count its work: what was in vain is in them.
        let back = one.entries.iter().position(|entry| entry.contains(" to "));
        let told = |entry: &&String| entry.starts_with("step") && !entry.contains(" to ");
        let comparable = one.entries[..back.unwrap_or(one.entries.len())].iter().filter(told).count();
        assert_eq!(one.steps[..comparable], other.steps[..comparable], "{case}");
        if back.is_none() {
            assert_eq!(one.epochs, other.epochs, "{case}");
        }
        let learnt = |engine: &FakeEngine| {
            let from = engine.calls.iter().rposition(|call| matches!(call, Call::Load(_))).unwrap();
            engine.calls[from..].to_vec()
        };
        assert!(learnt(&at_once.0) == learnt(&ahead.0), "{case}: other pictures or noise");
    }
}

#[test]
fn the_rate_is_that_of_the_steps_reported_together() {
    let mut engine = FakeEngine { max_in_flight: 4, ..FakeEngine::default() };
    let mut diary = Diary::default();
    run(&CONFIG, 90, &mut engine, &mut diary).unwrap();
    let rates: Vec<f32> = diary.steps.iter().map(|metrics| metrics.images_per_second).collect();
    assert!(rates.iter().all(|rate| rate.is_finite() && *rate > 0.0));
    let mut rates = rates.as_slice();
    for reports in engine.taken {
        let (window, rest) = rates.split_at(reports / 3);
        assert!(window.iter().all(|rate| *rate == window[0]));
        rates = rest;
    }
    assert!(rates.is_empty());
}

#[test]
fn a_bad_checkpoint_is_refused() {
    let mut diary = Diary::default();
    run(&CONFIG, 6, &mut FakeEngine::default(), &mut diary).unwrap();
    let session = Session { from: diary.checkpoint.take(), ..Session::default() };
    let mut engine = FakeEngine { broken_after: vec![0], ..FakeEngine::default() };
    let error = train(&CONFIG, session, &pictures(6), &mut engine, &mut []).unwrap_err();
    assert!(error.to_string().contains("the checkpoint is of no use: a tensor is broken"), "{error}");
}

#[test]
fn a_listener_can_end_the_run() {
    for refuse in ["started 4", "preview 0", "step 3", "epoch 1", "saving 2", "checkpoint 2", "finished 4"] {
        let mut diary = Diary { refuse: Some(refuse), ..Diary::default() };
        let error = run(&CONFIG, 6, &mut FakeEngine::default(), &mut diary).unwrap_err();
        assert_eq!(error.to_string(), "the disk is full", "{refuse}");
    }
}

#[test]
fn every_listener_hears_everything() {
    let (mut first, mut second) = (Diary::default(), Diary::default());
    let listeners: &mut [&mut dyn Listener] = &mut [&mut first, &mut second];
    train(&CONFIG, Session::default(), &pictures(6), &mut FakeEngine::default(), listeners).unwrap();
    assert_eq!(first.entries.len(), 17);
    assert_eq!(first.entries, second.entries);
}

#[test]
fn what_cannot_be_learnt_from_is_refused_before_the_start() {
    let mut diary = Diary::default();
    let colour = TrainConfig { model: ModelConfig { channels: 3, ..MODEL }, ..CONFIG };
    let error = run(&colour, 6, &mut FakeEngine::default(), &mut diary).unwrap_err();
    assert!(error.to_string().contains("1 × 32 × 32, but the networks are made for 3 × 32 × 32"), "{error}");
    let error = run(&TrainConfig { batch_size: 0, ..CONFIG }, 6, &mut FakeEngine::default(), &mut diary).unwrap_err();
    assert!(matches!(error, TrainError::Config(TrainConfigError::BatchSize(0))), "{error}");
    assert!(diary.entries.is_empty());
}
