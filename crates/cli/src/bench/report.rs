//! What was measured, for people and as JSON.

use super::Timings;
use super::table::Table;
use crate::device::Device;
use crate::report::CANNOT_PRINT;
use crate::text::{mebibytes, thousands};
use anyhow::Context;
use dcgan_engine_cpu::Cpu;
use dcgan_model::ModelConfig;
use dcgan_train::TrainConfig;
use serde::Serialize;
use std::io::{self, Write};
use std::time::Duration;

/// One measurement, in JSON under these names.
#[derive(Debug, Serialize)]
pub(super) struct BenchResult {
    version: &'static str,
    device: String,
    /// The processor's, as everything here that may be missing and is no part of the task.
    #[serde(skip_serializing_if = "Option::is_none")]
    isa: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    threads: Option<usize>,
    model: ModelConfig,
    batch_size: usize,
    /// A training step, or a batch of faces.
    ms_per_step: Spread,
    /// A single face.
    #[serde(skip_serializing_if = "Option::is_none")]
    ms_per_face: Option<Spread>,
    images_per_second: f64,
    /// Arithmetic of direct convolution (two operations a multiply-add) done in a second, by whatever algorithm.
    direct_gflops: f64,
    /// The most this machine could do.
    #[serde(skip_serializing_if = "Option::is_none")]
    fma_peak_gflops: Option<f64>,
    /// Time of a step, of the time that direct convolution at the FMA peak would take.
    #[serde(skip_serializing_if = "Option::is_none")]
    fraction_of_direct_peak_time: Option<f64>,
    /// Planned by the engine.
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_mib: Option<f64>,
    /// The most the process has had, where the system tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    peak_rss_mib: Option<f64>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    ranks: Option<RanksReport>,
    /// Where the time goes.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    table: Option<Table>,
    #[serde(skip)]
    steps: usize,
}

/// Training on several ranks.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
struct RanksReport {
    ranks: usize,
    shards: usize,
    /// Of a step, in which nothing was done but to communicate or to wait for other ranks.
    communication_ms: f64,
    /// Of a step, in communication beside the computation, waiting for other ranks included.
    communication_beside_ms: f64,
    communication_calls: f64,
    /// A step of rank 0 alone, with the whole batch.
    ms_per_step_of_one_rank: f64,
    /// Of the speed of one rank, how much each of these has.
    efficiency: f64,
}

/// Milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
struct Spread {
    min: f64,
    median: f64,
    max: f64,
}

const MIB: f64 = (1 << 20) as f64;

impl BenchResult {
    /// `peak` in operations per second, of the processor.
    pub(super) fn new(device: &Device, peak: Option<f64>, config: &TrainConfig, measured: &Timings) -> Self {
        let TrainConfig { model, batch_size, .. } = *config;
        let step = Spread::of(&measured.steps);
        let seconds = step.median / 1e3;
        let operations = 2.0 * measured.direct as f64 * batch_size as f64;
        Self {
            version: env!("CARGO_PKG_VERSION"),
            device: device.name(),
            isa: device.cpu().map(|cpu| cpu.isa().name()),
            threads: device.cpu().map(Cpu::threads),
            model,
            batch_size,
            ms_per_step: step,
            ms_per_face: measured.faces.as_deref().map(Spread::of),
            images_per_second: config.pictures_per_step() as f64 / seconds,
            direct_gflops: operations / seconds / 1e9,
            fma_peak_gflops: peak.map(|peak| peak / 1e9),
            fraction_of_direct_peak_time: peak.map(|peak| seconds * peak / operations),
            memory_mib: measured.memory.map(|bytes| bytes as f64 / MIB),
            peak_rss_mib: peak_rss().map(|bytes| bytes as f64 / MIB),
            ranks: measured.ranks.map(|ranks| {
                let times = [ranks.waiting, ranks.beside, ranks.alone];
                let [communication_ms, communication_beside_ms, alone] = times.map(|time| 1e3 * time.as_secs_f64());
                RanksReport {
                    ranks: ranks.count,
                    shards: ranks.shards,
                    communication_ms,
                    communication_beside_ms,
                    communication_calls: ranks.calls,
                    ms_per_step_of_one_rank: alone,
                    efficiency: alone / (ranks.count as f64 * step.median),
                }
            }),
            table: None,
            steps: measured.steps.len(),
        }
    }

    /// Adds the convolutions' times, if they are the processor's.
    pub(super) fn with_layers(self, measured: &Timings) -> Self {
        let table = self.fma_peak_gflops.map(|peak| Table::new(&self.model, 1e9 * peak, measured));
        Self { table, ..self }
    }

    pub(super) fn print(&self, task: &str, json: bool) -> anyhow::Result<()> {
        self.try_print(task, json).context(CANNOT_PRINT)
    }

    fn try_print(&self, task: &str, json: bool) -> io::Result<()> {
        let mut out = io::BufWriter::new(io::stdout().lock());
        if json {
            serde_json::to_writer(&mut out, self)?;
            writeln!(out)?;
        } else {
            self.write_text(&mut out, task)?;
        }
        out.flush()
    }

    /// Writes the result as lines for the terminal, each with its heading.
    fn write_text(&self, out: &mut impl Write, task: &str) -> io::Result<()> {
        let Self { version, device, isa, threads, model, batch_size, .. } = self;
        let ModelConfig { image_size: size, channels, base_channels_g: base_channels, .. } = model;
        let device = match (isa, threads) {
            (Some(isa), Some(threads)) => format!("{isa}, {threads} threads"),
            _ => device.clone(),
        };
        writeln!(
            out,
            "dcgan {version}, {device}: {task}, {batch_size} pictures of {channels} × {size} × {size} at a time, \
             base channels {base_channels}"
        )?;
        let step = self.ms_per_step;
        writeln!(out, "step      {step}, of {}", self.steps)?;
        writeln!(out, "speed     {} images/s", thousands(self.images_per_second.round() as usize))?;
        if let Some(ranks) = self.ranks {
            let RanksReport { ranks: count, shards, communication_ms: waiting, .. } = ranks;
            let [beside, calls] = [ranks.communication_beside_ms, ranks.communication_calls];
            writeln!(
                out,
                "ranks     {count}, {shards} shards: {waiting:.1} ms of a step in communication, and {beside:.1} ms \
                 beside the computation, in {calls:.0} calls"
            )?;
            writeln!(
                out,
                "          {:.2} of the speed of one rank each (one rank alone: {:.1} ms a step)",
                ranks.efficiency, ranks.ms_per_step_of_one_rank
            )?;
        }
        if let Some(face) = self.ms_per_face {
            writeln!(out, "one face  {face}")?;
        }
        match self.fraction_of_direct_peak_time.zip(self.fma_peak_gflops) {
            Some((fraction, peak)) => writeln!(
                out,
                "rate      {fraction:.2} of the time of direct convolution at the machine's FMA peak ({peak:.0} \
                 GFLOP/s)"
            )?,
            None => writeln!(out, "rate      that of direct convolution at {:.1} GFLOP/s", self.direct_gflops)?,
        }
        let bytes = |mib: f64| mebibytes((mib * MIB) as usize);
        let planned = self.memory_mib.map(|mib| format!("{} for the engine", bytes(mib)));
        let peak = self.peak_rss_mib.map(|mib| format!("{} at most in the whole process", bytes(mib)));
        let memory: Vec<String> = planned.into_iter().chain(peak).collect();
        if !memory.is_empty() {
            writeln!(out, "memory    {}", memory.join(", "))?;
        }
        if let Some(table) = &self.table {
            table.write(out)?;
        }
        Ok(())
    }
}

impl Spread {
    /// Of at least one time; the median of an even number is the mean of the two in the middle.
    fn of(times: &[Duration]) -> Self {
        let mut ms: Vec<f64> = times.iter().map(|time| 1e3 * time.as_secs_f64()).collect();
        ms.sort_by(f64::total_cmp);
        let middle = ms.len() / 2;
        let median = if ms.len() % 2 == 1 { ms[middle] } else { (ms[middle - 1] + ms[middle]) / 2.0 };
        Self { min: ms[0], median, max: ms[ms.len() - 1] }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let digits = if self.median >= 100.0 { 0 } else { 2 };
        let Self { min, median, max } = self;
        write!(f, "{median:.digits$} ms (median; {min:.digits$} to {max:.digits$})")
    }
}

/// The most memory this process has had resident, in bytes, as Linux tells it.
fn peak_rss() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.trim().strip_suffix(" kB")?;
    Some(kib.parse::<usize>().ok()? << 10)
}

#[cfg(test)]
mod tests {
    use super::super::RanksTiming;
    use super::*;
    use dcgan_engine_cpu::Isa;

    #[test]
    fn a_spread_is_of_sorted_times() {
        let of = |ms: &[u64]| Spread::of(&ms.iter().map(|&ms| Duration::from_millis(ms)).collect::<Vec<_>>());
        assert_eq!(of(&[9]), Spread { min: 9.0, median: 9.0, max: 9.0 });
        assert_eq!(of(&[30, 10, 20]), Spread { min: 10.0, median: 20.0, max: 30.0 });
        assert_eq!(of(&[4, 1, 3, 2]), Spread { min: 1.0, median: 2.5, max: 4.0 });
    }

    #[test]
    fn rates_follow_from_time_and_work() {
        let second = Duration::from_secs(1);
        let measured = Timings {
            steps: vec![second / 2; 3],
            faces: Some(vec![second]),
            direct: 25_000_000,
            memory: Some(3 << 20),
            layers: Vec::new(),
            ranks: None,
        };
        let device = Device::Cpu(Cpu::new(Isa::PORTABLE, 2).unwrap());
        let config = TrainConfig { batch_size: 100, ..TrainConfig::default() };
        let report = BenchResult::new(&device, Some(20e9), &config, &measured);
        assert_eq!(report.images_per_second, 200.0);
        // 100 pictures of 25 M multiply-adds are 5 GFLOP, done in half a second; at the peak a quarter would do.
        assert_eq!((report.direct_gflops, report.fma_peak_gflops), (10.0, Some(20.0)));
        assert_eq!(report.fraction_of_direct_peak_time, Some(2.0));
        assert_eq!(report.memory_mib, Some(3.0));
        // Two ranks that are no faster than one have half of its speed each.
        let (waiting, beside, alone) = (second / 4, second / 8, second / 2);
        let ranks = RanksTiming { count: 2, shards: 2, waiting, beside, calls: 40.0, alone };
        let report = BenchResult::new(&device, None, &config, &Timings { ranks: Some(ranks), ..measured });
        let ranks = report.ranks.unwrap();
        assert_eq!((ranks.efficiency, ranks.ms_per_step_of_one_rank), (0.5, 500.0));
        assert_eq!((ranks.communication_ms, ranks.communication_beside_ms), (250.0, 125.0));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn linux_tells_the_peak_of_memory() {
        let before = peak_rss().unwrap();
        std::hint::black_box(vec![1u8; before]);
        assert!(peak_rss().unwrap() > before);
    }
}
