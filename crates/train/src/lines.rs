//! Files of JSON lines, which are cut when a run resumes from an earlier step.

use dcgan_files::{copy_aside, write_durable};
use serde::Deserialize;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Damage that [`truncate_lines`] has found and repaired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedLines {
    /// Number of lines that cannot be read.
    pub count: usize,
    /// Path of a copy of the damaged file.
    pub copy: PathBuf,
}

/// A line that can be read.
#[derive(Debug, Deserialize)]
struct Line {
    /// The step that the line belongs to.
    step: Option<u64>,
}

/// Removes the lines of steps after `step` from a file of JSON lines, so that a run that resumes from there can append
/// to it. The field `step` of a line is its step. An incomplete last line, which a killed process leaves, is removed.
///
/// Other lines that cannot be read are damage. They are removed too, and a copy of the damaged file is kept beside it.
/// A missing file counts as empty.
///
/// # Errors
/// Any error of the file system; the file is then unchanged.
pub fn truncate_lines(path: &Path, step: u64) -> io::Result<Option<DamagedLines>> {
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let lines: Vec<&[u8]> = bytes.split_inclusive(|&byte| byte == b'\n').filter(|line| line.ends_with(b"\n")).collect();
    let parsed: Vec<Option<Line>> = lines.iter().map(|line| serde_json::from_slice(line).ok()).collect();
    let is_damaged = |i: &usize| parsed[*i].is_none() && !lines[*i].trim_ascii().is_empty();
    let count = (0..lines.len()).filter(is_damaged).count();
    let kept: Vec<u8> =
        (0..first_later_line(&parsed, step)).filter(|&i| parsed[i].is_some()).flat_map(|i| lines[i]).copied().collect();
    if count > 0 {
        let copy = copy_aside(path)?;
        write_durable(path, &kept)?;
        return Ok(Some(DamagedLines { count, copy }));
    }
    if bytes.starts_with(&kept) {
        if kept.len() < bytes.len() {
            let file = File::options().write(true).open(path)?;
            file.set_len(kept.len() as u64)?;
            file.sync_all()?;
        }
    } else {
        write_durable(path, &kept)?;
    }
    Ok(None)
}

/// Returns the index of the first line after `step`: the position with the fewest lines on its wrong side. An undamaged
/// file has none on the wrong side. A line whose number is damaged may be on the wrong side, and must not affect its
/// neighbours.
fn first_later_line(lines: &[Option<Line>], step: u64) -> usize {
    let is_later = |line: &Option<Line>| Some(line.as_ref()?.step? > step);
    // At position 0 everything is removed.
    let mut wrong = lines.iter().filter(|line| is_later(line) == Some(false)).count();
    let (mut least, mut place) = (wrong, 0);
    for (i, line) in lines.iter().enumerate() {
        match is_later(line) {
            Some(true) => wrong += 1,
            Some(false) => wrong -= 1,
            None => {}
        }
        if wrong <= least {
            (least, place) = (wrong, i + 1);
        }
    }
    place
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_folder(test: impl Fn(&Path)) {
        let folder = tempfile::tempdir().unwrap();
        test(&folder.path().join("lines"));
    }

    fn cut(path: &Path, text: impl AsRef<[u8]>, step: u64) -> (String, Option<DamagedLines>) {
        fs::write(path, text).unwrap();
        let damaged = truncate_lines(path, step).unwrap();
        (fs::read_to_string(path).unwrap(), damaged)
    }

    #[test]
    fn lines_of_later_steps_are_cut_off() {
        in_folder(|path| {
            let lines = "{\"step\":1}\n{\"step\":2,\"x\":0.5}\n{\"note\":\"of no step\"}\n{\"step\":3}\n";
            let start = |count: usize| lines.split_inclusive('\n').take(count).collect::<String>();
            for (step, kept) in [(0, String::new()), (1, start(1)), (2, start(3)), (3, start(4)), (9, start(4))] {
                assert_eq!(cut(path, lines, step), (kept, None), "{step}");
            }
            for half in ["{\"st", "{\"step\":4}", "\0\0\0\0", "\n"] {
                assert_eq!(cut(path, format!("{lines}{half}"), 9), (start(4), None), "{half:?}");
            }
            fs::remove_file(path).unwrap();
            assert_eq!(truncate_lines(path, 1).unwrap(), None);
            assert!(!path.exists());
        });
    }

    /// Every bit of a line in the middle, one after the other.
    #[test]
    fn a_damaged_byte_costs_no_more_than_its_line() {
        let lines: Vec<String> = (1..=20).map(|step| format!("{{\"step\":{step},\"g_loss\":0.5}}\n")).collect();
        let whole = lines.concat();
        let start: usize = lines[..7].concat().len();
        in_folder(|path| {
            for place in start..start + lines[7].len() {
                for bit in 0..8 {
                    let mut damaged = whole.clone().into_bytes();
                    damaged[place] ^= 1 << bit;
                    fs::write(path, &damaged).unwrap();
                    let found = truncate_lines(path, 15).unwrap();
                    let text = fs::read(path).unwrap();
                    let kept: Vec<&[u8]> = text.split_inclusive(|&byte| byte == b'\n').collect();
                    // A line that has lost its end takes the next one with it.
                    let lost = lines[..15].iter().filter(|line| !kept.contains(&line.as_bytes())).count();
                    assert!(lost <= 2, "byte {place}, bit {bit}: {lost} lines are lost");
                    assert!(lines[15..].iter().all(|line| !kept.contains(&line.as_bytes())), "byte {place}, bit {bit}");
                    if let Some(DamagedLines { count, copy }) = found {
                        assert!(count <= 2 && fs::read(&copy).unwrap() == damaged);
                        fs::remove_file(copy).unwrap();
                    }
                }
            }
        });
    }

    #[test]
    fn a_damaged_file_is_copied_once() {
        in_folder(|path| {
            let (text, damaged) = cut(path, b"{\"step\":1}\n\xff\n{\"step\":2}\n{\"step\":3}\n", 2);
            let damaged = damaged.unwrap();
            assert_eq!((text.as_str(), damaged.count), ("{\"step\":1}\n{\"step\":2}\n", 1));
            assert_eq!(fs::read(damaged.copy).unwrap(), b"{\"step\":1}\n\xff\n{\"step\":2}\n{\"step\":3}\n");
            assert_eq!(truncate_lines(path, 2).unwrap(), None, "what is left is whole");
        });
    }
}
