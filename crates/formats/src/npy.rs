//! Reads and writes the header of NumPy's `.npy` files, as `numpy.lib.format` describes it: magic, version, length, and
//! a Python dict such as `{'descr': '<f4', 'fortran_order': False, 'shape': (32, 100), }`. The values follow.
//!
//! The crate `npyz` is not used because it parses the dict with a grammar generator, which would be ten crates for
//! three known keys.

use crate::error::FormatError;
use std::io::{self, Read, Write};

/// The first bytes of a file.
pub(crate) const MAGIC: &[u8] = b"\x93NUMPY";

/// Largest number of bytes of a header that is read. The header of a plain array has about a hundred.
const MAX_HEADER: u32 = 65_536;
/// Largest number of dimensions, NumPy's own limit.
const MAX_DIMENSIONS: usize = 64;

/// Type, order and shape of the values in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    /// The type of the values in NumPy's notation: `<f4`.
    pub(crate) descr: String,
    /// Whether the first index varies fastest.
    pub(crate) fortran_order: bool,
    pub(crate) shape: Vec<usize>,
}

impl Header {
    /// Reads a file from its start up to its values.
    ///
    /// # Errors
    /// If the file cannot be read, is not an `.npy` file, or holds anything but a plain array.
    pub(crate) fn read(file: &mut impl Read) -> Result<Self, FormatError> {
        let io = |error: io::Error| FormatError::from_io(&error);
        let mut start = [0; 8];
        file.read_exact(&mut start).map_err(io)?;
        let [rest @ .., major, _minor] = start;
        if rest != MAGIC {
            return Err(FormatError::malformed("it does not begin as an .npy file does"));
        }
        let len = if major == 1 {
            let mut len = [0; 2];
            file.read_exact(&mut len).map_err(io)?;
            u16::from_le_bytes(len).into()
        } else if major <= 3 {
            let mut len = [0; 4];
            file.read_exact(&mut len).map_err(io)?;
            u32::from_le_bytes(len)
        } else {
            return Err(FormatError::unsupported(format!("its version is {major}, and 1 to 3 are read")));
        };
        if len > MAX_HEADER {
            return Err(FormatError::limit(format!("its header claims {len} bytes")));
        }
        let mut text = String::new();
        let read = file.take(len.into()).read_to_string(&mut text).map_err(io)?;
        if read < len as usize {
            return Err(FormatError::malformed("it ends within its header"));
        }
        Dict { rest: &text }.header().ok_or_else(|| {
            FormatError::unsupported(
                "its header is not that of a plain array: save one array of float32 with numpy.save",
            )
        })
    }

    /// Writes the start of a file, up to its values. The length is a multiple of 64, as NumPy's.
    pub(crate) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let Self { descr, fortran_order, shape } = self;
        let order = if *fortran_order { "True" } else { "False" };
        let sides: String = shape.iter().map(|side| format!("{side}, ")).collect();
        let mut text = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': ({}), }}", sides.trim_end());
        let unpadded = MAGIC.len() + 4 + text.len() + 1;
        text.extend(std::iter::repeat_n(' ', unpadded.next_multiple_of(64) - unpadded));
        text.push('\n');
        out.write_all(MAGIC)?;
        out.write_all(&[1, 0])?;
        out.write_all(&u16::try_from(text.len()).map_err(io::Error::other)?.to_le_bytes())?;
        out.write_all(text.as_bytes())
    }
}

/// Parser of the text of a Python dict. Methods that read something return `None`, or `Some` and advance `rest` past
/// it.
struct Dict<'a> {
    /// The text that is still to be read.
    rest: &'a str,
}

impl<'a> Dict<'a> {
    /// Reads the whole dict. Returns `None` unless it has exactly the three keys, with values of their types.
    fn header(mut self) -> Option<Header> {
        let (mut descr, mut fortran_order, mut shape) = (None, None, None);
        self.take("{")?;
        while self.take("}").is_none() {
            let key = self.string()?;
            self.take(":")?;
            match key {
                "descr" => descr = Some(self.string()?.to_owned()),
                "fortran_order" => fortran_order = Some(self.boolean()?),
                "shape" => shape = Some(self.tuple()?),
                _ => return None,
            }
            if self.take(",").is_none() {
                self.take("}")?;
                break;
            }
        }
        self.rest.trim().is_empty().then_some(())?;
        Some(Header { descr: descr?, fortran_order: fortran_order?, shape: shape? })
    }

    /// Reads white space and `token`.
    fn take(&mut self, token: &str) -> Option<()> {
        self.rest = self.rest.trim_start().strip_prefix(token)?;
        Some(())
    }

    /// Reads a string in quotes.
    fn string(&mut self) -> Option<&'a str> {
        let quote = ["'", "\""].into_iter().find(|quote| self.take(quote).is_some())?;
        let (text, rest) = self.rest.split_once(quote)?;
        self.rest = rest;
        Some(text)
    }

    /// Reads `True` or `False`.
    fn boolean(&mut self) -> Option<bool> {
        if self.take("True").is_some() { Some(true) } else { self.take("False").map(|()| false) }
    }

    /// Reads a tuple of integers.
    fn tuple(&mut self) -> Option<Vec<usize>> {
        self.take("(")?;
        let mut sides = Vec::new();
        while self.take(")").is_none() {
            let rest = self.rest.trim_start();
            let digits = rest.find(|c: char| !c.is_ascii_digit())?;
            sides.push(rest[..digits].parse().ok()?);
            // Python 2 wrote 5 as 5L.
            self.rest = rest[digits..].strip_prefix('L').unwrap_or(&rest[digits..]);
            if sides.len() > MAX_DIMENSIONS {
                return None;
            }
            if self.take(",").is_none() {
                self.take(")")?;
                break;
            }
        }
        Some(sides)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<Header> {
        Dict { rest: text }.header()
    }

    #[test]
    fn dicts_are_read_as_python_reads_them() {
        let expected = |shape: &[usize]| Header { descr: "<f4".into(), fortran_order: false, shape: shape.into() };
        for (text, shape) in [
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (32, 100), }", vec![32, 100]),
            ("{\"shape\":(7,),\"fortran_order\":False,\"descr\":\"<f4\"}  \n", vec![7]),
            ("{ 'descr' : '<f4' , 'fortran_order' : False , 'shape' : ( 1 , 2L , 3 , ) , }", vec![1, 2, 3]),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': ()}", vec![]),
        ] {
            assert_eq!(parse(text), Some(expected(&shape)), "{text}");
        }
        assert!(parse("{'descr': '>f8', 'fortran_order': True, 'shape': (1,)}").unwrap().fortran_order);
    }

    #[test]
    fn other_texts_are_none() {
        for text in [
            "",
            "{",
            "{}",
            "{'descr': '<f4'}",
            "{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (1,)}",
            "{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (1 2)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} and more",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'more': 1}",
            "{'descr: 1}",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for shape in [vec![], vec![5], vec![1_000_000, 100], vec![3, 100, 1, 1]] {
            let header = Header { descr: "<f4".into(), fortran_order: false, shape };
            let mut file = Vec::new();
            header.write(&mut file).unwrap();
            assert_eq!(file.len() % 64, 0);
            assert_eq!(Header::read(&mut file.as_slice()).unwrap(), header);
        }
    }
}
