//! The zip around PyTorch's files: one top folder, uncompressed entries.

use crate::error::{ErrorKind, FormatError};
use flate2::read::DeflateDecoder;
use std::cell::Cell;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::rc::Rc;
use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

/// Name of the entry of the metadata; `torch.jit.load(f, _extra_files={"dcgan.json": ""})` returns it.
pub(super) const METADATA_ENTRY: &str = "extra/dcgan.json";

/// PyTorch puts tensors on this boundary, so that a mapped file can be used in place.
const ALIGNMENT: u16 = 64;
/// A file of ours has about a hundred entries, the largest networks' some thousand.
const MAX_ENTRIES: u64 = 100_000;
/// What may be read of a file to find out its entries: a directory has some hundred bytes for each.
const MAX_DIRECTORY: u64 = 16 << 20;
/// A PyTorch zip opened for reading.
pub(crate) struct Archive<R> {
    zip: ZipArchive<MeteredReader<R>>,
    root: String,
    len: u64,
}

impl<R: Read + Seek> Archive<R> {
    /// Reads the directory of a zip and finds the folder that holds `data.pkl`.
    pub(crate) fn open(mut reader: R) -> Result<Self, FormatError> {
        let len = reader.seek(SeekFrom::End(0)).map_err(|error| FormatError::from_io(&error))?;
        // The `zip` crate takes memory for as many entries as are claimed.
        let count = dcgan_zip::find_end(&mut reader).map_err(from_zip)?.entries;
        if count > MAX_ENTRIES {
            return Err(FormatError::limit(format!("it claims {count} entries, more than {MAX_ENTRIES}")));
        }
        let meter = Rc::new(Cell::new(MAX_DIRECTORY));
        let zip = dcgan_zip::open(MeteredReader { reader, left: Rc::clone(&meter) }).map_err(from_zip)?;
        meter.set(u64::MAX);
        let root = zip.file_names_raw().find_map(|name| {
            let root = std::str::from_utf8(name.strip_suffix(b"/data.pkl")?).ok()?;
            (!root.contains('/')).then(|| root.to_owned())
        });
        // torch.export.save writes the first of these since PyTorch 2.8 or so, and wrote the others before.
        let is_exported = zip.file_names_raw().any(|name| {
            name.ends_with(b"/archive_format")
                || name.ends_with(b"models/model.json")
                || name.ends_with(b"serialized_exported_program.json")
        });
        let root = root.ok_or_else(|| match is_exported {
            true => FormatError::unsupported(
                "it is a program of torch.export (.pt2), which is not read: save the module's weights instead, \
                 with torch.save(module.state_dict(), \"generator.pth\")",
            ),
            false => {
                FormatError::new(ErrorKind::NotThisFormat, "it is a zip archive, but not PyTorch's: it has no data.pkl")
            }
        })?;
        Ok(Self { zip, root, len })
    }

    /// Length of the whole file in bytes.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is an entry of this name in the top folder.
    pub(crate) fn contains(&self, name: &str) -> bool {
        self.zip.index_for_name(&self.path(name)).is_some()
    }

    /// The content of one entry of at most `limit` bytes, its checksum verified.
    pub(crate) fn read(&mut self, name: &str, limit: u64) -> Result<Vec<u8>, FormatError> {
        self.read_inner(name, limit).map_err(|error| error.within_part(format_args!("entry {name}")))
    }

    /// Reads an entry of at most `limit` bytes.
    fn read_inner(&mut self, name: &str, limit: u64) -> Result<Vec<u8>, FormatError> {
        let path = self.path(name);
        let entry = match self.zip.by_name(&path) {
            Err(ZipError::FileNotFound) => return Err(FormatError::malformed("it is missing")),
            other => other.map_err(from_zip)?,
        };
        if entry.compression() != CompressionMethod::Stored {
            return Err(FormatError::unsupported("it is compressed, which PyTorch never does: write the file again"));
        }
        let size = entry.size();
        if size > self.len || entry.compressed_size() != size {
            return Err(FormatError::malformed(format!("it claims {size} bytes in a file of {}", self.len)));
        }
        if size > limit {
            return Err(FormatError::limit(format!("it has {size} bytes, more than {limit}")));
        }
        let mut bytes = Vec::with_capacity(size as usize);
        entry.take(size + 1).read_to_end(&mut bytes).map_err(|error| FormatError::from_io(&error))?;
        if bytes.len() as u64 != size {
            return Err(FormatError::malformed(format!("it has {} bytes instead of {size}", bytes.len())));
        }
        Ok(bytes)
    }

    /// The text of an entry that may be compressed, as PyTorch's code is; `None` if it is not there, not readable or
    /// longer than `limit`.
    pub(crate) fn text(&mut self, name: &str, limit: u64) -> Option<String> {
        let index = self.zip.index_for_name(&self.path(name))?;
        let entry = self.zip.by_index_raw(index).ok()?;
        let mut text = String::new();
        let read = match entry.compression() {
            CompressionMethod::Stored => entry.take(limit + 1).read_to_string(&mut text),
            // The entry as it lies there: `zip` itself need not know how to inflate it.
            CompressionMethod::DEFLATE => DeflateDecoder::new(entry).take(limit + 1).read_to_string(&mut text),
            _ => return None,
        };
        read.ok().filter(|&len| len as u64 <= limit).map(|_| text)
    }

    /// Returns the full name of an entry in the top folder.
    fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.root)
    }
}

/// A reader that returns an error when more has been read than is left of a limit.
struct MeteredReader<R> {
    reader: R,
    left: Rc<Cell<u64>>,
}

impl<R: Read> Read for MeteredReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        let left = self.left.get().checked_sub(read as u64);
        self.left.set(left.ok_or_else(|| io::Error::new(io::ErrorKind::QuotaExceeded, "too large a directory"))?);
        Ok(read)
    }
}

impl<R: Seek> Seek for MeteredReader<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.reader.seek(to)
    }
}

/// A PyTorch zip being written.
pub(crate) struct ArchiveWriter<W: Write + Seek> {
    zip: ZipWriter<Output<W>>,
    root: String,
}

impl<W: Write + Seek> ArchiveWriter<W> {
    /// Starts an archive with the top folder `root`.
    pub(crate) fn new(out: W, root: String) -> Self {
        Self { zip: ZipWriter::new(Output::new(out)), root }
    }

    /// Adds an entry of `len` bytes.
    pub(crate) fn add(
        &mut self,
        name: &str,
        len: u64,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), FormatError> {
        // The crate's default time stamp is the first of 1980, so the bytes are the same each time.
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .with_alignment(ALIGNMENT)
            .large_file(len >= u32::MAX.into());
        self.zip.start_file(format!("{}/{name}", self.root), options).map_err(from_zip)?;
        write(&mut self.zip).map_err(|error| FormatError::from_io(&error))
    }

    /// Adds an entry.
    pub(crate) fn add_bytes(&mut self, name: &str, bytes: &[u8]) -> Result<(), FormatError> {
        self.add(name, bytes.len() as u64, |out| out.write_all(bytes))
    }

    /// Writes the directory, and says what went wrong with `out` since the beginning.
    pub(crate) fn finish(self) -> Result<(), FormatError> {
        let mut output = self.zip.finish().map_err(from_zip)?;
        let flushed = output.out.flush();
        match output.error.map_or(flushed, Err) {
            Ok(()) => Ok(()),
            Err(error) => Err(FormatError::new(ErrorKind::Io, error.to_string())),
        }
    }
}

/// Keeps the first error and from then on swallows everything. An unfinished `ZipWriter` that is dropped writes its
/// directory, and prints when it cannot; a library must not print.
struct Output<W> {
    out: W,
    position: u64,
    end: u64,
    error: Option<io::Error>,
}

impl<W: Write + Seek> Output<W> {
    fn new(mut out: W) -> Self {
        match out.stream_position() {
            Ok(position) => Self { out, position, end: position, error: None },
            Err(error) => Self { out, position: 0, end: 0, error: Some(error) },
        }
    }
}

impl<W: Write> Write for Output<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.error.is_none() {
            self.error = self.out.write_all(bytes).err();
        }
        self.position += bytes.len() as u64;
        self.end = self.end.max(self.position);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<W: Seek> Seek for Output<W> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(step) => self.position.checked_add_signed(step),
            SeekFrom::End(step) => self.end.checked_add_signed(step),
        };
        self.position = target.ok_or(io::ErrorKind::InvalidInput)?;
        if self.error.is_none() {
            self.error = self.out.seek(SeekFrom::Start(self.position)).err();
        }
        Ok(self.position)
    }
}

/// Converts an error of the crate `zip`.
fn from_zip(error: ZipError) -> FormatError {
    match error {
        ZipError::Io(error) if error.kind() == io::ErrorKind::QuotaExceeded && error.raw_os_error().is_none() => {
            FormatError::limit(format!("the directory of its zip archive has more than {MAX_DIRECTORY} bytes"))
        }
        ZipError::Io(error) => FormatError::from_io(&error),
        ZipError::UnsupportedArchive(what) => FormatError::unsupported(format!("its zip archive is unusual ({what})")),
        error => FormatError::malformed(format!("its zip archive is damaged or truncated ({error})")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = ArchiveWriter::new(Cursor::new(&mut bytes), "top".to_owned());
        for (name, content) in entries {
            writer.add_bytes(name, content).unwrap();
        }
        writer.finish().unwrap();
        bytes
    }

    #[test]
    fn every_entry_starts_on_a_64_byte_boundary() {
        let entries: Vec<(String, Vec<u8>)> =
            (0..130).map(|i| (format!("data/{}", "x".repeat(i)), vec![7; i + 1])).collect();
        let mut all: Vec<(&str, &[u8])> = entries.iter().map(|(name, bytes)| (&**name, &**bytes)).collect();
        all.push(("data.pkl", b"N."));
        let bytes = archive(&all);
        let mut zip = ZipArchive::new(Cursor::new(bytes.as_slice())).unwrap();
        for index in 0..zip.len() {
            let entry = zip.by_index(index).unwrap();
            assert_eq!(entry.data_start().unwrap() % 64, 0, "{}", entry.name().unwrap());
        }
        let mut archive = Archive::open(Cursor::new(bytes.as_slice())).unwrap();
        for (name, content) in all {
            assert_eq!(archive.read(name, 1000).unwrap(), content);
        }
    }

    #[test]
    fn sizes_are_checked_before_memory_is_taken() {
        let bytes = archive(&[("data.pkl", b"0123456789")]);
        let mut reader = Archive::open(Cursor::new(bytes.as_slice())).unwrap();
        assert_eq!(reader.read("data.pkl", 9).unwrap_err().kind(), ErrorKind::Limit);
        assert!(reader.read("none", 9).unwrap_err().to_string().contains("entry none"));

        // Both sizes in the directory say 4 GiB.
        let directory = bytes.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
        let mut lying = bytes.clone();
        lying[directory + 20..directory + 28].copy_from_slice(&[0xf0, 0xff, 0xff, 0xff, 0xf0, 0xff, 0xff, 0xff]);
        let result = Archive::open(Cursor::new(lying.as_slice())).and_then(|mut a| a.read("data.pkl", u64::MAX));
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Malformed);

        // The method in both headers says deflate.
        let mut compressed = bytes.clone();
        compressed[8] = 8;
        compressed[directory + 10] = 8;
        let result = Archive::open(Cursor::new(compressed.as_slice())).and_then(|mut a| a.read("data.pkl", u64::MAX));
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Unsupported);

        let mut damaged = bytes.clone();
        let content = bytes.windows(4).position(|window| window == b"4567").unwrap();
        damaged[content] ^= 1;
        let result = Archive::open(Cursor::new(damaged.as_slice())).and_then(|mut a| a.read("data.pkl", u64::MAX));
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Malformed);
    }

    #[test]
    fn entries_are_counted_before_memory_is_taken() {
        // An honest archive, a zip64 record that claims a billion entries, its locator, and the end.
        let mut bytes = archive(&[("data.pkl", b"N.")]);
        bytes.truncate(bytes.len() - 22);
        let end64 = bytes.len() as u64;
        let record = |count: u64| {
            let version = [&44_u64.to_le_bytes()[..], &[45, 0, 45, 0], &[0; 8]].concat();
            [b"PK\x06\x06", version.as_slice(), &count.to_le_bytes(), &count.to_le_bytes(), &[0; 16]].concat()
        };
        let locator = |place: u64| [b"PK\x06\x07", &[0; 4][..], &place.to_le_bytes(), &1_u32.to_le_bytes()].concat();
        let end = [b"PK\x05\x06", &[0; 4][..], &[0xff; 12], &[0; 2]].concat();
        let open = |count, place| {
            let bytes = [bytes.clone(), record(count), locator(place), end.clone()].concat();
            let error = Archive::open(Cursor::new(bytes)).err().unwrap();
            (error.kind(), error.to_string())
        };
        let (kind, message) = open(1_000_000_000, end64);
        assert_eq!((kind, message.contains("1000000000 entries")), (ErrorKind::Limit, true), "{message}");
        assert_eq!(open(1, end64 + 1).0, ErrorKind::Malformed);
        assert_eq!(open(1, u64::MAX).0, ErrorKind::Malformed);
        // However much follows the end, what the `zip` crate finds has been looked at.
        for behind in 0xffff - 40..0xffff + 80 {
            let rest = vec![0; behind];
            let bytes = [&bytes, &record(1 << 40), &locator(end64), &end, &rest].map(Vec::as_slice).concat();
            let error = Archive::open(Cursor::new(bytes)).err().unwrap();
            let is_seen = error.kind() == ErrorKind::Limit;
            assert!(is_seen || error.to_string().contains("it has no end record"), "{behind}: {error}");
        }

        // Names so long that the directory alone has 20 MB.
        let names: Vec<String> = (0..400).map(|i| format!("{i:050000}")).collect();
        let mut entries: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
        entries.push(("data.pkl", b"N."));
        let error = Archive::open(Cursor::new(archive(&entries))).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Limit, "{error}");
    }

    #[test]
    fn a_full_disk_is_an_io_error() {
        let entries: [(&str, &[u8]); 2] = [("data.pkl", b"0123456789"), ("version", b"3")];
        let len = archive(&entries).len();
        for room in 0..=len {
            let mut space = vec![0; room];
            let mut writer = ArchiveWriter::new(Cursor::new(space.as_mut_slice()), "top".to_owned());
            for (name, content) in entries {
                writer.add_bytes(name, content).unwrap();
            }
            let kind = writer.finish().map_err(|error| error.kind());
            assert_eq!(kind, if room < len { Err(ErrorKind::Io) } else { Ok(()) }, "{room} of {len} bytes");
        }
    }

    /// What waits in a buffer is written before success is reported.
    #[test]
    fn buffers_are_flushed() {
        let mut space = [0; 40];
        let mut writer = ArchiveWriter::new(io::BufWriter::new(Cursor::new(&mut space[..])), "top".to_owned());
        writer.add_bytes("data.pkl", b"0123456789").unwrap();
        assert_eq!(writer.finish().unwrap_err().kind(), ErrorKind::Io);
    }

    #[test]
    fn any_other_zip_is_not_pytorchs() {
        let bytes = archive(&[("pictures/1.png", b"")]);
        let error = Archive::open(Cursor::new(bytes.as_slice())).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::NotThisFormat);
    }
}
