//! Signals that end the program: Ctrl-C, SIGTERM and, on Unix, SIGHUP of a terminal that was closed or a connection
//! that was lost.
//!
//! A training stops at its next step and saves, and a service answers the requests under way. Both end at once at the
//! second Ctrl-C or SIGTERM. A SIGHUP never counts as the second signal: a shell and the system both send one when a
//! terminal is closed. Every other command ends at once. In both cases temporary files are removed first. `nohup`
//! ignores SIGHUP, and it stays ignored.

use crate::exit::INTERRUPTED;
use crate::progress::say;
use anyhow::{Context, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub(crate) use system::{prepare, stop_flag, watch};

/// Whether further signals are ignored once a training has been asked to stop.
static IS_PATIENT: AtomicBool = AtomicBool::new(false);

/// From now on a second signal does not end a training at once. A launcher of ranks sends SIGTERM after the SIGINT that
/// Ctrl-C sends to all of them, and kills those that take too long itself.
pub(crate) fn be_patient() {
    IS_PATIENT.store(true, Ordering::Relaxed);
}

/// Sets `stop` for a command that saves or finishes something. Tells the user `text`, once: a step of a large network
/// can take a minute, and silence looks like a hang.
fn ask_to_stop(stop: &AtomicBool, text: &'static str) {
    if !stop.swap(true, Ordering::Relaxed) {
        // In a thread, because standard error may be a pipe that nobody reads, and the next signal must still be
        // handled.
        let tell = move || say(text);
        let _ = std::thread::Builder::new().spawn(tell);
    }
}

#[cfg(unix)]
mod system {
    use super::*;
    use dcgan_files::remove_unfinished;
    use signal_hook::consts::{SIGABRT, SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
    use signal_hook::iterator::Signals;
    use signal_hook::{flag, low_level};
    use std::sync::OnceLock;

    /// The flag of the training or service under way, and what is said when it is set.
    static TRAINING: OnceLock<(Arc<AtomicBool>, &'static str)> = OnceLock::new();

    /// Lets the two signals by which the system reports short resources end in an error of this program.
    pub(crate) fn prepare() {
        // Writing beyond the limit of a file's size then returns an error.
        let _ = flag::register(SIGXFSZ, Arc::default());
        // Without memory, the standard library prints a message and aborts.
        let always = Arc::new(AtomicBool::new(true));
        let _ = flag::register_conditional_shutdown(SIGABRT, crate::exit::FAILED.into(), always);
    }

    /// Starts to listen for signals. To be called once, before anything is written.
    ///
    /// # Errors
    /// If the thread that listens cannot be started.
    pub(crate) fn watch() -> Result<()> {
        let mut watched = vec![SIGINT, SIGTERM];
        if !is_hangup_ignored() {
            watched.push(SIGHUP);
        }
        let mut signals = Signals::new(watched).context("cannot listen for Ctrl-C")?;
        std::thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                let mut is_second = false;
                signals.forever().for_each(|signal| {
                    react(signal, is_second);
                    is_second |= TRAINING.get().is_some() && signal != SIGHUP;
                });
            })
            .context(crate::threads::CANNOT_START)?;
        Ok(())
    }

    /// Handles a signal. The first asks a training or service to stop; a second ends the process at once, except for
    /// SIGHUP and while others depend on this rank. Without a training or service, any signal ends the process.
    fn react(signal: i32, is_second: bool) {
        match TRAINING.get() {
            Some((stop, text)) if !is_second || signal == SIGHUP || IS_PATIENT.load(Ordering::Relaxed) => {
                ask_to_stop(stop, text);
            }
            Some(_) => {
                remove_unfinished();
                low_level::exit(INTERRUPTED.into());
            }
            None => {
                remove_unfinished();
                // The parent process sees that a signal ended the program.
                let _ = low_level::emulate_default_handler(signal);
            }
        }
    }

    /// From now on the first signal sets the flag that is returned, and `text` is said.
    pub(crate) fn stop_flag(text: &'static str) -> Result<Arc<AtomicBool>> {
        Ok(Arc::clone(&TRAINING.get_or_init(|| (Arc::default(), text)).0))
    }

    /// Whether whoever started the program wants it to survive the end of the terminal.
    fn is_hangup_ignored() -> bool {
        match std::fs::read_to_string("/proc/self/status") {
            Ok(status) => ignores(&status, SIGHUP),
            // Other systems do not tell. With `nohup` there is no terminal that could be closed.
            Err(_) => {
                use std::io::IsTerminal;
                let [i, o, e] =
                    [std::io::stdin().is_terminal(), std::io::stdout().is_terminal(), std::io::stderr().is_terminal()];
                !(i || o || e)
            }
        }
    }

    /// Whether a signal is ignored, from the text of `/proc/PID/status`.
    fn ignores(status: &str, signal: i32) -> bool {
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn ignored_signals_are_known() {
            let status = "Name:\tdcgan\nSigBlk:\tffffffffffffffff\nSigIgn:\t0000000000001001\nSigCgt:\t00\n";
            assert!(ignores(status, SIGHUP));
            assert!(!ignores(status, SIGINT) && !ignores(status, SIGTERM) && !ignores("", SIGHUP));
        }
    }
}

#[cfg(not(unix))]
mod system {
    use super::*;
    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::flag;
    use std::time::Duration;

    /// How soon the user is told that Ctrl-C was heard.
    const TELL_WITHIN: Duration = Duration::from_millis(100);

    /// Nothing to prepare here.
    pub(crate) fn prepare() {}

    /// Signals end the program here unless a training listens.
    pub(crate) fn watch() -> Result<()> {
        Ok(())
    }

    /// From now on the first signal sets the flag that is returned, and `text` is said; the second one ends the
    /// program.
    pub(crate) fn stop_flag(text: &'static str) -> Result<Arc<AtomicBool>> {
        let heard = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // In this order, so that the first signal finds the flag unset and is not taken for the second.
            flag::register_conditional_shutdown(signal, INTERRUPTED.into(), Arc::clone(&heard))
                .and_then(|_| flag::register(signal, Arc::clone(&heard)))
                .context("cannot listen for Ctrl-C")?;
        }
        let stop = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stop);
        let listen = move || {
            while !heard.load(Ordering::Relaxed) {
                std::thread::sleep(TELL_WITHIN);
            }
            ask_to_stop(&flag, text);
        };
        std::thread::Builder::new().spawn(listen).context(crate::threads::CANNOT_START)?;
        Ok(stop)
    }
}
