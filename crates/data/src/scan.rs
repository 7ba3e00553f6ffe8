//! Finds the pictures in a folder, in the order of torchvision's `ImageFolder`.
//!
//! # What counts
//! Regular files, and links to them, at any depth, whose extension is `png`, `jpg` or `jpeg` in any letter case.
//! Files and folders whose name starts with a dot are passed over without a word (`.git`, macOS's `._face.jpg`;
//! torchvision takes those that have a picture's extension). Links to folders are followed, but each real folder is
//! read once, however many links lead to it, so a loop ends. Nothing is opened here, so pipes and devices are safe.
//!
//! # Order
//! `ImageFolder` sorts the class folders, and under each one takes `sorted(os.walk(class, followlinks=True))` and,
//! in every folder of that walk, `sorted(fnames)`. So the order is that of
//!
//! 1. the class: the first folder in the path;
//! 2. the path of the file's folder, compared as one string. Files directly in a folder therefore precede those in
//!    its subfolders, and `a/b-c` precedes `a/b/c`, because `-` sorts before `/`;
//! 3. the file's name.
//!
//! Strings compare by their bytes, which for UTF-8 is Python's order by code points. Pictures directly in the given
//! folder, which `ImageFolder` does not see, have the empty class and come first.

use std::cmp::Ordering;
use std::collections::{HashSet, VecDeque};
use std::ffi::OsStr;
use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{DataError, SkipReason, Skipped};

/// The extensions that mark a picture, compared without regard to letter case.
pub const EXTENSIONS: [&str; 3] = ["png", "jpg", "jpeg"];

/// What a folder holds.
#[derive(Debug, Default)]
pub struct Scan {
    /// The pictures, in the order that this module describes. None has been opened yet.
    pub pictures: Vec<PathBuf>,
    /// Files that are named like pictures and cannot be any, and folders that cannot be read.
    pub skipped: Vec<Skipped>,
    /// How many files have other names.
    pub other_files: usize,
    /// One of the files with other names.
    pub example: Option<PathBuf>,
}

/// Lists the pictures in `folder` and below. A folder without any is an empty [`Scan`], not an error.
pub fn scan(folder: &Path) -> Result<Scan, DataError> {
    let unreadable = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => DataError::NotFound(folder.to_owned()),
        io::ErrorKind::NotADirectory => DataError::NotAFolder(folder.to_owned()),
        _ => DataError::Unreadable { path: folder.to_owned(), source },
    };
    let real = fs::canonicalize(folder).map_err(unreadable)?;
    fs::read_dir(folder).map_err(unreadable)?;

    let mut walk = Walk { seen: HashSet::from([real]), folders: vec![folder.to_owned()], ..Walk::default() };
    // A folder reached directly and by a link keeps its own name, so links wait until the others are done.
    while let Some(next) = walk.folders.pop().or_else(|| walk.next_link()) {
        if let Err(error) = walk.list(&next) {
            walk.scan.skipped.push(Skipped { path: next, reason: error.into() });
        }
    }
    let mut scan = walk.scan;
    scan.pictures.sort_by(|a, b| image_folder_order(folder, a, b));
    scan.skipped.sort_by(|a, b| image_folder_order(folder, &a.path, &b.path));
    Ok(scan)
}

#[derive(Default)]
struct Walk {
    /// The real paths of all folders met so far.
    seen: HashSet<PathBuf>,
    folders: Vec<PathBuf>,
    links: VecDeque<PathBuf>,
    scan: Scan,
}

impl Walk {
    fn list(&mut self, folder: &Path) -> io::Result<()> {
        let mut entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
        // The system lists in any order; which of two links names a folder must not depend on it.
        entries.sort_by_key(DirEntry::file_name);
        for entry in entries {
            let name = entry.file_name();
            if !name.as_encoded_bytes().starts_with(b".") {
                let path = entry.path();
                if let Err(reason) = self.enter(&entry, &path) {
                    self.scan.skipped.push(Skipped { path, reason });
                }
            }
        }
        Ok(())
    }

    fn enter(&mut self, entry: &DirEntry, path: &Path) -> Result<(), SkipReason> {
        let own_type = entry.file_type()?;
        let is_picture = has_picture_extension(path);
        let file_type = if own_type.is_symlink() {
            match fs::metadata(path) {
                Ok(target) => target.file_type(),
                Err(_) if !is_picture => {
                    self.count_other(path);
                    return Ok(());
                }
                Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(SkipReason::BrokenLink),
                Err(e) => return Err(e.into()),
            }
        } else {
            own_type
        };
        if file_type.is_dir() {
            if own_type.is_symlink() {
                self.links.push_back(path.to_owned());
            } else if self.seen.insert(fs::canonicalize(path)?) {
                self.folders.push(path.to_owned());
            }
        } else if !is_picture {
            self.count_other(path);
        } else if file_type.is_file() {
            self.scan.pictures.push(path.to_owned());
        } else {
            return Err(SkipReason::NotAFile);
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
                Err(error) => self.scan.skipped.push(Skipped { path: link, reason: error.into() }),
            }
        }
        None
    }

    fn count_other(&mut self, path: &Path) {
        self.scan.other_files += 1;
        // The least, so that the message does not depend on the order of the walk.
        if self.scan.example.as_deref().is_none_or(|example| path < example) {
            self.scan.example = Some(path.to_owned());
        }
    }
}

fn has_picture_extension(path: &Path) -> bool {
    path.extension().is_some_and(|extension| EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known)))
}

fn image_folder_order(root: &Path, a: &Path, b: &Path) -> Ordering {
    fn key<'a>(root: &Path, path: &'a Path) -> (&'a [u8], &'a [u8], &'a [u8]) {
        let relative = path.strip_prefix(root).unwrap_or(path);
        let folder = relative.parent().unwrap_or(Path::new(""));
        let class = folder.components().next().map_or(OsStr::new(""), |first| first.as_os_str());
        let name = relative.file_name().unwrap_or_default();
        (class.as_encoded_bytes(), folder.as_os_str().as_encoded_bytes(), name.as_encoded_bytes())
    }
    key(root, a).cmp(&key(root, b))
}

#[cfg(test)]
mod tests {
    use super::*;

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

    fn names(dir: &tempfile::TempDir) -> Vec<String> {
        let relative = |path: PathBuf| path.strip_prefix(dir.path()).unwrap().to_str().unwrap().to_owned();
        scan(dir.path()).unwrap().pictures.into_iter().map(relative).collect()
    }

    #[test]
    fn extensions_match_in_any_letter_case() {
        let dir = folder(&["a.PNG", "b.Jpg", "c.jPeG", "d.jpg.txt", "png", "e.webp", "notes", ".hidden.png"]);
        assert_eq!(names(&dir), ["a.PNG", "b.Jpg", "c.jPeG"]);
        let found = scan(dir.path()).unwrap();
        assert_eq!(found.other_files, 4);
        assert_eq!(found.example.unwrap(), dir.path().join("d.jpg.txt"));
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
        assert_eq!(scan(&dir.path().join(".cache")).unwrap().pictures.len(), 1);
    }

    #[test]
    fn missing_and_wrong_roots_are_told_apart() {
        let dir = folder(&["file.png"]);
        assert!(matches!(scan(&dir.path().join("nowhere")), Err(DataError::NotFound(_))));
        assert!(matches!(scan(&dir.path().join("file.png")), Err(DataError::NotAFolder(_))));
        assert!(matches!(scan(&dir.path().join("file.png/below")), Err(DataError::NotAFolder(_))));
    }

    #[cfg(unix)]
    mod unix {
        use super::*;
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
            let a = scan(&root.join("a")).unwrap();
            assert_eq!(a.pictures.len(), 3, "links out of the folder are followed: {a:?}");
            assert_eq!(a.pictures[0], root.join("a/1.png"), "what is really there keeps its own name");
        }

        #[test]
        fn linked_files_count_and_broken_links_are_reported() {
            let dir = folder(&["real.png"]);
            symlink("real.png", dir.path().join("link.jpg")).unwrap();
            symlink("gone.png", dir.path().join("broken.png")).unwrap();
            symlink("gone.txt", dir.path().join("broken.txt")).unwrap();
            assert_eq!(names(&dir), ["link.jpg", "real.png"]);
            let found = scan(dir.path()).unwrap();
            assert_eq!((found.skipped.len(), found.other_files), (1, 1));
            assert!(matches!(found.skipped[0].reason, SkipReason::BrokenLink));
        }

        #[test]
        fn pipes_and_devices_are_reported_unopened() {
            let dir = folder(&["a.png"]);
            let pipe = dir.path().join("pipe.png");
            assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
            symlink("/dev/zero", dir.path().join("zero.png")).unwrap();
            let found = scan(dir.path()).unwrap();
            assert_eq!(found.pictures, [dir.path().join("a.png")]);
            assert_eq!(found.skipped.len(), 2);
            assert!(found.skipped.iter().all(|skipped| matches!(skipped.reason, SkipReason::NotAFile)));
        }

        #[test]
        fn any_file_name_will_do() {
            let dir = folder(&["new\nline.png", "图/脸.PNG"]);
            let name = OsStr::from_bytes(b"\xff\xfe.png");
            // Some file systems only take UTF-8.
            if fs::write(dir.path().join(name), "").is_ok() {
                let found = scan(dir.path()).unwrap().pictures;
                assert_eq!(found.len(), 3);
                assert_eq!(found[1], dir.path().join(name));
            } else {
                assert_eq!(scan(dir.path()).unwrap().pictures.len(), 2);
            }
        }

        #[test]
        fn an_unreadable_folder_is_reported() {
            use std::os::unix::fs::PermissionsExt;
            let dir = folder(&["a.png", "locked/b.png"]);
            let locked = dir.path().join("locked");
            fs::set_permissions(&locked, fs::Permissions::from_mode(0o000)).unwrap();
            let found = scan(dir.path()).unwrap();
            // Root may read everything.
            if fs::read_dir(&locked).is_err() {
                assert_eq!((found.pictures.len(), found.skipped.len()), (1, 1));
                assert_eq!(found.skipped[0].path, locked);
            }
            fs::set_permissions(&locked, fs::Permissions::from_mode(0o700)).unwrap();
        }
    }
}
