//! Collects the facts about a run from the files in its folder.

use crate::metrics_log::MetricsLog;
use crate::run_list::Run;
use dcgan::{RunFolder, StepMetrics};
use serde::Serialize;
use serde_json::Value;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Largest number of bytes of a JSON or TOML file that is read.
const MAX_TEXT: u64 = 16 << 20;
/// Number of bytes at the end of `metrics.jsonl` that are read for the list of runs.
const END: u64 = 1 << 15;
/// Age of a summary or log at which the files are read again.
const FRESH: Duration = Duration::from_millis(700);

/// State of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// A process is training it.
    Running,
    /// All of its steps are done.
    Finished,
    /// It has steps left and can be resumed.
    Stopped,
}

/// A run in the list of runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Summary {
    pub(crate) id: String,
    pub(crate) state: State,
    /// When its first and its last session started, in UTC.
    pub(crate) created: Option<String>,
    pub(crate) started: Option<String>,
    /// Steps taken, and steps in the whole run if that is known.
    pub(crate) step: u64,
    pub(crate) steps: Option<u64>,
    /// The epoch of the last step, and epochs in the whole run.
    pub(crate) epoch: u64,
    pub(crate) epochs: Option<u64>,
    pub(crate) steps_per_epoch: Option<u64>,
    /// Epochs that have a sheet of faces.
    pub(crate) samples: Vec<u64>,
    /// Images per second: the median over the last steps.
    pub(crate) images_per_second: Option<f32>,
    /// Estimated seconds until the end, if the run is running.
    pub(crate) seconds_left: Option<f64>,
    /// Where its pictures are from, and how many there are.
    pub(crate) data: Option<String>,
    pub(crate) pictures: Option<u64>,
    pub(crate) image_size: Option<u64>,
    /// Identifier of its generator, if there is one, and of the one with the best measures.
    pub(crate) model: Option<String>,
    pub(crate) best: Option<String>,
    /// The last line of `health.jsonl`.
    pub(crate) health: Option<Value>,
}

/// Everything about a run that its page shows, beside metrics.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Details {
    #[serde(flatten)]
    pub(crate) summary: Summary,
    /// The run's folder.
    pub(crate) folder: String,
    /// `config.toml` as it is.
    pub(crate) config: String,
    /// One record for each process that worked on the run.
    pub(crate) sessions: Vec<Value>,
    /// What `dcgan check` says about the pictures.
    pub(crate) data_report: Option<Value>,
    /// Whether there is a sheet of the pictures.
    pub(crate) has_data_sheet: bool,
    /// One line for each epoch.
    pub(crate) health_history: Vec<Value>,
    /// Number of bytes of the run's files.
    pub(crate) run_bytes: u64,
    /// Number of bytes that are free on the disk.
    pub(crate) free_bytes: Option<u64>,
}

/// A run that requests use, with its metrics and summary in memory.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) run: Run,
    log: Mutex<(Option<Instant>, MetricsLog)>,
    summary: Mutex<Option<(Instant, Arc<Summary>)>>,
}

impl Watch {
    pub(crate) fn new(run: Run) -> Self {
        Self { run, log: Mutex::default(), summary: Mutex::default() }
    }

    /// Returns the metrics, at most [`FRESH`] old. Blocks while the file is read.
    pub(crate) fn log(&self) -> io::Result<MutexGuard<'_, (Option<Instant>, MetricsLog)>> {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if log.0.is_none_or(|read| read.elapsed() > FRESH) {
            let path = self.run.path.join("metrics.jsonl");
            match self.run.regular_file(&["metrics.jsonl"]) {
                Some(path) => log.1.refresh(&path)?,
                // A link is as good as no file.
                None => path.symlink_metadata().is_err() && log.1.refresh(&path)?,
            };
            log.0 = Some(Instant::now());
        }
        Ok(log)
    }

    /// Returns the number of bytes that the metrics take in memory.
    pub(crate) fn size(&self) -> usize {
        self.log.try_lock().map_or(0, |log| log.1.size())
    }

    /// Returns the summary, at most [`FRESH`] old. Blocks while files are read.
    pub(crate) fn summary(&self) -> Arc<Summary> {
        let mut summary = self.summary.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, known)) = summary.as_ref().filter(|(read, _)| read.elapsed() <= FRESH) {
            return Arc::clone(known);
        }
        let new = Arc::new(Summary::of(&self.run));
        *summary = Some((Instant::now(), Arc::clone(&new)));
        new
    }
}

impl Summary {
    /// Reads the files of a run. What is missing or damaged is left out.
    pub(crate) fn of(run: &Run) -> Self {
        let config = read_config(run);
        let whole = |name: &str| config.get(name)?.as_integer().and_then(|value| u64::try_from(value).ok());
        let sessions = read_sessions(run);
        let text_of = |session: Option<&Value>| Some(session?.get("started")?.as_str()?.to_owned());
        let pictures = sessions.last().and_then(|session| session.get("pictures")?.as_u64());
        let recent = last_metrics(run);
        let (step, epoch) = recent.last().map_or((0, 0), |last| (last.step, last.epoch));
        let images_per_step = whole("batch-size").unwrap_or(128) * whole("d-steps").unwrap_or(1);
        let steps_per_epoch = whole("epoch-size").or(pictures).map(|images| images.div_ceil(images_per_step.max(1)));
        let epochs = whole("epochs");
        let planned = steps_per_epoch.zip(epochs).map(|(steps, epochs)| steps.saturating_mul(epochs));
        let steps = match (planned, whole("max-steps")) {
            (Some(planned), Some(most)) => Some(planned.min(most)),
            (planned, most) => planned.or(most),
        };
        let state = if RunFolder::is_in_use(&run.path) {
            State::Running
        } else if steps.is_some_and(|steps| step >= steps) {
            State::Finished
        } else {
            State::Stopped
        };
        let images_per_second = median(recent.iter().map(|metrics| metrics.images_per_second));
        let seconds_left = steps
            .zip(images_per_second)
            .filter(|_| state == State::Running)
            .map(|(steps, speed)| steps.saturating_sub(step) as f64 * images_per_step as f64 / f64::from(speed));
        let data = match config.get("demo").and_then(toml::Value::as_bool) {
            Some(true) => Some("demo".to_owned()),
            _ => config.get("data").and_then(|data| data.as_str()).map(str::to_owned),
        };
        Self {
            id: run.id.clone(),
            state,
            created: text_of(sessions.first()),
            started: text_of(sessions.last()),
            step,
            steps,
            epoch,
            epochs,
            steps_per_epoch,
            samples: run.sample_epochs(),
            images_per_second,
            seconds_left,
            data,
            pictures,
            image_size: whole("image-size"),
            model: run.generator_file().map(|_| run.id.clone()),
            best: run.regular_file(&["generator-best.safetensors"]).map(|_| format!("{}@best", run.id)),
            health: read_lines(run, "health.jsonl").pop(),
        }
    }
}

impl Details {
    /// Reads the files of a run.
    pub(crate) fn of(run: &Run, summary: Summary) -> Self {
        let text = |name: &str| run.read(&[name], MAX_TEXT).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let data_report = text("data.json").and_then(|text| serde_json::from_str(&text).ok());
        Self {
            summary,
            folder: run.path.to_string_lossy().into_owned(),
            config: text("config.toml").unwrap_or_default(),
            sessions: read_sessions(run),
            data_report,
            has_data_sheet: run.regular_file(&["data.png"]).is_some(),
            health_history: read_lines(run, "health.jsonl"),
            run_bytes: folder_size(&run.path, 3),
            free_bytes: free_space(&run.path),
        }
    }
}

/// Reads the run's `config.toml`; the table is empty if the file is missing or damaged.
fn read_config(run: &Run) -> toml::Table {
    let text = run.read(&["config.toml"], MAX_TEXT).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    text.and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// Reads the sessions in `run.json`; the list is empty if the file is missing or damaged.
fn read_sessions(run: &Run) -> Vec<Value> {
    let bytes = run.read(&["run.json"], MAX_TEXT).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

/// Returns the lines of a JSON Lines file that can be parsed.
fn read_lines(run: &Run, name: &str) -> Vec<Value> {
    let bytes = run.read(&[name], MAX_TEXT).unwrap_or_default();
    bytes.split(|&byte| byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
}

/// Returns the metrics of the last steps of a run, from the end of the file.
fn last_metrics(run: &Run) -> Vec<StepMetrics> {
    let read = || -> io::Result<Vec<u8>> {
        let path = run.regular_file(&["metrics.jsonl"]).ok_or(io::ErrorKind::NotFound)?;
        let mut file = File::open(path)?;
        let start = file.metadata()?.len().saturating_sub(END);
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        file.take(2 * END).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().unwrap_or_default();
    // The first and the last line may be parts of lines, which are not understood.
    let lines = bytes.split_inclusive(|&byte| byte == b'\n').filter(|line| line.ends_with(b"\n"));
    lines.filter_map(|line| serde_json::from_slice(line).ok()).collect()
}

/// Returns the median of the positive finite values, the upper one of two; `None` if there are none.
fn median(values: impl Iterator<Item = f32>) -> Option<f32> {
    let mut values: Vec<f32> = values.filter(|value| value.is_finite() && *value > 0.0).collect();
    values.sort_by(f32::total_cmp);
    values.get(values.len() / 2).copied()
}

/// Returns the number of bytes of the files below a folder, down to `depth` levels. Links are not followed.
fn folder_size(folder: &Path, depth: usize) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_file() => metadata.len(),
        Ok(metadata) if metadata.is_dir() && depth > 1 => folder_size(&entry.path(), depth - 1),
        _ => 0,
    };
    entries.map(size).sum()
}

/// Returns the number of bytes that are free on the file system of `path`.
#[cfg(unix)]
fn free_space(path: &Path) -> Option<u64> {
    let space = rustix::fs::statvfs(path).ok()?;
    Some(space.f_bavail.saturating_mul(space.f_frsize))
}

/// Returns `None`: the free space is not known on this system.
#[cfg(not(unix))]
fn free_space(_path: &Path) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run_list::RunList;

    #[test]
    fn a_run_is_summed_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("0003-faces");
        fs::create_dir_all(path.join("samples")).unwrap();
        fs::write(path.join("config.toml"), "data = \"faces\"\nepochs = 4\nbatch-size = 32\nimage-size = 64\n")
            .unwrap();
        let run = RunList::new(folder.path()).open("0003-faces").unwrap();
        let summary = Summary::of(&run);
        assert_eq!((summary.state, summary.steps, summary.step), (State::Stopped, None, 0));
        fs::write(path.join("run.json"), r#"[{"started": "a", "pictures": 90}, {"started": "b", "pictures": 100}]"#)
            .unwrap();
        let line = |step: u64, speed: f32| {
            let metrics = StepMetrics { step, epoch: 2, images_per_second: speed, ..StepMetrics::default() };
            serde_json::to_string(&metrics).unwrap() + "\n"
        };
        fs::write(path.join("metrics.jsonl"), line(5, 10.0) + &line(6, 20.0) + &line(7, 1000.0) + "{\"st").unwrap();
        fs::write(path.join("health.jsonl"), "{\"epoch\":1}\n{\"epoch\":2}\n").unwrap();
        fs::write(path.join("samples/epoch-0001.png"), "x").unwrap();
        let summary = Summary::of(&run);
        assert_eq!((summary.steps_per_epoch, summary.steps, summary.step, summary.epoch), (Some(4), Some(16), 7, 2));
        assert_eq!((summary.created.as_deref(), summary.started.as_deref()), (Some("a"), Some("b")));
        assert_eq!((summary.images_per_second, &summary.samples[..]), (Some(20.0), &[1][..]));
        assert_eq!(summary.health, Some(serde_json::json!({ "epoch": 2 })));
        assert_eq!((summary.model.as_deref(), summary.seconds_left), (None, None));
        fs::write(path.join("metrics.jsonl"), line(16, 10.0)).unwrap();
        assert_eq!(Summary::of(&run).state, State::Finished);
        let details = Details::of(&run, Summary::of(&run));
        assert_eq!((details.sessions.len(), details.health_history.len()), (2, 2));
        assert!(details.run_bytes > 300 && details.free_bytes.is_none_or(|bytes| bytes > 0));
    }
}
