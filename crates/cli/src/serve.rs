//! `dcgan serve`: the page that shows runs and explores generators, and `dcgan train --serve`.

use crate::interrupt;
use crate::progress::say;
use crate::threads::{self, ThreadArgs};
use crate::usage::UsageError;
use crate::{hint::Hint, model_file};
use anyhow::{Result, bail};
use dcgan_engine_cpu::Cpu;
use dcgan_serve::{Options, ServeError, Service};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// The port of the page.
const PORT: u16 = 7860;

/// Arguments of `dcgan serve`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A folder of runs, or a run's folder [default: runs]
    #[arg(value_name = "RUNS")]
    runs: Option<PathBuf>,
    /// Address or name to listen on. Others than this machine reach the page by another one, such as 0.0.0.0, and need
    /// the token that is then printed
    #[arg(long, value_name = "HOST", default_value = "127.0.0.1")]
    host: String,
    /// Port to listen on; 0 is any that is free
    #[arg(long, value_name = "PORT", default_value_t = PORT)]
    port: u16,
    /// A model file or a run's folder to draw with; without RUNS, no runs are shown
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Name that requests may have as their Host, beside the address itself: that of a reverse proxy. May be repeated
    #[arg(long, value_name = "NAME")]
    allow_host: Vec<String>,
    #[command(flatten)]
    threads: ThreadArgs,
    /// Takes the files of the page from this folder, for work on the page
    #[arg(long, value_name = "DIR", hide = true)]
    assets: Option<PathBuf>,
}

/// Starts the service, prints its address, and answers until a signal stops it. Without RUNS and `--model` it shows the
/// runs in [`model_file::RUNS`].
pub(crate) fn run(args: Args) -> Result<()> {
    let Args { runs, host, port, model, allow_host, threads, assets } = args;
    if let Some(folder) = runs.as_deref().filter(|folder| !folder.is_dir()) {
        bail!(UsageError::new(format_args!("{folder:?} is no folder: name a folder of runs, or a run's folder")));
    }
    if let Some(file) = model.as_deref().filter(|file| !file.exists()) {
        bail!(UsageError::new(format_args!("--model {file:?}: there is no such file or folder")));
    }
    threads.start()?;
    let cpu = threads::cpu(threads.count())?;
    let default = model.is_none().then(|| PathBuf::from(model_file::RUNS));
    let shown = runs.or(default);
    let options =
        Options { runs: shown.clone(), model, host, port, any_port: false, allowed_hosts: allow_host, assets, cpu };
    let service = Service::bind(options).map_err(explain)?;
    if let Some(folder) = &shown {
        say(&format!("runs      {}", folder.display()));
    }
    say(&format!("page      {}", service.address().url));
    if !service.address().socket.ip().is_loopback() {
        say("note      others can reach the page, with the token in this address; it is not encrypted: see \
             docs/serve.md for a reverse proxy");
    }
    let stop = interrupt::stop_flag("stopping: requests under way are answered; Ctrl-C again leaves at once")?;
    Ok(service.run(&stop)?)
}

/// Says what to do about an address that cannot be had.
fn explain(error: ServeError) -> anyhow::Error {
    let advice = match &error {
        ServeError::Listen { source, .. } if source.kind() == std::io::ErrorKind::AddrInUse => {
            "; another program uses it: choose another with --port, or any that is free with --port 0"
        }
        ServeError::Listen { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => {
            "; ports below 1024 are for the administrator: choose another with --port"
        }
        ServeError::Listen { source, .. } if source.kind() == std::io::ErrorKind::AddrNotAvailable => {
            "; this machine has no such address: choose another with --host"
        }
        _ => return error.into(),
    };
    UsageError::new(format_args!("{error}{advice}")).into()
}

/// The page beside a training. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Page {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Page {
    /// Starts the page for the run in `folder`, on the usual port or another one, and says where it is.
    ///
    /// # Errors
    /// If it cannot listen.
    pub(crate) fn start(folder: &Path, cpu: Cpu) -> Result<Self> {
        let folder = folder.canonicalize()?;
        // With the runs beside it, to compare.
        let runs = folder.parent().map(Path::to_owned);
        let options = Options {
            runs,
            model: None,
            host: "127.0.0.1".to_owned(),
            port: PORT,
            any_port: true,
            allowed_hosts: Vec::new(),
            assets: None,
            cpu,
        };
        let service = Service::bind(options).map_err(explain)?;
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let name = percent_encoding::utf8_percent_encode(&name, percent_encoding::NON_ALPHANUMERIC);
        say(&format!("page      {}#/run/{name}", service.address().url));
        let stop = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("page".to_owned()).spawn(move || {
            if let Err(error) = service.run(&flag) {
                say(&format!("warning   the page has ended: {error}"));
            }
        })?;
        Ok(Self { stop, thread: Some(thread) })
    }

    /// Says how the page can be seen when the training has ended.
    pub(crate) fn say_end(folder: &Path) {
        let runs = folder.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
        say(&format!("The page ends here. See it again with: {}", Hint::new("serve").path(runs)));
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
