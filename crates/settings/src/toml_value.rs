//! The values of options as TOML.

use crate::{AverageDecay, Background, DeviceChoice, Seed, Threads};
use dcgan_data::{Filter, Fit};
use dcgan_model::{DiscriminatorNorm, Init, Loss};
use dcgan_train::{Augment, Schedule};
#[cfg(unix)]
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, percent_encode};
use serde::{Deserialize, Deserializer};
use std::fmt::Display;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// What a configuration file says of one option.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    /// Name of the option's field.
    pub(crate) name: &'static str,
    /// Key of the file.
    pub(crate) key: String,
    pub(crate) comment: &'static str,
    /// The value as TOML; `None` if the option has none, or TOML cannot express it.
    pub(crate) value: Option<String>,
    /// Whether the key is shown, as a comment, if the option has no value.
    is_shown: bool,
}

impl Entry {
    pub(crate) fn new(name: &'static str, comment: &'static str, value: &impl OptionToToml, shows_unset: bool) -> Self {
        let key = format!("{}{}", key(name), value.key_ending());
        Self { name, key, comment, value: value.to_toml(), is_shown: shows_unset || value.is_set() }
    }

    /// Appends the entry to a file.
    pub(crate) fn write_to(&self, file: &mut String) {
        let Self { key, comment, .. } = self;
        match &self.value {
            Some(value) => *file += &format!("\n# {comment}\n{key} = {value}\n"),
            // It stays as a comment, for whoever looks for it.
            None if self.is_shown => *file += &format!("\n# {comment}\n# {key} =\n"),
            None => {}
        }
    }
}

/// The key of an option, from the name of its field.
fn key(name: &str) -> String {
    name.replace('_', "-")
}

/// Deserializes a value from text, as [`FromStr`] reads it.
pub(crate) fn from_text<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    let text = String::deserialize(deserializer)?;
    text.parse().map(Some).map_err(|error| serde::de::Error::custom(format_args!("{text:?}: {error}")))
}

/// The value of an option, or none, in a configuration file.
pub(crate) trait OptionToToml {
    fn is_set(&self) -> bool;

    /// The value as TOML.
    fn to_toml(&self) -> Option<String>;

    /// The ending of the key.
    fn key_ending(&self) -> &'static str {
        ""
    }
}

/// A flag that is off is an option without a value.
impl OptionToToml for bool {
    fn is_set(&self) -> bool {
        *self
    }

    fn to_toml(&self) -> Option<String> {
        self.then(|| "true".to_owned())
    }
}

impl<T: ToToml> OptionToToml for Option<T> {
    fn is_set(&self) -> bool {
        self.is_some()
    }

    fn to_toml(&self) -> Option<String> {
        self.as_ref().map(ToToml::to_toml)
    }
}

impl OptionToToml for Option<PathBuf> {
    fn is_set(&self) -> bool {
        self.is_some()
    }

    fn to_toml(&self) -> Option<String> {
        path_as_toml(self.as_deref()?).1
    }

    fn key_ending(&self) -> &'static str {
        self.as_deref().map_or("", |path| path_as_toml(path).0)
    }
}

/// A value that TOML can express.
pub(crate) trait ToToml {
    fn to_toml(&self) -> String;
}

macro_rules! to_toml {
    ($($type:ty),+ => $to_toml:expr) => {
        $(
            impl ToToml for $type {
                fn to_toml(&self) -> String {
                    let to_toml: fn(&Self) -> String = $to_toml;
                    to_toml(self)
                }
            }
        )+
    };
}

to_toml!(bool, u64, usize, NonZeroU64, NonZeroUsize, Threads => ToString::to_string);
// With a point or an exponent, so that it stays a float.
to_toml!(f64 => |value| format!("{value:?}"));
to_toml!(AverageDecay => |decay| decay.0.to_toml());
to_toml!(Seed => |seed| seed.as_toml().to_string());
to_toml!(Augment, Background, DeviceChoice, DiscriminatorNorm, Filter, Fit, Init, Loss, Schedule => |value| {
    format!("\"{value}\"")
});

/// A path as a TOML string, from anywhere, and the ending of its key. A path that is not UTF-8 is escaped; `None` if
/// that is not possible on this system.
fn path_as_toml(path: &Path) -> (&'static str, Option<String>) {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let quoted = |text: &str| toml::Value::from(text).to_string();
    match absolute.to_str() {
        Some(text) => ("", Some(quoted(text))),
        #[cfg(unix)]
        None => {
            let bytes = std::os::unix::ffi::OsStrExt::as_bytes(absolute.as_os_str());
            let escaped = percent_encode(bytes, SPECIAL);
            (ESCAPED, Some(quoted(&escaped.to_string())))
        }
        #[cfg(not(unix))]
        None => ("", None),
    }
}

/// The ASCII characters that are escaped; bytes that are not ASCII always are.
#[cfg(unix)]
const SPECIAL: &AsciiSet = &CONTROLS.add(b'%');

/// The ending of the keys of paths that are escaped.
#[cfg(unix)]
const ESCAPED: &str = "-escaped";

/// Decodes an escaped path.
pub(crate) fn path_from_toml(text: &str) -> Result<PathBuf, String> {
    #[cfg(unix)]
    {
        let bytes = percent_decode_str(text).collect();
        Ok(<std::ffi::OsString as std::os::unix::ffi::OsStringExt>::from_vec(bytes).into())
    }
    #[cfg(not(unix))]
    Err(format!("{text:?} is a path of another system: name the folder again"))
}
