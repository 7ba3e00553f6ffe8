//! The table of the options of `dcgan train`.

use crate::table::options;
use crate::toml_value::{from_text, path_from_toml};
use crate::{AverageDecay, Background, DataSource, DeviceChoice, Preset, RunTime, Seed, SettingsError, Threads};
use dcgan_data::{Filter, Fit};
use dcgan_model::{DiscriminatorNorm, Init, Loss};
use dcgan_train::{Augment, Schedule};
use serde::Deserialize;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;

options! {
    /// Options of a run; what is `None` was not asked for. The defaults in the help are those of
    /// [`TrainConfig::default`](dcgan_train::TrainConfig); a test compares them.
    #[derive(Debug, Clone, Default, PartialEq, Deserialize)]
    #[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
    pub struct TrainOptions;

    /// Folder of pictures, flat or nested, or a .zip or .tar of them
    #[arg(value_name = "DATA", conflicts_with = "demo")]
    data: Option<PathBuf>,
        file_if_set("Folder, .zip or .tar of pictures.");
    /// Train on the built-in faces instead of DATA
    #[arg(long)]
    demo: bool,
        file_if_set("Train on the built-in faces.");
    /// Number of epochs [default: 20]
    #[arg(long, value_name = "N")]
    epochs: Option<u64>,
        sets(epochs),
        file("Number of epochs.");
    /// Pictures in an epoch, taken from as many passes over the data as it needs [default: all pictures once]
    #[arg(long, value_name = "N")]
    epoch_size: Option<usize>,
        sets(epoch_size),
        file("Pictures in an epoch, if it is not all pictures once.");
    /// Train for about this long, such as 20m or 1h30m: the number of steps is chosen by the speed of the first ones,
    /// for --epochs epochs of equal size
    #[arg(long, value_name = "TIME", conflicts_with_all = ["max_steps", "epoch_size"])]
    #[serde(skip)]
    time: Option<RunTime>;
    /// Compute the measures of dcgan evaluate after every N-th epoch, and keep the best generator; 0 for never
    /// [default: 0]
    #[arg(long, value_name = "EPOCHS")]
    evaluate_every: Option<u64>,
        sets(evaluate_every),
        file("Compute the measures of `dcgan evaluate` after each epoch that is a multiple of this.");
    /// Pictures in a batch [default: 128]
    #[arg(long, value_name = "N")]
    batch_size: Option<usize>,
        group(recipe),
        sets(batch_size),
        file("Pictures in a batch.");
    /// Shards that each batch is cut into; as many ranks can train together, to the same bits as one [default: the
    /// number of ranks]
    #[arg(long, value_name = "N")]
    shards: Option<usize>,
        group(recipe),
        sets(shards),
        file("Shards that each batch is cut into; as many ranks can train together.");
    /// Height and width of the pictures: 32, 64, 128 or 256 [default: 64]
    #[arg(long, value_name = "PIXELS")]
    image_size: Option<usize>,
        group(recipe),
        sets(model.image_size),
        file("Height and width of the pictures: 32, 64, 128 or 256.");
    /// 3 for colour, 1 for grey [default: 3]
    #[arg(long, value_name = "N")]
    channels: Option<usize>,
        group(recipe),
        sets(model.channels),
        file("3 for colour, 1 for grey.");
    /// Length of the noise vector [default: 100]
    #[arg(long, value_name = "N")]
    latent_dim: Option<usize>,
        group(recipe),
        sets(model.latent_dim),
        file("Length of the noise vector.");
    /// Channels of the layers next to the picture in both networks; each halving of the picture doubles them [default:
    /// 64]
    #[arg(long, value_name = "N")]
    base_channels: Option<usize>,
        group(recipe),
        file("Channels of the layers next to the picture; each halving of the picture doubles them.");
    /// Channels of the generator's layers next to the picture [default: that of both]
    #[arg(long, value_name = "N")]
    base_channels_g: Option<usize>,
        group(recipe);
    /// Channels of the discriminator's layers next to the picture [default: that of both]
    #[arg(long, value_name = "N")]
    base_channels_d: Option<usize>,
        group(recipe),
        file("The same of the discriminator, if it is another.");
    /// Normalization of the discriminator: batch, spectral or none [default: batch]
    #[arg(long, value_name = "NORM")]
    d_norm: Option<DiscriminatorNorm>,
        group(recipe),
        sets(model.norm_d),
        file("Normalization of the discriminator: \"batch\", \"spectral\" or \"none\".");
    /// Learning rate of both networks [default: 0.0002]
    #[arg(long, value_name = "RATE", allow_negative_numbers = true)]
    lr: Option<f64>,
        group(recipe),
        sets(adam.lr),
        file("Learning rate of both Adams.");
    /// Adam's decay of the mean gradient [default: 0.5]
    #[arg(long, value_name = "DECAY", allow_negative_numbers = true)]
    beta1: Option<f64>,
        group(recipe),
        sets(adam.beta1),
        file("Adam's decay of the mean gradient.");
    /// Adam's decay of the mean squared gradient [default: 0.999]
    #[arg(long, value_name = "DECAY", allow_negative_numbers = true)]
    beta2: Option<f64>,
        group(recipe),
        sets(adam.beta2),
        file("Adam's decay of the mean squared gradient.");
    /// Recipe that the other options modify: tutorial, best (20 to 30 minutes on two cores) or quick (three to
    /// five) [default: tutorial]
    #[arg(long, value_name = "PRESET")]
    preset: Option<Preset>,
        group(recipe);
    /// Loss: bce, hinge, least-squares or relativistic [default: bce]
    #[arg(long, value_name = "LOSS")]
    loss: Option<Loss>,
        group(recipe),
        sets(loss),
        file("Loss: \"bce\", \"hinge\", \"least-squares\" or \"relativistic\".");
    /// Amount by which the label of real pictures is less than 1, such as 0.1 [default: 0]
    #[arg(long, value_name = "AMOUNT", allow_negative_numbers = true)]
    label_smoothing: Option<f64>,
        group(recipe),
        sets(label_smoothing),
        file("Real pictures are real by 1 less this.");
    /// Change of the learning rates over the run: constant, linear, linear-half or cosine [default: constant]
    #[arg(long, value_name = "SCHEDULE")]
    lr_schedule: Option<Schedule>,
        sets(schedule),
        file("Change of the learning rates over the run: \"constant\", \"linear\", \"linear-half\" or \"cosine\".");
    /// Weight of the R1 penalty on D's gradient at real pictures, with --d-norm none or spectral [default: 0]
    #[arg(long, value_name = "GAMMA", allow_negative_numbers = true)]
    r1: Option<f64>,
        group(recipe),
        sets(r1),
        file("Weight of the R1 penalty on D's gradient at real pictures.");
    /// Weight of the R2 penalty on D's gradient at generated pictures, with --d-norm none or spectral [default: 0]
    #[arg(long, value_name = "GAMMA", allow_negative_numbers = true)]
    r2: Option<f64>,
        group(recipe),
        sets(r2),
        file("Weight of the R2 penalty on D's gradient at generated pictures.");
    /// Steps of D, each on its own batch, for each step of G [default: 1]
    #[arg(long, value_name = "N")]
    d_steps: Option<usize>,
        group(recipe),
        sets(d_steps),
        file("Steps of D, each on a batch of its own, for one of G.");
    /// Learning rate of D [default: that of both]
    #[arg(long, value_name = "RATE", allow_negative_numbers = true)]
    lr_d: Option<f64>,
        group(recipe),
        sets(lr_d),
        file("Learning rate of D, if it is another.");
    /// Learning rate of G [default: that of both]
    #[arg(long, value_name = "RATE", allow_negative_numbers = true)]
    lr_g: Option<f64>,
        group(recipe),
        sets(lr_g),
        file("Learning rate of G, if it is another.");
    /// DiffAugment, for few pictures: some of colour,translation,cutout [default: none]
    #[arg(long, value_name = "KINDS")]
    augment: Option<Augment>,
        group(recipe),
        sets(augment),
        file("DiffAugment: some of \"colour,translation,cutout\", or \"none\".");
    /// Draw and save with a moving average of G's weights; 0 for none [default: 0; without a number 0.999]
    #[arg(long, value_name = "DECAY", num_args = 0..=1, require_equals = true, default_missing_value = "0.999")]
    ema: Option<AverageDecay>,
        group(recipe),
        sets(ema),
        file("Decay of the average of G's weights that is shown and saved; 0 is none.");
    /// Compute G's batch-norm statistics anew before it draws or is saved, as --ema does [default: false]
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    recalibrate: Option<bool>,
        sets(recalibrate),
        file("Take G's batch-norm statistics anew before it is shown or saved, as with an average.");
    /// First weights: default (PyTorch), normal (the DCGAN paper) or smooth (normal, without checkerboards in G)
    /// [default: default]
    #[arg(long, value_name = "INIT")]
    init: Option<Init>,
        group(recipe),
        sets(init),
        file("First weights: \"default\" (PyTorch), \"normal\" (the DCGAN paper) or \"smooth\" (normal, without \
              checkerboards in G).");
    /// Seed of the weights, the noise and the order of the pictures, as in torch.manual_seed [default: 0]
    #[arg(long, value_name = "SEED", allow_negative_numbers = true)]
    seed: Option<Seed>,
        sets(seed),
        file("Seed of the weights, the noise and the order of the pictures.");
    /// Threads to compute with; the result is the same for any number [default: one per core]
    #[arg(long, value_name = "N")]
    threads: Option<Threads>,
        file("Threads to compute with; the result is the same for any number.");
    /// Device to compute on: auto, cpu, gpu, cuda, or one that dcgan devices lists, such as gpu:0; with auto, gpu and
    /// cuda, each of the ranks on a machine takes a GPU of its own [default: auto]
    #[arg(long, value_name = "DEVICE")]
    device: Option<DeviceChoice>,
        file("What to compute on: \"auto\", \"cpu\", \"gpu\", \"cuda\", or one of `dcgan devices`, such as \"gpu:0\".");
    /// How pictures that are not square are fitted: stretch, crop (the middle) or pad [default: stretch]
    #[arg(long, value_name = "HOW")]
    #[serde(deserialize_with = "from_text")]
    fit: Option<Fit>,
        file_if_set("What happens to pictures that are not square: stretch, crop or pad.");
    /// Resampling filter: nearest, box, bilinear, hamming, bicubic or lanczos [default: bilinear]
    #[arg(long, value_name = "FILTER")]
    #[serde(deserialize_with = "from_text")]
    filter: Option<Filter>,
        file_if_set("How pixels are weighed: nearest, box, bilinear, hamming, bicubic or lanczos.");
    /// Colour of transparent pixels and of the bars of --fit pad: white, black, grey or #rrggbb [default: white]
    #[arg(long, value_name = "COLOUR")]
    #[serde(deserialize_with = "from_text")]
    background: Option<Background>,
        file_if_set("What transparent pixels and the bars of \"pad\" show.");
    /// Mirror a random half of the pictures in each epoch
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    flip: Option<bool>,
        sets(flip),
        file("Mirror half of the pictures, others in every epoch.");
    /// Stop if any file has to be left out
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    strict: Option<bool>,
        file_if_set("Refuse to train if any file has to be left out.");
    /// Folder for decoded pictures, which the next run reuses [default: the user's cache folder]
    #[arg(long, value_name = "DIR", conflicts_with = "no_cache")]
    cache: Option<PathBuf>,
        file_if_set("Where decoded pictures are kept for the next run.");
    /// Keep decoded pictures in memory only
    #[arg(long)]
    no_cache: bool,
        file_if_set("Keep decoded pictures in memory alone.");
    /// Use only the first N pictures [default: all of DATA, 4096 with --demo]
    #[arg(long, value_name = "N")]
    max_images: Option<usize>,
        file("Use no more than the first so many pictures.");
    /// Stop after N steps
    #[arg(long, value_name = "N")]
    max_steps: Option<u64>,
        sets(max_steps),
        file("End after so many steps.");
    /// Make a checkpoint at every N-th step, in addition to the end of every epoch
    #[arg(long, value_name = "N")]
    save_every: Option<NonZeroU64>,
        file("Save at each step that is a multiple of this, beside the end of every epoch.");
    /// Also write the sample faces at every N-th step within an epoch, as samples/epoch-0001-step-00000050.png; 0 for
    /// never [default: 0]
    #[arg(long, value_name = "STEPS")]
    sample_every: Option<u64>,
        file_if_set("Write sample faces at each step that is a multiple of this, beside the end of every epoch.");
    /// Keep the generator of every epoch, in half precision; generate --epoch N draws with it
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    keep_generators: Option<bool>,
        file_if_set("Keep the generator of every epoch, in half precision.");
    /// Keep the last N checkpoints [default: 2]
    #[arg(long, value_name = "N")]
    keep: Option<NonZeroUsize>,
        file("Keep so many of the last checkpoints.");
    /// Also keep the checkpoint at the end of every N-th epoch
    #[arg(long, value_name = "N")]
    keep_every: Option<NonZeroU64>,
        file("Keep each checkpoint at the end of an epoch that is a multiple of this as well.");
    /// The run's folder, new or empty [default: runs/NNNN-DATA]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>;
    file_only {
        /// `data` in a configuration file, if it is not UTF-8: %XX stands for a byte.
        data_escaped: Option<String>;
        /// `cache` in a configuration file, if it is not UTF-8.
        cache_escaped: Option<String>;
    }
}

/// The least similarity of two names at which one is suggested for the other: 1 less the part of the letters that
/// differ. `batchsize` has 0.9, `learning_rate` and `recalibrate` have 0.46.
const MIN_SIMILARITY: f64 = 0.6;

impl TrainOptions {
    /// Sets the option `name` to what `text` stands for, as on the command line: `set("batch_size", "64")`. Words of
    /// the name are joined by `_` or `-`. Flags take `true` or `false`.
    ///
    /// # Errors
    /// [`SettingsError::UnknownOption`], with the name that was probably meant, or [`SettingsError::Value`].
    pub fn set(&mut self, name: &str, text: &str) -> Result<(), SettingsError> {
        let field = name.replace('-', "_");
        match self.set_text(&field, text) {
            Some(Ok(())) => Ok(()),
            Some(Err(message)) => Err(SettingsError::Value { name: field, text: text.to_owned(), message }),
            None => {
                let similarity = |known: &&&str| strsim::normalized_damerau_levenshtein(&field, known);
                let best = Self::NAMES.iter().max_by(|a, b| similarity(a).total_cmp(&similarity(b)));
                let suggestion = best.filter(|known| similarity(known) > MIN_SIMILARITY).copied();
                Err(SettingsError::UnknownOption { name: name.to_owned(), suggestion })
            }
        }
    }

    /// Returns these options, and `others` where these have none.
    #[must_use]
    pub fn or(self, mut others: Self) -> Self {
        // A source of images replaces the other one, whichever kind each is.
        if self.has_source() {
            (others.data, others.demo) = (None, false);
        }
        // So does one answer to where decoded images are kept.
        if self.no_cache {
            others.cache = None;
        }
        if self.cache.is_some() {
            others.no_cache = false;
        }
        self.or_each(others)
    }

    /// Returns whether these options say where the images come from. Those of a configuration file do not if their path
    /// could not be stored in it, or if a program trained on images of its own.
    pub fn has_source(&self) -> bool {
        self.data.is_some() || self.demo
    }

    /// Returns these options with the images of `source`.
    #[must_use]
    pub fn with_source(self, source: &DataSource) -> Self {
        match source {
            DataSource::Folder { path, .. } => Self { data: Some(path.clone()), ..self },
            DataSource::Demo { count } => Self { demo: true, max_images: Some(*count), ..self },
        }
    }

    /// Moves paths that were escaped to their options.
    pub(crate) fn decode_paths(&mut self) -> Result<(), String> {
        let Self { data, cache, data_escaped, cache_escaped, .. } = self;
        for (path, escaped) in [(data, data_escaped), (cache, cache_escaped)] {
            if let Some(text) = escaped.take() {
                let decoded = path_from_toml(&text)?;
                path.get_or_insert(decoded);
            }
        }
        Ok(())
    }
}
