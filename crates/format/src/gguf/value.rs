//! Metadata values. Long values stay in the file, and only their position is kept.

use std::ops::Range;

use super::GgufDamage;
use super::cursor::Cursor;

/// A metadata value. Its position in the file is checked; it is not decoded further.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Unsigned(u64),
    Signed(i64),
    /// A 32-bit float, kept as one because its shortest decimal is what the author wrote.
    Float(f32),
    Double(f64),
    Bool(bool),
    /// Range of the bytes.
    String(Range<usize>),
    /// Ranges of the strings.
    Strings(Vec<Range<usize>>),
    /// Type and range of plain numbers.
    Numbers(u32, Range<usize>),
    /// An array of arrays, which no known key has.
    Nested,
}

const STRING: u32 = 8;
const ARRAY: u32 = 9;
/// Maximum depth of arrays in arrays.
const MAX_DEPTH: u32 = 4;

/// Returns the size of a plain value in bytes, or `None` for strings, arrays and unknown types.
fn plain_bytes(kind: u32) -> Option<u64> {
    match kind {
        0 | 1 | 7 => Some(1),
        2 | 3 => Some(2),
        4..=6 => Some(4),
        10..=12 => Some(8),
        _ => None,
    }
}

impl Value {
    /// Reads the type and the value of `key`.
    pub(super) fn read(cursor: &mut Cursor<'_>, key: &str) -> Result<Self, GgufDamage> {
        let kind = cursor.u32()?;
        Ok(match kind {
            0 => Self::Unsigned(cursor.bytes::<1>()?[0].into()),
            1 => Self::Signed(i8::from_le_bytes(cursor.bytes()?).into()),
            2 => Self::Unsigned(u16::from_le_bytes(cursor.bytes()?).into()),
            3 => Self::Signed(i16::from_le_bytes(cursor.bytes()?).into()),
            4 => Self::Unsigned(cursor.u32()?.into()),
            5 => Self::Signed(i32::from_le_bytes(cursor.bytes()?).into()),
            6 => Self::Float(f32::from_le_bytes(cursor.bytes()?)),
            7 => Self::Bool(cursor.bytes::<1>()?[0] != 0),
            STRING => Self::String(cursor.string()?),
            ARRAY => Self::array(cursor, key, MAX_DEPTH)?,
            10 => Self::Unsigned(cursor.u64()?),
            11 => Self::Signed(i64::from_le_bytes(cursor.bytes()?)),
            12 => Self::Double(f64::from_le_bytes(cursor.bytes()?)),
            id => return Err(GgufDamage::ValueType { key: key.to_owned(), id }),
        })
    }

    fn array(cursor: &mut Cursor<'_>, key: &str, depth: u32) -> Result<Self, GgufDamage> {
        const WHAT: &str = "array entries";
        let kind = cursor.u32()?;
        let count = cursor.u64()?;
        if let Some(size) = plain_bytes(kind) {
            let count = cursor.fits(count, WHAT, size)?;
            return Ok(Self::Numbers(kind, cursor.skip(count * size)?));
        }
        match kind {
            STRING => {
                let count = cursor.fits(count, WHAT, 8)?;
                (0..count).map(|_| cursor.string()).collect::<Result<_, _>>().map(Self::Strings)
            }
            ARRAY if depth > 0 => {
                for _ in 0..cursor.fits(count, WHAT, 12)? {
                    Self::array(cursor, key, depth - 1)?;
                }
                Ok(Self::Nested)
            }
            id => Err(GgufDamage::ValueType { key: key.to_owned(), id }),
        }
    }

    /// Returns the value if it is a whole number and not negative.
    pub(super) fn as_u64(&self) -> Option<u64> {
        match self {
            Self::Unsigned(value) => Some(*value),
            Self::Signed(value) => u64::try_from(*value).ok(),
            _ => None,
        }
    }

    /// Returns the value as a number. A 32-bit float is converted by its shortest decimal, because
    /// 9.999999974752427e-07 was written as 1e-06.
    pub(super) fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Unsigned(value) => Some(*value as f64),
            Self::Signed(value) => Some(*value as f64),
            Self::Float(value) => shortest(*value),
            Self::Double(value) => Some(*value),
            _ => None,
        }
        .filter(|value| value.is_finite())
    }
}

fn shortest(value: f32) -> Option<f64> {
    value.to_string().parse().ok()
}

/// Returns the numbers of an array, widened, or `None` if they are floats.
pub(super) fn whole_numbers(kind: u32, bytes: &[u8]) -> Option<Vec<i64>> {
    fn each<const N: usize>(bytes: &[u8], one: impl Fn([u8; N]) -> i64) -> Vec<i64> {
        bytes.as_chunks::<N>().0.iter().map(|&chunk| one(chunk)).collect()
    }
    Some(match kind {
        0 => each(bytes, |[byte]| byte.into()),
        1 => each(bytes, |chunk| i8::from_le_bytes(chunk).into()),
        2 => each(bytes, |chunk| u16::from_le_bytes(chunk).into()),
        3 => each(bytes, |chunk| i16::from_le_bytes(chunk).into()),
        4 => each(bytes, |chunk| u32::from_le_bytes(chunk).into()),
        5 => each(bytes, |chunk| i32::from_le_bytes(chunk).into()),
        10 => each(bytes, |chunk| u64::from_le_bytes(chunk) as i64),
        11 => each(bytes, i64::from_le_bytes),
        _ => return None,
    })
}

/// Returns the numbers or flags of an array, or `None` if one is NaN. Floats of 32 bits are converted by their
/// shortest decimals; infinite ones stay so.
pub(super) fn numbers(kind: u32, bytes: &[u8]) -> Option<Vec<f64>> {
    let numbers: Vec<f64> = match kind {
        6 => floats(kind, bytes)?
            .into_iter()
            .map(|value| shortest(value).unwrap_or(f64::from(value)))
            .collect(),
        7 => bytes.iter().map(|&byte| f64::from(u8::from(byte != 0))).collect(),
        12 => bytes.as_chunks().0.iter().map(|&chunk| f64::from_le_bytes(chunk)).collect(),
        _ => whole_numbers(kind, bytes)?.into_iter().map(|value| value as f64).collect(),
    };
    (!numbers.iter().any(|number| number.is_nan())).then_some(numbers)
}

/// Returns the numbers of an array of 32-bit floats.
pub(super) fn floats(kind: u32, bytes: &[u8]) -> Option<Vec<f32>> {
    (kind == 6).then(|| bytes.as_chunks::<4>().0.iter().map(|&c| f32::from_le_bytes(c)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_read_as_their_shortest_decimal() {
        assert_eq!(Value::Float(1e-6).as_f64(), Some(1e-6));
        assert_eq!(Value::Float(1e-5).as_f64(), Some(1e-5));
        assert_eq!(Value::Float(1_000_000.0).as_f64(), Some(1e6));
        assert_eq!(Value::Float(f32::NAN).as_f64(), None);
    }
}
