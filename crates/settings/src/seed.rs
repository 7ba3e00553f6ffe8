//! Seeds as `torch.manual_seed` takes them.

use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// A seed, from −2⁶³ to 2⁶⁴ − 1. A negative one stands for the seed that is 2⁶⁴ larger, as in
/// `torch.manual_seed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seed(
    /// The seed, from 0 to 2⁶⁴ − 1.
    pub u64,
);

impl Seed {
    const RANGE: std::ops::RangeInclusive<i128> = i64::MIN as i128..=u64::MAX as i128;

    /// The seed that a number stands for.
    ///
    /// # Errors
    /// A sentence with the numbers that are possible.
    pub fn new(number: i128) -> Result<Self, String> {
        match Self::RANGE.contains(&number) {
            // The lowest 64 bits.
            true => Ok(Self(number as u64)),
            false => Err(format!("a seed goes from {} to {}", Self::RANGE.start(), Self::RANGE.end())),
        }
    }

    /// The same seed as a number that TOML can hold.
    pub(crate) fn as_toml(self) -> i64 {
        self.0.cast_signed()
    }
}

impl FromStr for Seed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err("a seed is a whole number, such as 0 or -1".to_owned());
        }
        // Too long for any number is too large for a seed.
        Self::new(text.parse().unwrap_or(i128::MAX))
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Seed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

/// A number, or a text for those that TOML has no numbers for.
impl<'de> Deserialize<'de> for Seed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnySeed;

        impl Visitor<'_> for AnySeed {
            type Value = Seed;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a seed")
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Seed, E> {
                Seed::new(number.into()).map_err(E::custom)
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Seed, E> {
                Ok(Seed(number))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Seed, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_any(AnySeed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// PyTorch: torch.manual_seed(seed); torch.initial_seed(). One less or one more is an error there.
    #[test]
    fn seeds_are_those_of_torch_manual_seed() {
        let read = |text: &str| text.parse::<Seed>().map(|seed| seed.0);
        assert_eq!(read("0"), Ok(0));
        assert_eq!(read("+7"), Ok(7));
        assert_eq!(read("-1"), Ok(u64::MAX));
        assert_eq!(read("-9223372036854775808"), Ok(1 << 63));
        assert_eq!(read("18446744073709551615"), Ok(u64::MAX));
        for text in ["18446744073709551616", "-9223372036854775809", "340282366920938463463374607431768211456"] {
            let message = read(text).unwrap_err();
            assert_eq!(message, "a seed goes from -9223372036854775808 to 18446744073709551615", "{text}");
        }
        for text in ["", "-", "1.5", "0x3", "--1", "1e3", " 1"] {
            assert!(read(text).unwrap_err().contains("a whole number"), "{text}");
        }
    }

    #[test]
    fn configuration_files_hold_every_seed() {
        #[derive(Deserialize)]
        struct File {
            seed: Seed,
        }
        let read = |text: &str| toml::from_str::<File>(text).map(|file| file.seed.0).map_err(|error| error.to_string());
        assert_eq!((read("seed = -1"), read("seed = 7")), (Ok(u64::MAX), Ok(7)));
        assert_eq!(read("seed = \"18446744073709551615\""), Ok(u64::MAX));
        assert!(read("seed = \"-9223372036854775809\"").unwrap_err().contains("a seed goes from"));
        assert!(read("seed = 1.5").unwrap_err().contains("expected a seed"));
        for seed in [0, 1, i64::MAX as u64, 1 << 63, u64::MAX] {
            assert_eq!(read(&format!("seed = {}", Seed(seed).as_toml())), Ok(seed));
        }
    }
}
