//! Ctrl-C and SIGTERM: the first asks a training to stop at its next step, the second ends the program at once.

use crate::progress::say;
use anyhow::{Context, Result};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Exit status of a program that was stopped: 128 and the number of SIGINT, as shells have it.
pub(crate) const INTERRUPTED: u8 = 130;

/// How soon the user is told that Ctrl-C was heard.
const TELL_WITHIN: Duration = Duration::from_millis(100);

/// The command was told to stop and has saved what it had; the message says how to go on. The program then ends with status [`INTERRUPTED`].
#[derive(Debug)]
pub(crate) struct Interrupted(pub(crate) String);

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Interrupted {}

/// From now on, the first signal sets the flag that is returned.
pub(crate) fn listen() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order: the first signal must find the flag unset when it asks whether it is the second.
        flag::register_conditional_shutdown(signal, INTERRUPTED.into(), Arc::clone(&stop))
            .and_then(|_| flag::register(signal, Arc::clone(&stop)))
            .context("cannot listen for Ctrl-C")?;
    }
    let heard = Arc::clone(&stop);
    // A step of a large network can take a minute, and silence looks like a hang.
    thread::spawn(move || {
        while !heard.load(Ordering::Relaxed) {
            thread::sleep(TELL_WITHIN);
        }
        say("stopping: the step under way is finished and saved; Ctrl-C again leaves at once");
    });
    Ok(stop)
}
