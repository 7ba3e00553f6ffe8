//! `--device`.

use serde::Deserialize;
use std::fmt;
use std::str::FromStr;

/// What the networks are to be computed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(try_from = "String")]
pub enum DeviceChoice {
    /// A GPU if there is one.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// A device of this interface: that of this number, or the best.
    Gpu(GpuApi, Option<usize>),
}

/// Programming interface of a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GpuApi {
    /// Vulkan, Metal or DirectX 12, as `gpu`.
    Wgpu,
    /// NVIDIA's CUDA, as `cuda`.
    Cuda,
}

impl GpuApi {
    /// All variants.
    pub const ALL: [Self; 2] = [Self::Wgpu, Self::Cuda];
}

impl fmt::Display for GpuApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Wgpu => "gpu",
            Self::Cuda => "cuda",
        })
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Gpu(api, None) => write!(f, "{api}"),
            Self::Gpu(api, Some(number)) => write!(f, "{api}:{number}"),
        }
    }
}

impl FromStr for DeviceChoice {
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
            ("gpu", _, has_number) if has_number == number.is_some() => Ok(Self::Gpu(GpuApi::Wgpu, number)),
            ("cuda", _, has_number) if has_number == number.is_some() => Ok(Self::Gpu(GpuApi::Cuda, number)),
            _ => Err("choose auto, cpu, gpu, cuda, or one of dcgan devices, such as gpu:0".to_owned()),
        }
    }
}

impl TryFrom<String> for DeviceChoice {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map_err(|message| format!("device \"{text}\": {message}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_read_as_they_are_written() {
        for text in ["auto", "cpu", "gpu", "gpu:0", "gpu:12", "cuda", "cuda:3"] {
            assert_eq!(text.parse::<DeviceChoice>().unwrap().to_string(), text);
        }
        assert_eq!("cuda:3".parse(), Ok(DeviceChoice::Gpu(GpuApi::Cuda, Some(3))));
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
            let error = text.parse::<DeviceChoice>().unwrap_err();
            assert!(error.contains("choose auto, cpu, gpu, cuda"), "{text:?}: {error}");
        }
    }
}
