//! The options of a training: every one declared once, with its help, its key in a configuration file, and the field
//! that it sets.
//!
//! ```text
//! command line ──┐
//! config.toml  ──┼─▶ TrainOptions ─ presets, defaults, checks ─▶ Settings ─▶ TrainConfig, LoadOptions
//! names, texts ──┘                                                      └──▶ config.toml
//! ```
//!
//! [`TrainOptions`] holds what was asked for, and [`Settings`] what will be done. [`TrainOptions::set`] takes an option
//! by its name, for programs without a command line:
//!
//! ```
//! use dcgan_settings::TrainOptions;
//!
//! let mut options = TrainOptions::default();
//! for (name, value) in [("data", "faces/"), ("preset", "quick"), ("batch_size", "16")] {
//!     options.set(name, value)?;
//! }
//! let settings = options.resolve()?;
//! assert_eq!(settings.train.batch_size, 16);
//! assert!(settings.to_toml().contains("\nbatch-size = 16\n"));
//!
//! let error = TrainOptions::default().set("batchsize", "16").unwrap_err();
//! assert_eq!(error.to_string(), "there is no option batchsize: did you mean batch_size?");
//! # Ok::<(), dcgan_settings::SettingsError>(())
//! ```

mod config_file;
mod device;
mod difference;
mod error;
mod images;
mod options;
mod presets;
mod recipe;
mod seed;
mod settings;
mod table;
mod toml_value;
mod value;
mod values;

pub use device::{DeviceChoice, GpuApi};
pub use difference::Difference;
pub use error::SettingsError;
pub use images::{CacheLocation, DEMO_FACES, DataSource, ImageOptions};
pub use options::TrainOptions;
pub use recipe::RecipeOptions;
pub use seed::Seed;
pub use settings::Settings;
pub use values::{AverageDecay, Background, Preset, RunTime, Threads};
