//! Tensors of a file that are not read yet: only those of the network that is wanted have to be, and only they must be
//! of a type that is read.

use crate::error::FormatError;
use dcgan_model::{Tensor, TensorData};
use std::fmt;

/// The type of a tensor's values in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Dtype {
    F16,
    BF16,
    F32,
    F64,
    I8,
    I16,
    I32,
    I64,
    U8,
    /// A type that no network here has; its name.
    Other(String),
}

impl Dtype {
    /// Bytes of a value, if they are known.
    pub(crate) fn size(&self) -> Option<u64> {
        match self {
            Dtype::I8 | Dtype::U8 => Some(1),
            Dtype::F16 | Dtype::BF16 | Dtype::I16 => Some(2),
            Dtype::F32 | Dtype::I32 => Some(4),
            Dtype::F64 | Dtype::I64 => Some(8),
            Dtype::Other(_) => None,
        }
    }

    /// Values as float32, rounded to the nearest, or as int64; what is not finite becomes 0 there, and the rest loses
    /// its fraction.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) for floats of a type that is none, or integers of one
    /// that is no number.
    pub(crate) fn convert(&self, bytes: &[u8], as_integers: bool) -> Result<TensorData, FormatError> {
        fn values<const N: usize, T>(bytes: &[u8], value: impl Fn([u8; N]) -> T) -> Vec<T> {
            bytes.as_chunks().0.iter().map(|&bytes| value(bytes)).collect()
        }
        if as_integers {
            let from_float = |value: f64| value as i64;
            return Ok(TensorData::I64(match self {
                Dtype::I64 => values(bytes, i64::from_le_bytes),
                Dtype::I32 => values(bytes, |bytes| i32::from_le_bytes(bytes).into()),
                Dtype::I16 => values(bytes, |bytes| i16::from_le_bytes(bytes).into()),
                Dtype::I8 => values(bytes, |bytes| i8::from_le_bytes(bytes).into()),
                Dtype::U8 => values(bytes, |[byte]| byte.into()),
                Dtype::F64 => values(bytes, |bytes| from_float(f64::from_le_bytes(bytes))),
                Dtype::F32 => values(bytes, |bytes| from_float(f32::from_le_bytes(bytes).into())),
                Dtype::F16 => values(bytes, |bytes| from_float(half(u16::from_le_bytes(bytes)).into())),
                Dtype::BF16 => values(bytes, |bytes| from_float(brain_float(u16::from_le_bytes(bytes)).into())),
                Dtype::Other(_) => return Err(self.unfit("a whole number")),
            }));
        }
        Ok(TensorData::F32(match self {
            Dtype::F32 => values(bytes, f32::from_le_bytes),
            Dtype::F64 => values(bytes, |bytes| f64::from_le_bytes(bytes) as f32),
            Dtype::F16 => values(bytes, |bytes| half(u16::from_le_bytes(bytes))),
            Dtype::BF16 => values(bytes, |bytes| brain_float(u16::from_le_bytes(bytes))),
            _ => return Err(self.unfit("a float")),
        }))
    }

    /// Returns the error for values of this type where `needed` is needed.
    pub(crate) fn unfit(&self, needed: &str) -> FormatError {
        FormatError::unsupported(format!(
            "it is of type {self}, and the network needs {needed}: save the network as float32, with \
             net.float().state_dict()"
        ))
    }
}

/// PyTorch's names.
impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Dtype::F16 => "float16",
            Dtype::BF16 => "bfloat16",
            Dtype::F32 => "float32",
            Dtype::F64 => "float64",
            Dtype::I8 => "int8",
            Dtype::I16 => "int16",
            Dtype::I32 => "int32",
            Dtype::I64 => "int64",
            Dtype::U8 => "uint8",
            Dtype::Other(name) => name,
        })
    }
}

/// A bfloat16, which is the upper half of a float32.
fn brain_float(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// IEEE 754's binary16: a sign, 5 bits of exponent with a bias of 15, 10 bits of mantissa. Every one is a float32.
fn half(bits: u16) -> f32 {
    let sign = u32::from(bits >> 15) << 31;
    let (exponent, mantissa) = (u32::from(bits >> 10 & 31), u32::from(bits & 1023));
    match exponent {
        // 2⁻²⁴ is the least.
        0 => f32::from_bits(sign | (mantissa as f32 / 16_777_216.0).to_bits()),
        31 => f32::from_bits(sign | 0x7f80_0000 | mantissa << 13),
        _ => f32::from_bits(sign | (exponent + 112) << 23 | mantissa << 13),
    }
}

/// The largest finite float16.
pub(crate) const MAX_HALF: f32 = 65_504.0;

/// Returns the bits of the float16 nearest to `value`, of two equally near ones the even one. The value is finite and
/// at most [`MAX_HALF`] in size. The crate `half` would bring derive macros to programs that only read and draw.
pub(crate) fn to_half(value: f32) -> u16 {
    /// The least normal float16, 2⁻¹⁴.
    const MIN_NORMAL: f32 = 6.103_515_6e-5;
    let (sign, size) = ((value.to_bits() >> 16) as u16 & 0x8000, value.abs());
    if size < MIN_NORMAL {
        return sign | (size * 16_777_216.0).round_ties_even() as u16;
    }
    let bits = size.to_bits();
    // 13 bits of the mantissa are cut off; a carry goes on into the exponent.
    let rounded = bits + 0xfff + (bits >> 13 & 1);
    sign | ((rounded - (112 << 23)) >> 13) as u16
}

/// The description of a tensor in a file, whose values have not been read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StoredTensor {
    pub(crate) shape: Vec<usize>,
    pub(crate) dtype: Dtype,
    /// Where the values are; what the number means is for the [`TensorReader`] of the file to say.
    pub(crate) place: usize,
}

/// Reads the values of the tensors of one file.
pub(crate) trait TensorReader {
    /// Reads the values of a tensor and converts them to int64 if `as_integers`, else to float32.
    ///
    /// # Errors
    /// If the file is damaged or the type of its values cannot be converted.
    fn read(&mut self, tensor: &StoredTensor, as_integers: bool) -> Result<Tensor, FormatError>;

    /// Whether two tensors have their values in the same place of the file. Equal values in two places do not count.
    fn is_same(&self, one: &StoredTensor, other: &StoredTensor) -> bool;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floats(dtype: Dtype, bytes: &[u8]) -> Vec<f32> {
        match dtype.convert(bytes, false).unwrap() {
            TensorData::F32(values) => values,
            TensorData::I64(_) => panic!("integers"),
        }
    }

    /// Python: struct.pack("<e", x), and torch.tensor(x, dtype=torch.bfloat16).
    #[test]
    fn short_floats_have_their_values() {
        let half = |bits: u16| floats(Dtype::F16, &bits.to_le_bytes())[0];
        for (bits, value) in [
            (0x0000, 0.0),
            (0x0001, 5.960_464_5e-8),
            (0x03ff, 6.097_555e-5),
            (0x0400, 6.103_515_6e-5),
            (0x3555, 0.333_251_95),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65_504.0),
            (0x7c00, f32::INFINITY),
            (0xfc00, f32::NEG_INFINITY),
        ] {
            assert_eq!(half(bits), value, "{bits:04x}");
        }
        assert!(half(0x7e00).is_nan() && half(0x8000).is_sign_negative());
        // Each of them, from the definition.
        for bits in 0..0x7c00_u16 {
            let (exponent, mantissa) = (i32::from(bits >> 10), f64::from(bits & 1023) / 1024.0);
            let value =
                if exponent == 0 { mantissa * 2_f64.powi(-14) } else { (1.0 + mantissa) * 2_f64.powi(exponent - 15) };
            assert_eq!(f64::from(half(bits)), value, "{bits:04x}");
        }
        assert_eq!(floats(Dtype::BF16, &[0x80, 0x3f, 0x49, 0xc0]), [1.0, -3.140_625]);
        assert_eq!(floats(Dtype::F64, &0.1_f64.to_le_bytes()), [0.1]);
    }

    #[test]
    fn floats_become_the_nearest_half() {
        for bits in 0..0x7bff_u16 {
            let (low, high) = (half(bits), half(bits + 1));
            let middle = low + (high - low) / 2.0;
            let even = bits + (bits & 1);
            for (value, expected) in [
                (low, bits),
                (middle.next_down(), bits),
                (middle, even),
                (middle.next_up(), bits + 1),
                (high, bits + 1),
            ] {
                assert_eq!((to_half(value), to_half(-value)), (expected, 0x8000 | expected), "{value:e}");
            }
        }
        assert_eq!((to_half(0.0), to_half(-0.0), to_half(1e-30)), (0, 0x8000, 0));
    }

    #[test]
    fn counts_may_be_of_any_type_of_number() {
        for (dtype, bytes) in [
            (Dtype::I64, &300_i64.to_le_bytes()[..]),
            (Dtype::I32, &300_i32.to_le_bytes()),
            (Dtype::I16, &300_i16.to_le_bytes()),
            (Dtype::F32, &300.9_f32.to_le_bytes()),
            (Dtype::F64, &300.9_f64.to_le_bytes()),
            (Dtype::F16, &0x5cb0_u16.to_le_bytes()),
        ] {
            assert_eq!(dtype.convert(bytes, true).unwrap(), TensorData::I64(vec![300]), "{dtype}");
        }
        assert_eq!(Dtype::F32.convert(&f32::NAN.to_le_bytes(), true).unwrap(), TensorData::I64(vec![0]));
        assert_eq!(
            (Dtype::U8.convert(&[7], true).unwrap(), Dtype::I8.convert(&[0xff], true).unwrap()),
            (TensorData::I64(vec![7]), TensorData::I64(vec![-1]))
        );
        for (dtype, as_integers) in
            [(Dtype::U8, false), (Dtype::I64, false), (Dtype::Other("complex64".to_owned()), true)]
        {
            let message = dtype.convert(&[0; 8], as_integers).unwrap_err().to_string();
            assert!(
                message.contains(&dtype.to_string()) && message.contains("save the network as float32"),
                "{message}"
            );
        }
    }
}
