//! A lock file that keeps a second process from a run.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

/// A locked file. The system unlocks it when the process ends, even if it is killed, so that a file that is left behind
/// does no harm.
#[derive(Debug)]
pub(crate) struct Lock(#[allow(dead_code, reason = "it is locked as long as it is open")] File);

/// Error of taking a lock.
#[derive(Debug)]
pub(crate) enum LockError {
    /// Another process holds the lock; its number is in the file, unless that cannot be read.
    Held { process: Option<u32> },
    /// An error of the system.
    Io(io::Error),
}

impl Lock {
    /// Name of the lock file in its folder.
    pub(crate) const NAME: &str = ".lock";

    /// How often a lock that is held is tried again. Whoever asks whether it is held ([`Lock::is_held`]) holds it for
    /// an instant.
    const TRIES: usize = 5;
    /// The time between two tries.
    const PAUSE: Duration = Duration::from_millis(10);

    /// Whether another process has the lock `path`. It is `false` where the file system has no locks.
    pub(crate) fn is_held(path: &Path) -> bool {
        let Ok(file) = File::open(path) else { return false };
        matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
    }

    /// Locks the file `path`, creating it if it is missing, and writes the number of this process to it.
    pub(crate) fn take(path: &Path) -> Result<Self, LockError> {
        let file = File::options().create(true).truncate(false).write(true).open(path).map_err(LockError::Io)?;
        let mut locked = file.try_lock();
        for _ in 1..Self::TRIES {
            if !matches!(locked, Err(TryLockError::WouldBlock)) {
                break;
            }
            std::thread::sleep(Self::PAUSE);
            locked = file.try_lock();
        }
        match locked {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let process = fs::read_to_string(path).ok().and_then(|text| text.trim().parse().ok());
                return Err(LockError::Held { process });
            }
            // Some network file systems have no locks, and training must be possible there.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {}
            Err(TryLockError::Error(error)) => return Err(LockError::Io(error)),
        }
        // For messages only.
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
        assert!(Lock::is_held(&path));
        drop(lock);
        assert!(!Lock::is_held(&path) && !Lock::is_held(&folder.path().join("none")));
        // Whoever only asks is no obstacle.
        let probe = File::open(&path).unwrap();
        probe.try_lock_shared().unwrap();
        let waiting = std::thread::spawn({
            let path = path.clone();
            move || Lock::take(&path).map(drop)
        });
        std::thread::sleep(Duration::from_millis(15));
        drop(probe);
        assert!(waiting.join().unwrap().is_ok());
        Lock::take(&path).unwrap();
        assert!(matches!(Lock::take(&path.join("below")), Err(LockError::Io(_))));
    }
}
