//! Reading files of a limited size.

use anyhow::{Context, Result, bail};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Reads a file of up to `most` bytes.
///
/// # Errors
/// If it cannot be read or is larger. No more than `most` bytes of it are then in memory.
pub(crate) fn read(path: &Path, most: u64) -> Result<Vec<u8>> {
    let cannot = || format!("cannot read {path:?}");
    let mut bytes = Vec::new();
    let file = File::open(path).with_context(cannot)?;
    let len = file.metadata().with_context(cannot)?.len();
    if len > most {
        bail!(too_large(path, most));
    }
    // A pipe has no length.
    file.take(most + 1).read_to_end(&mut bytes).with_context(cannot)?;
    if bytes.len() as u64 > most {
        bail!(too_large(path, most));
    }
    Ok(bytes)
}

/// Message for a file of more than `most` bytes.
fn too_large(path: &Path, most: u64) -> String {
    format!("{path:?} is larger than the limit of {} MiB for such a file: check the path", most >> 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_beyond_the_limit_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "1234").unwrap();
        assert_eq!(read(&path, 4).unwrap(), b"1234");
        assert!(read(&path, 3).unwrap_err().to_string().contains("file\" is larger than the limit"));
        assert!(read(&folder.path().join("nowhere"), 3).unwrap_err().to_string().contains("cannot read"));
    }
}
