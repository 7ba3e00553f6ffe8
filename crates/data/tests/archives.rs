//! Zips and tars, honest ones and others.

// The exemption of tests in clippy.toml does not reach helpers outside of `#[test]` functions.
#![allow(clippy::unwrap_used)]

use std::fs::{self, File};
use std::io::{Cursor, Write};
use std::path::Path;

use dcgan_data::{Channels, DataError, Dataset, LoadOptions, LoadReport, SkipReason};
use zip::CompressionMethod;
use zip::write::{SimpleFileOptions, ZipWriter};

const PNG: &[u8] = include_bytes!("fixtures/rgb-64x64.png");
const JPEG: &[u8] = include_bytes!("fixtures/420-40x30.jpg");
const OTHER: &[u8] = include_bytes!("fixtures/rgb-20x20.png");

/// Names and contents, in an order that is not the data set's.
const FILES: [(&str, &[u8]); 9] = [
    ("images/10.jpg", JPEG),
    ("images/9.PNG", PNG),
    ("images/deep/er/neither text nor name", OTHER),
    ("images/notes.txt", b"not a picture"),
    ("images/broken.png", b"not a picture"),
    ("images/.hidden.png", PNG),
    ("__MACOSX/images/._9.PNG", b"not a picture"),
    ("a-first/动漫\n.jpeg", JPEG),
    ("top.png", OTHER),
];

fn load(path: &Path) -> Result<(Dataset, LoadReport), DataError> {
    Dataset::load(path, &LoadOptions::new(16, Channels::Rgb), |_| {})
}

fn zip(path: &Path, files: &[(&str, &[u8])], method: CompressionMethod) {
    let mut zip = ZipWriter::new(File::create(path).unwrap());
    let options = SimpleFileOptions::default().compression_method(method);
    zip.add_directory("images", options).unwrap();
    for (name, bytes) in files {
        zip.start_file(*name, options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
}

fn header(name: &str, bytes: &[u8]) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    // Written past the checks of `set_path`.
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    header
}

fn tar(path: &Path, files: &[(&str, &[u8])]) {
    let mut tar = tar::Builder::new(File::create(path).unwrap());
    for (name, bytes) in files {
        tar.append(&header(name, bytes), *bytes).unwrap();
    }
    tar.finish().unwrap();
}

/// Paths below the data set, and what was said about those left out.
fn names(report: &LoadReport) -> (Vec<String>, Vec<String>) {
    let below = |path: &Path| path.strip_prefix(&report.path).unwrap().to_str().unwrap().to_owned();
    let used = report.images.iter().map(|used| below(&used.path)).collect();
    (used, report.skipped.iter().map(|skipped| format!("{}: {}", below(&skipped.path), skipped.reason)).collect())
}

#[test]
fn archives_are_read_as_what_they_hold_unpacked() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("folder");
    for (name, bytes) in FILES {
        fs::create_dir_all(folder.join(name).parent().unwrap()).unwrap();
        fs::write(folder.join(name), bytes).unwrap();
    }
    let (data, report) = load(&folder).unwrap();
    let expected =
        ["top.png", "a-first/动漫\n.jpeg", "images/10.jpg", "images/9.PNG", "images/deep/er/neither text nor name"];
    assert_eq!(names(&report).0, expected);
    assert_eq!(names(&report).1, ["images/broken.png: it is not a picture, whatever its name says"]);
    assert_eq!(report.other_files, 1);

    // The archives' own names do not matter.
    let paths = ["stored.zip", "deflated.zip", "no-name", "files.tar"].map(|name| dir.path().join(name));
    zip(&paths[0], &FILES, CompressionMethod::Stored);
    zip(&paths[1], &FILES, CompressionMethod::Deflated);
    fs::copy(&paths[1], &paths[2]).unwrap();
    tar(&paths[3], &FILES);
    for path in paths {
        let (archived, its_report) = load(&path).unwrap();
        assert_eq!(names(&its_report), names(&report), "{path:?}");
        assert_eq!(its_report.other_files, report.other_files);
        for i in 0..data.len() {
            assert_eq!(archived.image(i).unwrap(), data.image(i).unwrap(), "{path:?} {i}");
        }
    }
}

#[test]
fn names_that_lead_out_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let files = [
        ("../up.png", PNG),
        ("a/../../up.png", PNG),
        ("/absolute.png", PNG),
        ("a.png", OTHER),
        ("..\\windows.png", PNG),
    ];
    zip(&dir.path().join("a.zip"), &files, CompressionMethod::Stored);
    tar(&dir.path().join("a.tar"), &files[..4]);
    for name in ["a.zip", "a.tar"] {
        let (_, report) = load(&dir.path().join(name)).unwrap();
        assert_eq!(names(&report).0, ["a.png", "absolute.png"]);
        let outside = report.skipped.iter().filter(|skipped| skipped.reason == SkipReason::OutsideArchive);
        assert_eq!(outside.count(), if name == "a.zip" { 3 } else { 2 }, "{report:?}");
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "nothing is written");
}

/// Unpacked, the later of two entries with one name replaces the earlier. So it must be with a cache, which knows files
/// by their names.
#[test]
fn of_entries_with_one_name_the_last_counts() {
    let dir = tempfile::tempdir().unwrap();
    let files = [("a/1.png", PNG), ("b.png", JPEG), ("a/1.png", OTHER), ("a/./1.png", JPEG), ("/b.png", PNG)];
    tar(&dir.path().join("a.tar"), &files);
    // The program that writes zips here refuses a name that is there already, but not another way to write it.
    zip(&dir.path().join("a.zip"), &[files[0], files[1], files[3], files[4]], CompressionMethod::Stored);
    let expected = dir.path().join("folder");
    fs::create_dir_all(expected.join("a")).unwrap();
    fs::write(expected.join("a/1.png"), JPEG).unwrap();
    fs::write(expected.join("b.png"), PNG).unwrap();
    let (expected, its_report) = load(&expected).unwrap();
    for name in ["a.tar", "a.zip"] {
        let cached = LoadOptions { cache: Some(dir.path().join("cache")), ..LoadOptions::new(16, Channels::Rgb) };
        for _ in 0..2 {
            let (data, report) = Dataset::load(&dir.path().join(name), &cached, |_| {}).unwrap();
            assert_eq!(names(&report), names(&its_report), "{name}");
            assert_eq!(data.image(0).unwrap(), expected.image(0).unwrap(), "{name}");
            assert_eq!(data.image(1).unwrap(), expected.image(1).unwrap(), "{name}");
        }
    }
}

#[test]
fn what_a_tar_holds_beside_files_is_no_picture() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.tar");
    let mut tar = tar::Builder::new(File::create(&path).unwrap());
    tar.append(&header("a.png", PNG), PNG).unwrap();
    for (name, target, entry_type) in [
        ("hard.png", "a.png", tar::EntryType::Link),
        ("soft.png", "a.png", tar::EntryType::Symlink),
        ("away.png", "../../etc/passwd", tar::EntryType::Link),
        ("pipe", "nothing", tar::EntryType::Fifo),
    ] {
        let mut header = header(name, b"");
        header.set_entry_type(entry_type);
        tar.append_link(&mut header, name, target).unwrap();
    }
    // A name too long for a header goes before the file.
    let long = format!("{}/b.png", "long".repeat(60));
    tar.append_data(&mut header("", OTHER), &long, OTHER).unwrap();
    tar.finish().unwrap();
    let (data, report) = load(&path).unwrap();
    assert_eq!(names(&report).0, ["a.png", "hard.png", &long]);
    assert_eq!(names(&report).1, ["away.png: it is not a regular file", "soft.png: it is not a regular file"]);
    assert_eq!((data.image(0).unwrap() == data.image(1).unwrap(), report.other_files), (true, 1));
    assert_eq!(report.identical().len(), 1);
}

#[test]
fn a_zip_that_lies_about_a_length_loses_that_file_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.zip");
    zip(&path, &[("a.png", PNG), ("b.png", OTHER)], CompressionMethod::Deflated);
    let mut bytes = fs::read(&path).unwrap();
    // The central directory's entry of a.png: its name is 46 bytes in, the length 24.
    let entry = bytes.windows(5).rposition(|w| w == b"a.png").unwrap() - 46;
    for claim in [100_u32, u32::MAX - 1] {
        bytes[entry + 24..entry + 28].copy_from_slice(&claim.to_le_bytes());
        fs::write(&path, &bytes).unwrap();
        let (_, report) = load(&path).unwrap();
        assert_eq!((names(&report).0, report.skipped.len()), (vec!["b.png".to_owned()], 1), "{claim}");
    }
}

#[test]
fn archives_cut_anywhere_give_an_error_or_what_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let (zip_path, tar_path) = (dir.path().join("a.zip"), dir.path().join("a.tar"));
    zip(&zip_path, &[("a.png", OTHER), ("b.png", OTHER)], CompressionMethod::Stored);
    tar(&tar_path, &[("a.png", OTHER), ("b.png", OTHER)]);
    for path in [zip_path, tar_path] {
        let whole = fs::read(&path).unwrap();
        assert_eq!(load(&path).unwrap().0.len(), 2);
        for end in (0..whole.len()).step_by(53) {
            fs::write(&path, &whole[..end]).unwrap();
            match load(&path) {
                Ok((data, _)) => assert!(data.len() <= 2),
                Err(error) => assert!(!error.to_string().contains('\n'), "{error}"),
            }
        }
    }
}

#[test]
fn an_entry_that_grows_without_end_is_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bomb.zip");
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("a.png", SimpleFileOptions::default().compression_method(CompressionMethod::Deflated)).unwrap();
    zip.write_all(&PNG[..100]).unwrap();
    let zeros = vec![0; 1 << 20];
    for _ in 0..(dcgan_data::MAX_FILE_BYTES >> 20) + 1 {
        zip.write_all(&zeros).unwrap();
    }
    fs::write(&path, zip.finish().unwrap().into_inner()).unwrap();
    assert!(fs::metadata(&path).unwrap().len() < 1 << 20);
    let error = load(&path).unwrap_err();
    assert!(
        matches!(
            &error,
            DataError::AllSkipped { skipped, .. } if matches!(skipped[0].reason, SkipReason::FileTooLarge(_))
        ),
        "{error}"
    );
}

/// From public bug reports.
fn report(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/archives").join(name)
}

#[test]
fn names_with_a_backslash_as_second_byte_lose_no_picture() {
    let (data, its_report) = load(&report("z07-sjis-flat.zip")).unwrap();
    assert_eq!((data.len(), its_report.skipped.len(), its_report.other_files), (4, 0, 0), "{its_report:?}");
}

#[test]
fn a_first_name_of_any_length_is_read_behind_a_zip64_record() {
    let (data, its_report) = load(&report("z24-zip64-end-30.zip")).unwrap();
    assert_eq!((data.len(), its_report.skipped.len()), (2, 0));
}

/// A zip of stored files whose names are any bytes, with the flags of each.
fn zip_of_bytes(path: &Path, files: &[(&[u8], u16, &[u8])]) {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for (name, flags, bytes) in files {
        let mut crc = flate2::Crc::new();
        crc.update(bytes);
        let size = (bytes.len() as u32).to_le_bytes();
        let middle = [
            &[20, 0][..],
            &flags.to_le_bytes(),
            &[0, 0, 0, 0, 0x21, 0],
            &crc.sum().to_le_bytes(),
            &size,
            &size,
            &(name.len() as u16).to_le_bytes(),
            &[0, 0],
        ]
        .concat();
        let start = (file.len() as u32).to_le_bytes();
        directory.extend([b"PK\x01\x02\x14\0", &middle[..], &[0; 10], &start, name].concat());
        file.extend([b"PK\x03\x04", &middle[..], name, bytes].concat());
    }
    let count = (files.len() as u16).to_le_bytes();
    let (size, start) = ((directory.len() as u32).to_le_bytes(), (file.len() as u32).to_le_bytes());
    file.extend(directory);
    file.extend([b"PK\x05\x06\0\0\0\0", &count[..], &count, &size, &start, &[0, 0]].concat());
    fs::write(path, file).unwrap();
}

#[test]
fn every_entry_of_any_code_page_is_used_or_named() {
    const UTF8: u16 = 1 << 11;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.zip");
    let files: [(&[u8], u16, &[u8]); 11] = [
        // Shift-JIS, Big5, GBK, EUC-JP; with a second byte 0x5c before a dot, at the end, and before another letter.
        (b"\x95\\.png", 0, PNG),
        (b"\x95\\", 0, OTHER),
        (b"\x83\\\x83\\x.png", 0, PNG),
        (b"\xb3\\.png", 0, JPEG),
        (b"\x81\\.png", 0, OTHER),
        (b"\xb4\xc1.png", 0, PNG),
        // Folders separated by backslashes, and a folder.
        (b"\x89\xe6\\\x95\\.png", 0, JPEG),
        (b"plain\\b.png", 0, OTHER),
        (b"empty\\", 0, b""),
        ("図/表.png".as_bytes(), UTF8, PNG),
        // Said to be UTF-8, and not.
        (b"\xff\xfe.png", UTF8, JPEG),
    ];
    zip_of_bytes(&path, &files);
    let (data, its_report) = load(&path).unwrap();
    assert_eq!((data.len(), its_report.skipped.len(), its_report.other_files), (10, 0, 0), "{:?}", names(&its_report));
    let found = names(&its_report).0;
    for name in ["ò\\.png", "│\\.png", "ëµ/ò\\.png", "plain/b.png", "図/表.png"] {
        assert!(found.contains(&name.to_owned()), "{name} is not in {found:?}");
    }
}

#[test]
fn a_tar_that_is_cut_off_says_so_wherever_it_is_cut() {
    let error = |path: &Path| match load(path) {
        Ok((_, report)) => names(&report).1.join("; "),
        Err(error) => error.to_string(),
    };
    assert!(error(&report("t07d.tar")).contains("the archive ends early, after"), "{}", error(&report("t07d.tar")));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.tar");
    let mut tar = tar::Builder::new(File::create(&path).unwrap());
    for name in ["a.png", &format!("{}/b.png", "long".repeat(60)), "c.png"] {
        tar.append_data(&mut header("", OTHER), name, OTHER).unwrap();
    }
    tar.finish().unwrap();
    let whole = fs::read(&path).unwrap();
    assert_eq!(error(&path), "");
    // One of the two blocks at the end is enough.
    let end = whole.len() - 512;
    fs::write(&path, &whole[..end]).unwrap();
    assert_eq!(error(&path), "");
    for end in (0..end).step_by(97) {
        fs::write(&path, &whole[..end]).unwrap();
        let error = error(&path);
        let is_named = error.contains("the archive ends early, after") && error.contains("copy or download it again");
        // With nothing in it, it is no archive.
        assert!(is_named || end < 512, "cut at {end}: {error}");
    }
    // A file whose header is damaged is something else.
    let mut damaged = whole.clone();
    let third = whole.windows(5).rposition(|window| window == b"c.png").unwrap();
    damaged[third] ^= 1;
    fs::write(&path, damaged).unwrap();
    assert!(error(&path).contains("it is broken after 2 files"), "{}", error(&path));
}
