//! The layout of `torch.save` before PyTorch 1.6, which `_use_new_zipfile_serialization=False` still writes.
//!
//! Five pickles follow each other: a magic number, the version 1001, facts about the machine, the object, and the keys
//! of its storages; then for each key the number of its values (int64) and the values.

use super::pickle::{Object, Pickle, Storage, Value};
use super::read::{MAX_PICKLE, ScriptInfo, TorchFile};
use super::tensors::{Contents, Storages};
use crate::error::FormatError;
use crate::model::{Format, Metadata};
use std::collections::HashMap;
use std::io::{self, Read, Seek, SeekFrom};
use std::rc::Rc;

/// The number 0x1950a86a20f9469cfc6c in the first pickle, and the pickle's end. Before it stands the protocol, and
/// since 4 a frame.
const MAGIC: &[u8] = b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.";
const VERSION: i64 = 1001;

/// Whether a file that begins so is of the old layout.
pub(crate) fn is_legacy(start: &[u8]) -> bool {
    end_of_magic(start).is_some()
}

/// Where the first pickle ends.
fn end_of_magic(start: &[u8]) -> Option<usize> {
    let before = match start {
        [0x80, ..=3, ..] => 2,
        // Protocol, and a frame with its length in 8 bytes.
        [0x80, 4 | 5, 0x95, ..] => 11,
        _ => return None,
    };
    start.get(before..)?.starts_with(MAGIC).then_some(before + MAGIC.len())
}

/// Opens a file of the old layout.
///
/// # Errors
/// If the file is damaged, big-endian or of another version.
pub(crate) fn open_legacy<R: Read + Seek>(mut reader: R) -> Result<TorchFile<LegacyStorages<R>>, FormatError> {
    let io = |error: io::Error| FormatError::from_io(&error);
    let file_len = reader.seek(SeekFrom::End(0)).map_err(io)?;
    reader.rewind().map_err(io)?;
    let mut head = Vec::new();
    reader.by_ref().take(MAX_PICKLE).read_to_end(&mut head).map_err(io)?;

    let mut at = end_of_magic(&head).unwrap_or(0);
    let is_cut = file_len > MAX_PICKLE;
    let mut next = || match Pickle::parse_at(&head, &mut at) {
        Err(_) if is_cut && at == head.len() => {
            Err(FormatError::limit(format!("its pickles have more than {MAX_PICKLE} bytes")))
        }
        parsed => parsed,
    };
    let version = next()?;
    if version.root != Value::Int(VERSION) {
        return Err(FormatError::unsupported(format!(
            "it was saved in version {:?} of PyTorch's old layout",
            version.root
        )));
    }
    if !is_little_endian(&next()?) {
        return Err(FormatError::unsupported("its tensors are not little-endian"));
    }
    let pickle = next()?;
    let keys = next()?;
    let places = places(&mut reader, &pickle, &storage_keys(&keys)?, at as u64, file_len)?;
    let contents = Contents::new(&pickle)?;
    let storages = LegacyStorages { reader, len: file_len, places };
    let (script, metadata) = (ScriptInfo::default(), Metadata::new());
    Ok(TorchFile { contents, storages, script, metadata, format: Format::StateDict })
}

/// Whether the third pickle, `{'protocol_version': 1001, 'little_endian': True, 'type_sizes': …}`, says so.
fn is_little_endian(facts: &Pickle) -> bool {
    let Some(Object::Dict(facts)) = facts.object(&facts.root) else { return false };
    facts
        .iter()
        .any(|(key, value)| matches!(key, Value::Text(key) if &**key == "little_endian") && *value == Value::Bool(true))
}

/// Returns the keys in the last pickle, in the order of their values in the file.
fn storage_keys(keys: &Pickle) -> Result<Vec<Rc<str>>, FormatError> {
    let malformed = || FormatError::malformed("its list of storages is damaged");
    let Some(Object::List(keys)) = keys.object(&keys.root) else { return Err(malformed()) };
    let text = |key: &Value| match key {
        Value::Text(key) => Ok(key.clone()),
        _ => Err(malformed()),
    };
    keys.iter().map(text).collect()
}

/// Walks over the storages, which begin `at` a byte, and notes where the values of each are.
fn places(
    reader: &mut (impl Read + Seek),
    pickle: &Pickle,
    keys: &[Rc<str>],
    mut at: u64,
    file_len: u64,
) -> Result<HashMap<Rc<str>, u64>, FormatError> {
    let mut storages: HashMap<Rc<str>, &Storage> = HashMap::new();
    for object in &pickle.objects {
        if let Object::Storage(storage) = object
            && let known = storages.entry(storage.key.clone()).or_insert(storage)
            && (&known.kind, known.len) != (&storage.kind, storage.len)
        {
            return Err(FormatError::malformed(format!("storage {} has two types or lengths", storage.key)));
        }
    }
    let mut places = HashMap::new();
    for key in keys {
        let malformed = |what: String| FormatError::malformed(format!("storage {key} at byte {at}: {what}"));
        let storage = storages.get(key).ok_or_else(|| malformed("no tensor refers to it".to_owned()))?;
        let value_size = value_size(&storage.kind)?;
        let mut len = [0; 8];
        reader
            .seek(SeekFrom::Start(at))
            .and_then(|_| reader.read_exact(&mut len))
            .map_err(|e| FormatError::from_io(&e))?;
        let len = u64::from_le_bytes(len);
        if len != storage.len {
            return Err(malformed(format!("it has {len} values instead of {}", storage.len)));
        }
        let start = at + 8;
        let end = len.checked_mul(value_size).and_then(|len| start.checked_add(len)).filter(|&end| end <= file_len);
        at = end.ok_or_else(|| malformed(format!("it claims {len} values in a file of {file_len} bytes")))?;
        if places.insert(key.clone(), start).is_some() {
            return Err(FormatError::malformed(format!("storage {key} is there twice")));
        }
    }
    Ok(places)
}

/// Bytes per value. A file may hold storages that are not read, so there are more types here than tensors may have.
fn value_size(kind: &str) -> Result<u64, FormatError> {
    Ok(match kind {
        "BoolStorage" | "ByteStorage" | "CharStorage" | "UntypedStorage" | "QInt8Storage" | "QUInt8Storage" => 1,
        "ShortStorage" | "HalfStorage" | "BFloat16Storage" => 2,
        "IntStorage" | "FloatStorage" | "QInt32Storage" => 4,
        "LongStorage" | "DoubleStorage" | "ComplexFloatStorage" => 8,
        "ComplexDoubleStorage" => 16,
        other => {
            return Err(FormatError::unsupported(format!("it has a torch.{other}, whose values have no known size")));
        }
    })
}

/// A file whose storages have been found.
pub(crate) struct LegacyStorages<R> {
    reader: R,
    len: u64,
    places: HashMap<Rc<str>, u64>,
}

impl<R: Read + Seek> Storages for LegacyStorages<R> {
    fn file_len(&self) -> u64 {
        self.len
    }

    fn read(&mut self, storage: &Storage, len: u64) -> Result<Vec<u8>, FormatError> {
        let start = self.places.get(&storage.key);
        let start = *start.ok_or_else(|| FormatError::malformed(format!("storage {} is missing", storage.key)))?;
        let mut bytes = Vec::with_capacity(len as usize);
        let read = self
            .reader
            .seek(SeekFrom::Start(start))
            .and_then(|_| self.reader.by_ref().take(len).read_to_end(&mut bytes));
        match read {
            Ok(read) if read as u64 == len => Ok(bytes),
            Ok(read) => {
                Err(FormatError::malformed(format!("storage {} has {read} bytes instead of {len}", storage.key)))
            }
            Err(error) => Err(FormatError::from_io(&error)),
        }
    }
}
