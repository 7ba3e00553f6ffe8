//! One process at a time.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::Path;

/// A locked file. The system unlocks it when the process ends, however it ends, so that a file that is left behind means nothing.
#[derive(Debug)]
pub(crate) struct Lock(#[allow(dead_code, reason = "it is locked as long as it is open")] File);

/// Why a lock could not be had.
#[derive(Debug)]
pub(crate) enum LockError {
    /// Another process has it, which may have said who it is.
    Held { process: Option<u32> },
    /// The system refused.
    Io(io::Error),
}

impl Lock {
    /// The lock's name in the folder it is for.
    pub(crate) const NAME: &str = ".lock";

    /// Locks the file `path`, which is made if it is not there, and writes into it who has it.
    pub(crate) fn take(path: &Path) -> Result<Self, LockError> {
        let file = File::options().create(true).truncate(false).write(true).open(path).map_err(LockError::Io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let process = fs::read_to_string(path).ok().and_then(|text| text.trim().parse().ok());
                return Err(LockError::Held { process });
            }
            // Some network file systems have no locks; to refuse to train there would help nobody.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {}
            Err(TryLockError::Error(error)) => return Err(LockError::Io(error)),
        }
        // For people only.
        let _ = file.set_len(0).and_then(|()| writeln!(&file, "{}", std::process::id()));
        Ok(Self(file))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_held_by_one_and_free_when_it_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(Lock::NAME);
        let lock = Lock::take(&path).unwrap();
        let LockError::Held { process } = Lock::take(&path).unwrap_err() else { panic!("an error of the system") };
        assert_eq!(process, Some(std::process::id()));
        drop(lock);
        Lock::take(&path).unwrap();
        assert!(matches!(Lock::take(&path.join("below")), Err(LockError::Io(_))));
    }
}
