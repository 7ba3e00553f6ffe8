//! The ranks of a training on several machines: processes that `mpirun` starts, and that share the shards of each
//! batch.

#[cfg(feature = "mpi")]
mod mpi;
#[cfg(not(feature = "mpi"))]
#[path = "ranks/no_mpi.rs"]
mod mpi;

use crate::device::{Device, LocalRank};
use crate::exit::{self, AlreadyReported, FAILED, Interruption};
use crate::progress;
use crate::rank_name::{self, prefix};
use crate::text;
use crate::usage::UsageError;
use anyhow::{Result, anyhow};
use dcgan_model::EngineError;
use dcgan_settings::{Difference, Settings, TrainOptions};
use dcgan_train::{Fact, Ranks, RanksError};
use std::fmt;
use std::io::Write;

/// Settings that may differ from rank to rank: where pictures are, what to compute with, and what rank 0 alone writes.
const OF_A_RANK: [&str; 10] =
    ["cache", "cache-escaped", "data", "data-escaped", "device", "keep", "keep-every", "no-cache", "strict", "threads"];

/// The environment variable that says how many seconds a rank may be silent before the others give it up.
const RANK_TIMEOUT: &str = "DCGAN_RANK_TIMEOUT";
/// A rank sends a sign of life every second, whatever it computes.
const SECONDS_OF_SILENCE: u32 = 60;

/// Ranks, for as long as they train.
pub(crate) struct Session {
    pub(crate) ranks: Ranks,
    /// This rank's place among those of its machine.
    pub(crate) local: LocalRank,
    _watch: Option<mpi::Watch>,
    /// Ends MPI when it is dropped.
    _mpi: mpi::Mpi,
}

/// Joins the other ranks, if a launcher such as `mpirun` has started several. Ranks other than 0 are quiet from then
/// on, and whatever ends one of them ends all.
///
/// # Errors
/// If there are other ranks and this program was built without MPI.
pub(crate) fn join() -> Result<Option<Session>> {
    let Some((mpi, transport)) = mpi::join(launched(|name| std::env::var(name).ok()))? else { return Ok(None) };
    let ranks = Ranks::new(transport);
    if ranks.count() == 1 {
        return Ok(None);
    }
    rank_name::set(ranks.rank(), mpi::machine());
    if !ranks.is_root() {
        progress::be_quiet();
    }
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        usual(panic);
        if !dcgan_data::decode::catches_panics() {
            let _ = writeln!(std::io::stderr(), "error: {}has panicked: all ranks are ended", prefix());
            dcgan_files::remove_unfinished();
            mpi::abort(FAILED.into());
        }
    }));
    let machines = ranks.gather_texts(&mpi::machine())?;
    let local = local_rank(&machines, ranks.rank());
    let _watch = match seconds_of_silence(std::env::var(RANK_TIMEOUT).ok())? {
        0 => None,
        seconds => mpi::watch(seconds, move |silent| {
            let machine = text::printable(machines.get(silent).map_or("", String::as_str));
            let _ = writeln!(
                std::io::stderr(),
                "error: {}rank {silent} on {machine} has been silent for {seconds} seconds: all ranks are ended. \
                 {RANK_TIMEOUT} sets how long to wait, 0 for ever",
                prefix()
            );
            dcgan_files::remove_unfinished();
            mpi::abort(FAILED.into());
        }),
    };
    Ok(Some(Session { ranks, local, _watch, _mpi: mpi }))
}

/// Returns the place of `rank` among the ranks of its machine, from the names of all ranks' machines.
fn local_rank(machines: &[String], rank: usize) -> LocalRank {
    let here = |ranks: &[String]| ranks.iter().filter(|machine| **machine == machines[rank]).count();
    LocalRank { number: here(&machines[..rank]), count: here(machines) }
}

/// Returns how many seconds a rank may be silent, from the value of [`RANK_TIMEOUT`].
fn seconds_of_silence(value: Option<String>) -> Result<u32> {
    let Some(value) = value else { return Ok(SECONDS_OF_SILENCE) };
    let parsed = value.trim().parse();
    parsed.map_err(|_| {
        let message = format_args!("{RANK_TIMEOUT}={}: give a whole number of seconds", text::printable(&value));
        UsageError::new(message).into()
    })
}

/// Runs a command with the ranks that were joined. An error of this rank alone ends all ranks, because the others would
/// wait for it; an interruption and what all ranks have found come to all of them.
pub(crate) fn with_others(joined: Option<Session>, command: impl FnOnce(Option<&Session>) -> Result<()>) -> Result<()> {
    let result = command(joined.as_ref());
    match (&joined, &result) {
        (Some(_), Err(error)) if !(error.is::<Interruption>() || error.is::<AlreadyReported>()) => {
            let status = exit::report_error(error);
            dcgan_files::remove_unfinished();
            // Does not return, so MPI is not ended in good order, for which it would wait.
            mpi::abort(status.into());
            result
        }
        _ => result,
    }
}

/// How this process was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Launch {
    /// By hand, alone.
    Alone,
    /// By a launcher such as `mpirun`, as one of this many ranks.
    Ranks(usize),
}

/// Finds out from the environment, which `variable` reads.
fn launched(variable: impl Fn(&str) -> Option<String>) -> Launch {
    let number = |name: &str| variable(name).and_then(|value| value.parse::<usize>().ok());
    if let Some(size) = number("OMPI_COMM_WORLD_SIZE").or_else(|| number("PMI_SIZE")) {
        return Launch::Ranks(size);
    }
    match number("PMIX_RANK") {
        // PMIx itself tells no size; Slurm does, and rank 1 is not alone.
        Some(rank) => Launch::Ranks(number("SLURM_STEP_NUM_TASKS").unwrap_or(1).max(rank + 1)),
        None => Launch::Alone,
    }
}

impl Session {
    /// Checks that all ranks are of the same version, and compute with the same instruction set or the same kind of
    /// GPU.
    ///
    /// # Errors
    /// [`AlreadyReported`] if a rank differs from rank 0.
    pub(crate) fn check_device(&self, device: &Device) -> Result<()> {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let isa = device.cpu().map_or("none", |cpu| cpu.isa().name()).to_owned();
        let alike = "all ranks need GPUs of the same name and driver, or --device cpu";
        let choose = "choose one that all machines have with DCGAN_ISA, such as mpirun -x DCGAN_ISA=avx2";
        self.report(self.ranks.check_same(&[
            Fact { what: "version", value: version, advice: "install the same program on all machines" },
            Fact { what: "device", value: device.name(), advice: alike },
            Fact { what: "instruction set", value: isa, advice: choose },
        ]))
    }

    /// Checks that all ranks have the same settings but for where their pictures are and what they compute with, beside
    /// [`Session::check_device`].
    ///
    /// # Errors
    /// [`AlreadyReported`] if a rank differs from rank 0, or there are more ranks than shards.
    pub(crate) fn check_same(&self, device: &Device, settings: &Settings) -> Result<()> {
        self.check_device(device)?;
        let of_text = |text: &String| {
            let options = TrainOptions::from_toml(text).map_err(|error| anyhow!("settings of a rank: {error}"))?;
            Ok(options.resolve()?)
        };
        let all = self.ranks.gather_texts(&settings.to_toml())?.iter().map(of_text).collect::<Result<Vec<_>>>()?;
        for (rank, other) in all.iter().enumerate() {
            let differs = |difference: &Difference| !OF_A_RANK.contains(&&*difference.key);
            if let Some(Difference { key, before, now }) = other.differences(&all[0]).into_iter().find(differs) {
                let text = |value: Option<String>| value.unwrap_or_else(|| "not set".to_owned());
                let (what, here, there) = (format!("setting {key}"), text(before), text(now));
                let advice = "start all ranks with the same options";
                return self.report(Err(RanksError::Different { rank, what, there, here, advice }));
            }
        }
        let (shards, ranks) = (settings.train.shards, self.ranks.count());
        if shards < ranks {
            return self.all_have_found(&EngineError::Shards { shards, ranks });
        }
        Ok(())
    }

    /// Checks that all ranks have the same pictures.
    ///
    /// # Errors
    /// [`AlreadyReported`] if a rank differs from rank 0.
    pub(crate) fn check_pictures(&self, fingerprint: &str) -> Result<()> {
        let advice = "give all ranks the same pictures, or let rank 0 send its own with --data-from root";
        self.report(self.ranks.check_same(&[Fact { what: "pictures", value: fingerprint.to_owned(), advice }]))
    }

    /// Lets rank 0 print a difference between ranks, which every rank has found.
    fn report(&self, result: Result<(), RanksError>) -> Result<()> {
        match result {
            Err(error @ RanksError::Different { .. }) => self.all_have_found(&error),
            other => Ok(other?),
        }
    }

    /// Ends all ranks for a reason that every one of them has found.
    fn all_have_found(&self, error: &impl fmt::Display) -> Result<()> {
        if self.ranks.is_root() {
            let _ = writeln!(std::io::stderr(), "error: {}", text::printable(&error.to_string()));
        }
        // The launcher ends all ranks as soon as one has failed: not before rank 0 has printed.
        self.ranks.of_root(true)?;
        Err(AlreadyReported.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_counted_on_each_machine() {
        let machines = ["a", "b", "a", "a", "b"].map(str::to_owned);
        let of_all = [0, 1, 2, 3, 4].map(|rank| local_rank(&machines, rank));
        let expected = [(0, 3), (0, 2), (1, 3), (2, 3), (1, 2)];
        assert_eq!(of_all, expected.map(|(number, count)| LocalRank { number, count }));
    }

    #[test]
    fn launchers_are_known_by_their_variables() {
        let of = |variables: &[(&str, &str)]| {
            launched(|name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
        };
        assert_eq!(of(&[]), Launch::Alone);
        assert_eq!(of(&[("OMPI_COMM_WORLD_SIZE", "4")]), Launch::Ranks(4));
        assert_eq!(of(&[("PMI_SIZE", "1")]), Launch::Ranks(1));
        assert_eq!(of(&[("PMIX_RANK", "2")]), Launch::Ranks(3));
        assert_eq!(of(&[("PMIX_RANK", "0"), ("SLURM_STEP_NUM_TASKS", "2")]), Launch::Ranks(2));
        assert_eq!(of(&[("PMI_SIZE", "many")]), Launch::Alone);
    }
}
