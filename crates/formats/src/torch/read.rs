//! From a PyTorch zip to named tensors.

use super::archive::{Archive, METADATA_ENTRY};
use super::code::Code;
use super::constants::ModuleClass;
use super::pickle::{Object, Pickle, Storage};
use super::tensors::{Contents, Storages};
use crate::error::FormatError;
use crate::model::{Format, Metadata};
use indexmap::IndexMap;
use std::collections::HashMap;
use std::io::{Read, Seek};

/// The pickle of a network of 14 layers has 3 to 4 KB, that of a checkpoint with the losses of a long training some MB.
pub(super) const MAX_PICKLE: u64 = 16 << 20;
const MAX_METADATA: u64 = 1 << 20;

/// The modules and the code of a TorchScript file; empty for other files.
#[derive(Debug, Default)]
pub(crate) struct ScriptInfo {
    /// Classes by the path of the module.
    pub(crate) modules: IndexMap<String, ModuleClass>,
    pub(crate) code: Code,
}

/// A PyTorch file whose tensors were found and not read yet.
pub(crate) struct TorchFile<S> {
    pub(crate) contents: Contents,
    pub(crate) storages: S,
    pub(crate) script: ScriptInfo,
    pub(crate) metadata: Metadata,
    pub(crate) format: Format,
}

/// Opens a TorchScript file, or a file that `torch.save` has written since PyTorch 1.6.
///
/// # Errors
/// If the file is damaged, frozen or big-endian.
pub(crate) fn open_zip<R: Read + Seek>(reader: R) -> Result<TorchFile<Archive<R>>, FormatError> {
    let mut archive = Archive::open(reader)?;
    if archive.contains("byteorder") && archive.read("byteorder", 16)? != b"little" {
        return Err(FormatError::unsupported("its tensors are not little-endian"));
    }
    let bytes = archive.read("data.pkl", MAX_PICKLE)?;
    let pickle = Pickle::parse(&bytes).map_err(|error| error.within_part("entry data.pkl"))?;
    drop(bytes);
    let format = match pickle.object(&pickle.root) {
        Some(Object::Module { .. }) => Format::TorchScript,
        _ => Format::StateDict,
    };
    let contents = Contents::new(&pickle)?;
    drop(pickle);
    if contents.tensors.is_empty() && archive.contains("constants/0") {
        return Err(FormatError::unsupported(
            "its tensors have lost their names because it was frozen: save the module from before torch.jit.freeze",
        ));
    }
    // Many modules are of few classes.
    let mut classes: HashMap<String, ModuleClass> = HashMap::new();
    let mut look_up = |class: &String| match classes.get(class) {
        Some(known) => known.clone(),
        None => classes.entry(class.clone()).or_insert(ModuleClass::read(&mut archive, class)).clone(),
    };
    let modules: IndexMap<String, ModuleClass> =
        contents.modules.iter().map(|(path, class)| (path.clone(), look_up(class))).collect();
    let code = Code::read(&mut archive, contents.modules.values());
    let metadata = read_metadata(&mut archive)?;
    Ok(TorchFile { contents, storages: archive, script: ScriptInfo { modules, code }, metadata, format })
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

/// Reads the metadata that this program adds; empty for files of PyTorch.
fn read_metadata(archive: &mut Archive<impl Read + Seek>) -> Result<Metadata, FormatError> {
    if !archive.contains(METADATA_ENTRY) {
        return Ok(Metadata::new());
    }
    let bytes = archive.read(METADATA_ENTRY, MAX_METADATA)?;
    serde_json::from_slice(&bytes)
        .map_err(|error| FormatError::malformed(error.to_string()).within_part(format_args!("entry {METADATA_ENTRY}")))
}
