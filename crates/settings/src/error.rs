//! Errors of options.

use dcgan_train::TrainConfigError;

/// Error of options that no run can be made of.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// An option that does not exist.
    #[error("there is no option {name}{}", suggestion.map_or(String::new(), |name| format!(": did you mean {name}?")))]
    UnknownOption {
        /// Name of the option.
        name: String,
        /// Name of the option that was probably meant.
        suggestion: Option<&'static str>,
    },
    /// A value that an option cannot have.
    #[error("{name} cannot be {text:?}: {message}")]
    Value {
        /// Name of the option.
        name: String,
        /// The value.
        text: String,
        /// What is possible.
        message: String,
    },
    /// Numbers that do not fit the recipe.
    #[error(transparent)]
    Config(#[from] TrainConfigError),
    /// No image is to be used.
    #[error("--max-images 0 leaves nothing to learn from: choose 1 or more")]
    NoImages,
    /// Two sources of images.
    #[error("data and demo exclude each other: give one of them")]
    TwoSources,
    /// No source of images.
    #[error("no pictures to learn from: name a folder of them, or try --demo")]
    NoSource,
}
