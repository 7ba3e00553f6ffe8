//! What the options of a run come to.

use crate::{
    CacheLocation, DEMO_FACES, DataSource, DeviceChoice, ImageOptions, Preset, RunTime, SettingsError, Threads,
    TrainOptions,
};
use dcgan_data::{Channels, LoadOptions};
use dcgan_train::{Keep, TrainConfig};
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

/// Everything about a run, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Where the images come from; `None` if the program that trains has them in memory.
    pub source: Option<DataSource>,
    /// What decides the result, apart from the images.
    pub train: TrainConfig,
    /// Number of threads; `None` for one per core.
    pub threads: Option<Threads>,
    /// What the networks are computed on.
    pub device: DeviceChoice,
    /// Steps between checkpoints within an epoch.
    pub save_every: Option<NonZeroU64>,
    /// Steps between samples within an epoch.
    pub sample_every: Option<NonZeroU64>,
    /// Whether the generator of every epoch is kept.
    pub keep_generators: bool,
    /// Which checkpoints are kept.
    pub keep: Keep,
    /// Folder of the run; `None` to choose one.
    pub out: Option<PathBuf>,
    /// How long the run is to take, if its number of steps is yet to be chosen.
    pub time: Option<RunTime>,
}

impl TrainOptions {
    /// Fills in the preset and the defaults, and checks everything that can be checked without looking at the images.
    ///
    /// # Errors
    /// See [`SettingsError`]; [`SettingsError::NoSource`] if the options do not say where the images come from.
    pub fn resolve(self) -> Result<Settings, SettingsError> {
        match self.resolve_for_images_in_memory()? {
            Settings { source: None, .. } => Err(SettingsError::NoSource),
            settings => Ok(settings),
        }
    }

    /// As [`TrainOptions::resolve`], for a program that has the images in memory: the options need not say where they
    /// come from.
    ///
    /// # Errors
    /// See [`SettingsError`].
    pub fn resolve_for_images_in_memory(self) -> Result<Settings, SettingsError> {
        let preset = self.preset.map_or_else(Self::default, Preset::options);
        // --time chooses the length of an epoch itself.
        let epoch_size = preset.epoch_size.filter(|_| self.time.is_none());
        // --lr means both networks, whatever a preset has for each.
        let rate = |rate: Option<f64>| rate.filter(|_| self.lr.is_none());
        let (lr_d, lr_g) = (rate(preset.lr_d), rate(preset.lr_g));
        self.or(Self { epoch_size, lr_d, lr_g, ..preset }).resolve_without_preset()
    }

    fn resolve_without_preset(self) -> Result<Settings, SettingsError> {
        let mut train = TrainConfig::default();
        self.apply_to(&mut train);
        let model = &mut train.model;
        for (field, own) in
            [(&mut model.base_channels_g, self.base_channels_g), (&mut model.base_channels_d, self.base_channels_d)]
        {
            *field = own.or(self.base_channels).unwrap_or(*field);
        }
        train.validate()?;
        if self.max_images == Some(0) {
            return Err(SettingsError::NoImages);
        }
        let source = match (self.data, self.demo) {
            (Some(_), true) => return Err(SettingsError::TwoSources),
            (Some(path), false) => {
                let images = ImageOptions {
                    fit: self.fit.unwrap_or_default(),
                    filter: self.filter.unwrap_or_default(),
                    background: self.background.unwrap_or_default(),
                    strict: self.strict.unwrap_or_default(),
                    cache: CacheLocation::new(self.cache, self.no_cache),
                };
                Some(DataSource::Folder { path, max_images: self.max_images, images })
            }
            (None, true) => Some(DataSource::Demo { count: self.max_images.unwrap_or(DEMO_FACES) }),
            (None, false) => None,
        };
        let keep = Keep { last: self.keep.unwrap_or(Keep::default().last), every: self.keep_every };
        let device = self.device.unwrap_or_default();
        let Self { threads, save_every, out, time, .. } = self;
        let sample_every = self.sample_every.and_then(NonZeroU64::new);
        let keep_generators = self.keep_generators.unwrap_or_default();
        Ok(Settings { source, train, threads, device, save_every, sample_every, keep_generators, keep, out, time })
    }
}

impl Settings {
    /// Returns the settings of a program that trains on images in memory.
    pub fn for_images_in_memory(train: TrainConfig) -> Self {
        Self {
            source: None,
            train,
            threads: None,
            device: DeviceChoice::Auto,
            save_every: None,
            sample_every: None,
            keep_generators: false,
            keep: Keep::default(),
            out: None,
            time: None,
        }
    }

    /// Returns how to load the images; `None` if they do not come from a folder or archive.
    pub fn load_options(&self) -> Option<(&Path, LoadOptions)> {
        let Some(DataSource::Folder { path, max_images, images }) = &self.source else { return None };
        let model = &self.train.model;
        let channels = Channels::from_count(model.channels);
        Some((path, images.load_options(model.image_size, channels, *max_images)))
    }

    /// Returns the options that come to these settings: all but those of a folder of the run and of its time.
    pub fn options(&self) -> TrainOptions {
        let model = &self.train.model;
        let mut options = TrainOptions {
            base_channels: Some(model.base_channels_g),
            base_channels_d: Some(model.base_channels_d).filter(|&channels| channels != model.base_channels_g),
            threads: self.threads,
            device: Some(self.device),
            save_every: self.save_every,
            sample_every: self.sample_every.map(NonZeroU64::get),
            // Only what was asked for goes to configuration files.
            keep_generators: self.keep_generators.then_some(true),
            keep: Some(self.keep.last),
            keep_every: self.keep.every,
            ..TrainOptions::from_config(&self.train)
        };
        match &self.source {
            None => {}
            Some(DataSource::Demo { count }) => (options.demo, options.max_images) = (true, Some(*count)),
            Some(DataSource::Folder { path, max_images, images }) => {
                let ImageOptions { fit, filter, background, strict, cache } = images;
                (options.data, options.max_images) = (Some(path.clone()), *max_images);
                (options.fit, options.filter) = (Some(*fit), Some(*filter));
                (options.background, options.strict) = (Some(*background), Some(*strict));
                match cache {
                    CacheLocation::Default => {}
                    CacheLocation::Folder(folder) => options.cache = Some(folder.clone()),
                    CacheLocation::Off => options.no_cache = true,
                }
            }
        }
        options
    }
}
