//! Reads at a position of a file that several threads share.

use std::fs::File;
use std::io;

/// Reads up to `out.len()` bytes from `position` on and returns how many; 0 is the end of the file.
///
/// # Errors
/// Any error of the file system.
pub(crate) fn read_at(file: &File, out: &mut [u8], position: u64) -> io::Result<usize> {
    #[cfg(unix)]
    return std::os::unix::fs::FileExt::read_at(file, out, position);
    #[cfg(windows)]
    return std::os::windows::fs::FileExt::seek_read(file, out, position);
}

/// Fills `out` from `position` on.
///
/// # Errors
/// Any error of the file system, and [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) if the file ends before that.
pub(crate) fn read_exact_at(file: &File, mut out: &mut [u8], mut position: u64) -> io::Result<()> {
    while !out.is_empty() {
        match read_at(file, out, position) {
            Ok(0) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it has become shorter")),
            Ok(read) => (out, position) = (&mut out[read..], position + read as u64),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
