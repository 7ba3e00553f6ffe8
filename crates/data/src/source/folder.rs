//! The files in a folder and below.
//!
//! Files and folders whose name starts with a dot are passed over without a word (`.git`, macOS's `._face.jpg`;
//! torchvision takes those that have a picture's extension). Links to folders are followed, but each real folder is
//! read once, however many links lead to it, so a loop ends. Nothing is opened here, so pipes and devices are safe.

use std::collections::{HashSet, VecDeque};
use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};

use super::listing::{Item, Listing, has_picture_extension, is_hidden};
use super::stamp::Stamp;
use crate::error::{DataError, SkipReason, SkippedFile};

/// Lists the files in `folder` and below, in no order.
pub(super) fn list(folder: &Path) -> Result<Listing, DataError> {
    let unreadable = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => DataError::NotFound(folder.to_owned()),
        _ => DataError::Unreadable { path: folder.to_owned(), source },
    };
    let real = fs::canonicalize(folder).map_err(unreadable)?;
    fs::read_dir(folder).map_err(unreadable)?;

    let mut walk = Walk { seen: HashSet::from([real]), folders: vec![folder.to_owned()], ..Walk::default() };
    // A folder reached directly and by a link keeps its own name, so links wait until the others are done.
    while let Some(next) = walk.folders.pop().or_else(|| walk.next_link()) {
        if let Err(error) = walk.list(&next) {
            walk.listing.skipped.push(SkippedFile { path: next, reason: error.into() });
        }
    }
    Ok(walk.listing)
}

#[derive(Default)]
struct Walk {
    /// The real paths of all folders met so far.
    seen: HashSet<PathBuf>,
    folders: Vec<PathBuf>,
    links: VecDeque<PathBuf>,
    listing: Listing,
}

impl Walk {
    /// Lists one folder, without the folders in it.
    fn list(&mut self, folder: &Path) -> io::Result<()> {
        let mut entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
        // The system lists in any order; which of two links names a folder must not depend on it.
        entries.sort_by_key(DirEntry::file_name);
        for entry in entries {
            if !is_hidden(&entry.file_name()) {
                let path = entry.path();
                if let Err(reason) = self.enter(&entry, &path) {
                    self.listing.skipped.push(SkippedFile { path, reason });
                }
            }
        }
        Ok(())
    }

    /// Adds an entry of a folder to the listing, or to the folders that are listed later.
    fn enter(&mut self, entry: &DirEntry, path: &Path) -> Result<(), SkipReason> {
        let own = entry.metadata()?;
        let has_picture_extension = has_picture_extension(path);
        let metadata = if own.is_symlink() {
            match fs::metadata(path) {
                Ok(target) => target,
                Err(_) if !has_picture_extension => {
                    self.listing.count_other(path);
                    return Ok(());
                }
                Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(SkipReason::BrokenLink),
                Err(e) => return Err(e.into()),
            }
        } else {
            own.clone()
        };
        if metadata.is_dir() {
            if own.is_symlink() {
                self.links.push_back(path.to_owned());
            } else if self.seen.insert(fs::canonicalize(path)?) {
                self.folders.push(path.to_owned());
            }
        } else if metadata.is_file() {
            let (len, stamp) = (metadata.len(), Stamp::of(&metadata));
            self.listing.items.push(Item { path: path.to_owned(), has_picture_extension, len, stamp, place: 0 });
        } else if has_picture_extension {
            return Err(SkipReason::NotAFile);
        } else {
            self.listing.count_other(path);
        }
        Ok(())
    }

    /// The first waiting link that leads to a folder not met yet.
    fn next_link(&mut self) -> Option<PathBuf> {
        while let Some(link) = self.links.pop_front() {
            let new = fs::canonicalize(&link).map(|real| self.seen.insert(real));
            match new {
                Ok(true) => return Some(link),
                Ok(false) => {}
                Err(error) => self.listing.skipped.push(SkippedFile { path: link, reason: error.into() }),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::FileSource;

    /// A folder with these files, each holding its own name.
    fn folder(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        dir
    }

    fn open(path: &Path) -> Listing {
        FileSource::open(path).unwrap().listing
    }

    fn names(dir: &tempfile::TempDir) -> Vec<String> {
        let relative = |item: Item| item.path.strip_prefix(dir.path()).unwrap().to_str().unwrap().to_owned();
        open(dir.path()).items.into_iter().map(relative).collect()
    }

    #[test]
    fn extensions_match_in_any_letter_case() {
        let dir = folder(&["a.PNG", "b.Jpg", "c.jPeG", "d.jpg.txt", "png", "e.webp", "notes", ".hidden.png"]);
        let found = open(dir.path());
        let named: Vec<_> = found
            .items
            .iter()
            .filter(|item| item.has_picture_extension)
            .map(|item| item.path.file_name().unwrap())
            .collect();
        assert_eq!(named, ["a.PNG", "b.Jpg", "c.jPeG", "e.webp"]);
        assert_eq!(found.items.len(), 7, "what a file holds is for its content to tell");
        assert!(found.skipped.is_empty());
    }

    /// The expected order is what Python prints for these files:
    ///
    /// ```python
    /// for c in sorted(e.name for e in os.scandir(root) if e.is_dir()):
    ///     for folder, _, names in sorted(os.walk(os.path.join(root, c), followlinks=True)):
    ///         for name in sorted(names): print(os.path.relpath(os.path.join(folder, name), root))
    /// ```
    #[test]
    fn order_is_image_folders() {
        let mut expected = [
            "Z/1.png",
            "a/10.png",
            "a/9.png",
            "a/b.png",
            "a/b/1.png",
            "a/b-c/1.png",
            "a/b/c/d/e/1.png",
            "a-b/1.png",
            "a.b/1.png",
            "b/B.png",
            "b/a.png",
            "b/é.png",
            "b/画.png",
            "b/😀.png",
        ];
        expected.reverse();
        let dir = folder(&expected);
        expected.reverse();
        assert_eq!(names(&dir), expected);

        fs::write(dir.path().join("zz.png"), "").unwrap();
        assert_eq!(names(&dir)[0], "zz.png", "pictures outside of any class come first");
    }

    #[test]
    fn hidden_folders_are_passed_over_but_not_a_hidden_root() {
        let dir = folder(&[".cache/a.png", "b/.thumbs/a.png", "b/a.png"]);
        assert_eq!(names(&dir), ["b/a.png"]);
        assert_eq!(open(&dir.path().join(".cache")).items.len(), 1);
    }

    #[cfg(unix)]
    mod unix {
        use super::*;
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;
        use std::os::unix::fs::symlink;
        use std::process::Command;

        #[test]
        fn link_loops_end_and_each_folder_is_read_once() {
            let dir = folder(&["a/1.png", "b/2.png", "outside/3.png"]);
            let root = dir.path();
            symlink(root, root.join("a/up")).unwrap();
            symlink(root.join("b"), root.join("a/b")).unwrap();
            symlink(root.join("a"), root.join("b/a")).unwrap();
            symlink("self.d", root.join("self.d")).unwrap();
            assert_eq!(names(&dir), ["a/1.png", "b/2.png", "outside/3.png"]);
            let a = open(&root.join("a"));
            assert_eq!(a.items.len(), 3, "links out of the folder are followed: {a:?}");
            assert_eq!(a.items[0].path, root.join("a/1.png"), "what is really there keeps its own name");
        }

        #[test]
        fn linked_files_count_and_broken_links_are_reported() {
            let dir = folder(&["real.png"]);
            symlink("real.png", dir.path().join("link.jpg")).unwrap();
            symlink("gone.png", dir.path().join("broken.png")).unwrap();
            symlink("gone.txt", dir.path().join("broken.txt")).unwrap();
            assert_eq!(names(&dir), ["link.jpg", "real.png"]);
            let found = open(dir.path());
            assert_eq!((found.skipped.len(), found.other_files), (1, 1));
            assert!(matches!(found.skipped[0].reason, SkipReason::BrokenLink));
        }

        #[test]
        fn pipes_and_devices_are_reported_unopened() {
            let dir = folder(&["a.png"]);
            let pipe = dir.path().join("pipe.png");
            assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
            symlink("/dev/zero", dir.path().join("zero.png")).unwrap();
            assert_eq!(names(&dir), ["a.png"]);
            let found = open(dir.path());
            assert_eq!(found.skipped.len(), 2);
            assert!(found.skipped.iter().all(|skipped| matches!(skipped.reason, SkipReason::NotAFile)));
        }

        #[test]
        fn any_file_name_will_do() {
            let dir = folder(&["new\nline.png", "图/脸.PNG"]);
            let name = OsStr::from_bytes(b"\xff\xfe.png");
            // Some file systems only take UTF-8.
            if fs::write(dir.path().join(name), "").is_ok() {
                let found = open(dir.path()).items;
                assert_eq!(found.len(), 3);
                assert_eq!(found[1].path, dir.path().join(name));
            } else {
                assert_eq!(open(dir.path()).items.len(), 2);
            }
        }

        #[test]
        fn an_unreadable_folder_is_reported() {
            use std::os::unix::fs::PermissionsExt;
            let dir = folder(&["a.png", "locked/b.png"]);
            let locked = dir.path().join("locked");
            fs::set_permissions(&locked, fs::Permissions::from_mode(0o000)).unwrap();
            let found = open(dir.path());
            // Root may read everything.
            if fs::read_dir(&locked).is_err() {
                assert_eq!((found.items.len(), found.skipped.len()), (1, 1));
                assert_eq!(found.skipped[0].path, locked);
            }
            fs::set_permissions(&locked, fs::Permissions::from_mode(0o700)).unwrap();
        }
    }
}
