//! Access to the runs in a folder and to the files of a run, and to nothing outside that folder.
//!
//! A request names a run by the name of its folder, and never a path. Symbolic links below the folder of runs are not
//! followed, so that nothing outside it can be read.

use crate::error::{Answer, RequestError};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// A folder of runs, or one run alone.
#[derive(Debug, Clone)]
pub(crate) struct RunList {
    root: PathBuf,
    /// The name of the only run that is shown.
    only: Option<String>,
}

/// The folder of a run.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) id: String,
    pub(crate) path: PathBuf,
}

/// Returns whether `name` is a plain file name: no separators or control characters, no dot in front, at most 255
/// bytes.
pub(crate) fn is_plain_name(name: &str) -> bool {
    let is_plain = |c: char| c != '/' && c != '\\' && !c.is_control();
    !name.is_empty() && name.len() <= 255 && !name.starts_with('.') && name.chars().all(is_plain)
}

impl RunList {
    /// Creates the list of the runs in `folder`, which need not exist. If `folder` is a run's folder, the list has only
    /// this run.
    pub(crate) fn new(folder: &Path) -> Self {
        Self::of_run(folder).map_or_else(|| Self { root: folder.to_owned(), only: None }, |(list, _)| list)
    }

    /// Creates a list of a single run, and returns it with the run's identifier.
    pub(crate) fn of_run(folder: &Path) -> Option<(Self, String)> {
        if !folder.join("config.toml").is_file() {
            return None;
        }
        // `.` and a link have another name behind them.
        let folder = folder.canonicalize().ok()?;
        let name = folder.file_name()?.to_str()?.to_owned();
        let only = Some(name.clone());
        is_plain_name(&name).then_some((Self { root: folder.parent()?.to_owned(), only }, name))
    }

    /// Returns all runs, in no particular order.
    pub(crate) fn all(&self) -> Vec<Run> {
        if let Some(only) = &self.only {
            return self.open(only).into_iter().collect();
        }
        let entries = fs::read_dir(&self.root).into_iter().flatten().flatten();
        entries.filter_map(|entry| self.open(entry.file_name().to_str()?).ok()).collect()
    }

    /// Returns the run of a name.
    ///
    /// # Errors
    /// If there is no such run.
    pub(crate) fn open(&self, id: &str) -> Answer<Run> {
        let no_run = || RequestError::not_found(format!("there is no run {id:?}"));
        if !is_plain_name(id) || self.only.as_ref().is_some_and(|only| only != id) {
            return Err(no_run());
        }
        let run = Run { id: id.to_owned(), path: self.root.join(id) };
        let is_folder = fs::symlink_metadata(&run.path).is_ok_and(|metadata| metadata.is_dir());
        if is_folder && run.regular_file(&["config.toml"]).is_some() { Ok(run) } else { Err(no_run()) }
    }
}

impl Run {
    /// Returns the path of a file in the run's folder, if it exists and no part of the path below the folder is a
    /// symbolic link.
    pub(crate) fn regular_file(&self, parts: &[&str]) -> Option<PathBuf> {
        let mut path = self.path.clone();
        for (index, part) in parts.iter().enumerate() {
            path.push(part);
            let metadata = fs::symlink_metadata(&path).ok()?;
            let is_right = if index + 1 == parts.len() { metadata.is_file() } else { metadata.is_dir() };
            if !is_plain_name(part) || !is_right {
                return None;
            }
        }
        Some(path)
    }

    /// Reads a file of up to `most` bytes.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] also for symbolic links, [`io::ErrorKind::FileTooLarge`].
    pub(crate) fn read(&self, parts: &[&str], most: u64) -> io::Result<Vec<u8>> {
        let path = self.regular_file(parts).ok_or(io::ErrorKind::NotFound)?;
        let mut bytes = Vec::new();
        File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > most { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes) }
    }

    /// Returns the names of the regular files in a subfolder of the run, sorted.
    pub(crate) fn names(&self, folder: &str) -> Vec<String> {
        let path = self.path.join(folder);
        if !fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_dir()) {
            return Vec::new();
        }
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        let is_file = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_file());
        let mut names: Vec<String> =
            entries.filter(is_file).filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        names
    }

    /// Returns the file of the finished generator, or else the newest checkpoint.
    pub(crate) fn generator_file(&self) -> Option<PathBuf> {
        if let Some(finished) = self.regular_file(&["generator.safetensors"]) {
            return Some(finished);
        }
        // Their names begin with the step, in digits enough to sort by.
        let is_checkpoint = |name: &&String| is_plain_name(name) && name.ends_with(".safetensors");
        let newest = self.names("checkpoints").iter().rfind(is_checkpoint)?.clone();
        self.regular_file(&["checkpoints", &newest])
    }

    /// Returns the epochs that have a sheet of faces, in order.
    pub(crate) fn sample_epochs(&self) -> Vec<u64> {
        let epoch = |name: &String| name.strip_prefix("epoch-")?.strip_suffix(".png")?.parse().ok();
        let mut epochs: Vec<u64> = self.names("samples").iter().filter_map(epoch).collect();
        epochs.sort_unstable();
        epochs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn nothing_outside_the_folder_is_found() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("runs");
        let secret = folder.path().join("secret");
        for path in [root.join("0000-a/samples"), root.join("0001-b"), secret.join("samples")] {
            fs::create_dir_all(path).unwrap();
        }
        for path in [root.join("0000-a/config.toml"), secret.join("config.toml"), secret.join("samples/epoch-0000.png")]
        {
            fs::write(path, "seed = 0\n").unwrap();
        }
        symlink(&secret, root.join("0002-link")).unwrap();
        symlink(secret.join("samples"), root.join("0001-b/samples")).unwrap();
        symlink(secret.join("config.toml"), root.join("0001-b/config.toml")).unwrap();
        symlink(secret.join("config.toml"), root.join("0000-a/metrics.jsonl")).unwrap();
        symlink(secret.join("config.toml"), root.join("0000-a/samples/epoch-0003.png")).unwrap();
        fs::write(root.join("0000-a/samples/epoch-0002.png"), "two").unwrap();

        let list = RunList::new(&root);
        let ids: Vec<String> = list.all().into_iter().map(|run| run.id).collect();
        assert_eq!(ids, ["0000-a"], "links are no runs");
        let run = list.open("0000-a").unwrap();
        assert_eq!(run.sample_epochs(), [2]);
        assert_eq!(run.read(&["samples", "epoch-0002.png"], 3).unwrap(), b"two");
        assert_eq!(run.read(&["samples", "epoch-0002.png"], 2).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        for parts in
            [&["samples", "epoch-0003.png"][..], &["metrics.jsonl"], &["..", "0000-a", "config.toml"], &["samples"]]
        {
            assert!(run.read(parts, 100).is_err(), "{parts:?}");
        }
        for id in ["..", ".", "", "0000-a/", "../secret", "/etc", "0000-a\0", "0002-link", "0001-b", "a\\b"] {
            assert!(list.open(id).is_err(), "{id:?}");
        }
        let only = RunList::new(&root.join("0000-a"));
        assert_eq!(only.all().len(), 1);
        assert!(only.open("secret").is_err());
        assert!(RunList::new(&folder.path().join("missing")).all().is_empty());
    }
}
