//! Files that are whole or not there.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

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
    write_then_rename(path, bytes, File::sync_all)
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
    temporary.push(format!(".tmp{}", std::process::id()));
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
    fn a_failure_leaves_no_temporary_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("taken");
        fs::create_dir(&path).unwrap();
        write_atomic(&path, b"bytes").unwrap_err();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
