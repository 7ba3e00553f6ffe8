//! Who worked on a run, with what, on which pictures: `run.json`.

use crate::files::write_durable;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fs;
use std::io;
use std::path::Path;

/// One process's part of a run. The settings are in `config.toml`; this is what else may decide the result, and what helps to find out why
/// two results differ.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionRecord {
    /// When it started, in UTC: `2026-01-31T12:00:00Z`.
    pub started: String,
    /// Steps that the run had taken by then.
    pub from_step: u64,
    /// The program's version.
    pub version: String,
    /// Operating system, architecture and processor.
    pub machine: String,
    /// What computed, for people; another device rounds differently.
    pub device: String,
    /// The processor's instruction set, if it computed; another one rounds differently.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instruction_set: Option<String>,
    /// Threads of the processor that computed, if it did; they change nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threads: Option<usize>,
    /// Pictures in the data set.
    pub pictures: usize,
    /// Their [`fingerprint`](crate::fingerprint).
    pub data_fingerprint: String,
    /// Settings that were changed when the run was resumed, as `name: before → after`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<String>,
}

impl SessionRecord {
    /// The last one in the file `path`; `None` if there is none, or none that is understood.
    pub(crate) fn last_of(path: &Path) -> Option<Self> {
        let sessions: Vec<Value> = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
        serde_json::from_value(sessions.into_iter().next_back()?).ok()
    }

    /// Adds this to the JSON array in the file `path`, or makes the file.
    pub(crate) fn append_to(&self, path: &Path) -> io::Result<()> {
        let mut sessions: Vec<Value> = match fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            other => serde_json::from_slice(&other?)?,
        };
        sessions.push(serde_json::to_value(self)?);
        let mut text = serde_json::to_vec_pretty(&sessions)?;
        text.push(b'\n');
        write_durable(path, &text)
    }
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
            changes: Vec::new(),
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.json");
        session(0).append_to(&path).unwrap();
        session(7).append_to(&path).unwrap();
        let sessions: Vec<SessionRecord> = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert_eq!(sessions, [session(0), session(7)]);
        assert_eq!(SessionRecord::last_of(&path), Some(session(7)));
        fs::write(&path, "no JSON").unwrap();
        assert_eq!(SessionRecord::last_of(&path), None);
        session(9).append_to(&path).unwrap_err();
        assert_eq!(fs::read_to_string(&path).unwrap(), "no JSON", "what is not understood is not thrown away");
    }
}
