//! PyTorch's own files: TorchScript (`torch.jit.save`) and state_dicts (`torch.save`).
//!
//! Since PyTorch 1.6 both are a zip with one top folder (of any name), which holds
//!
//! | entry | content |
//! |---|---|
//! | `data.pkl` | a pickle of the root module or of the state_dict; tensors are references into `data/` |
//! | `data/0`, `data/1`, … | the values of one tensor each, on 64-byte boundaries |
//! | `code/__torch__/….py` | TorchScript: the classes of the modules as text |
//! | `constants.pkl` | TorchScript: tensors that the code mentions; empty for us |
//! | `version`, `byteorder` | `3` and `little` |
//! | `extra/…` | TorchScript: whatever the writer adds, here `dcgan.json` |
//!
//! PyTorch compresses the code and nothing else. Of the code some numbers are read (`constants.rs`), and the order of
//! layers that have names (`code.rs`). Entries are written uncompressed. `legacy.rs` says how state_dicts looked
//! before.

mod archive;
mod code;
mod constants;
mod legacy;
mod pickle;
mod read;
mod script;
mod tensors;
mod write;

pub(crate) use code::Step;
pub(crate) use constants::ModuleClass;
pub(crate) use legacy::{is_legacy, open_legacy};
pub(crate) use read::{ScriptInfo, TorchFile, open_zip};
pub(crate) use script::class_name;
pub(crate) use tensors::Storages;
pub(crate) use write::write_named;
pub use write::{write_state_dict, write_torchscript, write_torchscript_uint8};
