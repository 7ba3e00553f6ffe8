//! The native part of the Python package `dcgan`. What Python programs use is in `python/dcgan`; this is the part that
//! needs Rust, with arrays of numpy in and out. The GIL is released while something is computed, read or written.

#![allow(unsafe_code)] // PyO3's macros expand to it; there is none here.

mod errors;
mod generator;
mod process;
mod threads;
mod tools;
mod trainer;

/// The module `dcgan._dcgan`.
#[pyo3::pymodule]
mod _dcgan {
    #[pymodule_export]
    use crate::errors::exceptions::{DataError, ModelError, TrainingError};
    #[pymodule_export]
    use crate::generator::{NativeGenerator, png, sheet};

    #[pymodule_export]
    use crate::tools::{check, convert, demo_faces, evaluate, interpolate, neighbours, project};
    #[pymodule_export]
    use crate::trainer::{NativeResult, NativeTrainer, newest_run, option_names};

    /// Version of the package.
    #[pymodule_export]
    #[allow(non_upper_case_globals)]
    const __version__: &str = env!("CARGO_PKG_VERSION");
}
