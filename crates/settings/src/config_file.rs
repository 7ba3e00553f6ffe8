//! Configuration files: the options of a run as TOML, with a comment above each key.
//!
//! A key is the name of an option on the command line. A path that is not UTF-8 is percent-encoded, under a key that
//! ends in `-escaped`.

use crate::toml_value::Entry;
use crate::{Settings, TrainOptions};

/// The keys of a configuration file in their order.
const ORDER: &[&str] = &[
    "demo",
    "data",
    "max_images",
    "fit",
    "filter",
    "background",
    "strict",
    "cache",
    "no_cache",
    "flip",
    "epochs",
    "epoch_size",
    "max_steps",
    "batch_size",
    "shards",
    "image_size",
    "channels",
    "latent_dim",
    "base_channels",
    "base_channels_d",
    "d_norm",
    "lr",
    "beta1",
    "beta2",
    "lr_d",
    "lr_g",
    "lr_schedule",
    "r1",
    "r2",
    "d_steps",
    "loss",
    "label_smoothing",
    "augment",
    "ema",
    "recalibrate",
    "init",
    "seed",
    "threads",
    "device",
    "evaluate_every",
    "save_every",
    "sample_every",
    "keep_generators",
    "keep",
    "keep_every",
];

/// Characters of a line, and of a word, that an error shows.
const SHOWN_CHARS: usize = 100;

impl Settings {
    /// The settings as a configuration file, except for the run's folder, because a second run must have its own.
    pub fn to_toml(&self) -> String {
        let version = env!("CARGO_PKG_VERSION");
        let mut file = format!("# A run of dcgan {version}. `dcgan train --config FILE` repeats it.\n");
        self.entries().iter().for_each(|entry| entry.write_to(&mut file));
        file
    }

    /// What the configuration file says of each option, in its order.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        let options = self.options();
        let mut entries = options.file_entries();
        if let (true, Some(entry)) = (options.demo, entries.iter_mut().find(|entry| entry.name == "max_images")) {
            entry.comment = "How many of them.";
        }
        entries.sort_by_key(|entry| ORDER.iter().position(|&name| name == entry.name));
        entries
    }
}

impl TrainOptions {
    /// Reads the text of a configuration file.
    ///
    /// # Errors
    /// The first key or value that is not understood, with its line.
    pub fn from_toml(text: &str) -> Result<Self, String> {
        let mut options: Self = toml::from_str(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            let line = text[..start].matches('\n').count();
            let source = shortened(text.lines().nth(line).unwrap_or_default());
            let words: Vec<String> = error.message().split(' ').map(shortened).collect();
            format!("line {}: {} in `{source}`", line + 1, words.join(" "))
        })?;
        options.decode_paths()?;
        Ok(options)
    }
}

/// The first characters of a text, and a sign if there are more.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
