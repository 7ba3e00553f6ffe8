//! Types of options that are not numbers or names of other crates.

use serde::Deserialize;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Decay of a moving average; 0 for no average.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct AverageDecay(
    /// The decay.
    pub f64,
);

impl FromStr for AverageDecay {
    type Err = std::num::ParseFloatError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// Number of threads to compute with, from 1 to [`Threads::MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "usize")]
pub struct Threads(usize);

impl Threads {
    /// The largest number: far more than any machine has cores, and few enough to start.
    pub const MAX: usize = 1024;

    /// Returns the number.
    pub fn get(self) -> usize {
        self.0
    }
}

impl TryFrom<usize> for Threads {
    type Error = String;

    fn try_from(threads: usize) -> Result<Self, String> {
        match threads {
            1..=Self::MAX => Ok(Self(threads)),
            _ => Err(format!("choose 1 to {}", Self::MAX)),
        }
    }
}

impl FromStr for Threads {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().unwrap_or(0).try_into()
    }
}

impl fmt::Display for Threads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How long a run is to take, at least [`RunTime::MIN`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunTime(Duration);

impl RunTime {
    /// The shortest time.
    pub const MIN: Duration = Duration::from_secs(10);

    /// Returns the time.
    pub fn get(self) -> Duration {
        self.0
    }
}

impl FromStr for RunTime {
    type Err = String;

    /// Reads a length of time: `90s`, `20m`, `1h 30m`.
    fn from_str(text: &str) -> Result<Self, String> {
        let time = humantime::parse_duration(text);
        let time = time.map_err(|_| "give a number with a unit, such as 90s, 20m or 1h30m".to_owned())?;
        if time < Self::MIN {
            return Err(format!("choose {} seconds or more", Self::MIN.as_secs()));
        }
        Ok(Self(time))
    }
}

/// The color that transparent pixels and the bars of [`Fit::Pad`](dcgan_data::Fit::Pad) show, as red, green and blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Background(
    /// Red, green and blue.
    pub [u8; 3],
);

impl Background {
    /// The default.
    pub const WHITE: Self = Self([255; 3]);
    /// Colors that have a name.
    const NAMES: [(&str, Self); 3] = [("white", Self::WHITE), ("black", Self([0; 3])), ("grey", Self([128; 3]))];
}

impl Default for Background {
    fn default() -> Self {
        Self::WHITE
    }
}

impl FromStr for Background {
    type Err = String;

    /// Reads a name or six hexadecimal digits after a `#`.
    fn from_str(text: &str) -> Result<Self, String> {
        let from_hex = |digits: &str| {
            let is_hex = digits.len() == 6 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
            let [_, r, g, b] = is_hex.then(|| u32::from_str_radix(digits, 16).ok())??.to_be_bytes();
            Some(Self([r, g, b]))
        };
        let named = Self::NAMES.iter().find(|(name, _)| *name == text).map(|(_, color)| *color);
        let color = named.or_else(|| from_hex(text.strip_prefix('#')?));
        color.ok_or_else(|| "choose white, black, grey or #rrggbb".to_owned())
    }
}

/// `#rrggbb`
impl fmt::Display for Background {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [r, g, b] = self.0;
        write!(f, "#{r:02x}{g:02x}{b:02x}")
    }
}

/// A recipe under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// PyTorch's tutorial
    Tutorial,
    /// The best recipe of the comparison in docs/quality.md: 20 minutes on two cores, or as long as --time says
    Best,
    /// The same recipe in a quarter of the steps
    Quick,
}

impl Preset {
    /// All variants with their names.
    pub const ALL: [(&'static str, Self); 3] =
        [("tutorial", Self::Tutorial), ("best", Self::Best), ("quick", Self::Quick)];
}

impl FromStr for Preset {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        dcgan_model::parse_name(&Self::ALL, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colors_have_names_or_digits() {
        let read = |text: &str| text.parse::<Background>().ok().map(|color| color.0);
        assert_eq!(read("white"), Some([255; 3]));
        assert_eq!(read("#0aFf10"), Some([10, 255, 16]));
        for wrong in ["", "#", "#12345", "#1234567", "0aff10", "#+12345", "#12345g", "#ééé", "purple"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn run_times_have_a_unit_and_a_minimum() {
        let read = |text: &str| text.parse::<RunTime>().map(|time| time.get().as_secs());
        assert_eq!((read("90s"), read("1h 30m")), (Ok(90), Ok(5400)));
        assert!(read("20").unwrap_err().contains("with a unit"));
        assert!(read("9s").unwrap_err().contains("10 seconds or more"));
    }

    #[test]
    fn numbers_of_threads_have_limits() {
        assert_eq!("1024".parse::<Threads>().map(Threads::get), Ok(1024));
        for text in ["0", "1025", "-1", "two", ""] {
            assert_eq!(text.parse::<Threads>(), Err("choose 1 to 1024".to_owned()), "{text}");
        }
    }
}
