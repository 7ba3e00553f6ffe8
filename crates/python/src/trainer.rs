//! Trainings.
//!
//! A training runs on a thread of its own, and the thread that iterates over its events waits for them without the GIL.
//! The training waits until an event is taken, so it is never more than a step ahead of the program that watches it.

use crate::errors::{exception, exceptions, runtime, settings as settings_error, system, value};
use crate::generator::NativeGenerator;
use crate::threads;
use dcgan::{
    Channels, Dataset, Error, Event, EventRecord, ImageOptions, Listener, ListenerError, RunFolder, Settings, Summary,
    Threads, TrainOptions, Trained, Training, load_images, run_name, run_options, write_data_report,
};
use numpy::{PyArray1, PyArray4, PyArrayMethods, PyReadonlyArray4, PyUntypedArrayMethods};
use pyo3::prelude::*;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// Time between two looks at Python's signals.
const SIGNALS: Duration = Duration::from_millis(50);

/// Folder of runs without a folder of their own.
const RUNS: &str = "runs";

/// Images in memory: N × size × size × channels bytes.
struct Images {
    bytes: Vec<u8>,
    height: usize,
    width: usize,
    channels: usize,
    /// How they become squares.
    options: ImageOptions,
}

/// A training that has not begun.
struct Plan {
    options: TrainOptions,
    images: Option<Images>,
    /// Folder of the run that is resumed.
    resume: Option<PathBuf>,
}

/// What the thread of a training tells the thread that watches it.
struct Message {
    /// The event as JSON.
    record: String,
    /// Images of a preview: bytes and N × H × W × C.
    faces: Option<(Vec<u8>, [usize; 4])>,
}

/// Result of a training.
struct Outcome {
    trained: Trained,
    folder: PathBuf,
}

/// A training, in the order of its life.
enum State {
    Planned(Box<Plan>),
    Running {
        events: Receiver<Message>,
        thread: JoinHandle<PyResult<Outcome>>,
        /// Process that the thread is in. A process that was forked has no such thread.
        process: u32,
    },
    Ended,
}

/// A training as an iterator over its events.
#[pyclass(frozen, module = "dcgan._dcgan")]
pub(crate) struct NativeTrainer {
    state: Mutex<State>,
    stop: Arc<AtomicBool>,
    threads: Option<usize>,
    result: Mutex<Option<Py<NativeResult>>>,
}

/// Result of a training.
#[pyclass(frozen, module = "dcgan._dcgan")]
pub(crate) struct NativeResult {
    folder: PathBuf,
    summary: Summary,
    notes: Vec<String>,
    generator: Py<NativeGenerator>,
}

#[pymethods]
impl NativeResult {
    /// The run's folder.
    #[getter]
    fn folder(&self) -> &Path {
        &self.folder
    }

    /// Number of epochs.
    #[getter]
    fn epochs(&self) -> u64 {
        self.summary.epochs
    }

    /// Number of steps.
    #[getter]
    fn steps(&self) -> u64 {
        self.summary.steps
    }

    /// Whether the run has reached its end.
    #[getter]
    fn finished(&self) -> bool {
        self.summary.finished
    }

    /// Epoch of the best generator, if it was evaluated.
    #[getter]
    fn best_epoch(&self) -> Option<u64> {
        self.summary.best.map(|best| best.epoch)
    }

    /// What was repaired in the folder of a run that was resumed.
    #[getter]
    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }

    /// The trained generator.
    #[getter]
    fn generator(&self, py: Python<'_>) -> Py<NativeGenerator> {
        self.generator.clone_ref(py)
    }
}

#[pymethods]
impl NativeTrainer {
    /// Prepares a training. `options` are names and texts; paths are given as such.
    #[new]
    #[pyo3(signature = (options, paths, images, resume, config))]
    fn new(
        options: Vec<(String, String)>,
        paths: Vec<(String, PathBuf)>,
        images: Option<PyReadonlyArray4<'_, u8>>,
        resume: Option<PathBuf>,
        config: Option<PathBuf>,
    ) -> PyResult<Self> {
        let mut given = TrainOptions::default();
        for (name, text) in &options {
            given.set(name, text).map_err(|error| settings_error(&error))?;
        }
        for (name, path) in paths {
            match name.as_str() {
                "data" => given.data = Some(path),
                "out" => given.out = Some(path),
                "cache" => given.cache = Some(path),
                _ => return Err(value(format!("{name} is no path"))),
            }
        }
        if let Some(path) = config {
            given = given.or(read_config(&path)?);
        }
        if let Some(path) = &resume {
            if given.out.is_some() || given.preset.is_some() || given.time.is_some() {
                return Err(value(
                    "a run is resumed in its own folder, with its own recipe: drop out, preset and time",
                ));
            }
            given = given.or(run_options(path).map_err(|error| exception(&error))?);
            // As the command line has it, for a run of a version without shards.
            given.shards.get_or_insert(1);
        }
        let images = images.map(|array| images_of(&array, &mut given)).transpose()?;
        // Wrong options are refused here and not when the training begins.
        let settings = resolve(given.clone(), images.is_some())?;
        if let (None, Some(out)) = (&resume, &settings.out) {
            RunFolder::check_new(out).map_err(|error| exception(&error.into()))?;
        }
        let threads = settings.threads.map(Threads::get);
        let plan = Plan { options: given, images, resume };
        let state = Mutex::new(State::Planned(Box::new(plan)));
        Ok(Self { state, stop: Arc::default(), threads, result: Mutex::new(None) })
    }

    /// Returns the next event as JSON and the images of a preview; `None` at the end.
    #[allow(clippy::type_complexity)] // a tuple for Python
    fn next_event<'py>(&self, py: Python<'py>) -> PyResult<Option<(String, Option<Bound<'py, PyArray4<u8>>>)>> {
        let mut state = self.lock()?;
        self.begin(&mut state)?;
        match self.receive(py, &mut state)? {
            None => Ok(None),
            Some(Message { record, faces: None }) => Ok(Some((record, None))),
            Some(Message { record, faces: Some((bytes, shape)) }) => {
                Ok(Some((record, Some(PyArray1::from_vec(py, bytes).reshape(shape)?))))
            }
        }
    }

    /// Asks the training to stop after the step under way, with a checkpoint.
    fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Stops the training and waits until its checkpoint is written.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.stop();
        let mut state = self.lock()?;
        self.drain(py, &mut state)
    }

    /// Result of a training that has ended.
    #[getter]
    fn result(&self, py: Python<'_>) -> Option<Py<NativeResult>> {
        lock(&self.result).as_ref().map(|result| result.clone_ref(py))
    }
}

impl NativeTrainer {
    /// Locks the state.
    ///
    /// # Errors
    /// If another thread waits for an event.
    fn lock(&self) -> PyResult<MutexGuard<'_, State>> {
        let mut state = match self.state.try_lock() {
            Ok(state) => state,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => {
                return Err(runtime("another thread iterates over this training: one thread at a time can"));
            }
        };
        if state.abandon_in_fork() {
            return Err(runtime("this training runs in the process that this one was forked from: watch it there"));
        }
        Ok(state)
    }

    /// Starts the training if it has not begun.
    fn begin(&self, state: &mut State) -> PyResult<()> {
        if !matches!(state, State::Planned(_)) {
            return Ok(());
        }
        let State::Planned(plan) = std::mem::replace(state, State::Ended) else { return Ok(()) };
        let (send, events) = sync_channel(0);
        let (stop, threads) = (Arc::clone(&self.stop), self.threads);
        let run = move || threads::pool(threads.unwrap_or(0))?.install(move || run(*plan, &stop, send));
        let thread = Builder::new().name("dcgan-train".to_owned()).spawn(run);
        let thread = thread.map_err(|error| system(error.kind(), format!("cannot start a thread: {error}")))?;
        *state = State::Running { events, thread, process: process::id() };
        Ok(())
    }

    /// Waits for the next message. On a signal, such as Ctrl-C, it stops the training and waits for its checkpoint; the
    /// second signal leaves at once.
    fn receive(&self, py: Python<'_>, state: &mut State) -> PyResult<Option<Message>> {
        loop {
            let State::Running { events, .. } = state else { return Ok(None) };
            match wait(py, events) {
                Ok(message) => return Ok(Some(message)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    self.end(py, state)?;
                    return Ok(None);
                }
            }
            if let Err(signal) = py.check_signals() {
                self.stop();
                self.drain(py, state)?;
                return Err(signal);
            }
        }
    }

    /// Takes the messages that are left until the training ends.
    fn drain(&self, py: Python<'_>, state: &mut State) -> PyResult<()> {
        while let State::Running { events, .. } = state {
            match wait(py, events) {
                Err(RecvTimeoutError::Disconnected) => self.end(py, state)?,
                Ok(_) | Err(RecvTimeoutError::Timeout) => {
                    if let Err(signal) = py.check_signals() {
                        // The thread is left alone. It writes its checkpoint if the program lives long enough.
                        *state = State::Ended;
                        return Err(signal);
                    }
                }
            }
        }
        *state = State::Ended;
        Ok(())
    }

    /// Takes the result of a thread that has sent its last message.
    fn end(&self, py: Python<'_>, state: &mut State) -> PyResult<()> {
        let State::Running { thread, .. } = std::mem::replace(state, State::Ended) else { return Ok(()) };
        let Ok(outcome) = py.detach(|| thread.join()) else {
            return Err(runtime("the training has failed inside of dcgan: please report it with the lines above"));
        };
        let Outcome { trained: Trained { summary, generator, notes }, folder } = outcome?;
        let generator = Py::new(py, NativeGenerator::new(generator, self.threads))?;
        *lock(&self.result) = Some(Py::new(py, NativeResult { folder, summary, notes, generator })?);
        Ok(())
    }
}

impl State {
    /// Forgets a training that runs in the process that this one was forked from, and returns whether it was one.
    /// Waiting for its thread would never end.
    fn abandon_in_fork(&mut self) -> bool {
        let is_elsewhere = matches!(self, Self::Running { process, .. } if *process != process::id());
        if is_elsewhere {
            std::mem::forget(std::mem::replace(self, Self::Ended));
        }
        is_elsewhere
    }
}

impl Drop for NativeTrainer {
    fn drop(&mut self) {
        self.stop();
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        state.abandon_in_fork();
        let State::Running { events, thread, .. } = std::mem::replace(state, State::Ended) else { return };
        // Without a receiver the training does not wait any more. It is waited for, so that its checkpoint is complete
        // when the program goes on or ends.
        drop(events);
        Python::attach(|py| py.detach(|| drop(thread.join())));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits for a message without the GIL. A receiver cannot be shared by threads, so it is sent there and back.
fn wait(py: Python<'_>, events: &mut Receiver<Message>) -> Result<Message, RecvTimeoutError> {
    let events = Mutex::new(events);
    py.detach(|| lock(&events).recv_timeout(SIGNALS))
}

/// Runs a training to its end, on its own thread.
fn run(plan: Plan, stop: &AtomicBool, events: SyncSender<Message>) -> PyResult<Outcome> {
    let Plan { options, images, resume } = plan;
    let mut settings = resolve(options, images.is_some())?;
    let failed = |error: Error| exception(&error);
    let (data, report) = match images {
        None => load_images(&settings, |_| {}).map_err(failed)?,
        Some(images) => (images.into_dataset(&settings)?, None),
    };
    let skipped = report.as_ref().map_or(&[][..], |report| &report.skipped);
    if !skipped.is_empty() {
        let files: Vec<String> = skipped.iter().map(ToString::to_string).collect();
        let record = serde_json::json!({ "event": "skipped", "files": files }).to_string();
        let _ = events.send(Message { record, faces: None });
    }
    let data = Arc::new(data);
    let out = settings.out.take();
    let training = Training::with_settings(settings, Arc::clone(&data)).map_err(failed)?;
    let (training, folder) = match &resume {
        Some(path) => (training.resume_folder(path).map_err(failed)?, path.clone()),
        None => {
            let config = training.settings().to_toml();
            let source = training.settings().source.as_ref();
            let name = if source.is_none() { "array".to_owned() } else { run_name(source) };
            let folder = match &out {
                Some(path) => RunFolder::create(path, &config),
                None => RunFolder::create_numbered(Path::new(RUNS), &name, &config),
            };
            let folder = folder.map_err(|error| failed(error.into()))?;
            let path = folder.path().to_owned();
            (training.in_folder(folder), path)
        }
    };
    write_data_report(&folder, report.as_ref(), &data).map_err(failed)?;
    drop(report);
    let mut watcher = Watcher { folder: folder.clone(), events };
    let trained = training.listener(&mut watcher).stop_when(stop).run().map_err(failed)?;
    Ok(Outcome { trained, folder })
}

/// The listener that passes events on.
struct Watcher {
    folder: PathBuf,
    events: SyncSender<Message>,
}

impl Listener for Watcher {
    fn on_event(&mut self, event: &Event<'_>) -> Result<(), ListenerError> {
        let Some(record) = EventRecord::new(event, &self.folder) else { return Ok(()) };
        let record = serde_json::to_string(&record)?;
        let faces = match event {
            Event::Preview { faces, .. } | Event::Sample { faces, .. } => faces.first().map(|first| {
                let bytes = faces.iter().flat_map(|face| face.pixels.iter().copied()).collect();
                (bytes, [faces.len(), first.height, first.width, first.channels])
            }),
            _ => None,
        };
        // Nobody listens any more if the trainer is gone. The training then stops by its flag, with a checkpoint.
        let _ = self.events.send(Message { record, faces });
        Ok(())
    }
}

fn resolve(options: TrainOptions, has_images: bool) -> PyResult<Settings> {
    let settings = if has_images { options.resolve_for_images_in_memory() } else { options.resolve() };
    settings.map_err(|error| settings_error(&error))
}

fn read_config(path: &Path) -> PyResult<TrainOptions> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| system(error.kind(), format!("cannot read {path:?}: {error}")))?;
    TrainOptions::from_toml(&text).map_err(|message| value(format!("{path:?}, {message}")))
}

/// Returns the newest run in `runs/`.
#[pyfunction]
pub(crate) fn newest_run() -> PyResult<PathBuf> {
    let newest = RunFolder::newest(Path::new(RUNS)).map_err(|error| exception(&error.into()))?;
    newest.ok_or_else(|| value(format!("there is no run in {RUNS:?} to resume: name its folder, or start one")))
}

/// Copies images out of an array. Unless `channels` was given, it becomes that of the array.
fn images_of(array: &PyReadonlyArray4<'_, u8>, options: &mut TrainOptions) -> PyResult<Images> {
    if options.has_source() {
        // A resumed run keeps its source in the file; here its images come from the array.
        (options.data, options.demo) = (None, false);
    }
    let [count, height, width, channels] = [0, 1, 2, 3].map(|axis| array.shape()[axis]);
    if count == 0 || height == 0 || width == 0 || !matches!(channels, 1 | 3) {
        return Err(exceptions::DataError::new_err(format!(
            "images of the shape ({count}, {height}, {width}, {channels}): give uint8 images, N × H × W × C with 1 or \
             3 channels"
        )));
    }
    let wanted = *options.channels.get_or_insert(channels);
    if wanted != channels {
        return Err(value(format!(
            "the images have {channels} channels, and channels={wanted}: give one or the other"
        )));
    }
    let count = options.max_images.unwrap_or(count).clamp(1, count);
    let bytes = array.as_slice()?[..count * height * width * channels].to_vec();
    let options = ImageOptions {
        fit: options.fit.unwrap_or_default(),
        filter: options.filter.unwrap_or_default(),
        background: options.background.unwrap_or_default(),
        ..ImageOptions::default()
    };
    Ok(Images { bytes, height, width, channels, options })
}

impl Images {
    /// Returns the images at the size of the networks.
    fn into_dataset(self, settings: &Settings) -> PyResult<Dataset> {
        let Self { mut bytes, height, width, channels, options } = self;
        let size = settings.train.model.image_size;
        let image_bytes = height * width * channels;
        let pictures = bytes.len() / image_bytes;
        let batch_size = settings.train.batch_size;
        if pictures < batch_size {
            return Err(exceptions::DataError::new_err(format!(
                "the array has {pictures} pictures, and a batch needs {batch_size}: add pictures, or choose \
                 batch_size={pictures} or less"
            )));
        }
        if (height, width) != (size, size) {
            bytes = dcgan::fit_images(&bytes, [height, width], size, Channels::from_count(channels), &options);
        }
        Ok(Dataset::from_bytes(bytes, size, Channels::from_count(channels)))
    }
}

/// Names of all options of a training.
#[pyfunction]
pub(crate) fn option_names() -> Vec<&'static str> {
    TrainOptions::NAMES.to_vec()
}
