//! From a PyTorch zip to named tensors.

use super::METADATA_ENTRY;
use super::archive::Archive;
use super::constants::ModuleClass;
use super::pickle::{Object, Pickle, Storage};
use super::tensors::{Contents, Storages};
use crate::error::FormatError;
use crate::{Format, Metadata};
use dcgan_model::StateDict;
use indexmap::IndexMap;
use std::collections::HashMap;
use std::io::{Read, Seek};

/// The pickle of a network of 14 layers has 3 to 4 KB. In memory it takes up to a hundred times its length.
pub(super) const MAX_PICKLE: u64 = 1 << 20;
const MAX_METADATA: u64 = 1 << 20;

/// What a PyTorch zip holds.
#[derive(Debug)]
pub(crate) struct Zip {
    pub(crate) format: Format,
    pub(crate) tensors: StateDict,
    /// Classes by the path of the module; empty for a state_dict.
    pub(crate) modules: IndexMap<String, ModuleClass>,
    pub(crate) metadata: Metadata,
}

/// Reads a TorchScript file, or a state_dict saved by `torch.save` since PyTorch 1.6.
pub(crate) fn read_zip(reader: impl Read + Seek) -> Result<Zip, FormatError> {
    let mut archive = Archive::open(reader)?;
    if archive.contains("byteorder") && archive.read("byteorder", 16)? != b"little" {
        return Err(FormatError::unsupported("its tensors are not little-endian"));
    }
    let bytes = archive.read("data.pkl", MAX_PICKLE)?;
    let pickle = Pickle::parse(&bytes).map_err(|error| error.within("entry data.pkl"))?;
    let format = match pickle.object(&pickle.root) {
        Some(Object::Module { .. }) => Format::TorchScript,
        Some(Object::Dict(_)) => Format::StateDict,
        _ => {
            return Err(FormatError::unsupported(
                "it holds neither a scripted module nor a state_dict: save one of them",
            ));
        }
    };
    let contents = Contents::new(&pickle, &mut archive)?;
    if contents.tensors.is_empty() && archive.contains("constants/0") {
        return Err(FormatError::unsupported(
            "its tensors have lost their names because it was frozen: save the module from before torch.jit.freeze",
        ));
    }
    let Contents { tensors, modules } = contents;
    // Many modules are of few classes.
    let mut classes: HashMap<String, ModuleClass> = HashMap::new();
    let mut look_up = |class: String| match classes.get(&class) {
        Some(known) => known.clone(),
        None => classes.entry(class.clone()).or_insert(ModuleClass::read(&mut archive, &class)).clone(),
    };
    let modules = modules.into_iter().map(|(path, class)| (path, look_up(class))).collect();
    Ok(Zip { format, tensors, modules, metadata: read_metadata(&mut archive)? })
}

impl<R: Read + Seek> Storages for Archive<R> {
    fn file_len(&self) -> u64 {
        self.len()
    }

    fn read(&mut self, storage: &Storage, len: u64) -> Result<Vec<u8>, FormatError> {
        let entry = format!("data/{}", storage.key);
        // Longer than it should be is no matter of memory but of damage.
        let bytes = Archive::read(self, &entry, self.len())?;
        if bytes.len() as u64 != len {
            return Err(FormatError::malformed(format!("entry {entry} has {} bytes instead of {len}", bytes.len())));
        }
        Ok(bytes)
    }
}

fn read_metadata(archive: &mut Archive<impl Read + Seek>) -> Result<Metadata, FormatError> {
    if !archive.contains(METADATA_ENTRY) {
        return Ok(Metadata::new());
    }
    let bytes = archive.read(METADATA_ENTRY, MAX_METADATA)?;
    serde_json::from_slice(&bytes)
        .map_err(|error| FormatError::malformed(error.to_string()).within(format_args!("entry {METADATA_ENTRY}")))
}
