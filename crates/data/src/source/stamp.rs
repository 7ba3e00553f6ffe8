//! Tells changed files by their times and lengths.

use std::fs::Metadata;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// What the system says about a file, or about the archive that it is in, that changes whenever its content does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamp {
    len: u64,
    /// Nanoseconds since 1970; of content and, where the system has it, of everything about the file.
    modified: u64,
    changed: u64,
    inode: u64,
}

impl Stamp {
    /// Returns the stamp of a file with these metadata.
    pub(super) fn of(metadata: &Metadata) -> Stamp {
        let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let modified = modified.map_or(0, |time| time.as_nanos() as u64);
        #[cfg(unix)]
        let (changed, inode) = {
            use std::os::unix::fs::MetadataExt;
            let nanoseconds = metadata.ctime().wrapping_mul(1_000_000_000).wrapping_add(metadata.ctime_nsec());
            (nanoseconds as u64, metadata.ino())
        };
        #[cfg(not(unix))]
        let (changed, inode) = (modified, 0);
        Stamp { len: metadata.len(), modified, changed, inode }
    }

    /// Whether any change after `now` is sure to change the stamp. The clocks of file systems tick every two seconds at
    /// worst, and within a tick a file can change twice under one stamp.
    pub(crate) fn is_settled(&self, now: SystemTime) -> bool {
        const TICK: Duration = Duration::from_secs(2);
        let Ok(now) = now.duration_since(UNIX_EPOCH) else { return false };
        let latest = Duration::from_nanos(self.modified.max(self.changed));
        latest + TICK < now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_settle_after_a_tick() {
        let second = |seconds: f64| Duration::from_secs_f64(seconds).as_nanos() as u64;
        let time = |seconds: f64| UNIX_EPOCH + Duration::from_secs_f64(seconds);
        for (modified, changed) in [(100.0, 90.0), (90.0, 100.0)] {
            let stamp = Stamp { len: 1, modified: second(modified), changed: second(changed), inode: 1 };
            for (now, is_settled) in [(0.0, false), (100.0, false), (102.0, false), (102.001, true), (1e6, true)] {
                assert_eq!(stamp.is_settled(time(now)), is_settled, "{now}");
            }
        }
        assert!(!Stamp { len: 1, modified: 0, changed: 0, inode: 1 }.is_settled(UNIX_EPOCH - Duration::from_secs(9)));
    }
}
