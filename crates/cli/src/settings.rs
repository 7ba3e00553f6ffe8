//! The settings of `dcgan train`: from the command line, from a configuration file, and back into one.
//!
//! [`TrainOptions`] is what was asked for, from either source; [`Settings`] is what will be done. A configuration file's keys are the
//! names of the flags, and a flag overrides its key.

use crate::demo;
use crate::device::Choice;
use crate::pictures::{self, Cache, PictureOptions};
use crate::threads;
use crate::usage::UsageError;
use anyhow::{Context, Result};
use dcgan_model::{AdamConfig, Init, Loss, ModelConfig};
use dcgan_train::{Augment, Keep, Quality, TrainConfig};
use serde::Deserialize;
use std::fmt::Display;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};

/// Options of a run; what is `None` was not asked for. The defaults in the help are those of [`TrainConfig::default`]; a test compares them.
#[derive(Debug, Clone, Default, PartialEq, clap::Args, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct TrainOptions {
    /// Folder of pictures, flat or nested, or a .zip or .tar of them
    #[arg(value_name = "DATA", conflicts_with = "demo")]
    data: Option<PathBuf>,
    /// Train on the built-in faces instead of DATA
    #[arg(long)]
    demo: bool,
    /// Times that every picture is seen [default: 20]
    #[arg(long, value_name = "N")]
    epochs: Option<u64>,
    /// Pictures in a batch [default: 128]
    #[arg(long, value_name = "N")]
    batch_size: Option<usize>,
    /// Height and width of the pictures: 32, 64, 128 or 256 [default: 64]
    #[arg(long, value_name = "PIXELS")]
    image_size: Option<usize>,
    /// 3 for colour, 1 for grey [default: 3]
    #[arg(long, value_name = "N")]
    channels: Option<usize>,
    /// Length of the noise vector [default: 100]
    #[arg(long, value_name = "N")]
    latent_dim: Option<usize>,
    /// Channels of the layers next to the picture; each halving of the picture doubles them [default: 64]
    #[arg(long, value_name = "N")]
    base_channels: Option<usize>,
    /// Learning rate of both Adams [default: 0.0002]
    #[arg(long, value_name = "RATE", allow_negative_numbers = true)]
    lr: Option<f64>,
    /// Adam's decay of the mean gradient [default: 0.5]
    #[arg(long, value_name = "DECAY", allow_negative_numbers = true)]
    beta1: Option<f64>,
    /// Adam's decay of the mean squared gradient [default: 0.999]
    #[arg(long, value_name = "DECAY", allow_negative_numbers = true)]
    beta2: Option<f64>,
    /// What to start from: the tutorial, what was found best, or a quick look; other options change it [default: tutorial]
    #[arg(long, value_name = "PRESET")]
    preset: Option<Preset>,
    /// Loss: bce, hinge or least-squares [default: bce]
    #[arg(long, value_name = "LOSS", value_parser = parse_loss)]
    loss: Option<Loss>,
    /// Tell D that real pictures are real by 1 less this, such as 0.1 [default: 0]
    #[arg(long, value_name = "AMOUNT", allow_negative_numbers = true)]
    label_smoothing: Option<f64>,
    /// Learning rate of D [default: that of both]
    #[arg(long, value_name = "RATE", allow_negative_numbers = true)]
    lr_d: Option<f64>,
    /// Learning rate of G [default: that of both]
    #[arg(long, value_name = "RATE", allow_negative_numbers = true)]
    lr_g: Option<f64>,
    /// DiffAugment, for few pictures: some of colour,translation,cutout [default: none]
    #[arg(long, value_name = "KINDS")]
    augment: Option<Augment>,
    /// Draw and save with a moving average of G's weights; 0 is none [default: 0; without a number 0.999]
    #[arg(long, value_name = "DECAY", num_args = 0..=1, require_equals = true, default_missing_value = "0.999")]
    ema: Option<f64>,
    /// Take G's batch-norm statistics anew before it draws or is saved, as with --ema [default: false]
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    recalibrate: Option<bool>,
    /// First weights: PyTorch's default, or the DCGAN paper's normal distribution [default: default]
    #[arg(long, value_name = "default|normal", value_parser = parse_init)]
    init: Option<Init>,
    /// Seed of the weights, the noise and the order of the pictures, as in torch.manual_seed [default: 0]
    #[arg(long, value_name = "SEED")]
    seed: Option<u64>,
    /// Threads to compute with; the result is the same for any number [default: one per core]
    #[arg(long, value_name = "N", value_parser = threads::parse)]
    threads: Option<usize>,
    /// What to compute on: auto, cpu, gpu, cuda, or one of dcgan devices, such as gpu:0 [default: auto]
    #[arg(long, value_name = "DEVICE")]
    device: Option<Choice>,
    /// What happens to pictures that are not square: stretch, crop (the middle) or pad [default: stretch]
    #[arg(long, value_name = "HOW", value_parser = pictures::parse_fit)]
    fit: Option<String>,
    /// How pixels are weighed: nearest, box, bilinear, hamming, bicubic or lanczos [default: bilinear]
    #[arg(long, value_name = "FILTER", value_parser = pictures::parse_filter)]
    filter: Option<String>,
    /// What transparent pixels and the bars of --fit pad show: a name or #rrggbb [default: white]
    #[arg(long, value_name = "COLOUR", value_parser = pictures::parse_background)]
    background: Option<String>,
    /// Mirror half of the pictures, others in every epoch
    #[arg(long)]
    flip: bool,
    /// Refuse to train if any file has to be left out
    #[arg(long)]
    strict: bool,
    /// Where decoded pictures are kept for the next run [default: the user's cache folder]
    #[arg(long, value_name = "DIR", conflicts_with = "no_cache")]
    cache: Option<PathBuf>,
    /// Keep decoded pictures in memory alone
    #[arg(long)]
    no_cache: bool,
    /// Use no more than the first N pictures [default: all of DATA, 4096 with --demo]
    #[arg(long, value_name = "N")]
    max_images: Option<usize>,
    /// End after N steps
    #[arg(long, value_name = "N")]
    max_steps: Option<u64>,
    /// Save at every N-th step, beside the end of every epoch
    #[arg(long, value_name = "N")]
    save_every: Option<NonZeroU64>,
    /// Keep the last N checkpoints [default: 2]
    #[arg(long, value_name = "N")]
    keep: Option<NonZeroUsize>,
    /// Keep every checkpoint at the end of each N-th epoch as well
    #[arg(long, value_name = "N")]
    keep_every: Option<NonZeroU64>,
    /// The run's folder, new or empty [default: runs/NNNN-DATA]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// `--preset`
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Preset {
    /// PyTorch's tutorial
    Tutorial,
    /// What was best in the comparison in docs/quality.md
    Best,
    /// Smaller pictures and networks, in a few minutes
    Quick,
}

impl Preset {
    /// What it asks for.
    fn options(self) -> TrainOptions {
        let none = TrainOptions::default();
        match self {
            Self::Tutorial => none,
            Self::Best => {
                TrainOptions { ema: Some(0.995), augment: Some(Augment { translation: true, ..Augment::NONE }), ..none }
            }
            Self::Quick => TrainOptions {
                image_size: Some(32),
                base_channels: Some(32),
                batch_size: Some(64),
                max_images: Some(2048),
                epochs: Some(15),
                recalibrate: Some(true),
                ..none
            },
        }
    }
}

/// Where the pictures come from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Source {
    /// A folder or archive, how many of its pictures to use at most, and what to do with them.
    Folder { path: PathBuf, max_images: Option<usize>, pictures: PictureOptions },
    /// So many of the built-in faces.
    Demo { count: usize },
}

/// Everything about a run, checked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Settings {
    pub(crate) source: Source,
    pub(crate) train: TrainConfig,
    pub(crate) threads: Option<usize>,
    pub(crate) device: Choice,
    /// Steps between checkpoints within an epoch.
    pub(crate) save_every: Option<NonZeroU64>,
    /// Which checkpoints are kept.
    pub(crate) keep: Keep,
    pub(crate) out: Option<PathBuf>,
}

fn parse_init(text: &str) -> Result<Init, String> {
    pictures::choose(&Init::ALL, text)
}

fn parse_loss(text: &str) -> Result<Loss, String> {
    pictures::choose(&Loss::ALL, text)
}

impl TrainOptions {
    /// Reads a configuration file.
    pub(crate) fn from_file(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {path:?}"))?;
        Self::from_toml(&text).map_err(|message| UsageError::new(format_args!("{path:?}, {message}")).into())
    }

    /// Parses a configuration file; the error tells line and key.
    pub(crate) fn from_toml(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            let line = text[..start].matches('\n').count();
            let source = text.lines().nth(line).unwrap_or_default();
            format!("line {}: {} in `{source}`", line + 1, error.message())
        })
    }

    /// These options, and `others` where these say nothing.
    pub(crate) fn or(self, others: Self) -> Self {
        // A source on the command line replaces the file's, whichever kind each is.
        let (data, demo) =
            if self.data.is_some() || self.demo { (self.data, self.demo) } else { (others.data, others.demo) };
        Self {
            data,
            demo,
            epochs: self.epochs.or(others.epochs),
            batch_size: self.batch_size.or(others.batch_size),
            image_size: self.image_size.or(others.image_size),
            channels: self.channels.or(others.channels),
            latent_dim: self.latent_dim.or(others.latent_dim),
            base_channels: self.base_channels.or(others.base_channels),
            lr: self.lr.or(others.lr),
            beta1: self.beta1.or(others.beta1),
            beta2: self.beta2.or(others.beta2),
            preset: self.preset.or(others.preset),
            loss: self.loss.or(others.loss),
            label_smoothing: self.label_smoothing.or(others.label_smoothing),
            lr_d: self.lr_d.or(others.lr_d),
            lr_g: self.lr_g.or(others.lr_g),
            augment: self.augment.or(others.augment),
            ema: self.ema.or(others.ema),
            recalibrate: self.recalibrate.or(others.recalibrate),
            init: self.init.or(others.init),
            fit: self.fit.or(others.fit),
            filter: self.filter.or(others.filter),
            background: self.background.or(others.background),
            flip: self.flip || others.flip,
            strict: self.strict || others.strict,
            cache: if self.no_cache { None } else { self.cache.clone().or(others.cache) },
            no_cache: self.no_cache || (self.cache.is_none() && others.no_cache),
            seed: self.seed.or(others.seed),
            threads: self.threads.or(others.threads),
            device: self.device.or(others.device),
            max_images: self.max_images.or(others.max_images),
            max_steps: self.max_steps.or(others.max_steps),
            save_every: self.save_every.or(others.save_every),
            keep: self.keep.or(others.keep),
            keep_every: self.keep_every.or(others.keep_every),
            out: self.out.or(others.out),
        }
    }

    /// Fills in the defaults and checks everything that can be checked without looking at the pictures.
    pub(crate) fn resolve(self) -> Result<Settings, UsageError> {
        let preset = self.preset.map_or_else(Self::default, Preset::options);
        self.or(preset).resolve_without_preset()
    }

    fn resolve_without_preset(self) -> Result<Settings, UsageError> {
        let defaults = TrainConfig::default();
        let train = TrainConfig {
            model: ModelConfig {
                image_size: self.image_size.unwrap_or(defaults.model.image_size),
                channels: self.channels.unwrap_or(defaults.model.channels),
                latent_dim: self.latent_dim.unwrap_or(defaults.model.latent_dim),
                base_channels: self.base_channels.unwrap_or(defaults.model.base_channels),
            },
            adam: AdamConfig {
                lr: self.lr.unwrap_or(defaults.adam.lr),
                beta1: self.beta1.unwrap_or(defaults.adam.beta1),
                beta2: self.beta2.unwrap_or(defaults.adam.beta2),
                ..defaults.adam
            },
            quality: Quality {
                lr_d: self.lr_d,
                lr_g: self.lr_g,
                loss: self.loss.unwrap_or(defaults.quality.loss),
                label_smoothing: self.label_smoothing.unwrap_or(defaults.quality.label_smoothing),
                augment: self.augment.unwrap_or(defaults.quality.augment),
                // None is a request, too: it overrides a preset's.
                ema: self.ema.filter(|&decay| decay != 0.0),
                recalibrate: self.recalibrate.unwrap_or(defaults.quality.recalibrate),
            },
            init: self.init.unwrap_or(defaults.init),
            seed: self.seed.unwrap_or(defaults.seed),
            batch_size: self.batch_size.unwrap_or(defaults.batch_size),
            epochs: self.epochs.unwrap_or(defaults.epochs),
            max_steps: self.max_steps,
            flip: self.flip,
        };
        train.validate().map_err(UsageError::new)?;
        // A configuration file's numbers are signed.
        if i64::try_from(train.seed).is_err() {
            return Err(UsageError::new(format_args!("seed {} is too large: choose 0 to {}", train.seed, i64::MAX)));
        }
        if self.max_images == Some(0) {
            return Err(UsageError::new("--max-images 0 leaves nothing to learn from: choose 1 or more"));
        }
        let source = match (self.data, self.demo) {
            (Some(_), true) => return Err(UsageError::new("data and demo exclude each other: give one of them")),
            (Some(path), false) => {
                let pictures = PictureOptions::resolve(
                    self.fit.as_deref(),
                    self.filter.as_deref(),
                    self.background.as_deref(),
                    self.strict,
                    Cache::new(self.cache, self.no_cache),
                )?;
                Source::Folder { path, max_images: self.max_images, pictures }
            }
            (None, true) => Source::Demo { count: self.max_images.unwrap_or(demo::FACES) },
            (None, false) => {
                return Err(UsageError::new("no pictures to learn from: name a folder of them, or try --demo"));
            }
        };
        // The command line has checked this; a file has not.
        if let Some(threads) = self.threads {
            threads::parse(&threads.to_string())
                .map_err(|message| UsageError::new(format_args!("threads = {threads}: {message}")))?;
        }
        let keep = Keep { last: self.keep.unwrap_or(Keep::default().last), every: self.keep_every };
        let device = self.device.unwrap_or_default();
        Ok(Settings { source, train, threads: self.threads, device, save_every: self.save_every, keep, out: self.out })
    }
}

impl Settings {
    /// The settings as a configuration file, except for the run's folder: a second run must have its own.
    pub(crate) fn to_toml(&self) -> String {
        let TrainConfig { model, adam, quality, init, seed, batch_size, epochs, max_steps, flip } = &self.train;
        let Quality { lr_d, lr_g, loss, label_smoothing, augment, ema, recalibrate } = quality;
        let mut file = ConfigFile::new();
        match &self.source {
            Source::Demo { count } => {
                file.put("Train on the built-in faces.", "demo", "true");
                file.put("How many of them.", "max-images", count);
            }
            Source::Folder { path, max_images, pictures } => {
                file.put_or_comment("Folder, .zip or .tar of pictures.", "data", path_as_toml(path));
                file.put_or_comment("Use no more than the first so many pictures.", "max-images", *max_images);
                for (comment, key, value) in pictures.to_toml() {
                    file.put(comment, key, value);
                }
            }
        }
        file.put("Mirror half of the pictures, others in every epoch.", "flip", flip);
        file.put("Times that every picture is seen.", "epochs", epochs);
        file.put_or_comment("End after so many steps.", "max-steps", *max_steps);
        file.put("Pictures in a batch.", "batch-size", batch_size);
        file.put("Height and width of the pictures: 32, 64, 128 or 256.", "image-size", model.image_size);
        file.put("3 for colour, 1 for grey.", "channels", model.channels);
        file.put("Length of the noise vector.", "latent-dim", model.latent_dim);
        file.put(
            "Channels of the layers next to the picture; each halving of the picture doubles them.",
            "base-channels",
            model.base_channels,
        );
        file.put("Learning rate of both Adams.", "lr", format_args!("{:?}", adam.lr));
        file.put("Adam's decay of the mean gradient.", "beta1", format_args!("{:?}", adam.beta1));
        file.put("Adam's decay of the mean squared gradient.", "beta2", format_args!("{:?}", adam.beta2));
        file.put_or_comment("Learning rate of D, if it is another.", "lr-d", lr_d.map(|lr| format!("{lr:?}")));
        file.put_or_comment("Learning rate of G, if it is another.", "lr-g", lr_g.map(|lr| format!("{lr:?}")));
        file.put("Loss: \"bce\", \"hinge\" or \"least-squares\".", "loss", pictures::quoted(&Loss::ALL, *loss));
        file.put("Real pictures are real by 1 less this.", "label-smoothing", format_args!("{label_smoothing:?}"));
        file.put(
            "DiffAugment: some of \"colour,translation,cutout\", or \"none\".",
            "augment",
            format_args!("\"{augment}\""),
        );
        file.put(
            "Decay of the average of G's weights that is shown and saved; 0 is none.",
            "ema",
            format_args!("{:?}", ema.unwrap_or(0.0)),
        );
        file.put(
            "Take G's batch-norm statistics anew before it is shown or saved, as with an average.",
            "recalibrate",
            recalibrate,
        );
        file.put(
            "First weights: \"default\" (PyTorch's) or \"normal\" (the DCGAN paper's).",
            "init",
            pictures::quoted(&Init::ALL, *init),
        );
        file.put("Seed of the weights, the noise and the order of the pictures.", "seed", seed);
        file.put_or_comment("Threads to compute with; the result is the same for any number.", "threads", self.threads);
        file.put(
            "What to compute on: \"auto\", \"cpu\", \"gpu\", \"cuda\", or one of `dcgan devices`, such as \"gpu:0\".",
            "device",
            format_args!("\"{}\"", self.device),
        );
        file.put_or_comment(
            "Save at each step that is a multiple of this, beside the end of every epoch.",
            "save-every",
            self.save_every,
        );
        file.put("Keep so many of the last checkpoints.", "keep", self.keep.last);
        file.put_or_comment(
            "Keep each checkpoint at the end of an epoch that is a multiple of this as well.",
            "keep-every",
            self.keep.every,
        );
        file.text
    }
}

/// A path as a TOML string, from anywhere; `None` if its bytes are no text.
pub(crate) fn path_as_toml(path: &Path) -> Option<String> {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    absolute.to_str().map(|text| toml::Value::from(text).to_string())
}

/// A configuration file being written: a comment above each key.
struct ConfigFile {
    text: String,
}

impl ConfigFile {
    fn new() -> Self {
        let version = env!("CARGO_PKG_VERSION");
        Self { text: format!("# A run of dcgan {version}. `dcgan train --config FILE` repeats it.\n") }
    }

    fn put(&mut self, comment: &str, key: &str, value: impl Display) {
        self.text.push_str(&format!("\n# {comment}\n{key} = {value}\n"));
    }

    /// A key without a value stays as a comment, for whoever looks for it.
    fn put_or_comment(&mut self, comment: &str, key: &str, value: Option<impl Display>) {
        match value {
            Some(value) => self.put(comment, key, value),
            None => self.text.push_str(&format!("\n# {comment}\n# {key} =\n")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory, Parser};

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        options: TrainOptions,
    }

    fn options(line: &str) -> TrainOptions {
        let words = std::iter::once("train").chain(line.split_whitespace());
        Line::try_parse_from(words).unwrap_or_else(|error| panic!("{error}")).options
    }

    fn resolve_error(options: TrainOptions) -> String {
        options.resolve().unwrap_err().to_string()
    }

    #[test]
    fn no_options_are_the_tutorial() {
        let settings = options("faces").resolve().unwrap();
        assert_eq!(settings.train, TrainConfig::default());
        assert_eq!(
            settings.source,
            Source::Folder { path: "faces".into(), max_images: None, pictures: PictureOptions::default() }
        );
        assert_eq!(options("--demo").resolve().unwrap().source, Source::Demo { count: demo::FACES });
    }

    #[test]
    fn the_help_states_the_real_defaults() {
        let TrainConfig { model, adam, quality, seed, batch_size, epochs, .. } = TrainConfig::default();
        let expected = [
            ("epochs", epochs.to_string()),
            ("batch_size", batch_size.to_string()),
            ("image_size", model.image_size.to_string()),
            ("channels", model.channels.to_string()),
            ("latent_dim", model.latent_dim.to_string()),
            ("base_channels", model.base_channels.to_string()),
            ("lr", adam.lr.to_string()),
            ("beta1", adam.beta1.to_string()),
            ("beta2", adam.beta2.to_string()),
            ("preset", "tutorial".to_owned()),
            ("loss", "bce".to_owned()),
            ("label_smoothing", quality.label_smoothing.to_string()),
            ("lr_d", "that of both".to_owned()),
            ("lr_g", "that of both".to_owned()),
            ("augment", quality.augment.to_string()),
            ("ema", "0; without a number 0.999".to_owned()),
            ("recalibrate", quality.recalibrate.to_string()),
            ("init", "default".to_owned()),
            ("fit", "stretch".to_owned()),
            ("filter", "bilinear".to_owned()),
            ("background", "white".to_owned()),
            ("seed", seed.to_string()),
            ("device", Choice::default().to_string()),
            ("keep", Keep::default().last.to_string()),
            ("max_images", format!("all of DATA, {} with --demo", demo::FACES)),
        ];
        let command = Line::command();
        for (id, default) in expected {
            let argument = command.get_arguments().find(|argument| argument.get_id() == id).unwrap();
            let help = argument.get_help().unwrap().to_string();
            assert!(help.ends_with(&format!("[default: {default}]")), "--{id}: {help}");
        }
    }

    #[test]
    fn a_written_configuration_reads_back_as_the_same_settings() {
        for line in [
            "/some/where --epochs 3 --batch-size 7 --image-size 32 --channels 1 --latent-dim 5 --base-channels 2 --lr 1e-5 \
             --beta1 0 --beta2 0.25 --init normal --seed 9223372036854775807 --threads 2 --max-images 99 --max-steps 12 \
             --save-every 5 --keep 3 --keep-every 10",
            "/a\"quoted\\/path",
            "--demo --loss least-squares --label-smoothing 0.1 --lr-d 4e-4 --lr-g 1e-4 --augment colour,cutout --ema=0.99 --recalibrate",
            "--demo --preset best",
            "--demo --preset quick --ema",
            "/faces.zip --fit crop --filter lanczos --background #102030 --flip --strict --cache /some/where",
            "/faces.tar --fit pad --background black --no-cache",
            "--demo",
            "--demo --max-images 5 --device cpu",
            "--demo --device cuda:1",
        ] {
            let settings = options(line).resolve().unwrap();
            let file = settings.to_toml();
            let again = TrainOptions::from_toml(&file).unwrap_or_else(|error| panic!("{error}\n{file}"));
            assert_eq!(again.resolve().unwrap(), settings, "{file}");
        }
    }

    #[test]
    fn a_relative_folder_is_written_with_its_full_path() {
        let file = options("faces").resolve().unwrap().to_toml();
        let path = std::env::current_dir().unwrap().join("faces");
        assert!(file.contains(&format!("data = {}", toml::Value::from(path.to_str().unwrap()))), "{file}");
    }

    #[test]
    fn flags_override_the_file() {
        let file = TrainOptions::from_toml("demo = true\nepochs = 5\nlr = 1\n").unwrap();
        let settings = options("faces --epochs 6").or(file.clone()).resolve().unwrap();
        assert_eq!(
            settings.source,
            Source::Folder { path: "faces".into(), max_images: None, pictures: PictureOptions::default() }
        );
        assert_eq!((settings.train.epochs, settings.train.adam.lr), (6, 1.0));
        let settings = options("--seed 1").or(file).resolve().unwrap();
        assert_eq!((settings.source, settings.train.epochs), (Source::Demo { count: demo::FACES }, 5));
    }

    #[test]
    fn a_preset_gives_way_to_options() {
        let quality = |line: &str| options(line).resolve().unwrap().train.quality;
        assert_eq!(quality("faces --preset tutorial"), Quality::TUTORIAL);
        assert!(quality("faces --preset best") != Quality::TUTORIAL);
        assert_eq!(quality("faces --preset best --ema=0").ema, None);
        // A picture's folder after a flag is no number.
        assert_eq!(quality("--ema faces").ema, Some(0.999));
        assert!(quality("--recalibrate faces").recalibrate && !quality("faces --recalibrate=false").recalibrate);
        let quick = options("faces --preset quick --epochs 2").resolve().unwrap();
        assert_eq!((quick.train.model.image_size, quick.train.epochs), (32, 2));
        let file = TrainOptions::from_toml("demo = true\npreset = \"quick\"\nimage-size = 64\n").unwrap();
        let settings = options("--batch-size 7").or(file).resolve().unwrap();
        assert_eq!((settings.train.model.image_size, settings.train.batch_size), (64, 7));
        assert_eq!(settings.train.model.base_channels, quick.train.model.base_channels);
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
    }

    #[test]
    fn impossible_settings_say_what_is_possible() {
        assert!(resolve_error(options("")).contains("--demo"));
        assert!(resolve_error(options("faces --image-size 48")).contains("32, 64, 128 or 256"));
        assert!(resolve_error(options("faces --max-images 0")).contains("1 or more"));
        assert!(resolve_error(options("faces --lr-d -1")).contains("learning rate -1"));
        assert!(resolve_error(options("faces --ema=1.5")).contains("decay 1.5"));
        assert!(resolve_error(options("faces --loss hinge --label-smoothing 0.1")).contains("hinge"));
        assert!(TrainOptions::from_toml("augment = \"flip\"").unwrap_err().contains("\"flip\" is none of"));
        assert!(resolve_error(options("faces --lr -1")).contains("learning rate -1"));
        assert!(resolve_error(options("faces --seed 9223372036854775808")).contains("9223372036854775807"));
        let file = |text: &str| TrainOptions::from_toml(text).unwrap();
        assert!(resolve_error(file("demo = true\ndata = \"faces\"")).contains("one of them"));
        assert!(TrainOptions::from_toml("device = \"tpu\"").unwrap_err().contains("choose auto, cpu, gpu, cuda"));
        assert!(resolve_error(file("data = \"faces\"\nfit = \"squeeze\"")).contains("stretch, crop or pad"));
        assert!(resolve_error(file("data = \"faces\"\nbackground = \"#12\"")).contains("#rrggbb"));
        assert!(resolve_error(file("demo = true\nthreads = 0")).contains("1 to 1024"));
    }
}
