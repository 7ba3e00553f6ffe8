//! Writes files that are complete or absent.
//!
//! A file is written under a temporary name in the folder of its final name and renamed when it is complete. Three
//! things remove a temporary file that does not get its name: [`NewFile`] when it is dropped, [`remove_unfinished`]
//! when a signal ends the process, and [`sweep`] when a later process starts.
//!
//! On Unix a process holds a lock on each temporary file that it writes, so a sweep can tell files in use from
//! abandoned ones. Creating a file and locking it are two steps. A sweep in between removes the file;
//! [`NewFile::create`] notices that and creates another one.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

/// Separates the final name of a file from the number of the process that writes it.
const TEMPORARY: &str = ".tmp";
/// The end of temporary names. A user's folder may hold temporary files of other programs; only names with this end are
/// swept.
const OURS: &str = ".dcgan";
/// Largest number of characters of the final name that a temporary name repeats. File systems limit names to 255 bytes.
const NAME_CHARS: usize = 48;
/// Largest number of attempts to create a file that sweeps of other processes remove.
const ATTEMPTS: usize = 100;

/// Temporary files that this process is writing.
static UNFINISHED: LazyLock<Mutex<HashSet<PathBuf>>> = LazyLock::new(Mutex::default);

/// Locks [`UNFINISHED`] and returns it.
fn unfinished() -> MutexGuard<'static, HashSet<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes `bytes` to a temporary file beside `path` and renames it, so that no other process ever reads an incomplete
/// file.
///
/// # Errors
/// Any error of the file system. `path` is then unchanged.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_then_rename(path, bytes, |_| Ok(()))
}

/// As [`write_atomic`], but waits until the bytes are on the disk, so that a power failure cannot leave an empty file
/// under the new name.
///
/// # Errors
/// As [`write_atomic`].
pub fn write_durable(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_then_rename(path, bytes, File::sync_all)?;
    sync_folder(path)
}

/// Writes `bytes` to a temporary file, calls `sync` on it, and renames it to `path`.
fn write_then_rename(path: &Path, bytes: &[u8], sync: impl Fn(&File) -> io::Result<()>) -> io::Result<()> {
    let (new, mut file) = NewFile::create(path)?;
    file.write_all(bytes)?;
    sync(&file)?;
    new.commit()
}

/// Waits until the folder that contains `path` is on the disk, with the names of its files.
///
/// # Errors
/// If the folder cannot be opened or synced.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    // Windows cannot open a folder, and does not need this.
    if cfg!(unix) {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(parent.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    Ok(())
}

/// Renames `path` to the first free one of `path.damaged`, `path.damaged-2`, …, and returns the new name.
///
/// # Errors
/// Any error of the file system.
pub fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let aside = free_name(path, "damaged");
    fs::rename(path, &aside)?;
    sync_folder(path)?;
    Ok(aside)
}

/// Copies `path` to the first free one of `path.damaged`, `path.damaged-2`, …, and returns the name of the copy.
///
/// # Errors
/// Any error of the file system. There is then no copy.
pub fn copy_aside(path: &Path) -> io::Result<PathBuf> {
    let aside = free_name(path, "damaged");
    copy(path, &aside)?;
    Ok(aside)
}

/// Copies a file and waits until the copy is on the disk. The copy is complete or absent.
///
/// # Errors
/// Any error of the file system.
pub fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let mut source = File::open(from)?;
    let (new, mut file) = NewFile::create(to)?;
    io::copy(&mut source, &mut file)?;
    file.sync_all()?;
    new.commit()?;
    sync_folder(to)
}

/// Returns the first of `path.suffix`, `path.suffix-2`, … that does not exist.
pub fn free_name(path: &Path, suffix: &str) -> PathBuf {
    let name = |number: u64| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{suffix}"));
        if number > 1 {
            name.push(format!("-{number}"));
        }
        PathBuf::from(name)
    };
    (1..).map(name).find(|name| fs::symlink_metadata(name).is_err()).unwrap_or_else(|| name(1))
}

/// Removes every temporary file in `folder`, including those that a process is writing. Use it only on a folder in
/// which no other process writes.
///
/// # Errors
/// If the folder cannot be read, or a file cannot be removed.
pub fn remove_temporaries(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if is_temporary(&entry.file_name()) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Removes the temporary files in `folder` that killed processes left. Keeps files that a process is still writing, and
/// all files whose names do not come from [`NewFile`]. Errors are ignored: the next sweep tries again.
pub fn sweep(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten().filter(|entry| is_ours(&entry.file_name())) {
        // Opening a pipe would wait for its writer.
        if !entry.file_type().is_ok_and(|kind| kind.is_file()) {
            continue;
        }
        let path = entry.path();
        let Ok(file) = File::open(&path) else { continue };
        // The lock is held until the file is removed. A process that waits for the lock then notices the removal.
        if file.try_lock().is_ok() && has_name(&file, &path) {
            let _ = fs::remove_file(&path);
        }
    }
}

/// Removes the temporary files that this process is writing. Call it immediately before the process ends: all other
/// threads that create or complete files wait forever after that.
pub fn remove_unfinished() {
    let files = unfinished();
    for path in files.iter() {
        let _ = fs::remove_file(path);
    }
    // Another thread must not create a file between now and the end of the process.
    std::mem::forget(files);
}

/// Returns whether a file name is that of a temporary file of this program, of any version.
pub fn is_temporary(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    let process = name.strip_prefix('.').and_then(|name| name.rsplit_once(TEMPORARY));
    is_ours(OsStr::new(&*name)) || process.is_some_and(|(_, process)| process.parse::<u32>().is_ok())
}

/// Returns whether a file name is one that [`NewFile`] makes.
fn is_ours(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    let numbers = name.strip_prefix('.').and_then(|name| name.strip_suffix(OURS)?.rsplit_once(TEMPORARY));
    let numbers = numbers.and_then(|(_, numbers)| numbers.split_once('-'));
    numbers.is_some_and(|(process, count)| process.parse::<u32>().is_ok() && count.parse::<u32>().is_ok())
}

/// Returns whether `path` still is the name of the open `file`.
#[cfg(unix)]
fn has_name(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let [Ok(opened), Ok(named)] = [file.metadata(), fs::symlink_metadata(path)] else { return false };
    (opened.dev(), opened.ino()) == (named.dev(), named.ino())
}

/// Returns whether `path` exists. Systems other than Unix do not remove the name of an open file.
#[cfg(not(unix))]
fn has_name(_: &File, path: &Path) -> bool {
    path.exists()
}

/// A file under a temporary name, for content that is too large for memory. [`NewFile::commit`] gives it its final
/// name; without that it is removed when it is dropped.
#[derive(Debug)]
pub struct NewFile {
    path: PathBuf,
    temporary: PathBuf,
    committed: bool,
    /// Keeps the lock of the temporary file.
    _locked: Option<File>,
}

impl NewFile {
    /// Opens a temporary file beside `path` to write to, and to read back from.
    ///
    /// # Errors
    /// Any error of the file system.
    pub fn create(path: &Path) -> io::Result<(Self, File)> {
        for _ in 0..ATTEMPTS {
            let new =
                Self { path: path.to_owned(), temporary: temporary_beside(path)?, committed: false, _locked: None };
            let file = new.open()?;
            if let Some((new, file)) = new.lock(file)? {
                return Ok((new, file));
            }
        }
        Err(io::Error::other("other processes remove the temporary file again and again"))
    }

    /// Creates the file while the list of temporary files is locked: [`remove_unfinished`] either runs before, and the
    /// file is never created, or after, and removes it.
    fn open(&self) -> io::Result<File> {
        let mut unfinished = unfinished();
        let file = File::options().read(true).write(true).create_new(true).open(&self.temporary)?;
        unfinished.insert(self.temporary.clone());
        Ok(file)
    }

    /// Locks the file. Returns `None` if a sweep has removed the file before it was locked.
    #[cfg(unix)]
    fn lock(mut self, file: File) -> io::Result<Option<(Self, File)>> {
        // Some network file systems have no locks. A sweep removes nothing there either.
        let _ = file.lock();
        if !has_name(&file, &self.temporary) {
            return Ok(None);
        }
        // Both handles are one open file to the system, so the lock lasts until both are closed.
        self._locked = Some(file.try_clone()?);
        Ok(Some((self, file)))
    }

    /// Does not lock: on other systems a locked file cannot be written through another handle, as ffmpeg does.
    #[cfg(not(unix))]
    fn lock(self, file: File) -> io::Result<Option<(Self, File)>> {
        Ok(Some((self, file)))
    }

    /// Returns the temporary path, for another program that writes the file.
    pub fn temporary(&self) -> &Path {
        &self.temporary
    }

    /// Gives the file its final name, replacing a file of that name. All content must have been written and flushed.
    ///
    /// # Errors
    /// If the file cannot be renamed; it is then removed.
    pub fn commit(mut self) -> io::Result<()> {
        // After `remove_unfinished` the file is gone. The thread then waits for the end of the process instead of
        // reporting an error that is none.
        let unfinished = unfinished();
        fs::rename(&self.temporary, &self.path)?;
        self.committed = true;
        drop(unfinished);
        Ok(())
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.committed {
            // The caller already reports a more important error.
            let _ = fs::remove_file(&self.temporary);
        }
        unfinished().remove(&self.temporary);
    }
}

/// Returns an unused name in the folder of `path`, because a rename must not cross file systems.
fn temporary_beside(path: &Path) -> io::Result<PathBuf> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let start: String = name.to_string_lossy().chars().take(NAME_CHARS).collect();
    let (process, count) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let temporary = OsString::from(format!(".{start}{TEMPORARY}{process}-{count}{OURS}"));
    Ok(path.with_file_name(temporary))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(folder: &Path) -> usize {
        fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn a_file_is_replaced_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        write_atomic(&path, b"first").unwrap();
        write_durable(&path, b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(count(folder.path()), 1);
    }

    #[test]
    fn a_file_written_in_pieces_appears_when_it_is_complete() {
        let folder = tempfile::tempdir().unwrap();
        // The longest name that file systems have.
        let path = folder.path().join("é".repeat(127));
        let (new, mut file) = NewFile::create(&path).unwrap();
        file.write_all(b"half").unwrap();
        assert!(!path.exists() && new.temporary().exists());
        drop((new, file));
        assert_eq!(count(folder.path()), 0, "what was not committed is gone");

        let (new, mut file) = NewFile::create(&path).unwrap();
        file.write_all(b"half and half").unwrap();
        new.commit().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"half and half");
        assert_eq!(count(folder.path()), 1);
    }

    #[test]
    fn temporary_names_are_recognized_and_no_others() {
        let ours = temporary_beside(Path::new("folder/a.tmp1.png")).unwrap();
        let ours = ours.file_name().unwrap();
        assert!(is_temporary(ours) && is_ours(ours), "{ours:?}");
        // Of earlier versions: safe to remove in a run's folder, but in a folder of the user's it may be somebody
        // else's.
        assert!(is_temporary(".a.tmp12".as_ref()) && !is_ours(".a.tmp12".as_ref()));
        for other in ["file", ".file", ".file.tmp", ".file.tmpx", "file.tmp12", ".file.tmp12-x.dcgan", ".file.tmp1-2"] {
            assert!(!is_temporary(other.as_ref()) && !is_ours(other.as_ref()), "{other}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_sweep_removes_abandoned_files_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let abandoned = folder.path().join(".a.png.tmp123-0.dcgan");
        fs::write(&abandoned, "half").unwrap();
        let others = ["file", ".file.tmp12", ".file.tmp", "tmp123-0.dcgan"];
        others.iter().for_each(|name| fs::write(folder.path().join(name), "").unwrap());
        let pipe = folder.path().join(".pipe.tmp1-2.dcgan");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let (in_use, _) = NewFile::create(&folder.path().join("b")).unwrap();
        sweep(folder.path());
        assert!(!abandoned.exists());
        assert!(in_use.temporary().exists() && pipe.exists());
        assert_eq!(count(folder.path()), others.len() + 2);
    }

    /// Between its creation and its lock a file looks abandoned.
    #[cfg(unix)]
    #[test]
    fn sweeps_do_not_disturb_files_that_are_being_created() {
        let folder = tempfile::tempdir().unwrap();
        let is_over = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !is_over.load(Ordering::Relaxed) {
                        sweep(folder.path());
                    }
                });
            }
            for i in 0..2000 {
                let path = folder.path().join(i.to_string());
                let written = write_atomic(&path, b"content");
                if written.is_err() || i == 1999 {
                    is_over.store(true, Ordering::Relaxed);
                }
                written.unwrap();
            }
        });
        assert_eq!(count(folder.path()), 2000);
    }

    #[test]
    fn damaged_files_are_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.json");
        for name in ["run.json.damaged", "run.json.damaged-2", "run.json.damaged-3"] {
            fs::write(&path, name).unwrap();
            assert_eq!(set_aside(&path).unwrap(), folder.path().join(name));
            assert!(!path.exists());
        }
        fs::write(&path, "copied").unwrap();
        assert_eq!(fs::read_to_string(copy_aside(&path).unwrap()).unwrap(), "copied");
        assert_eq!(fs::read_to_string(folder.path().join("run.json.damaged")).unwrap(), "run.json.damaged");
        assert!(path.exists());
    }

    #[test]
    fn a_failure_leaves_no_temporary_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("taken");
        fs::create_dir(&path).unwrap();
        write_atomic(&path, b"bytes").unwrap_err();
        assert_eq!(count(folder.path()), 1);
        assert!(unfinished().iter().all(|path| !path.starts_with(folder.path())));
    }
}
