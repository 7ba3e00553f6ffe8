//! Reading configuration files.

use crate::limited;
use crate::usage::UsageError;
use anyhow::Result;
use dcgan_settings::TrainOptions;
use std::path::Path;

/// The largest configuration file: a thousand times the usual one.
const MAX_BYTES: u64 = 1 << 20;

/// Reads the options in a configuration file.
///
/// # Errors
/// If the file cannot be read, is too large, or is not UTF-8; or with the line that is not understood.
pub(crate) fn read(path: &Path) -> Result<TrainOptions> {
    let bytes = limited::read(path, MAX_BYTES)?;
    let text = String::from_utf8(bytes).map_err(|_| UsageError::new(format_args!("{path:?} is not UTF-8 text")))?;
    TrainOptions::from_toml(&text).map_err(|message| UsageError::new(format_args!("{path:?}, {message}")).into())
}
