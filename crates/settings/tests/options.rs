//! The options of a run from every side: command line, configuration file, presets, names.

#![allow(clippy::unwrap_used)]

use clap::{CommandFactory, Parser};
use dcgan_data::{Filter, Fit};
use dcgan_model::{DiscriminatorNorm, Loss};
use dcgan_settings::{
    AverageDecay, Background, CacheLocation, DEMO_FACES, DataSource, DeviceChoice, ImageOptions, RecipeOptions,
    Settings, SettingsError, TrainOptions,
};
use dcgan_train::{Keep, Schedule, TrainConfig};

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    options: TrainOptions,
}

fn options(line: &str) -> TrainOptions {
    let words = std::iter::once("train").chain(line.split_whitespace());
    Line::try_parse_from(words).unwrap_or_else(|error| panic!("{error}")).options
}

fn settings(line: &str) -> Settings {
    options(line).resolve().unwrap()
}

fn resolve_error(options: TrainOptions) -> String {
    options.resolve().unwrap_err().to_string()
}

fn folder(path: &str) -> Option<DataSource> {
    Some(DataSource::Folder { path: path.into(), max_images: None, images: ImageOptions::default() })
}

#[test]
fn no_options_are_the_tutorial() {
    let settings = settings("faces");
    assert_eq!(settings.train, TrainConfig::default());
    assert_eq!(settings.source, folder("faces"));
    assert_eq!(options("--demo").resolve().unwrap().source, Some(DataSource::Demo { count: DEMO_FACES }));
}

#[test]
fn the_help_states_the_real_defaults() {
    let defaults = TrainConfig::default();
    let TrainConfig { model, adam, seed, batch_size, epochs, .. } = defaults;
    let expected = [
        ("epochs", epochs.to_string()),
        ("batch_size", batch_size.to_string()),
        ("shards", "the number of ranks".to_owned()),
        ("image_size", model.image_size.to_string()),
        ("channels", model.channels.to_string()),
        ("latent_dim", model.latent_dim.to_string()),
        ("base_channels", model.base_channels_g.to_string()),
        ("base_channels_g", "that of both".to_owned()),
        ("base_channels_d", "that of both".to_owned()),
        ("d_norm", model.norm_d.to_string()),
        ("evaluate_every", "0".to_owned()),
        ("sample_every", "0".to_owned()),
        ("lr_schedule", defaults.schedule.to_string()),
        ("r1", defaults.r1.to_string()),
        ("r2", defaults.r2.to_string()),
        ("d_steps", defaults.d_steps.to_string()),
        ("lr", adam.lr.to_string()),
        ("beta1", adam.beta1.to_string()),
        ("beta2", adam.beta2.to_string()),
        ("preset", "tutorial".to_owned()),
        ("loss", defaults.loss.to_string()),
        ("label_smoothing", defaults.label_smoothing.to_string()),
        ("lr_d", "that of both".to_owned()),
        ("lr_g", "that of both".to_owned()),
        ("augment", defaults.augment.to_string()),
        ("ema", "0; without a number 0.999".to_owned()),
        ("recalibrate", defaults.recalibrate.to_string()),
        ("init", defaults.init.to_string()),
        ("fit", Fit::default().to_string()),
        ("filter", Filter::default().to_string()),
        ("background", "white".to_owned()),
        ("seed", seed.to_string()),
        ("device", DeviceChoice::default().to_string()),
        ("keep", Keep::default().last.to_string()),
        ("max_images", format!("all of DATA, {DEMO_FACES} with --demo")),
    ];
    assert_eq!("white".parse(), Ok(Background::default()));
    let command = Line::command();
    for (id, default) in expected {
        let argument = command.get_arguments().find(|argument| argument.get_id() == id).unwrap();
        let help = argument.get_help().unwrap().to_string();
        assert!(help.ends_with(&format!("[default: {default}]")), "--{id}: {help}");
    }
}

/// A flag means the same with and without its value.
#[test]
fn flags_can_be_switched_off() {
    for (line, expected) in [("", false), ("--flip", true), ("--flip=true", true), ("--flip=false", false)] {
        assert_eq!(settings(&format!("faces {line}")).train.flip, expected, "{line}");
    }
    let file = TrainOptions::from_toml("data = \"faces\"\nflip = true\nstrict = true\n").unwrap();
    let resolved = options("--flip=false --strict=false").or(file.clone()).resolve().unwrap();
    assert!(!resolved.train.flip);
    assert_eq!(resolved.source, folder("faces"));
    let drawn = TrainOptions::from_toml("demo = true\nsample-every = 50\nkeep-generators = true\n").unwrap();
    let resolved = options("--sample-every 0 --keep-generators=false").or(drawn.clone()).resolve().unwrap();
    assert_eq!((resolved.sample_every, resolved.keep_generators), (None, false));
    let resolved = options("").or(drawn).resolve().unwrap();
    assert_eq!((resolved.sample_every.map(|every| every.get()), resolved.keep_generators), (Some(50), true));
    let resolved = options("").or(file).resolve().unwrap();
    assert!(resolved.train.flip && resolved.source != folder("faces"));
    // A folder after a flag is no value.
    assert!(settings("--flip faces").train.flip);
}

/// The files that the first release wrote for these command lines, with another path. Read again, they are the same
/// settings.
#[test]
fn configuration_files_are_written_as_ever() {
    let tiny = "--base-channels 2 --latent-dim 4 --epochs 1 --max-steps 1 --image-size 32";
    for (line, expected) in [
        (format!("--demo --max-images 4 --batch-size 4 {tiny}"), include_str!("config_files/demo.toml")),
        (
            format!(
                "/data/faces --batch-size 2 {tiny} --base-channels-d 3 --lr 1e-5 --lr-d 1 --beta1 0 --beta2 0.25 \
                 --init normal --seed -1 --threads 2 --max-images 4 --epoch-size 50 --evaluate-every 0 --save-every 5 \
                 --keep 3 --keep-every 10 --fit crop --filter lanczos --background #102030 --flip --strict --cache \
                 /data/c --channels 1 --d-norm spectral --loss relativistic --r1 0.5 --lr-schedule cosine --d-steps 2 \
                 --augment cutout --ema --recalibrate --device cpu --label-smoothing 0.1"
            ),
            include_str!("config_files/folder.toml"),
        ),
        (
            "/data/faces --batch-size 2 --no-cache --preset quick --base-channels 2 --evaluate-every 0 --background \
             black --fit pad --max-steps 1 --image-size 32"
                .to_owned(),
            include_str!("config_files/preset.toml"),
        ),
    ] {
        assert_eq!(settings(&line).to_toml(), expected, "{line}");
    }
}

#[test]
fn a_written_configuration_reads_back_as_the_same_settings() {
    for line in [
        "/some/where --epochs 3 --batch-size 7 --image-size 32 --channels 1 --latent-dim 5 --base-channels 2 --lr 1e-5 \
         --beta1 0 --beta2 0.25 --init normal --seed 18446744073709551615 --threads 2 --max-images 99 --max-steps 12 \
         --epoch-size 50 --evaluate-every 4 --save-every 5 --keep 3 --keep-every 10 --sample-every 50 \
         --keep-generators",
        "/a\"quoted\\/path",
        "--demo --loss least-squares --label-smoothing 0.1 --lr-d 4e-4 --lr-g 1e-4 --augment colour,cutout --ema=0.99 \
         --recalibrate",
        "--demo --d-norm spectral --loss relativistic --r1 0.5 --r2 1e-2 --lr-schedule cosine --d-steps 2 \
         --base-channels-g 24",
        "--demo --preset best",
        "--demo --preset quick --ema",
        "/faces.zip --fit crop --filter lanczos --background #102030 --flip --strict --cache /some/where",
        "/faces.tar --fit pad --background black --no-cache",
        "--demo",
        "--demo --max-images 5 --device cpu",
        "--demo --device cuda:1",
    ] {
        let settings = settings(line);
        let file = settings.to_toml();
        let again = TrainOptions::from_toml(&file).unwrap_or_else(|error| panic!("{error}\n{file}"));
        assert_eq!(again.resolve().unwrap(), settings, "{file}");
        assert_eq!(settings.options().resolve().unwrap(), settings, "{line}");
        assert_eq!(settings.differences(&settings), []);
    }
}

/// Every option that decides something is in the file, so that the file repeats the run.
#[test]
fn every_option_is_in_the_file() {
    let written = [
        settings(
            "/faces --base-channels-d 3 --cache /c --flip --threads 2 --max-images 9 --sample-every 5 \
             --keep-generators",
        )
        .to_toml(),
        settings("/faces --no-cache").to_toml(),
        settings("--demo").to_toml(),
    ]
    .concat();
    for name in TrainOptions::NAMES {
        let is_written = written
            .lines()
            .any(|line| line.trim_start_matches("# ").split(" =").next() == Some(&*name.replace('_', "-")));
        // The last ones come to other options, or are of one run alone.
        let is_expected = !["preset", "base_channels_g", "time", "out"].contains(name);
        assert_eq!(is_written, is_expected, "{name}");
    }
}

#[cfg(unix)]
#[test]
fn paths_that_are_not_text_are_stored_too() {
    use std::os::unix::ffi::OsStrExt;
    let path = |bytes: &[u8]| std::path::PathBuf::from(std::ffi::OsStr::from_bytes(bytes));
    let images = ImageOptions { cache: CacheLocation::Folder(path(b"/c\xffche \"%41\n")), ..ImageOptions::default() };
    let source = DataSource::Folder { path: path(b"/caf\xe9/%20\\'"), max_images: None, images };
    let settings = Settings { source: Some(source), ..settings("faces") };
    let file = settings.to_toml();
    assert_eq!(TrainOptions::from_toml(&file).unwrap().resolve().unwrap(), settings, "{file}");
    assert!(!file.contains("\ndata ="), "{file}");
}

#[test]
fn a_line_without_end_is_not_shown_whole() {
    let error = TrainOptions::from_toml(&format!("epochs = \"{}\"\n", "x".repeat(10_000_000))).unwrap_err();
    assert!(error.starts_with("line 1: ") && error.chars().count() < 300, "{} characters", error.chars().count());
    let error = TrainOptions::from_toml(&format!("{} = 1\n", "x".repeat(10_000_000))).unwrap_err();
    assert!(error.contains("`image-size`") && error.chars().count() < 3000, "{} characters", error.chars().count());
}

#[test]
fn a_relative_folder_is_written_with_its_full_path() {
    let file = settings("faces").to_toml();
    let path = std::env::current_dir().unwrap().join("faces");
    assert!(file.contains(&format!("data = {}", toml::Value::from(path.to_str().unwrap()))), "{file}");
}

#[test]
fn flags_override_the_file() {
    let file = TrainOptions::from_toml("demo = true\nepochs = 5\nlr = 1\n").unwrap();
    let settings = options("faces --epochs 6").or(file.clone()).resolve().unwrap();
    assert_eq!(settings.source, folder("faces"));
    assert_eq!((settings.train.epochs, settings.train.adam.lr), (6, 1.0));
    let settings = options("--seed 1").or(file).resolve().unwrap();
    assert_eq!((settings.source, settings.train.epochs), (Some(DataSource::Demo { count: DEMO_FACES }), 5));
    let cache = |line: &str, file: &str| {
        let merged = options(line).or(TrainOptions::from_toml(file).unwrap());
        (merged.cache.map(|path| path.display().to_string()), merged.no_cache)
    };
    assert_eq!(cache("--cache a", "no-cache = true"), (Some("a".to_owned()), false));
    assert_eq!(cache("--no-cache", "cache = \"a\""), (None, true));
    assert_eq!(cache("", "cache = \"a\""), (Some("a".to_owned()), false));
}

#[test]
fn a_preset_gives_way_to_options() {
    let train = |line: &str| settings(line).train;
    assert_eq!(train("faces --preset tutorial"), TrainConfig::TUTORIAL);
    assert!(train("faces --preset best") != TrainConfig::TUTORIAL);
    assert_eq!(train("faces --preset best --ema=0").ema, None);
    // A picture's folder after a flag is no number.
    assert_eq!(train("--ema faces").ema, Some(0.999));
    assert!(train("--recalibrate faces").recalibrate && !train("faces --recalibrate=false").recalibrate);
    assert_eq!(train("faces --preset best --evaluate-every 0").evaluate_every, None);
    let quick = settings("faces --preset quick --epochs 2");
    assert_eq!((quick.train.batch_size, quick.train.epochs), (32, 2));
    assert_eq!((quick.train.schedule, quick.train.ema), (Schedule::Constant, Some(0.999)));
    let file = TrainOptions::from_toml("demo = true\npreset = \"quick\"\nimage-size = 32\n").unwrap();
    let settings = options("--batch-size 7").or(file).resolve().unwrap();
    assert_eq!((settings.train.model.image_size, settings.train.batch_size), (32, 7));
    assert_eq!(settings.train.model.base_channels_g, quick.train.model.base_channels_g);
    // The time of a run decides its steps, a preset's number of them does not.
    assert_eq!(train("faces --preset best --time 5m").epoch_size, None);
    // A learning rate for both networks replaces the preset's two.
    let rates = |line: &str| (train(line).recipe().discriminator.lr, train(line).recipe().generator.lr);
    assert_eq!(rates("faces --preset quick"), (2e-4, 6e-4));
    assert_eq!(rates("faces --preset quick --lr 1e-4"), (1e-4, 1e-4));
    assert_eq!(rates("faces --preset quick --lr-d 1e-4"), (1e-4, 6e-4));
    assert_eq!(rates("faces --preset best --lr-d 1e-4"), (1e-4, 8e-4));
    // `quick` has the tutorial's loss and discriminator, `best` has its own.
    let losses = |line: &str| (train(line).loss, train(line).model.norm_d, train(line).r1, train(line).r2);
    assert_eq!(losses("faces --preset quick"), (Loss::Bce, DiscriminatorNorm::Batch, 0.0, 0.0));
    assert_eq!(losses("faces --preset best"), (Loss::Relativistic, DiscriminatorNorm::None, 0.5, 0.5));
    assert!(options("faces --preset best --d-norm batch").resolve().unwrap_err().to_string().contains("--r1 0 --r2 0"));
    let back = "faces --preset best --d-norm batch --r1 0 --r2 0 --loss bce";
    assert_eq!(losses(back), (Loss::Bce, DiscriminatorNorm::Batch, 0.0, 0.0));
}

#[test]
fn mistakes_in_the_file_are_named_with_line_and_key() {
    let error = |text: &str| TrainOptions::from_toml(text).unwrap_err();
    let unknown = error("demo = true\nepoch = 5\n");
    assert!(unknown.starts_with("line 2: unknown field `epoch`, expected one of"), "{unknown}");
    let mistyped = error("\nepochs = \"five\"\n");
    assert!(mistyped.starts_with("line 2: ") && mistyped.contains("epochs = \"five\""), "{mistyped}");
    let broken = error("epochs = = 3");
    assert!(broken.starts_with("line 1: ") && !broken.contains('\n'), "{broken}");
    for (text, words) in [
        ("augment = \"flip\"", "\"flip\" is none of"),
        ("device = \"tpu\"", "choose auto, cpu, gpu, cuda"),
        ("fit = \"squeeze\"", "stretch, crop or pad"),
        ("filter = \"\"", "choose nearest, box"),
        ("background = \"#12\"", "#rrggbb"),
        ("threads = 0", "1 to 1024"),
        ("time = \"20m\"", "unknown field `time`"),
    ] {
        let error = error(&format!("demo = true\n{text}"));
        assert!(error.starts_with("line 2: ") && error.contains(words) && error.contains(text), "{error}");
    }
}

#[test]
fn impossible_settings_say_what_is_possible() {
    assert!(resolve_error(options("")).contains("--demo"));
    assert!(resolve_error(options("faces --image-size 48")).contains("32, 64, 128 or 256"));
    assert!(resolve_error(options("faces --max-images 0")).contains("1 or more"));
    assert!(resolve_error(options("faces --lr-d -1")).contains("learning rate -1"));
    assert!(resolve_error(options("faces --ema=1.5")).contains("decay 1.5"));
    assert!(resolve_error(options("faces --loss hinge --label-smoothing 0.1")).contains("hinge"));
    assert!(resolve_error(options("faces --lr -1")).contains("learning rate -1"));
    let file = TrainOptions::from_toml("demo = true\ndata = \"faces\"").unwrap();
    assert!(resolve_error(file).contains("one of them"));
}

#[test]
fn options_are_set_by_name() {
    let mut by_name = TrainOptions::default();
    for (name, text) in [
        ("data", "faces"),
        ("preset", "best"),
        ("batch_size", "7"),
        ("base-channels", "3"),
        ("lr", "0.001"),
        ("ema", "0"),
        ("loss", "hinge"),
        ("flip", "true"),
        ("no_cache", "true"),
        ("seed", "-1"),
        ("background", "black"),
        ("device", "cpu"),
        ("time", "20m"),
    ] {
        by_name.set(name, text).unwrap();
    }
    let line = "faces --preset best --batch-size 7 --base-channels 3 --lr 1e-3 --ema=0 --loss hinge --flip --no-cache \
                --seed -1 --background black --device cpu --time 20m";
    assert_eq!(by_name, options(line));
    assert_eq!(by_name.ema, Some(AverageDecay(0.0)));
}

/// Each option of the command line has its name here.
#[test]
fn names_are_those_of_the_command_line() {
    let command = Line::command();
    let ids: Vec<&str> = command.get_arguments().map(|argument| argument.get_id().as_str()).collect();
    assert_eq!(ids, TrainOptions::NAMES);
    for argument in command.get_arguments().filter(|argument| argument.get_id() != "data") {
        assert_eq!(argument.get_long(), Some(&*argument.get_id().as_str().replace('_', "-")));
    }
}

#[test]
fn wrong_names_and_values_are_refused() {
    let error = |name: &str, text: &str| TrainOptions::default().set(name, text).unwrap_err();
    for (name, meant) in
        [("epoch", "epochs"), ("batchsize", "batch_size"), ("learning_rate", ""), ("agument", "augment")]
    {
        let error = error(name, "1");
        let SettingsError::UnknownOption { suggestion, .. } = &error else { panic!("{error}") };
        assert_eq!(suggestion.unwrap_or_default(), meant, "{name}");
    }
    assert_eq!(error("xyz", "1").to_string(), "there is no option xyz");
    assert_eq!(error("data_escaped", "x").to_string(), "there is no option data_escaped");
    assert_eq!(
        error("loss", "wgan").to_string(),
        "loss cannot be \"wgan\": choose bce, hinge, least-squares or relativistic"
    );
    assert!(error("batch-size", "many").to_string().starts_with("batch_size cannot be \"many\": "));
    assert_eq!(error("demo", "yes").to_string(), "demo cannot be \"yes\": choose true or false");
}

#[test]
fn a_program_with_images_of_its_own_needs_no_source() {
    let settings = options("--epochs 3").resolve_for_images_in_memory().unwrap();
    assert_eq!(settings, Settings { train: settings.train, ..Settings::for_images_in_memory(TrainConfig::default()) });
    let file = settings.to_toml();
    assert!(!file.contains("\ndata") && !file.contains("\ndemo") && file.contains("\nepochs = 3\n"), "{file}");
    assert!(resolve_error(TrainOptions::from_toml(&file).unwrap()).contains("no pictures"));
    let resumed = TrainOptions::from_toml(&file).unwrap().with_source(&DataSource::Demo { count: 5 });
    assert_eq!(resumed.resolve().unwrap().train, settings.train);
}

#[test]
fn differences_are_found_by_key() {
    let file = |text: &str| TrainOptions::from_toml(text).unwrap().resolve().unwrap();
    let before = file("demo = true\nlr = 0.001\nmax-steps = 5");
    let now = file("demo = true\nlr = 0.002\nthreads = 3\nepochs = 20");
    let texts: Vec<String> = now.differences(&before).iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["lr: 0.001 → 0.002", "max-steps: 5 → not set", "threads: not set → 3"]);
    assert!(now.has_other_result(&before));
}

#[test]
fn where_and_how_a_run_computes_does_not_change_its_result() {
    let before = settings("/faces --save-every 3");
    for (line, is_other) in [
        ("/elsewhere --threads 2 --device cpu --cache /c --strict --keep 5 --keep-every 2", false),
        ("/faces --no-cache", false),
        ("/faces --fit crop", true),
        ("/faces --filter box", true),
        ("/faces --background black", true),
        ("/faces --max-images 5", true),
        ("/faces --flip", true),
        ("/faces --epochs 21", true),
        ("--demo", true),
    ] {
        assert_eq!(settings(line).has_other_result(&before), is_other, "{line}");
    }
}

#[derive(Debug, Parser)]
struct RecipeLine {
    #[command(flatten)]
    options: RecipeOptions,
}

#[test]
fn options_of_the_recipe_mean_what_they_mean_to_train() {
    let every = "--preset best --batch-size 16 --shards 2 --image-size 32 --channels 1 --latent-dim 7 --base-channels 8 \
                 --base-channels-g 9 --base-channels-d 10 --d-norm spectral --lr 1e-3 --beta1 0.1 --beta2 0.9 --loss least-squares \
                 --label-smoothing 0.1 --r1 0.5 --r2 0.25 --d-steps 2 --lr-d 2e-3 --lr-g 3e-3 --augment colour --ema --init smooth";
    let recipe = |line: &str| RecipeLine::try_parse_from(std::iter::once("bench").chain(line.split_whitespace()));
    for line in ["", "--preset quick", "--preset best --ema=0", every] {
        let expected = options(line).resolve_for_images_in_memory().unwrap().train;
        assert_eq!(recipe(line).unwrap().options.resolve().unwrap(), expected, "{line:?}");
    }
    let command = RecipeLine::command();
    let names: Vec<_> = command.get_arguments().filter_map(|arg| arg.get_long()).collect();
    assert_eq!(names.len(), every.matches("--").count(), "{names:?}");
    assert!(names.iter().all(|name| every.contains(&format!("--{name} "))), "{names:?}");
    // What a run needs beside it.
    for line in ["faces", "--demo", "--epochs 3", "--lr-schedule cosine", "--out run"] {
        assert!(recipe(line).is_err(), "{line}");
    }
}

#[test]
fn shards_of_a_recipe_have_a_default() {
    let shards = |line: &str| {
        let words = std::iter::once("bench").chain(line.split_whitespace());
        let options = RecipeLine::try_parse_from(words).unwrap().options;
        options.with_default_shards(3).resolve().unwrap().shards
    };
    assert_eq!((shards(""), shards("--shards 2")), (3, 2));
}
