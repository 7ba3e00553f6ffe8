//! Which device a `--device` means. Nothing is opened here: it is decided over a list.

use crate::usage::UsageError;
use serde::Deserialize;
use std::fmt;
use std::str::FromStr;

/// `--device`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum Choice {
    /// A GPU if there is one.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// A device that is reached in this way: the best GPU, or the device of this number.
    Of(Api, Option<usize>),
}

/// How a device that is not the processor is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Api {
    /// Vulkan, Metal or DirectX 12.
    Gpu,
    /// NVIDIA's CUDA.
    Cuda,
}

/// What a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(feature = "engine-gpu"), allow(dead_code, reason = "without a GPU engine none is found"))]
pub(crate) enum Kind {
    /// A card with memory of its own.
    Discrete,
    /// A part of the processor.
    Integrated,
    /// A part of a GPU that a virtual machine was given, or only looks like one.
    Virtual,
    /// A program that pretends to be a GPU.
    Software,
    /// The driver does not say.
    Other,
}

/// A device that the GPU engine has found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(not(feature = "engine-gpu"), allow(dead_code, reason = "without a GPU engine none is found"))]
pub(crate) struct Found {
    pub(crate) api: Api,
    /// Its number among those of its API.
    pub(crate) index: usize,
    pub(crate) kind: Kind,
    pub(crate) name: String,
    /// Graphics API and driver.
    pub(crate) driver: String,
}

impl Choice {
    /// The place in `found` of the device that is meant; `None` is the processor. `built_in` are the APIs that this program can use.
    pub(crate) fn among(self, found: &[Found], built_in: &[Api]) -> Result<Option<usize>, UsageError> {
        let (api, number) = match self {
            Self::Cpu => return Ok(None),
            Self::Auto => return Ok(best(found, |found| found.kind.rank() <= Kind::Integrated.rank())),
            Self::Of(api, number) => (api, number),
        };
        if !built_in.contains(&api) {
            return Err(UsageError::new(format_args!(
                "--device {self}: this program was built without {}; build it with: {}",
                api.devices(),
                api.how_to_build()
            )));
        }
        let place = match number {
            Some(number) => found.iter().position(|found| (found.api, found.index) == (api, number)),
            None => best(found, |found| found.api == api && found.kind != Kind::Software),
        };
        let nothing = match (number, api) {
            (Some(_), _) => "there is no such device",
            (None, Api::Gpu) => "no GPU with a driver for Vulkan, Metal or DirectX 12 was found",
            (None, Api::Cuda) => "no GPU with NVIDIA's driver was found",
        };
        let refusal = || UsageError::new(format_args!("--device {self}: {nothing}; dcgan devices lists what there is"));
        place.map(Some).ok_or_else(refusal)
    }
}

/// The place of the best device that is `eligible`: a card before what is less, CUDA before the same through something else, then the first.
fn best(found: &[Found], eligible: impl Fn(&Found) -> bool) -> Option<usize> {
    let places = (0..found.len()).filter(|&place| eligible(&found[place]));
    places.min_by_key(|&place| (found[place].kind.rank(), found[place].api != Api::Cuda))
}

/// Why `auto` is the processor.
pub(crate) fn why_cpu(found: &[Found]) -> String {
    match found.first() {
        None => "no GPU was found".to_owned(),
        Some(first) => format!("no GPU was found, only {} ({})", first.argument(), first.kind),
    }
}

impl Found {
    /// What to give to `--device`.
    pub(crate) fn argument(&self) -> String {
        Choice::Of(self.api, Some(self.index)).to_string()
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { api, index, name, driver, .. } = self;
        write!(f, "{} {index}, {name}, {driver}", api.to_string().to_uppercase())
    }
}

impl Api {
    /// All of them.
    pub(crate) const ALL: [Self; 2] = [Self::Gpu, Self::Cuda];

    /// Those that this program was built with.
    pub(crate) fn built_in() -> Vec<Self> {
        let has = |api: &Self| match api {
            Self::Gpu => cfg!(feature = "gpu"),
            Self::Cuda => cfg!(feature = "cuda"),
        };
        Self::ALL.into_iter().filter(has).collect()
    }

    /// What is reached in this way.
    pub(crate) fn devices(self) -> &'static str {
        match self {
            Self::Gpu => "GPUs through Vulkan, Metal or DirectX 12",
            Self::Cuda => "NVIDIA's GPUs through CUDA",
        }
    }

    /// The command that installs a program with it.
    pub(crate) fn how_to_build(self) -> String {
        format!("cargo install --path crates/cli --features {self}")
    }
}

impl fmt::Display for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gpu => "gpu",
            Self::Cuda => "cuda",
        })
    }
}

impl Kind {
    /// Lower is better.
    fn rank(self) -> u8 {
        match self {
            Self::Discrete => 0,
            Self::Integrated => 1,
            Self::Virtual | Self::Other => 2,
            Self::Software => 3,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Discrete => "graphics card",
            Self::Integrated => "integrated GPU",
            Self::Virtual => "virtual GPU",
            Self::Software => "software, no GPU",
            Self::Other => "unknown kind",
        })
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Of(api, None) => write!(f, "{api}"),
            Self::Of(api, Some(number)) => write!(f, "{api}:{number}"),
        }
    }
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, number) = match text.split_once(':') {
            None => (text, None),
            // No sign and no space, which the number itself would allow.
            Some((name, digits)) if digits.bytes().all(|digit| digit.is_ascii_digit()) => (name, digits.parse().ok()),
            Some(_) => ("", None),
        };
        match (name, number, text.contains(':')) {
            ("auto", None, false) => Ok(Self::Auto),
            ("cpu", None, false) => Ok(Self::Cpu),
            ("gpu", _, has_number) if has_number == number.is_some() => Ok(Self::Of(Api::Gpu, number)),
            ("cuda", _, has_number) if has_number == number.is_some() => Ok(Self::Of(Api::Cuda, number)),
            _ => Err("choose auto, cpu, gpu, cuda, or one of dcgan devices, such as gpu:0".to_owned()),
        }
    }
}

impl TryFrom<String> for Choice {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map_err(|message| format!("device \"{text}\": {message}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Api::{Cuda, Gpu};
    use Kind::{Discrete, Integrated, Other, Software, Virtual};

    fn found(devices: &[(Api, usize, Kind)]) -> Vec<Found> {
        let device =
            |&(api, index, kind)| Found { api, index, kind, name: "Card".to_owned(), driver: "Vulkan, 1.2".to_owned() };
        devices.iter().map(device).collect()
    }

    fn choice(text: &str) -> Choice {
        text.parse().unwrap()
    }

    #[test]
    fn choices_are_read_as_they_are_written() {
        for text in ["auto", "cpu", "gpu", "gpu:0", "gpu:12", "cuda", "cuda:3"] {
            assert_eq!(choice(text).to_string(), text);
        }
        assert_eq!(choice("cuda:3"), Choice::Of(Cuda, Some(3)));
        for text in [
            "",
            "tpu",
            "GPU",
            "gpu:",
            "gpu:-1",
            "gpu:+1",
            "gpu: 1",
            "gpu:x",
            "cpu:0",
            "auto:1",
            "gpu:99999999999999999999",
        ] {
            let error = text.parse::<Choice>().unwrap_err();
            assert!(error.contains("choose auto, cpu, gpu, cuda"), "{text:?}: {error}");
        }
    }

    /// What `auto`, `gpu` and `cuda` mean, as places in the list.
    #[test]
    fn the_best_device_is_chosen() {
        type Devices<'a> = &'a [(Api, usize, Kind)];
        let table: [(Devices<'_>, [Option<usize>; 3]); 10] = [
            (&[], [None, None, None]),
            (&[(Gpu, 0, Discrete)], [Some(0), Some(0), None]),
            (&[(Gpu, 0, Integrated), (Gpu, 1, Discrete)], [Some(1), Some(1), None]),
            (&[(Gpu, 0, Discrete), (Gpu, 1, Discrete)], [Some(0), Some(0), None]),
            (&[(Gpu, 0, Software), (Gpu, 1, Integrated)], [Some(1), Some(1), None]),
            // The same card twice.
            (&[(Gpu, 0, Discrete), (Cuda, 0, Discrete)], [Some(1), Some(0), Some(1)]),
            // A better kind counts more than CUDA.
            (&[(Gpu, 0, Discrete), (Cuda, 0, Integrated)], [Some(0), Some(0), Some(1)]),
            // Never by itself.
            (&[(Gpu, 0, Software)], [None, None, None]),
            (&[(Gpu, 0, Virtual), (Gpu, 1, Software)], [None, Some(0), None]),
            (&[(Gpu, 0, Software), (Gpu, 1, Other)], [None, Some(1), None]),
        ];
        for (devices, [auto, gpu, cuda]) in table {
            let found = found(devices);
            let among = |text: &str| choice(text).among(&found, &Api::ALL);
            assert_eq!(among("auto").unwrap(), auto, "{devices:?}");
            assert_eq!(among("cpu").unwrap(), None);
            for (text, expected) in [("gpu", gpu), ("cuda", cuda)] {
                match expected {
                    Some(_) => assert_eq!(among(text).unwrap(), expected, "{text} of {devices:?}"),
                    None => {
                        let error = among(text).unwrap_err().to_string();
                        let start = format!("--device {text}: no GPU with ");
                        assert!(error.starts_with(&start) && error.contains(" was found; dcgan devices"), "{error}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_number_names_any_device() {
        let found = found(&[(Gpu, 0, Discrete), (Gpu, 1, Software), (Cuda, 0, Discrete)]);
        let among = |text: &str| choice(text).among(&found, &Api::ALL);
        assert_eq!([among("gpu:0"), among("gpu:1"), among("cuda:0")].map(Result::unwrap), [Some(0), Some(1), Some(2)]);
        assert_eq!(found[1].argument(), "gpu:1");
        for text in ["gpu:2", "cuda:1"] {
            let error = among(text).unwrap_err().to_string();
            assert!(error.contains(&format!("--device {text}: there is no such device")), "{error}");
        }
    }

    #[test]
    fn what_is_not_built_in_can_be_built() {
        let found = found(&[(Gpu, 0, Discrete)]);
        for (text, feature) in [("gpu", "gpu"), ("gpu:0", "gpu"), ("cuda", "cuda"), ("cuda:1", "cuda")] {
            let error = choice(text).among(&[], &[]).unwrap_err().to_string();
            assert!(error.contains(&format!("--device {text}: this program was built without ")), "{error}");
            assert!(error.ends_with(&format!("--features {feature}")), "{error}");
        }
        assert_eq!(choice("gpu").among(&found, &[Gpu]).unwrap(), Some(0));
        assert!(
            choice("cuda")
                .among(&found, &[Gpu])
                .unwrap_err()
                .to_string()
                .contains("without NVIDIA's GPUs through CUDA")
        );
    }

    #[test]
    fn the_reason_names_what_there_is() {
        assert_eq!(why_cpu(&[]), "no GPU was found");
        assert_eq!(why_cpu(&found(&[(Gpu, 0, Software)])), "no GPU was found, only gpu:0 (software, no GPU)");
        assert_eq!(found(&[(Gpu, 1, Discrete)])[0].to_string(), "GPU 1, Card, Vulkan, 1.2");
    }
}
