//! Limits on the memory of this process.

use std::fs;
use std::path::{Component, Path, PathBuf};

/// Limit on the memory of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limit {
    /// Number of bytes that may still be used; of address space, all that may be used.
    pub(crate) bytes: u64,
    /// Kind of the limit.
    pub(crate) kind: LimitKind,
}

/// Kind of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LimitKind {
    /// The control group, as in a container.
    ControlGroup,
    /// `ulimit -v`.
    AddressSpace,
}

impl LimitKind {
    /// Returns the name of what is limited.
    pub(crate) fn what(self) -> &'static str {
        match self {
            Self::ControlGroup => "memory",
            Self::AddressSpace => "address space",
        }
    }

    /// Returns the name of the limit for messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ControlGroup => "the control group of this process (container)",
            Self::AddressSpace => "the limit of address space (ulimit -v)",
        }
    }
}

/// Returns the tightest limit on the memory of this process; `None` if there is none, or this system does not tell.
pub(crate) fn memory() -> Option<Limit> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let group = control_group(&read("/proc/self/cgroup"), Path::new("/sys/fs/cgroup"));
    let space = address_space(&read("/proc/self/limits"));
    let limits = [
        group.map(|bytes| Limit { bytes, kind: LimitKind::ControlGroup }),
        space.map(|bytes| Limit { bytes, kind: LimitKind::AddressSpace }),
    ];
    limits.into_iter().flatten().min_by_key(|limit| limit.bytes)
}

/// Returns the limit on the address space, from `/proc/PID/limits`. What is reserved already is not subtracted: whether
/// a thread that was just started has reserved its part is a matter of chance, and the advice must hold at the next
/// start.
fn address_space(limits: &str) -> Option<u64> {
    let limit = limits.lines().find_map(|line| line.strip_prefix("Max address space"))?;
    limit.split_whitespace().next()?.parse().ok()
}

/// Returns the remaining memory of the control group and those above it, from `/proc/PID/cgroup` and the file system
/// below `root`, for both versions of control groups. Memory that the kernel can reclaim, such as that of cached files,
/// counts as remaining.
fn control_group(groups: &str, root: &Path) -> Option<u64> {
    let left = |line: &str| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        let (root, limit, anonymous) = match controllers {
            "" => (root.to_owned(), "memory.max", "anon"),
            names if names.split(',').any(|name| name == "memory") => {
                (root.join("memory"), "memory.limit_in_bytes", "total_rss")
            }
            _ => return None,
        };
        // In a container the path may be that of the host, so that missing files mean nothing.
        let parts: Vec<Component<'_>> =
            Path::new(path).components().filter(|part| matches!(part, Component::Normal(_))).collect();
        let folders = (0..=parts.len()).map(|count| root.join(parts[..count].iter().collect::<PathBuf>()));
        let left = folders.filter_map(|folder| {
            let limit: u64 = fs::read_to_string(folder.join(limit)).ok()?.trim().parse().ok()?;
            let statistics = fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
            let used = statistics.lines().find_map(|line| line.strip_prefix(anonymous)?.strip_prefix(' '));
            let used: u64 = used.and_then(|used| used.parse().ok()).unwrap_or(0);
            Some(limit.saturating_sub(used))
        });
        left.min()
    };
    groups.lines().filter_map(left).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    #[test]
    fn both_versions_of_control_groups_are_read() {
        let second = files(&[
            ("a/memory.max", "1000000\n"),
            ("a/memory.stat", "anon 400000\nfile 9\n"),
            ("a/b/memory.max", "700000\n"),
            ("a/b/memory.stat", "anon 1\n"),
        ]);
        assert_eq!(control_group("0::/a/b\n", second.path()), Some(600_000), "the tightest on the way up");
        assert_eq!(control_group("0::/a\n", second.path()), Some(600_000));
        assert_eq!(control_group("0::/elsewhere\n", second.path()), None);
        let first = files(&[
            ("memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("memory/x/memory.limit_in_bytes", "209715200\n"),
            ("memory/x/memory.stat", "cache 5\ntotal_rss 9715200\n"),
        ]);
        assert_eq!(control_group("8:pids:/\n4:cpu,memory:/x\n0::/\n", first.path()), Some(200_000_000));
        let none = files(&[("memory.max", "max\n")]);
        assert_eq!(control_group("0::/\n", none.path()), None);
        assert_eq!(control_group("", none.path()), None);
    }

    #[test]
    fn the_address_space_is_read() {
        let limits = |space: &str| {
            format!("Limit  Soft Limit  Hard Limit  Units\nMax address space  {space}  unlimited  bytes\n")
        };
        assert_eq!(address_space(&limits("1048576")), Some(1 << 20));
        assert_eq!(address_space(&limits("unlimited")), None);
        assert_eq!(address_space(""), None);
    }
}
