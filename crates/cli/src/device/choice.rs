//! Selecting the device that `--device` means from a list of devices. Nothing is opened here.

use crate::usage::UsageError;
use dcgan_settings::{DeviceChoice, GpuApi};
use std::fmt;

/// Kind of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(feature = "engine-gpu"), allow(dead_code, reason = "without a GPU engine none is found"))]
pub(crate) enum Kind {
    /// A graphics card with its own memory.
    Discrete,
    /// A GPU in the processor.
    Integrated,
    /// A virtual GPU, such as a part of a GPU that a virtual machine was given.
    Virtual,
    /// A GPU that is emulated in software.
    Software,
    /// A device whose kind the driver does not tell.
    Other,
}

/// Description of a device of the GPU engine.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(not(feature = "engine-gpu"), allow(dead_code, reason = "without a GPU engine none is found"))]
pub(crate) struct DeviceInfo {
    pub(crate) api: GpuApi,
    /// Number among the devices of its interface.
    pub(crate) index: usize,
    pub(crate) kind: Kind,
    pub(crate) name: String,
    /// Graphics API and driver.
    pub(crate) driver: String,
}

/// The place of a rank among those of its machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LocalRank {
    pub(crate) number: usize,
    /// Number of ranks on the machine.
    pub(crate) count: usize,
}

impl LocalRank {
    /// The only rank of its machine, or a process that is none of several ranks.
    pub(crate) const ALONE: Self = Self { number: 0, count: 1 };
}

/// Returns the index in `devices` of the device that `choice` means; `None` is the CPU. `built_in` are the interfaces
/// that this program can use.
///
/// Of several ranks on a machine each takes another GPU, of those that are of the best one's kind. A numbered device is
/// the same for all of them.
///
/// # Errors
/// If the program was built without the interface, there is no such device, or there are fewer GPUs than ranks.
pub(crate) fn select(
    choice: DeviceChoice,
    devices: &[DeviceInfo],
    built_in: &[GpuApi],
    local: LocalRank,
) -> Result<Option<usize>, UsageError> {
    let (api, number) = match choice {
        DeviceChoice::Cpu => return Ok(None),
        DeviceChoice::Auto => {
            let best = best(devices, |device| device.kind.rank() <= Kind::Integrated.rank());
            return best.map(|best| of_rank(choice, devices, best, local)).transpose();
        }
        DeviceChoice::Gpu(api, number) => (api, number),
    };
    if !built_in.contains(&api) {
        return Err(UsageError::new(format_args!(
            "--device {choice}: this program was built without {}; build it with: {}",
            devices_of(api),
            install_command(api)
        )));
    }
    let index = match number {
        Some(number) => devices.iter().position(|device| (device.api, device.index) == (api, number)),
        None => best(devices, |device| device.api == api && device.kind != Kind::Software),
    };
    let nothing = match (number, api) {
        (Some(_), _) => "there is no such device",
        (None, GpuApi::Wgpu) => "no GPU with a driver for Vulkan, Metal or DirectX 12 was found",
        (None, GpuApi::Cuda) => "no GPU with NVIDIA's driver was found",
    };
    let error = || UsageError::new(format_args!("--device {choice}: {nothing}; dcgan devices lists what there is"));
    let index = index.ok_or_else(error)?;
    if number.is_some() { Ok(Some(index)) } else { of_rank(choice, devices, index, local).map(Some) }
}

/// Returns the index of the GPU of this rank: of those like `best`, the one with the rank's number.
fn of_rank(choice: DeviceChoice, devices: &[DeviceInfo], best: usize, local: LocalRank) -> Result<usize, UsageError> {
    let like_best = |device: &DeviceInfo| (device.api, device.kind) == (devices[best].api, devices[best].kind);
    let alike: Vec<usize> = (0..devices.len()).filter(|&place| like_best(&devices[place])).collect();
    if alike.len() >= local.count {
        return Ok(alike[local.number]);
    }
    Err(UsageError::new(format_args!(
        "--device {choice}: {} ranks on this machine need as many GPUs of one kind, and it has {}: start fewer ranks, \
         add --device {} to let all of them use that one, or --device cpu",
        local.count,
        alike.len(),
        devices[best].argument()
    )))
}

/// Returns the index of the best device that is `eligible`: a graphics card before other kinds, CUDA before the same
/// card through another interface, then the first.
fn best(found: &[DeviceInfo], eligible: impl Fn(&DeviceInfo) -> bool) -> Option<usize> {
    let places = (0..found.len()).filter(|&place| eligible(&found[place]));
    places.min_by_key(|&place| (found[place].kind.rank(), found[place].api != GpuApi::Cuda))
}

/// Returns why `auto` is the CPU.
pub(crate) fn why_cpu(found: &[DeviceInfo]) -> String {
    match found.first() {
        None => "no GPU was found".to_owned(),
        Some(first) => format!("no GPU was found, only {} ({})", first.argument(), first.kind),
    }
}

impl DeviceInfo {
    /// Returns the value for `--device`.
    pub(crate) fn argument(&self) -> String {
        DeviceChoice::Gpu(self.api, Some(self.index)).to_string()
    }
}

impl fmt::Display for DeviceInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { api, index, name, driver, .. } = self;
        write!(f, "{} {index}, {name}, {driver}", api.to_string().to_uppercase())
    }
}

/// Returns the interfaces that this program was built with.
pub(crate) fn built_in() -> Vec<GpuApi> {
    let has = |api: &GpuApi| match api {
        GpuApi::Wgpu => cfg!(feature = "gpu"),
        GpuApi::Cuda => cfg!(feature = "cuda"),
    };
    GpuApi::ALL.into_iter().filter(has).collect()
}

/// Returns the name of an interface's devices for messages.
pub(crate) fn devices_of(api: GpuApi) -> &'static str {
    match api {
        GpuApi::Wgpu => "GPUs through Vulkan, Metal or DirectX 12",
        GpuApi::Cuda => "NVIDIA's GPUs through CUDA",
    }
}

/// Returns the command that installs a program with support for an interface.
pub(crate) fn install_command(api: GpuApi) -> String {
    format!("cargo install --path crates/cli --features {api}")
}

impl Kind {
    /// Returns the rank of the kind; lower is better.
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

#[cfg(test)]
mod tests {
    use super::*;
    use GpuApi::{Cuda, Wgpu as Gpu};
    use Kind::{Discrete, Integrated, Other, Software, Virtual};

    fn found(devices: &[(GpuApi, usize, Kind)]) -> Vec<DeviceInfo> {
        let device = |&(api, index, kind)| DeviceInfo {
            api,
            index,
            kind,
            name: "Card".to_owned(),
            driver: "Vulkan, 1.2".to_owned(),
        };
        devices.iter().map(device).collect()
    }

    fn choice(text: &str) -> DeviceChoice {
        text.parse().unwrap()
    }

    /// What `auto`, `gpu` and `cuda` mean, as places in the list.
    #[test]
    fn the_best_device_is_chosen() {
        type Devices<'a> = &'a [(GpuApi, usize, Kind)];
        let table: [(Devices<'_>, [Option<usize>; 3]); 10] = [
            (&[], [None, None, None]),
            (&[(Gpu, 0, Discrete)], [Some(0), Some(0), None]),
            (&[(Gpu, 0, Integrated), (Gpu, 1, Discrete)], [Some(1), Some(1), None]),
            (&[(Gpu, 0, Discrete), (Gpu, 1, Discrete)], [Some(0), Some(0), None]),
            (&[(Gpu, 0, Software), (Gpu, 1, Integrated)], [Some(1), Some(1), None]),
            // The same card through two interfaces.
            (&[(Gpu, 0, Discrete), (Cuda, 0, Discrete)], [Some(1), Some(0), Some(1)]),
            // A better kind is preferred to CUDA.
            (&[(Gpu, 0, Discrete), (Cuda, 0, Integrated)], [Some(0), Some(0), Some(1)]),
            // Software is not chosen by `auto`.
            (&[(Gpu, 0, Software)], [None, None, None]),
            (&[(Gpu, 0, Virtual), (Gpu, 1, Software)], [None, Some(0), None]),
            (&[(Gpu, 0, Software), (Gpu, 1, Other)], [None, Some(1), None]),
        ];
        for (devices, [auto, gpu, cuda]) in table {
            let found = found(devices);
            let among = |text: &str| select(choice(text), &found, &GpuApi::ALL, LocalRank::ALONE);
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
        let among = |text: &str| select(choice(text), &found, &GpuApi::ALL, LocalRank::ALONE);
        assert_eq!([among("gpu:0"), among("gpu:1"), among("cuda:0")].map(Result::unwrap), [Some(0), Some(1), Some(2)]);
        assert_eq!(found[1].argument(), "gpu:1");
        for text in ["gpu:2", "cuda:1"] {
            let error = among(text).unwrap_err().to_string();
            assert!(error.contains(&format!("--device {text}: there is no such device")), "{error}");
        }
    }

    /// Of the ranks on a machine each takes a GPU of the best one's kind, or all take one that is named.
    #[test]
    fn every_rank_takes_a_gpu_of_its_own() {
        let found = found(&[(Gpu, 0, Integrated), (Gpu, 1, Discrete), (Gpu, 2, Software), (Gpu, 3, Discrete)]);
        let of_ranks = |text: &str, count: usize| {
            let of_rank = |number| select(choice(text), &found, &GpuApi::ALL, LocalRank { number, count });
            (0..count).map(of_rank).collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())
        };
        assert_eq!(of_ranks("gpu", 2), Ok(vec![Some(1), Some(3)]));
        assert_eq!(of_ranks("auto", 2), Ok(vec![Some(1), Some(3)]));
        assert_eq!(of_ranks("gpu:2", 3), Ok(vec![Some(2); 3]));
        assert_eq!(of_ranks("cpu", 3), Ok(vec![None; 3]));
        for text in ["gpu", "auto"] {
            let error = of_ranks(text, 3).unwrap_err();
            let start =
                format!("--device {text}: 3 ranks on this machine need as many GPUs of one kind, and it has 2: ");
            assert!(error.starts_with(&start) && error.contains("--device gpu:1 to let all"), "{error}");
        }
        // Without a GPU, `auto` is the CPU, whatever the ranks.
        assert_eq!(select(choice("auto"), &[], &GpuApi::ALL, LocalRank { number: 1, count: 2 }).unwrap(), None);
    }

    #[test]
    fn what_is_not_built_in_can_be_built() {
        let select = |choice, devices, built_in| select(choice, devices, built_in, LocalRank::ALONE);
        let found = found(&[(Gpu, 0, Discrete)]);
        for (text, feature) in [("gpu", "gpu"), ("gpu:0", "gpu"), ("cuda", "cuda"), ("cuda:1", "cuda")] {
            let error = select(choice(text), &[] as &[DeviceInfo], &[] as &[GpuApi]).unwrap_err().to_string();
            assert!(error.contains(&format!("--device {text}: this program was built without ")), "{error}");
            assert!(error.ends_with(&format!("--features {feature}")), "{error}");
        }
        assert_eq!(select(choice("gpu"), &found, &[Gpu]).unwrap(), Some(0));
        assert!(
            select(choice("cuda"), &found, &[Gpu])
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
