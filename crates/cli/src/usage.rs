//! Errors of wrong usage.

use dcgan_settings::SettingsError;
use std::fmt;

/// An error in the command line or the configuration file; the program then ends with status 2, as it does for errors
/// that clap finds.
#[derive(Debug)]
pub(crate) struct UsageError(String);

impl UsageError {
    pub(crate) fn new(message: impl fmt::Display) -> Self {
        Self(message.to_string())
    }
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

impl From<SettingsError> for UsageError {
    fn from(error: SettingsError) -> Self {
        Self::new(error)
    }
}

/// Returns a parser for a number from 1 to `most`, whose error says what is possible.
pub(crate) fn up_to(most: usize) -> impl Fn(&str) -> Result<usize, String> + Clone {
    move |text| match text.parse() {
        Ok(number) if (1..=most).contains(&number) => Ok(number),
        _ => Err(format!("choose 1 to {most}")),
    }
}
