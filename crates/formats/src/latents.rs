//! Noise vectors in a file, read and written some at a time: `.npy` and safetensors.

use crate::error::{ErrorKind, FormatError};
use crate::npy::{self, Header};
use safetensors::Dtype;
use safetensors::tensor::Metadata;
use serde_json::json;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// The name of the tensor in a safetensors file.
const TENSOR: &str = "latents";
/// The longest safetensors header that is read; it names one tensor.
const MAX_HEADER: u64 = 1 << 20;

/// A kind of file for noise vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LatentFormat {
    /// NumPy's `.npy`: `numpy.load`.
    Npy,
    /// `.safetensors`, in it the tensor `latents`.
    Safetensors,
}

impl LatentFormat {
    /// By the extension of a file.
    pub fn from_path(path: &Path) -> Option<Self> {
        match path.extension()?.to_string_lossy().to_lowercase().as_str() {
            "npy" => Some(Self::Npy),
            "safetensors" => Some(Self::Safetensors),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    F32,
    F64,
}

impl Type {
    /// Returns the number of bytes of a value.
    fn bytes(self) -> u64 {
        match self {
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }
}

/// Noise vectors of one length that are being read, in the file's order. Memory is taken for those that are asked for.
#[derive(Debug)]
pub struct LatentReader {
    path: PathBuf,
    file: BufReader<File>,
    kind: Type,
    count: u64,
    latent_dim: usize,
    /// Vectors read.
    read: u64,
}

impl LatentReader {
    /// Opens a file of N × latent values, in float32 or float64; `[N, latent, 1, 1]` is the same, and `[latent]` is
    /// one vector.
    ///
    /// # Errors
    /// One sentence that begins with the path: a file of another kind, type or shape, or one that is shorter than it
    /// says.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, FormatError> {
        let path = path.as_ref();
        Self::open_file(path).map_err(|error| error.within(path.display()))
    }

    /// Opens a file and reads its header.
    fn open_file(path: &Path) -> Result<Self, FormatError> {
        let io = |error: io::Error| FormatError::from_io(&error);
        let mut file = crate::file::open(path)?;
        let len = file.seek(SeekFrom::End(0)).map_err(io)?;
        file.rewind().map_err(io)?;
        let mut file = BufReader::new(file);
        let mut start = Vec::new();
        file.by_ref().take(9).read_to_end(&mut start).map_err(io)?;
        file.rewind().map_err(io)?;
        let (kind, shape, values) = match &start[..] {
            bytes if bytes.starts_with(npy::MAGIC) => {
                let (kind, shape) = npy_array(Header::read(&mut file)?)?;
                (kind, shape, file.stream_position().map_err(io)?)
            }
            [_, _, _, _, _, _, _, _, b'{'] => safetensors_tensor(&mut file, len)?,
            _ => {
                return Err(FormatError::new(
                    ErrorKind::NotThisFormat,
                    "it holds no noise vectors: they are read from .npy and .safetensors files",
                ));
            }
        };
        let (count, latent_dim) = vectors(&shape)?;
        let bytes = u64::try_from(latent_dim).ok().and_then(|dim| count.checked_mul(dim)?.checked_mul(kind.bytes()));
        if bytes.and_then(|bytes| values.checked_add(bytes)).is_none_or(|end| end > len) {
            return Err(FormatError::malformed(format!(
                "its shape is {shape:?}, which is more than the {} bytes of values in it",
                len.saturating_sub(values)
            )));
        }
        file.seek(SeekFrom::Start(values)).map_err(io)?;
        Ok(Self { path: path.to_owned(), file, kind, count, latent_dim, read: 0 })
    }

    /// How many vectors the file has.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Values of a vector.
    pub fn latent_dim(&self) -> usize {
        self.latent_dim
    }

    /// The next vectors, one after the other: `most` of them, fewer at the end, none behind it.
    ///
    /// # Errors
    /// If the file cannot be read, or a value is not a number or infinite.
    pub fn read(&mut self, most: usize) -> Result<Vec<f32>, FormatError> {
        let count = (most as u64).min(self.count - self.read) as usize;
        let mut bytes = vec![0; count * self.latent_dim * self.kind.bytes() as usize];
        let values = self.file.read_exact(&mut bytes).map_err(|error| FormatError::from_io(&error)).and_then(|()| {
            let values: Vec<f32> = match self.kind {
                Type::F32 => crate::bytes::f32s(&bytes),
                Type::F64 => bytes.as_chunks().0.iter().map(|&b| f64::from_le_bytes(b) as f32).collect(),
            };
            match values.iter().position(|value| !value.is_finite()) {
                None => Ok(values),
                Some(at) => Err(FormatError::malformed(format!(
                    "vector {} has the value {}",
                    self.read + (at / self.latent_dim) as u64,
                    values[at]
                ))),
            }
        });
        self.read += count as u64;
        values.map_err(|error| error.within(self.path.display()))
    }
}

/// Type and shape of an array, if it can be read.
fn npy_array(header: Header) -> Result<(Type, Vec<usize>), FormatError> {
    let kind = match header.descr.as_str() {
        "<f4" => Type::F32,
        "<f8" => Type::F64,
        other => {
            return Err(FormatError::unsupported(format!(
                "its values are of type {other:?}: save them as float32, with numpy.save(file, z.astype(\"float32\"))"
            )));
        }
    };
    // A vector has the same order either way.
    if header.fortran_order && header.shape.iter().filter(|side| **side > 1).count() > 1 {
        return Err(FormatError::unsupported("it is in Fortran's order: save it with numpy.ascontiguousarray(z)"));
    }
    Ok((kind, header.shape))
}

/// Type, shape and place of the noise vectors in a safetensors file of `len` bytes.
fn safetensors_tensor(file: &mut impl Read, len: u64) -> Result<(Type, Vec<usize>, u64), FormatError> {
    let io = |error: io::Error| FormatError::from_io(&error);
    let mut header_len = [0; 8];
    file.read_exact(&mut header_len).map_err(io)?;
    let header_len = u64::from_le_bytes(header_len);
    if header_len > MAX_HEADER.min(len - 8) {
        return Err(FormatError::malformed(format!("its header claims {header_len} bytes in a file of {len}")));
    }
    let mut header = Vec::new();
    file.take(header_len).read_to_end(&mut header).map_err(io)?;
    // The reader of the header checks that the tensors lie one behind the other and have the bytes that their shapes
    // say.
    let header: Metadata = serde_json::from_slice(&header)
        .map_err(|error| FormatError::malformed(format!("it is no sound safetensors file ({error})")))?;
    let name = match &header.offset_keys()[..] {
        names if names.iter().any(|name| name == TENSOR) => TENSOR.to_owned(),
        [only] => only.clone(),
        names => {
            return Err(FormatError::unsupported(format!(
                "none of its {} tensors is named {TENSOR}: noise vectors are the tensor of that name, or the only one",
                names.len()
            )));
        }
    };
    let missing = || FormatError::malformed(format!("its header has no tensor {name}"));
    let tensor = header.info(&name).ok_or_else(missing)?;
    let kind = match tensor.dtype {
        Dtype::F32 => Type::F32,
        Dtype::F64 => Type::F64,
        other => {
            return Err(FormatError::unsupported(format!(
                "tensor {name} is of type {other:?}: convert it to float32 first"
            )));
        }
    };
    let start = (8 + header_len).checked_add(tensor.data_offsets.0 as u64).ok_or_else(missing)?;
    Ok((kind, tensor.shape.clone(), start))
}

/// How many vectors of what length an array of this shape has.
fn vectors(shape: &[usize]) -> Result<(u64, usize), FormatError> {
    let (count, latent_dim) = match *shape {
        [latent_dim] => (1, latent_dim),
        [count, latent_dim] | [count, latent_dim, 1, 1] => (count, latent_dim),
        _ => {
            return Err(FormatError::unsupported(format!(
                "its shape is {shape:?}: noise vectors are [N, latent] or [N, latent, 1, 1]"
            )));
        }
    };
    if count == 0 || latent_dim == 0 {
        return Err(FormatError::unsupported(format!("its shape is {shape:?}, which is no vector")));
    }
    Ok((count as u64, latent_dim))
}

/// Noise vectors of one length that are being written, float32 and `[N, latent]`.
#[derive(Debug)]
pub struct LatentWriter<W> {
    out: W,
    /// Values that are still to come.
    missing: u64,
}

impl LatentWriter<BufWriter<File>> {
    /// [`LatentWriter::new`] on a file that is new or empty.
    ///
    /// # Errors
    /// Whatever stands in the way of writing there.
    pub fn to_file(file: File, format: LatentFormat, count: u64, latent_dim: usize) -> io::Result<Self> {
        Self::new(BufWriter::new(file), format, count, latent_dim)
    }
}

impl<W: Write> LatentWriter<W> {
    /// Begins a file of `count` vectors.
    ///
    /// # Errors
    /// Whatever stands in the way of writing there.
    pub fn new(mut out: W, format: LatentFormat, count: u64, latent_dim: usize) -> io::Result<Self> {
        let too_many = || io::Error::other(format!("{count} noise vectors are too many for a file"));
        let values =
            count.checked_mul(latent_dim as u64).filter(|values| *values < u64::MAX / 8).ok_or_else(too_many)?;
        let shape = [usize::try_from(count).map_err(|_| too_many())?, latent_dim];
        match format {
            LatentFormat::Npy => {
                Header { descr: "<f4".to_owned(), fortran_order: false, shape: shape.to_vec() }.write(&mut out)?;
            }
            LatentFormat::Safetensors => {
                let header = json!({ TENSOR: { "dtype": "F32", "shape": shape, "data_offsets": [0, 4 * values] } });
                let mut header = header.to_string().into_bytes();
                header.resize(header.len().next_multiple_of(8), b' ');
                out.write_all(&(header.len() as u64).to_le_bytes())?;
                out.write_all(&header)?;
            }
        }
        Ok(Self { out, missing: values })
    }

    /// Adds vectors.
    ///
    /// # Errors
    /// Whatever stands in the way of writing.
    ///
    /// # Panics
    /// If these are more than were announced.
    pub fn write(&mut self, vectors: &[f32]) -> io::Result<()> {
        assert!(vectors.len() as u64 <= self.missing, "{} values, and {} are missing", vectors.len(), self.missing);
        self.missing -= vectors.len() as u64;
        let bytes: Vec<u8> = vectors.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.out.write_all(&bytes)
    }

    /// Writes what is left to write.
    ///
    /// # Errors
    /// Whatever stands in the way of writing.
    ///
    /// # Panics
    /// If there were fewer vectors than announced.
    pub fn finish(mut self) -> io::Result<()> {
        assert_eq!(self.missing, 0, "values that were announced and are missing");
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn write(format: LatentFormat, count: u64, latent_dim: usize) -> (Vec<u8>, Vec<f32>) {
        let values: Vec<f32> = (0..count as usize * latent_dim).map(|i| i as f32 * 0.5 - 3.0).collect();
        let mut file = Vec::new();
        let mut writer = LatentWriter::new(&mut file, format, count, latent_dim).unwrap();
        values.chunks(2 * latent_dim).for_each(|some| writer.write(some).unwrap());
        writer.finish().unwrap();
        (file, values)
    }

    fn open(bytes: &[u8]) -> Result<LatentReader, FormatError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("z");
        fs::write(&path, bytes).unwrap();
        LatentReader::open(path)
    }

    fn all(bytes: &[u8]) -> Result<Vec<f32>, FormatError> {
        let mut reader = open(bytes)?;
        let mut values = Vec::new();
        loop {
            let some = reader.read(3)?;
            if some.is_empty() {
                assert_eq!(values.len() as u64, reader.count() * reader.latent_dim() as u64);
                return Ok(values);
            }
            values.extend(some);
        }
    }

    /// An .npy file with this dict and these values.
    fn npy_file(dict: &str, values: &[u8]) -> Vec<u8> {
        [npy::MAGIC, &[1, 0], &(dict.len() as u16).to_le_bytes(), dict.as_bytes(), values].concat()
    }

    fn safetensors_file(header: &str, values: &[u8]) -> Vec<u8> {
        [&(header.len() as u64).to_le_bytes(), header.as_bytes(), values].concat()
    }

    #[test]
    fn vectors_survive_a_round_trip() {
        for format in [LatentFormat::Npy, LatentFormat::Safetensors] {
            for (count, latent_dim) in [(1, 1), (7, 5), (3, 100)] {
                let (file, values) = write(format, count, latent_dim);
                assert_eq!(all(&file).unwrap(), values);
                let reader = open(&file).unwrap();
                assert_eq!((reader.count(), reader.latent_dim()), (count, latent_dim));
            }
        }
    }

    #[test]
    fn safetensors_of_ours_are_sound() {
        let (file, values) = write(LatentFormat::Safetensors, 4, 3);
        let (tensors, _) = crate::read_safetensors(&file).unwrap();
        assert_eq!(
            (tensors["latents"].shape.as_slice(), tensors["latents"].as_f32()),
            (&[4, 3][..], Some(&values[..]))
        );
    }

    #[test]
    fn shapes_and_types_that_mean_the_same_are_read() {
        let floats: Vec<u8> = [1.0f32, -2.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        let doubles: Vec<u8> = [1.0f64, -2.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        for shape in ["(2,)", "(1, 2)", "(2, 1)", "(1, 2, 1, 1)"] {
            for (descr, bytes) in [("<f4", &floats), ("<f8", &doubles)] {
                let dict = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
                assert_eq!(all(&npy_file(&dict, bytes)).unwrap(), [1.0, -2.0], "{dict}");
            }
        }
        let header = r#"{"z":{"dtype":"F64","shape":[1,2],"data_offsets":[0,16]},"__metadata__":{"a":"b"}}"#;
        assert_eq!(all(&safetensors_file(header, &doubles)).unwrap(), [1.0, -2.0]);
        // Among others it must have its name.
        let header = r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"latents":{"dtype":"F32","shape":[1,1],"data_offsets":[4,8]}}"#;
        assert_eq!(all(&safetensors_file(header, &floats)).unwrap(), [-2.0]);
    }

    #[test]
    fn what_cannot_be_read_is_explained() {
        let npy = |dict: &str, bytes: usize| npy_file(&format!("{{{dict}}}"), &vec![0; bytes]);
        let tensors = |header: &str| safetensors_file(header, &[0; 16]);
        let nan = npy_file("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1)}", &f32::NAN.to_le_bytes());
        let cases = [
            (b"PK\x03\x04 a zip".to_vec(), "no noise vectors"),
            (Vec::new(), "no noise vectors"),
            (npy("'descr': '<i8', 'fortran_order': False, 'shape': (1, 2)", 16), "astype(\"float32\")"),
            (npy("'descr': '<f4', 'fortran_order': True, 'shape': (2, 2)", 16), "ascontiguousarray"),
            (npy("'descr': '<f4', 'fortran_order': False, 'shape': (2, 2, 2)", 32), "[N, latent]"),
            (npy("'descr': '<f4', 'fortran_order': False, 'shape': (0, 4)", 0), "no vector"),
            (npy("'descr': '<f4', 'fortran_order': False, 'shape': (2, 2)", 15), "more than the 15 bytes"),
            (
                npy("'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775807, 4611686018427387904)", 16),
                "more than the 16 bytes",
            ),
            (npy("'names': 'x'", 0), "not that of a plain array"),
            (npy_file("{'descr'", &[])[..14].to_vec(), "ends within its header"),
            ([npy::MAGIC, &[9, 0, 0, 0]].concat(), "version is 9"),
            ([npy::MAGIC, &[2, 0, 255, 255, 255, 255]].concat(), "claims 4294967295 bytes"),
            (nan, "vector 0 has the value NaN"),
            (
                tensors(
                    r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}}"#,
                ),
                "none of its 2 tensors is named latents",
            ),
            (tensors(r#"{"a":{}}"#), "no sound safetensors file (missing field"),
            (tensors(r#"{"a":{"dtype":"F16","shape":[1,8],"data_offsets":[0,16]}}"#), "type F16"),
            (tensors(r#"{"a":{"dtype":"F32","shape":[1,5],"data_offsets":[0,16]}}"#), "no sound safetensors file"),
            (tensors(r#"{"a":{"dtype":"F32","shape":[1,8],"data_offsets":[0,32]}}"#), "more than the 16 bytes"),
            // An offset that leads beyond all numbers and back into the header.
            (
                tensors(
                    r#"{"a":{"dtype":"F32","shape":[1,4],"data_offsets":[18446744073709551599,18446744073709551615]}}"#,
                ),
                "no sound safetensors file",
            ),
            (tensors(r#"{"a":"#), "no sound safetensors"),
            ([&[255; 8][..], b"{"].concat(), "header claims"),
        ];
        for (bytes, words) in cases {
            let error = all(&bytes).unwrap_err().to_string();
            assert!(error.contains(words), "{error:?} does not say {words:?}");
            assert!(error.contains('/'), "{error:?} does not name the file");
        }
    }

    #[test]
    fn damaged_files_never_panic() {
        for format in [LatentFormat::Npy, LatentFormat::Safetensors] {
            let (file, _) = write(format, 3, 2);
            for position in 0..file.len() {
                for change in [1, 0x20, 0x80] {
                    let mut damaged = file.clone();
                    damaged[position] ^= change;
                    let _ = all(&damaged);
                }
                assert!(all(&file[..position]).is_err(), "cut at {position}");
            }
        }
    }
}
