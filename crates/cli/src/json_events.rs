//! `dcgan train --json`: a run for programs, one JSON object a line on stdout.

use dcgan_train::{Event, EventRecord, Listener, ListenerError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The listener that writes to stdout.
#[derive(Debug)]
pub(crate) struct JsonEvents {
    folder: PathBuf,
}

impl JsonEvents {
    /// Tells of the run in `folder`.
    pub(crate) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }
}

impl Listener for JsonEvents {
    fn on_event(&mut self, event: &Event<'_>) -> Result<(), ListenerError> {
        let Some(record) = EventRecord::new(event, &self.folder) else { return Ok(()) };
        let mut text = serde_json::to_string(&record)?;
        text.push('\n');
        // One write for each line, so that a reader gets whole lines at once. A closed pipe must not end the training.
        let _ = io::stdout().lock().write_all(text.as_bytes());
        let _ = io::stdout().flush();
        Ok(())
    }
}
