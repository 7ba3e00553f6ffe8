//! From a model file of one format to another, as `dcgan convert` does.

use crate::Error;
use dcgan_files::write_atomic;
use dcgan_formats::{Format, Model, WriteOptions, describe, write};
use std::io::Cursor;
use std::path::Path;

/// Returns the options of [`model_bytes`] for a file of this name, and its format. `prefix` stands before the names of
/// the tensors, without the dot.
///
/// # Errors
/// [`Error::Convert`] if the name's extension stands for no format, or the format has no such option.
pub fn convert_options(path: &Path, uint8: bool, prefix: &str) -> Result<(Format, WriteOptions), Error> {
    let format = match Format::from_path(path) {
        // torch-fidelity takes TorchScript under this extension only.
        Some(Format::StateDict) if uint8 => Format::TorchScript,
        Some(Format::Safetensors) if uint8 => {
            return Err(Error::Convert(
                "--uint8 needs a format that holds code: name the output .pt, .pth or .onnx".to_owned(),
            ));
        }
        Some(format) => format,
        None => return Err(Error::UnknownFormat(path.to_owned())),
    };
    if !prefix.is_empty() && matches!(format, Format::TorchScript | Format::Onnx) {
        return Err(Error::Convert(format!(
            "--prefix is for .pth and .safetensors: a {format} file needs its own names"
        )));
    }
    let dot = if prefix.is_empty() || prefix.ends_with('.') { "" } else { "." };
    Ok((format, WriteOptions { uint8, prefix: format!("{prefix}{dot}") }))
}

/// Returns the file of a model in `format`. Metadata of its training are kept.
///
/// # Errors
/// If the format has no such option, or the model is too large for it.
pub fn model_bytes(model: &Model, format: Format, options: &WriteOptions) -> Result<Vec<u8>, Error> {
    let mut metadata = model.metadata.clone();
    metadata.extend(describe(&model.network));
    let mut bytes = Vec::new();
    write(Cursor::new(&mut bytes), format, &model.network, &model.tensors, &metadata, options)?;
    Ok(bytes)
}

/// Reads the network of a model file and writes it to another, whose extension says the format. Returns the number of
/// bytes. Without a name, it is the generator or the only network.
///
/// # Errors
/// If the file cannot be read, the format has no such option, or the other file cannot be written.
pub fn convert(from: &Path, to: &Path, name: Option<&str>, uint8: bool, prefix: &str) -> Result<usize, Error> {
    let (format, options) = convert_options(to, uint8, prefix)?;
    let model = match name {
        Some(name) => dcgan_formats::load_named(from, name)?,
        None => dcgan_formats::load(from)?,
    };
    model.check_finite()?;
    let bytes = model_bytes(&model, format, &options)?;
    write_atomic(to, &bytes).map_err(|source| Error::Write { path: to.to_owned(), source })?;
    Ok(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_tensors_can_have_a_prefix() {
        let prefix =
            |name: &str, prefix| convert_options(Path::new(name), false, prefix).map(|(_, options)| options.prefix);
        assert_eq!(["", "main", "main."].map(|text| prefix("g.pth", text).unwrap()), ["", "main.", "main."]);
        assert!(prefix("g.onnx", "main").unwrap_err().to_string().contains("needs its own names"));
    }

    #[test]
    fn the_name_says_the_format() {
        let format = |name: &str, uint8| convert_options(Path::new(name), uint8, "").map(|(format, _)| format);
        for (name, plain) in [
            ("a/g.pt", Format::TorchScript),
            ("G.PTH", Format::StateDict),
            ("g.safetensors", Format::Safetensors),
            ("g.v2.onnx", Format::Onnx),
        ] {
            assert_eq!(format(name, false).unwrap(), plain, "{name}");
        }
        assert_eq!(format("g.pth", true).unwrap(), Format::TorchScript);
        assert!(format("g.safetensors", true).is_err());
        for name in ["g", "g.bin", ".pt", "pth"] {
            assert!(format(name, false).unwrap_err().to_string().contains(".pth (PyTorch state_dict)"), "{name}");
        }
    }
}
