//! Files that are whole or not there.

use serde::Deserialize;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Between the name that a file will have and the number of the process that writes it.
const TEMPORARY: &str = ".tmp";

/// Writes `bytes` to a temporary name beside `path` and renames it, so that nobody ever sees half a file.
///
/// # Errors
/// Whatever stands in the way of writing there; `path` is then as it was.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_then_rename(path, bytes, |_| Ok(()))
}

/// [`write_atomic`] that waits until the bytes are on the disk, so that a power cut cannot leave an empty file behind the new name.
///
/// # Errors
/// As [`write_atomic`].
pub fn write_durable(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_then_rename(path, bytes, File::sync_all)?;
    sync_folder(path)
}

/// Waits until the folder of `path` has its new name on the disk.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    // Other systems cannot open a folder, and have no need to.
    if cfg!(unix) {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(parent.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    Ok(())
}

/// Removes from `folder` what [`write_atomic`] leaves there when it is killed.
pub(crate) fn remove_temporaries(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if is_temporary(&entry.file_name()) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Whether it is a name of [`temporary_beside`].
pub(crate) fn is_temporary(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    let process = name.strip_prefix('.').and_then(|name| name.rsplit_once(TEMPORARY));
    process.is_some_and(|(_, process)| process.parse::<u32>().is_ok())
}

/// Cuts a file of JSON lines after the last one of step `step`, so that a run that goes on from there can append to it. A line belongs to
/// the step in its `step`; a damaged one, such as the half line of a process that was killed, ends what is kept. No file is an empty one.
///
/// # Errors
/// Whatever stands in the way of reading or writing.
pub fn truncate_lines(path: &Path, step: u64) -> io::Result<()> {
    #[derive(Deserialize)]
    struct Line {
        #[serde(default)]
        step: u64,
    }
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    let is_kept = |line: &&[u8]| {
        let line = line.strip_suffix(b"\n").and_then(|line| serde_json::from_slice::<Line>(line).ok());
        line.is_some_and(|line| line.step <= step)
    };
    let kept: usize = bytes.split_inclusive(|&byte| byte == b'\n').take_while(is_kept).map(<[u8]>::len).sum();
    if kept < bytes.len() {
        let file = File::options().write(true).open(path)?;
        file.set_len(kept as u64)?;
        file.sync_all()?;
    }
    Ok(())
}

fn write_then_rename(path: &Path, bytes: &[u8], settle: impl Fn(&File) -> io::Result<()>) -> io::Result<()> {
    let (new, mut file) = NewFile::create(path)?;
    file.write_all(bytes)?;
    settle(&file)?;
    new.commit()
}

/// A file that is being written under a temporary name, for what is too large to be held in memory. It gets its name by [`NewFile::commit`], and
/// is removed if that never happens.
#[derive(Debug)]
pub struct NewFile {
    path: PathBuf,
    temporary: PathBuf,
    committed: bool,
}

impl NewFile {
    /// Opens a temporary file beside `path` to write to.
    ///
    /// # Errors
    /// Whatever stands in the way of writing there.
    pub fn create(path: &Path) -> io::Result<(Self, File)> {
        let new = Self { path: path.to_owned(), temporary: temporary_beside(path)?, committed: false };
        // Even if opening fails there may be something to remove, so `new` is there before.
        let file = File::create(&new.temporary)?;
        Ok((new, file))
    }

    /// Where the file is until it gets its name, for another program that writes it.
    pub fn temporary(&self) -> &Path {
        &self.temporary
    }

    /// Gives the file its name; a file of that name is replaced. Everything must have been written and flushed.
    ///
    /// # Errors
    /// If the file cannot be renamed; it is then removed.
    pub fn commit(mut self) -> io::Result<()> {
        fs::rename(&self.temporary, &self.path)?;
        self.committed = true;
        Ok(())
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.committed {
            // There is an error to report already, and it is the more important one.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// A name in the same folder (a rename must not cross file systems) that no other process uses.
fn temporary_beside(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut temporary = OsString::from(".");
    temporary.push(name);
    temporary.push(format!("{TEMPORARY}{}", std::process::id()));
    Ok(path.with_file_name(temporary))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        write_atomic(&path, b"first").unwrap();
        write_durable(&path, b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_written_in_pieces_appears_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let (new, mut file) = NewFile::create(&path).unwrap();
        file.write_all(b"half").unwrap();
        assert!(!path.exists() && new.temporary().exists());
        drop((new, file));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "what was not committed is gone");

        let (new, mut file) = NewFile::create(&path).unwrap();
        file.write_all(b"half and half").unwrap();
        new.commit().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"half and half");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_a_killed_process_left_is_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let others = ["file", ".file", ".file.tmp", ".file.tmpx", "file.tmp12"];
        let left = temporary_beside(&folder.path().join("a.tmp1.png")).unwrap();
        fs::write(&left, "half").unwrap();
        others.iter().for_each(|name| fs::write(folder.path().join(name), "").unwrap());
        remove_temporaries(folder.path()).unwrap();
        assert!(!left.exists());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), others.len());
    }

    #[test]
    fn lines_of_later_steps_are_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines");
        let cut = |text: &str, step: u64| {
            fs::write(&path, text).unwrap();
            truncate_lines(&path, step).unwrap();
            fs::read_to_string(&path).unwrap()
        };
        let lines = "{\"step\":1}\n{\"step\":2,\"x\":0.5}\n{\"note\":\"of no step\"}\n{\"step\":3}\n";
        let start = |count: usize| lines.split_inclusive('\n').take(count).collect::<String>();
        assert_eq!(cut(lines, 0), "");
        assert_eq!(cut(lines, 1), start(1));
        assert_eq!(cut(lines, 2), start(3));
        assert_eq!(cut(lines, 3), lines);
        assert_eq!(cut(lines, 9), lines);
        for half in ["{\"st", "{\"step\":4}", "\0\0\0\0", "\n"] {
            assert_eq!(cut(&format!("{lines}{half}"), 9), lines, "{half:?}");
        }
        fs::remove_file(&path).unwrap();
        truncate_lines(&path, 1).unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn a_failure_leaves_no_temporary_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("taken");
        fs::create_dir(&path).unwrap();
        write_atomic(&path, b"bytes").unwrap_err();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
