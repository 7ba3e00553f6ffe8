//! Requests that cannot be met as they were made.

use std::fmt;

/// An error in the command line or the configuration file; the program then ends with status 2, as it does for errors that clap finds.
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

/// Reads the number of a flag that takes 1 to `most`. As clap's own parser of ranges, but in words.
pub(crate) fn up_to(most: usize) -> impl Fn(&str) -> Result<usize, String> + Clone {
    move |text| match text.parse() {
        Ok(number) if (1..=most).contains(&number) => Ok(number),
        _ => Err(format!("choose 1 to {most}")),
    }
}
