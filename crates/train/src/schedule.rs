//! Learning-rate schedules.

use serde::Deserialize;
use std::f64::consts::PI;
use std::fmt;
use std::str::FromStr;

/// How both learning rates change over a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// The configured learning rates throughout: the tutorial.
    #[default]
    Constant,
    /// Down to 0 in a straight line, from the first step on.
    Linear,
    /// The configured learning rates for the first half of the run, then down to 0 in a straight line.
    LinearHalf,
    /// Down to 0 along half a cosine (Loshchilov & Hutter 2017, without restarts).
    Cosine,
}

impl Schedule {
    /// All variants with their names.
    pub const ALL: [(&'static str, Self); 4] = [
        ("constant", Self::Constant),
        ("linear", Self::Linear),
        ("linear-half", Self::LinearHalf),
        ("cosine", Self::Cosine),
    ];

    /// Returns the factor of the configured learning rates at `step`, counted from 0, of a run of `steps` steps.
    pub fn factor(self, step: u64, steps: u64) -> f64 {
        let done = step as f64 / steps.max(1) as f64;
        match self {
            Self::Constant => 1.0,
            Self::Linear => 1.0 - done,
            Self::LinearHalf => (2.0 * (1.0 - done)).min(1.0),
            Self::Cosine => (1.0 + (PI * done).cos()) / 2.0,
        }
        .max(0.0)
    }
}

impl FromStr for Schedule {
    type Err = String;

    /// Returns the variant of this name.
    fn from_str(text: &str) -> Result<Self, String> {
        dcgan_model::parse_name(&Self::ALL, text)
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(dcgan_model::name_of(&Self::ALL, self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_fall_from_one_towards_zero() {
        let at = |schedule: Schedule| [0, 250, 500, 750, 1000].map(|step| schedule.factor(step, 1000));
        assert_eq!(at(Schedule::Constant), [1.0; 5]);
        assert_eq!(at(Schedule::Linear), [1.0, 0.75, 0.5, 0.25, 0.0]);
        assert_eq!(at(Schedule::LinearHalf), [1.0, 1.0, 1.0, 0.5, 0.0]);
        let cosine = at(Schedule::Cosine);
        let expected = [1.0, 0.5 + 0.5f64.sqrt() / 2.0, 0.5, 0.5 - 0.5f64.sqrt() / 2.0, 0.0];
        // π · done, its cosine and the sum are rounded by 1.1e-16 of at most 1 each, before they are halved.
        assert!(cosine.iter().zip(expected).all(|(got, want)| (got - want).abs() < 1e-15), "{cosine:?}");
        // A run that was lengthened and shortened again may be beyond its end.
        assert_eq!(Schedule::Linear.factor(7, 5), 0.0);
        assert_eq!(Schedule::Linear.factor(0, 0), 1.0);
    }
}
