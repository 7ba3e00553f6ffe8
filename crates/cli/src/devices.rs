//! `dcgan devices`: the devices that networks can be computed on, with their names for `--device`.

use crate::device::{self, DeviceInfo, LocalRank};
use crate::report;
use crate::usage::UsageError;
use anyhow::Result;
use dcgan_engine_cpu::Isa;
use dcgan_settings::{DeviceChoice, GpuApi};
use serde::Serialize;
use std::io::{self, Write};
use std::thread::available_parallelism;

/// Arguments of `dcgan devices`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The result; JSON has these names.
#[derive(Debug, Serialize)]
struct DeviceList {
    devices: Vec<Device>,
    /// The device that `--device auto` chooses.
    auto: String,
    /// Interfaces of GPUs that this program was built for.
    built_for: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Device {
    /// Value for `--device`.
    device: String,
    kind: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    driver: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instruction_set: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cores: Option<usize>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let isa = Isa::select().map_err(UsageError::new)?;
    let found = device::find();
    let report = DeviceList::new(isa, &found, &device::built_in())?;
    report::print(&report, args.json, |report, out| report.write(out))?;
    Ok(())
}

impl DeviceList {
    /// Makes the list: the CPU first, then the devices `found`. `built_in` are the APIs that this program was built
    /// with.
    fn new(isa: Isa, found: &[DeviceInfo], built_in: &[GpuApi]) -> Result<Self, UsageError> {
        let cpu = Device {
            device: DeviceChoice::Cpu.to_string(),
            kind: "processor".to_owned(),
            name: dcgan_train::processor_name().unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            driver: None,
            instruction_set: Some(isa.name()),
            cores: available_parallelism().ok().map(usize::from),
        };
        let others = found.iter().map(|found| Device {
            device: found.argument(),
            kind: found.kind.to_string(),
            name: found.name.clone(),
            driver: Some(found.driver.clone()),
            instruction_set: None,
            cores: None,
        });
        let auto = device::select(DeviceChoice::Auto, found, built_in, LocalRank::ALONE)?;
        Ok(Self {
            devices: std::iter::once(cpu).chain(others).collect(),
            auto: auto.map_or_else(|| DeviceChoice::Cpu.to_string(), |place| found[place].argument()),
            built_for: built_in.iter().map(ToString::to_string).collect(),
        })
    }

    /// Writes the list as a table for the terminal.
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let row = |device: &Device| {
            let cores = device.cores.map(|cores| format!("{cores} cores"));
            let instruction_set = device.instruction_set.map(ToOwned::to_owned);
            let facts = [Some(device.name.clone()), device.driver.clone(), instruction_set, cores];
            [device.device.clone(), device.kind.clone(), facts.into_iter().flatten().collect::<Vec<_>>().join(", ")]
        };
        let mut rows = vec![["--device", "kind", "name"].map(ToOwned::to_owned)];
        rows.extend(self.devices.iter().map(row));
        let widths = [0, 1].map(|column| rows.iter().map(|row| row[column].len()).max().unwrap_or(0));
        for [device, kind, facts] in &rows {
            writeln!(out, "{device:0$}  {kind:1$}  {facts}", widths[0], widths[1])?;
        }
        writeln!(out, "\n--device auto is {}.", self.auto)?;
        let missing = GpuApi::ALL.into_iter().filter(|api| !self.built_for.contains(&api.to_string()));
        for api in missing {
            writeln!(out, "For {}: {}", device::devices_of(api), device::install_command(api))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Kind;

    fn text(found: &[DeviceInfo], built_in: &[GpuApi]) -> String {
        let mut report = DeviceList::new(Isa::PORTABLE, found, built_in).unwrap();
        report.devices[0].name = "A processor".to_owned();
        report.devices[0].cores = Some(2);
        let mut out = Vec::new();
        report.write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_device_is_a_row() {
        let device = |index, kind, name: &str| DeviceInfo {
            api: GpuApi::Wgpu,
            index,
            kind,
            name: name.to_owned(),
            driver: "Vulkan, 1.2".to_owned(),
        };
        let found = [device(0, Kind::Software, "llvmpipe"), device(1, Kind::Integrated, "Iris")];
        let expected = "\
--device  kind              name
cpu       processor         A processor, portable, 2 cores
gpu:0     software, no GPU  llvmpipe, Vulkan, 1.2
gpu:1     integrated GPU    Iris, Vulkan, 1.2

--device auto is gpu:1.
For NVIDIA's GPUs through CUDA: cargo install --path crates/cli --features cuda
";
        assert_eq!(text(&found, &[GpuApi::Wgpu]), expected);
    }

    #[test]
    fn a_program_without_gpus_says_how_to_have_them() {
        let expected = "\
--device  kind       name
cpu       processor  A processor, portable, 2 cores

--device auto is cpu.
For GPUs through Vulkan, Metal or DirectX 12: cargo install --path crates/cli --features gpu
For NVIDIA's GPUs through CUDA: cargo install --path crates/cli --features cuda
";
        assert_eq!(text(&[], &[]), expected);
        assert!(!text(&[], &GpuApi::ALL).contains("cargo"));
    }
}
