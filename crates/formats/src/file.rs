//! Opening and reading model files.

use crate::error::{ErrorKind, FormatError};
use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::path::Path;

/// The largest model file that is read: 8 GiB. The generator of 256 × 256 pictures at four times the usual width has
/// 2.9 GB.
pub const MAX_FILE_BYTES: u64 = 8 << 30;

/// Opens a regular file. Opening a pipe or a device could wait for ever.
pub(crate) fn open(path: &Path) -> Result<File, FormatError> {
    let io = |error: io::Error| {
        let message = match error.kind() {
            io::ErrorKind::NotFound => "there is no such file".to_owned(),
            _ => error.to_string(),
        };
        FormatError::new(ErrorKind::Io, message)
    };
    let metadata = fs::metadata(path).map_err(io)?;
    if metadata.is_dir() {
        return Err(FormatError::new(ErrorKind::Io, "it is a folder: name the model file in it"));
    }
    if !metadata.is_file() {
        return Err(FormatError::new(ErrorKind::Io, "it is no regular file"));
    }
    File::open(path).map_err(io)
}

/// Reads all of a file.
pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>, FormatError> {
    let mut file = open(path)?;
    let len = file_len(&mut file)?;
    let mut bytes = Vec::with_capacity(len as usize);
    file.take(len).read_to_end(&mut bytes).map_err(|error| FormatError::from_io(&error))?;
    Ok(bytes)
}

/// Returns the number of bytes of a file, and goes to its start.
pub(crate) fn file_len(reader: &mut impl Seek) -> Result<u64, FormatError> {
    let io = |error: io::Error| FormatError::from_io(&error);
    let len = reader.seek(io::SeekFrom::End(0)).map_err(io)?;
    if len > MAX_FILE_BYTES {
        return Err(FormatError::limit(format!("it has {len} bytes, more than any model file")));
    }
    reader.rewind().map_err(io)?;
    Ok(len)
}
