//! Tests of the folder of a run.

use super::*;
use crate::{Plan, Progress, Rollback, StepMetrics, Summary, TrainConfig};
use dcgan_image::Picture;
use dcgan_model::Checkpoint;
use dcgan_model::{Init, ModelConfig, TorchRng, initial_network, initial_state};
use std::num::{NonZeroU64, NonZeroUsize};

/// The names of the files in a folder, sorted.
fn files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut names: Vec<String> = entries
        .filter(|path| path.is_file())
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

const MODEL: ModelConfig =
    ModelConfig { image_size: 32, channels: 1, latent_dim: 3, ..ModelConfig::TUTORIAL }.with_base_channels(1);

fn checkpoint(step: u64, epoch: u64, pictures: u64) -> Checkpoint {
    let mut rng = TorchRng::seed_from_u64(step);
    let state = initial_state(&MODEL, Init::Default, &mut rng);
    Checkpoint { state, rng, progress: Progress { step, epoch, pictures, ..Progress::default() } }
}

fn save(folder: &mut RunFolder, checkpoint: &Checkpoint) {
    folder.on_event(&Event::Saving { step: checkpoint.progress.step }).unwrap();
    folder.on_event(&Event::Checkpoint(checkpoint)).unwrap();
}

#[test]
fn the_last_checkpoint_and_its_facts_come_back() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("run");
    let mut folder = RunFolder::create(&path, "seed = 0\n").unwrap();
    assert!(folder.last_checkpoint().unwrap().is_none());
    for (step, epoch, pictures) in [(9, 1, 0), (10, 1, 8), (100_000_000, 2, 0)] {
        let checkpoint = checkpoint(step, epoch, pictures);
        save(&mut folder, &checkpoint);
        let saved = folder.last_checkpoint().unwrap().unwrap();
        assert_eq!(saved.checkpoint, checkpoint);
        assert_eq!((saved.config.as_deref(), saved.data_fingerprint), (Some("seed = 0\n"), None));
    }
    drop(folder);
    let folder = RunFolder::open(&path).unwrap();
    assert_eq!(folder.config(), "seed = 0\n");
    assert_eq!(folder.last_checkpoint().unwrap().unwrap().checkpoint.progress.step, 100_000_000);
}

#[test]
fn the_last_checkpoints_and_each_of_some_epochs_are_kept() {
    let parent = tempfile::tempdir().unwrap();
    let mut folder = RunFolder::create(&parent.path().join("run"), "").unwrap();
    folder.set_keep(Keep { last: NonZeroUsize::new(2).unwrap(), every: NonZeroU64::new(2) });
    // Two steps an epoch, and one checkpoint within.
    for step in 1..=11 {
        save(&mut folder, &checkpoint(step, step / 2, step % 2));
    }
    let expected =
        ["04-epoch-0002", "08-epoch-0004", "10-epoch-0005", "11"].map(|name| format!("step-000000{name}.safetensors"));
    let checkpoints = folder.path().join("checkpoints");
    assert_eq!(files(&checkpoints), expected);

    // Killed before the oldest was removed, and resumed at its end.
    fs::copy(checkpoints.join(&expected[3]), checkpoints.join("step-00000009.safetensors")).unwrap();
    let progress = folder.last_checkpoint().unwrap().unwrap().checkpoint.progress;
    let plan =
        Plan { pictures: 2, batches_per_epoch: 2, steps: 11, data_bytes: 1, engine_bytes: 1, engine: String::new() };
    folder.on_event(&Event::Started { config: &TrainConfig::default(), plan: &plan, progress: &progress }).unwrap();
    assert_eq!(files(&checkpoints), expected);
}

#[test]
fn a_damaged_checkpoint_is_put_aside_for_the_one_before() {
    let parent = tempfile::tempdir().unwrap();
    let mut folder = RunFolder::create(&parent.path().join("run"), "").unwrap();
    let checkpoints = folder.path().join("checkpoints");
    [checkpoint(1, 0, 1), checkpoint(2, 1, 0)].iter().for_each(|checkpoint| save(&mut folder, checkpoint));
    let newest = checkpoints.join("step-00000002-epoch-0001.safetensors");
    let bytes = fs::read(&newest).unwrap();
    fs::write(&newest, &bytes[..bytes.len() / 2]).unwrap();
    let saved = folder.last_checkpoint().unwrap().unwrap();
    assert_eq!(saved.checkpoint, checkpoint(1, 0, 1));
    assert_eq!(saved.damaged.len(), 1);
    assert!(saved.damaged[0].to_string().contains("step-00000002-epoch-0001"), "{}", saved.damaged[0]);
    assert!(newest.exists(), "nothing is changed before everything is checked");
    assert_eq!(folder.prepare(Some(&saved), false).unwrap(), [""; 0]);
    let names = ["step-00000001.safetensors", "step-00000002-epoch-0001.safetensors.damaged"];
    assert_eq!(files(&checkpoints), names);

    fs::write(checkpoints.join("step-00000001.safetensors"), "").unwrap();
    // However often: a run without a good checkpoint must not begin again over what there is.
    for _ in 0..2 {
        let error = folder.last_checkpoint().unwrap_err();
        assert!(error.to_string().contains("step-00000001.safetensors"), "{error}");
    }
}

/// Adds the metrics of a step in some epoch to the run.
fn step(folder: &mut RunFolder, step: u64, epoch: u64) {
    folder.on_event(&Event::Step(&StepMetrics { step, epoch, ..StepMetrics::default() })).unwrap();
}

fn faces(folder: &mut RunFolder, epoch: u64) {
    folder.on_event(&Event::Preview { epoch, faces: &[Picture::black(32, 32, 1)] }).unwrap();
}

fn session() -> SessionRecord {
    SessionRecord {
        started: String::new(),
        from_step: 0,
        version: String::new(),
        machine: String::new(),
        device: String::new(),
        instruction_set: None,
        threads: None,
        pictures: 1,
        data_fingerprint: String::new(),
        has_checkpoint: false,
        changes: Vec::new(),
    }
}

/// Whatever of a run is left without its checkpoints must not be overwritten.
#[test]
fn a_run_whose_checkpoints_are_gone_does_not_begin_again() {
    let refused = |make: fn(&mut RunFolder), words: &str| {
        let parent = tempfile::tempdir().unwrap();
        let mut folder = RunFolder::create(&parent.path().join("run"), "").unwrap();
        faces(&mut folder, 0);
        step(&mut folder, 1, 1);
        faces(&mut folder, 1);
        folder.flush_metrics().unwrap();
        assert!(folder.last_checkpoint().unwrap().is_none(), "as after a kill before the first checkpoint");
        make(&mut folder);
        folder.flush_metrics().unwrap();
        let path = folder.path().to_owned();
        drop(folder);
        let error = RunFolder::open(&path).unwrap().last_checkpoint().unwrap_err();
        assert!(matches!(error, RunFolderError::NoCheckpoints { .. }), "{error}");
        assert!(error.to_string().contains(words), "{error}");
    };
    refused(|folder| fs::write(folder.torchscript_path(), "").unwrap(), "generator.pt");
    refused(|folder| fs::write(folder.safetensors_path(), "").unwrap(), "generator.safetensors");
    refused(|folder| faces(folder, 2), "samples/epoch-0002.png");
    refused(|folder| step(folder, 2, 2), "metrics.jsonl");
    let removed_again = |folder: &mut RunFolder| {
        folder.record(&session()).unwrap();
        save(folder, &checkpoint(1, 1, 0));
        fs::remove_dir_all(folder.path().join(CHECKPOINTS)).unwrap();
    };
    refused(removed_again, "run.json");
}

#[test]
fn what_does_not_come_again_is_kept() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("run");
    let mut folder = RunFolder::create(&path, "").unwrap();
    fs::create_dir(path.join(GENERATORS)).unwrap();
    for epoch in 1..=4 {
        step(&mut folder, epoch, epoch);
        faces(&mut folder, epoch);
        fs::write(path.join(format!("generators/epoch-000{epoch}.safetensors")), "").unwrap();
    }
    fs::write(path.join(step_sample_name(4, 4)), "").unwrap();
    save(&mut folder, &checkpoint(2, 2, 0));
    fs::write(folder.torchscript_path(), "a result").unwrap();
    fs::write(folder.best_torchscript_path(), "the best").unwrap();
    drop(folder);
    let go_on = |keeps_result: bool| {
        let mut folder = RunFolder::open(&path).unwrap();
        let saved = folder.last_checkpoint().unwrap().unwrap();
        let notes = folder.prepare(Some(&saved), keeps_result).unwrap();
        assert!(folder.torchscript_path().exists(), "there is no newer one yet");
        save(&mut folder, &checkpoint(3, 3, 0));
        (notes, folder)
    };
    let (notes, folder) = go_on(false);
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].contains("kept.step-00000002"), "{notes:?}");
    assert_eq!(files(&path.join("kept.step-00000002")), ["generator-best.pt", "generator.pt", "metrics.jsonl"]);
    assert_eq!(
        files(&path.join("kept.step-00000002/samples")),
        ["epoch-0003.png", "epoch-0004-step-00000004.png", "epoch-0004.png"]
    );
    assert_eq!(
        files(&path.join("kept.step-00000002/generators")),
        ["epoch-0003.safetensors", "epoch-0004.safetensors"]
    );
    assert_eq!(files(&path.join("generators")), ["epoch-0001.safetensors", "epoch-0002.safetensors"]);
    assert_eq!(files(&path.join("samples")), ["epoch-0001.png", "epoch-0002.png"]);
    assert_eq!(fs::read_to_string(path.join("kept.step-00000002/metrics.jsonl")).unwrap().lines().count(), 4);
    assert_eq!(fs::read_to_string(path.join("metrics.jsonl")).unwrap().lines().count(), 2);

    fs::write(folder.torchscript_path(), "the end of a run that is made longer").unwrap();
    drop(folder);
    let (notes, folder) = go_on(true);
    assert_eq!(notes, [""; 0]);
    assert_eq!(files(&path.join("kept.step-00000003")), ["generator.pt"]);
    fs::write(folder.torchscript_path(), "of a run that was stopped, and comes again").unwrap();
    drop(folder);
    go_on(false);
    assert!(!path.join("kept.step-00000003-2").exists());
}

#[test]
fn damaged_metrics_are_reported_and_copied() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("run");
    let mut folder = RunFolder::create(&path, "").unwrap();
    (1..=9).for_each(|number| step(&mut folder, number, 1));
    save(&mut folder, &checkpoint(9, 1, 0));
    drop(folder);
    let mut damaged = fs::read(path.join(METRICS)).unwrap();
    damaged[300] = 0xff;
    fs::write(path.join(METRICS), &damaged).unwrap();
    let mut folder = RunFolder::open(&path).unwrap();
    let saved = folder.last_checkpoint().unwrap().unwrap();
    let notes = folder.prepare(Some(&saved), false).unwrap();
    assert!(notes[0].contains("1 line of metrics.jsonl") && notes[0].contains("metrics.jsonl.damaged"), "{notes:?}");
    assert_eq!(fs::read(path.join("metrics.jsonl.damaged")).unwrap(), damaged);
    assert_eq!(fs::read_to_string(path.join(METRICS)).unwrap().lines().count(), 8);
}

/// A run that went on has a generator that is older than its checkpoints: nobody may take it for the result.
#[test]
fn a_checkpoint_outdates_the_generator() {
    let parent = tempfile::tempdir().unwrap();
    let mut folder = RunFolder::create(&parent.path().join("run"), "").unwrap();
    let [pt, safetensors] = [folder.torchscript_path(), folder.safetensors_path()];
    [&pt, &safetensors].iter().for_each(|path| fs::write(path, "of an earlier session").unwrap());
    save(&mut folder, &checkpoint(1, 0, 1));
    assert!(!pt.exists() && !safetensors.exists());
}

#[test]
fn two_cannot_work_on_one_run() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("run");
    let folder = RunFolder::create(&path, "").unwrap();
    let error = RunFolder::open(&path).unwrap_err();
    assert!(error.to_string().ends_with(&format!("(process {}): wait for it to end, or stop it", std::process::id())));
    drop(folder);
    RunFolder::open(&path).unwrap();
    let error = RunFolder::open(parent.path()).unwrap_err();
    assert!(matches!(error, RunFolderError::NoRun(_)), "{error}");
    assert_eq!(files(parent.path()), [""; 0], "what is no run is left as it is");
}

#[test]
fn what_a_killed_process_has_left_does_not_matter() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("run");
    fs::create_dir(&path).unwrap();
    // It was killed before its config.toml had its name.
    fs::write(path.join(".lock"), "123456789\n").unwrap();
    fs::write(path.join(".config.toml.tmp123"), "seed").unwrap();
    drop(RunFolder::create(&path, "seed = 0\n").unwrap());
    assert_eq!(files(&path), [".lock", "config.toml", "metrics.jsonl"]);

    fs::create_dir(path.join(GENERATORS)).unwrap();
    fs::write(path.join("generators/.epoch-0001.safetensors.tmp5"), "half").unwrap();
    for name in [".metrics.tmp1", "samples/.epoch-0001.png.tmp12", "checkpoints/.step-00000001.safetensors.tmp9"] {
        fs::write(path.join(name), "half").unwrap();
    }
    drop(RunFolder::open(&path).unwrap());
    for folder in ["", "samples", "checkpoints", "generators"] {
        assert!(!files(&path.join(folder)).iter().any(|name| name.contains(".tmp")), "{folder}");
    }
}

#[test]
fn a_run_that_goes_on_takes_back_what_comes_again() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("run");
    let metrics = StepMetrics {
        step: 0,
        epoch: 1,
        d_loss_real: 0.5,
        d_loss_fake: 0.5,
        g_loss: 0.5,
        d_x: 0.5,
        d_g_z1: 0.5,
        d_g_z2: 0.5,
        images_per_second: 1.0,
        data_seconds: 0.0,
        ..StepMetrics::default()
    };
    let steps = |path: &Path| {
        let text = fs::read_to_string(path.join("metrics.jsonl")).unwrap();
        let step = |line| serde_json::from_str::<StepMetrics>(line).unwrap().step;
        text.lines().map(step).collect::<Vec<_>>()
    };
    let faces = [Picture::black(32, 32, 1)];
    let mut folder = RunFolder::create(&path, "").unwrap();
    for step in 1..=6 {
        folder.on_event(&Event::Step(&StepMetrics { step, ..metrics })).unwrap();
        folder.on_event(&Event::Preview { epoch: step, faces: &faces }).unwrap();
    }
    // Not a word is lost when the run is saved, though the file has not been closed.
    folder.on_event(&Event::Saving { step: 6 }).unwrap();
    assert_eq!(steps(&path), [1, 2, 3, 4, 5, 6]);
    let rollback = Rollback {
        problem: crate::NotFinite { step: 7, what: String::new() },
        step: 5,
        rollbacks: 1,
        learning_rate_scale: 0.5,
    };
    folder.on_event(&Event::RolledBack(&rollback)).unwrap();
    assert_eq!(steps(&path), [1, 2, 3, 4, 5]);
    drop(folder);

    let mut folder = RunFolder::open(&path).unwrap();
    let plan =
        Plan { pictures: 1, batches_per_epoch: 1, steps: 6, data_bytes: 1, engine_bytes: 1, engine: String::new() };
    let progress = Progress { step: 3, epoch: 3, ..Progress::default() };
    folder.on_event(&Event::Started { config: &TrainConfig::default(), plan: &plan, progress: &progress }).unwrap();
    assert_eq!(steps(&path), [1, 2, 3]);
    assert_eq!(files(&path.join("samples")), ["epoch-0001.png", "epoch-0002.png", "epoch-0003.png"]);
    folder.on_event(&Event::Step(&StepMetrics { step: 4, ..metrics })).unwrap();
    drop(folder);
    assert_eq!(steps(&path), [1, 2, 3, 4]);
}

/// Sheets within epochs and kept generators are those of the steps until a checkpoint, when a run goes on from it.
#[test]
fn samples_within_epochs_and_generators_go_back_with_the_run() {
    let network = Network::generator(&MODEL);
    let generator = initial_network(&network, Init::Default, &mut TorchRng::seed_from_u64(1));
    let picture = [Picture::black(32, 32, 1)];
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("run");
    let mut folder = RunFolder::create(&path, "").unwrap();
    faces(&mut folder, 0);
    // Four steps an epoch, a sample at every second one.
    for step in (2..=16).step_by(2) {
        let epoch = u64::div_ceil(step, 4);
        let (network, generator) = (&network, &generator);
        if step.is_multiple_of(4) {
            faces(&mut folder, epoch);
            folder.on_event(&Event::Generator { epoch, network, generator }).unwrap();
        } else {
            folder.on_event(&Event::Sample { epoch, step, faces: &picture }).unwrap();
        }
    }
    let names = files(&path.join("samples"));
    assert_eq!(
        names[..4],
        ["epoch-0000.png", "epoch-0001-step-00000002.png", "epoch-0001.png", "epoch-0002-step-00000006.png"]
    );
    let drawn: Vec<String> = all_samples(&path).unwrap().iter().map(|sample| name_of(&sample.path)).collect();
    assert_eq!(drawn, names, "in the order in which they were drawn");
    assert_eq!(samples(&path).unwrap().len(), 5);
    assert_eq!(files(&path.join("generators")).len(), 4);
    let kept = dcgan_formats::load(path.join("generators/epoch-0002.safetensors")).unwrap();
    assert_eq!((kept.network, kept.metadata["epoch"].as_str()), (network, "2"));

    let rollback = Rollback {
        problem: crate::NotFinite { step: 16, what: String::new() },
        step: 13,
        rollbacks: 1,
        learning_rate_scale: 0.5,
    };
    folder.on_event(&Event::RolledBack(&rollback)).unwrap();
    assert_eq!(files(&path.join("samples")).len(), 8, "that of step 14 is drawn again");
    let plan =
        Plan { pictures: 4, batches_per_epoch: 4, steps: 16, data_bytes: 1, engine_bytes: 1, engine: String::new() };
    let start = |folder: &mut RunFolder, progress: Progress| {
        folder.on_event(&Event::Started { config: &TrainConfig::default(), plan: &plan, progress: &progress }).unwrap();
    };
    start(&mut folder, Progress { step: 10, epoch: 2, pictures: 2, ..Progress::default() });
    assert_eq!(files(&path.join("samples")).last().unwrap(), "epoch-0003.png");
    assert_eq!(files(&path.join("generators")).last().unwrap(), "epoch-0003.safetensors");
    start(&mut folder, Progress { step: 8, epoch: 2, ..Progress::default() });
    assert_eq!(files(&path.join("samples")).last().unwrap(), "epoch-0002.png");
    assert_eq!(files(&path.join("generators")).last().unwrap(), "epoch-0002.safetensors");
}

/// As when a run that was killed after step 14 is resumed from step 8 with another `--sample-every`.
#[test]
fn samples_and_generators_that_do_not_come_again_are_kept() {
    let network = Network::generator(&MODEL);
    let generator = initial_network(&network, Init::Default, &mut TorchRng::seed_from_u64(1));
    let picture = [Picture::black(32, 32, 1)];
    let resumed = |extras: Extras, keeps_result: bool| {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("run");
        let mut folder = RunFolder::create(&path, "").unwrap();
        save(&mut folder, &checkpoint(8, 2, 0));
        for step in [6, 10] {
            folder.on_event(&Event::Sample { epoch: u64::div_ceil(step, 4), step, faces: &picture }).unwrap();
        }
        faces(&mut folder, 3);
        folder.on_event(&Event::Generator { epoch: 3, network: &network, generator: &generator }).unwrap();
        drop(folder);
        let mut folder = RunFolder::open(&path).unwrap();
        folder.set_extras(extras);
        let saved = folder.last_checkpoint().unwrap().unwrap();
        let notes = folder.prepare(Some(&saved), keeps_result).unwrap();
        let (config, progress) = (TrainConfig::default(), saved.checkpoint.progress.clone());
        let engine = String::new();
        let plan = Plan { pictures: 4, batches_per_epoch: 4, steps: 16, data_bytes: 1, engine_bytes: 1, engine };
        folder.on_event(&Event::Started { config: &config, plan: &plan, progress: &progress }).unwrap();
        let aside = path.join("kept.step-00000008");
        let moved = ["samples", "generators"].map(|name| aside.join(name)).iter().filter(|path| path.exists()).count();
        (notes.len(), files(&path.join("samples")), files(&path.join("generators")), moved)
    };
    let every = |steps| Extras { sample_every: NonZeroU64::new(steps), keep_generators: steps == 2 };
    let (before, later) = ("epoch-0002-step-00000006.png".to_owned(), "epoch-0003-step-00000010.png".to_owned());
    let kept = "epoch-0003.safetensors".to_owned();
    assert_eq!(resumed(every(2), false), (0, vec![before.clone()], vec![], 0), "they come again");
    assert_eq!(resumed(every(4), false), (0, vec![before.clone(), later.clone()], vec![kept.clone()], 0));
    assert_eq!(resumed(every(0), false), (0, vec![before.clone(), later], vec![kept], 0));
    assert_eq!(resumed(every(4), true), (1, vec![before], vec![], 2), "of a run with other settings");
}

#[test]
fn the_newest_run_has_the_largest_number() {
    let parent = tempfile::tempdir().unwrap();
    assert_eq!(RunFolder::newest(&parent.path().join("nowhere")).unwrap(), None);
    for name in ["0002-b", "0010-a", "0003-c"] {
        RunFolder::create(&parent.path().join(name), "").unwrap();
    }
    // Killed before it was a run, and something else.
    fs::create_dir(parent.path().join("0011-d")).unwrap();
    fs::create_dir(parent.path().join("9-notes")).unwrap();
    assert_eq!(RunFolder::newest(parent.path()).unwrap(), Some(parent.path().join("0010-a")));
}

#[test]
fn a_folder_with_anything_in_it_is_left_alone() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("run");
    drop(RunFolder::create(&path, "seed = 0\n").unwrap());
    assert_eq!(fs::read_to_string(path.join("config.toml")).unwrap(), "seed = 0\n");
    let error = RunFolder::create(&path, "seed = 1\n").unwrap_err();
    assert!(matches!(error, RunFolderError::NotEmpty(_)), "{error}");
    assert!(matches!(RunFolder::check_new(&path), Err(RunFolderError::NotEmpty(_))));
    for file in ["config.toml", "config.toml/below"] {
        assert!(matches!(RunFolder::check_new(&path.join(file)), Err(RunFolderError::NotAFolder(_))), "{file}");
    }
    RunFolder::check_new(&parent.path().join("new/below")).unwrap();
    assert_eq!(fs::read_to_string(path.join("config.toml")).unwrap(), "seed = 0\n");
    let error = RunFolder::create(&path.join("config.toml"), "").unwrap_err();
    assert!(matches!(error, RunFolderError::NotAFolder(_)), "{error}");
    let error = RunFolder::create(&path.join("config.toml/below"), "").unwrap_err();
    assert!(matches!(error, RunFolderError::NotAFolder(_)), "{error}");
}

#[test]
fn numbers_go_up() {
    let parent = tempfile::tempdir().unwrap();
    let runs = parent.path().join("runs");
    let name = |run: &RunFolder| run.path().file_name().unwrap().to_str().unwrap().to_owned();
    assert_eq!(name(&RunFolder::create_numbered(&runs, "faces", "").unwrap()), "0000-faces");
    assert_eq!(name(&RunFolder::create_numbered(&runs, "cats", "").unwrap()), "0001-cats");
    fs::create_dir(runs.join("0041-old")).unwrap();
    fs::create_dir(runs.join("notes")).unwrap();
    assert_eq!(name(&RunFolder::create_numbered(&runs, "faces", "").unwrap()), "0042-faces");
}

#[test]
fn a_run_is_written_down() {
    let model =
        ModelConfig { image_size: 32, channels: 1, latent_dim: 3, ..ModelConfig::TUTORIAL }.with_base_channels(1);
    let network = Network::generator(&model);
    let generator = initial_network(&network, Init::Default, &mut TorchRng::seed_from_u64(1));
    let metrics = StepMetrics {
        step: 1,
        epoch: 1,
        d_loss_real: 0.1,
        d_loss_fake: 1e-30,
        g_loss: 100.0,
        d_x: 0.5,
        d_g_z1: 0.25,
        d_g_z2: 0.75,
        images_per_second: 123.5,
        data_seconds: 0.0,
        ..StepMetrics::default()
    };
    let faces = vec![Picture::black(32, 32, 1); 32];
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("run");
    let mut folder = RunFolder::create(&path, "").unwrap();
    let mut tell = |event: Event<'_>| folder.on_event(&event).unwrap();

    tell(Event::Preview { epoch: 0, faces: &faces });
    tell(Event::Step(&metrics));
    tell(Event::Step(&StepMetrics { step: 2, ..metrics }));
    tell(Event::Saving { step: 2 });
    let lines = fs::read_to_string(path.join("metrics.jsonl")).unwrap();
    let expected = r#"{"step":1,"epoch":1,"d_loss_real":0.1,"d_loss_fake":1e-30,"g_loss":100.0,"d_x":0.5,"d_g_z1":0.25,"d_g_z2":0.75,"images_per_second":123.5,"data_seconds":0.0}"#;
    assert_eq!(lines.lines().next(), Some(expected));
    assert_eq!(lines.lines().count(), 2);

    tell(Event::Preview { epoch: 1, faces: &faces });
    let summary = Summary { epochs: 1, steps: 2, finished: true, best: None };
    tell(Event::Finished { summary: &summary, network: &network, generator: &generator });
    for file in ["generator.pt", "generator.safetensors"] {
        let model = dcgan_formats::load(path.join(file)).unwrap();
        assert_eq!((model.network, model.tensors), (network.clone(), generator.clone()), "{file}");
    }
    assert!(path.join("samples/epoch-0000.png").exists() && path.join("samples/epoch-0001.png").exists());
    let names = ["config.toml", "generator.pt", "generator.safetensors", "metrics.jsonl"];
    assert_eq!(files(&path), [".lock"].into_iter().chain(names).collect::<Vec<_>>());
    assert_eq!(fs::read_dir(path.join("samples")).unwrap().count(), 2);
    fs::write(path.join("samples/.epoch-0002.png.tmp"), "").unwrap();
    let expected = [0, 1].map(|epoch| (epoch, path.join(sample_name(epoch))));
    assert_eq!(samples(&path).unwrap(), expected);
}

#[test]
fn a_folder_that_has_gone_is_named() {
    let parent = tempfile::tempdir().unwrap();
    let mut folder = RunFolder::create(&parent.path().join("run"), "").unwrap();
    fs::remove_dir_all(folder.path()).unwrap();
    let faces = [Picture::black(32, 32, 1)];
    let error = folder.on_event(&Event::Preview { epoch: 7, faces: &faces }).unwrap_err().to_string();
    assert!(error.contains("cannot write") && error.contains("epoch-0007.png"), "{error}");
}
