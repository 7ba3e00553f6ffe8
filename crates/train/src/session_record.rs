//! `run.json`: the sessions of a run, with their machines, programs and pictures.

use crate::machine::machine_description;
use dcgan_data::Dataset;
use dcgan_files::{set_aside, write_durable};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Record of a session, which is the part of a run that one process computes. It holds what beside `config.toml` may
/// affect the result, for comparing two results that differ.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionRecord {
    /// Start of the session in UTC: `2026-01-31T12:00:00Z`.
    pub started: String,
    /// Number of steps that the run had taken before.
    pub from_step: u64,
    /// Version of the program.
    pub version: String,
    /// Operating system, architecture and processor.
    pub machine: String,
    /// Name of the device; another device rounds differently.
    pub device: String,
    /// Instruction set, if the device is the CPU; another one rounds differently.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instruction_set: Option<String>,
    /// Number of threads, if the device is the CPU; it does not affect the result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threads: Option<usize>,
    /// Number of pictures in the data set.
    pub pictures: usize,
    /// [`fingerprint`](Dataset::fingerprint) of the data set.
    pub data_fingerprint: String,
    /// Whether the run had a checkpoint at the end of the session. If there is none later, it was removed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_checkpoint: bool,
    /// Settings that differ from those of the session before, as `name: before → after`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<String>,
}

impl SessionRecord {
    /// Creates the record of a session that starts now, at the beginning of a run on `data` that `device` computes.
    pub fn new(device: String, data: &Dataset) -> Self {
        Self {
            started: humantime::format_rfc3339_seconds(SystemTime::now().max(SystemTime::UNIX_EPOCH)).to_string(),
            from_step: 0,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            machine: machine_description(),
            device,
            instruction_set: None,
            threads: None,
            pictures: data.len(),
            data_fingerprint: data.fingerprint(),
            has_checkpoint: false,
            changes: Vec::new(),
        }
    }

    /// Reads the last record in the file `path`; `None` if there is none that can be read.
    pub(crate) fn last_of(path: &Path) -> Option<Self> {
        let sessions: Vec<Value> = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
        serde_json::from_value(sessions.into_iter().next_back()?).ok()
    }

    /// Adds this record to the JSON array in the file `path`, or replaces its last item. A file without such an array
    /// is renamed, and its new path is returned.
    pub(crate) fn write_to(&self, path: &Path, place: Place) -> io::Result<Option<PathBuf>> {
        let (mut sessions, damaged) = match fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => (Vec::new(), None),
            other => match serde_json::from_slice::<Vec<Value>>(&other?) {
                Ok(sessions) => (sessions, None),
                Err(_) => (Vec::new(), Some(set_aside(path)?)),
            },
        };
        if place == Place::Last {
            sessions.pop();
        }
        sessions.push(serde_json::to_value(self)?);
        let mut text = serde_json::to_vec_pretty(&sessions)?;
        text.push(b'\n');
        write_durable(path, &text)?;
        Ok(damaged)
    }
}

/// Position of a record in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// After the others.
    New,
    /// Instead of the last one.
    Last,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_added_to_those_before() {
        let session = |from_step| SessionRecord {
            started: "2026-01-31T12:00:00Z".to_owned(),
            from_step,
            version: "1.0.0".to_owned(),
            machine: "a machine".to_owned(),
            device: "CPU".to_owned(),
            instruction_set: Some("avx2".to_owned()),
            threads: Some(2),
            pictures: 10,
            data_fingerprint: "crc32:01234567".to_owned(),
            has_checkpoint: false,
            changes: Vec::new(),
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.json");
        assert_eq!(session(0).write_to(&path, Place::New).unwrap(), None);
        session(6).write_to(&path, Place::New).unwrap();
        session(7).write_to(&path, Place::Last).unwrap();
        let sessions: Vec<SessionRecord> = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert_eq!(sessions, [session(0), session(7)]);
        assert_eq!(SessionRecord::last_of(&path), Some(session(7)));
        for (number, damaged) in ["no JSON", "{}", ""].into_iter().enumerate() {
            fs::write(&path, damaged).unwrap();
            assert_eq!(SessionRecord::last_of(&path), None);
            let aside = session(9).write_to(&path, Place::New).unwrap().unwrap();
            assert_eq!(fs::read_to_string(aside).unwrap(), damaged, "what is not understood is not thrown away");
            assert_eq!(SessionRecord::last_of(&path), Some(session(9)));
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), number + 2);
        }
    }
}
