//! Errors as Python exceptions, with the sentences of the command line.

use dcgan::text::error_message;
use dcgan::{DataError, EngineError, Error, FormatError, FormatErrorKind, RunFolderError, SettingsError, TrainError};
use pyo3::PyErr;
use pyo3::exceptions::{
    PyBlockingIOError, PyFileExistsError, PyFileNotFoundError, PyIsADirectoryError, PyMemoryError,
    PyNotADirectoryError, PyOSError, PyPermissionError, PyRuntimeError, PyTypeError, PyValueError,
};
use std::io;
use std::path::Path;

/// Exceptions of the package. Their Rust names must be those in Python, which other types here have.
pub(crate) mod exceptions {
    use pyo3::create_exception;
    use pyo3::exceptions::{PyRuntimeError, PyValueError};

    create_exception!(
        dcgan,
        ModelError,
        PyValueError,
        "A file or state_dict holds no generator that can be used: it is damaged, of another kind, or of another \
         network."
    );
    create_exception!(
        dcgan,
        DataError,
        PyValueError,
        "A folder, an archive or an array holds no pictures that can be used."
    );
    create_exception!(
        dcgan,
        TrainingError,
        PyRuntimeError,
        "A training has failed: it has diverged, or its folder cannot be continued."
    );
}

/// Returns a `RuntimeError`.
pub(crate) fn runtime(message: impl Into<String>) -> PyErr {
    PyRuntimeError::new_err(message.into())
}

/// Returns a `ValueError`.
pub(crate) fn value(message: impl Into<String>) -> PyErr {
    PyValueError::new_err(message.into())
}

/// Returns a `MemoryError`.
pub(crate) fn memory(message: impl Into<String>) -> PyErr {
    PyMemoryError::new_err(message.into())
}

/// Returns the subclass of `OSError` for an error of the system, as Python's `open` does.
pub(crate) fn system(kind: io::ErrorKind, message: String) -> PyErr {
    match kind {
        io::ErrorKind::NotFound => PyFileNotFoundError::new_err(message),
        io::ErrorKind::PermissionDenied => PyPermissionError::new_err(message),
        io::ErrorKind::AlreadyExists => PyFileExistsError::new_err(message),
        io::ErrorKind::NotADirectory => PyNotADirectoryError::new_err(message),
        io::ErrorKind::IsADirectory => PyIsADirectoryError::new_err(message),
        io::ErrorKind::OutOfMemory => PyMemoryError::new_err(message),
        _ => PyOSError::new_err(message),
    }
}

/// Returns the exception for an error about the file or folder `path`.
pub(crate) fn of_file(error: &Error, path: &Path) -> PyErr {
    let is_system = matches!(error, Error::File(error) if error.kind() == FormatErrorKind::Io);
    match std::fs::File::open(path) {
        Err(cause) if is_system => system(cause.kind(), error_message(error)),
        _ => exception(error),
    }
}

/// Returns the exception for an error of the library.
pub(crate) fn exception(error: &Error) -> PyErr {
    let message = error_message(error);
    match error {
        Error::File(error) => format(error, message),
        Error::NoRun(_) | Error::Role(_) | Error::Tensors(_) => exceptions::ModelError::new_err(message),
        Error::Engine(error) => engine(error, message),
        Error::Train(error) => train(error, message),
        Error::RunFolder(error) => run_folder(error, message),
        Error::Write { source, .. } => system(source.kind(), message),
        Error::Data(error) => data(error, message),
        Error::Images(_) | Error::Picture { .. } => exceptions::DataError::new_err(message),
        Error::Settings(error) => settings(error),
        Error::OtherImages { .. } => exceptions::TrainingError::new_err(message),
        Error::Threads(_) | Error::InstructionSet(_) => PyRuntimeError::new_err(message),
        _ => PyValueError::new_err(message),
    }
}

fn format(error: &FormatError, message: String) -> PyErr {
    match error.kind() {
        FormatErrorKind::Io => PyOSError::new_err(message),
        _ => exceptions::ModelError::new_err(message),
    }
}

fn engine(error: &EngineError, message: String) -> PyErr {
    match error {
        EngineError::OutOfMemory { .. } | EngineError::DeviceMemory { .. } => PyMemoryError::new_err(message),
        EngineError::State { .. } => exceptions::ModelError::new_err(message),
        EngineError::Batch { .. } | EngineError::Recipe(_) | EngineError::Augmentation(_) => {
            PyValueError::new_err(message)
        }
        _ => PyRuntimeError::new_err(message),
    }
}

fn train(error: &TrainError, message: String) -> PyErr {
    match error {
        TrainError::Config(_) | TrainError::Resume(_) => PyValueError::new_err(message),
        TrainError::Data(error) => data(error, message),
        TrainError::NoPictures | TrainError::Shape { .. } | TrainError::OtherPictures { .. } => {
            exceptions::DataError::new_err(message)
        }
        TrainError::Evaluation(_) => PyValueError::new_err(message),
        TrainError::Engine(error) => engine(error, message),
        TrainError::Listener(error) => match error.downcast_ref::<io::Error>() {
            Some(error) => system(error.kind(), message),
            None => match error.downcast_ref::<RunFolderError>() {
                Some(error) => run_folder(error, message),
                None => exceptions::TrainingError::new_err(message),
            },
        },
        _ => exceptions::TrainingError::new_err(message),
    }
}

fn run_folder(error: &RunFolderError, message: String) -> PyErr {
    match error {
        RunFolderError::NotEmpty(_) => PyFileExistsError::new_err(message),
        RunFolderError::NotAFolder(_) => PyNotADirectoryError::new_err(message),
        RunFolderError::NoRun(path) if !path.exists() => PyFileNotFoundError::new_err(message),
        RunFolderError::NoRun(_) => PyValueError::new_err(message),
        RunFolderError::InUse { .. } => PyBlockingIOError::new_err(message),
        RunFolderError::Io { source, .. } | RunFolderError::Read { source, .. } => system(source.kind(), message),
        _ => exceptions::TrainingError::new_err(message),
    }
}

fn data(error: &DataError, message: String) -> PyErr {
    match error {
        DataError::NotFound(_) => PyFileNotFoundError::new_err(message),
        DataError::Unreadable { source, .. } | DataError::CacheChanged { source, .. } => system(source.kind(), message),
        DataError::OutOfMemory { .. } => PyMemoryError::new_err(message),
        DataError::Size(_) => PyValueError::new_err(message),
        _ => exceptions::DataError::new_err(message),
    }
}

/// Returns the exception for an error of options: `TypeError` for a name that does not exist, as Python has it for
/// keyword arguments.
pub(crate) fn settings(error: &SettingsError) -> PyErr {
    match error {
        SettingsError::UnknownOption { .. } => PyTypeError::new_err(error.to_string()),
        _ => PyValueError::new_err(error.to_string()),
    }
}
