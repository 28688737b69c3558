//! Reads the container: header, metadata and tensor table. Every count, string and offset is
//! untrusted until it is checked against the length of the file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::cursor::Cursor;
use super::value::{Value, floats, numbers, whole_numbers};
use super::{GgufDamage, GgufLimit, TensorKind};
use mlxk_memory::Bytes;

use crate::FormatError;

const DEFAULT_ALIGNMENT: u64 = 32;
const MAX_ALIGNMENT: u64 = 1 << 20;
const MAX_DIMENSIONS: u32 = 4;

/// An open GGUF file.
#[derive(Debug)]
pub(super) struct Gguf {
    pub(super) path: PathBuf,
    pub(super) file: Bytes,
    pub(super) metadata: BTreeMap<String, Value>,
    /// Tensors in the order of their data.
    pub(super) tensors: Vec<Tensor>,
}

/// A tensor of the table.
#[derive(Clone, Debug)]
pub(super) struct Tensor {
    pub(super) name: String,
    /// Shape, slowest axis first as in safetensors. The file has the opposite order.
    pub(super) shape: Vec<usize>,
    /// The type, or the number of an unknown type.
    pub(super) kind: Result<TensorKind, u32>,
    /// Data; empty if the type is unknown.
    pub(super) data: Bytes,
}

/// Any error, before the name of the file is added.
#[derive(Debug)]
pub(super) enum Problem {
    Damage(GgufDamage),
    Limit(GgufLimit),
}

impl From<GgufDamage> for Problem {
    fn from(damage: GgufDamage) -> Self {
        Self::Damage(damage)
    }
}

impl From<GgufLimit> for Problem {
    fn from(limit: GgufLimit) -> Self {
        Self::Limit(limit)
    }
}

impl Problem {
    pub(super) fn of(self, path: &Path) -> FormatError {
        let path = path.to_owned();
        match self {
            Self::Damage(problem) => FormatError::GgufDamaged { path, problem },
            Self::Limit(problem) => FormatError::GgufUnsupported { path, problem },
        }
    }
}

impl Gguf {
    /// Reads and checks everything except the weights themselves.
    pub(super) fn parse(path: &Path, file: &Bytes) -> Result<Self, Problem> {
        let mut cursor = Cursor::new(file);
        if cursor.bytes().map_err(|_| GgufDamage::Magic)? != super::MAGIC {
            return Err(GgufDamage::Magic.into());
        }
        match cursor.u32()? {
            2 | 3 => {}
            version if version.swap_bytes() <= 3 => return Err(GgufLimit::BigEndian.into()),
            version => return Err(GgufLimit::Version(version).into()),
        }
        // A tensor has at least a name, a dimension count, a type and an offset; a key has a name
        // and a type.
        let tensor_count = cursor.count("tensors", 8 + 4 + 4 + 8)?;
        let key_count = cursor.count("metadata keys", 8 + 4 + 1)?;
        let mut metadata = BTreeMap::new();
        for _ in 0..key_count {
            let key = cursor.text("a metadata key")?;
            let value = Value::read(&mut cursor, key)?;
            if metadata.insert(key.to_owned(), value).is_some() {
                return Err(GgufDamage::Twice(key.to_owned()).into());
            }
        }
        let alignment = match metadata.get("general.alignment").map(Value::as_u64) {
            None => DEFAULT_ALIGNMENT,
            Some(Some(size)) if size.is_power_of_two() && size <= MAX_ALIGNMENT => size,
            Some(size) => return Err(GgufDamage::Alignment(size.unwrap_or(0)).into()),
        };
        let mut claims = Vec::new();
        let mut names = BTreeSet::new();
        for _ in 0..tensor_count {
            let claim = Claim::read(&mut cursor)?;
            if !names.insert(claim.name) {
                return Err(GgufDamage::Twice(claim.name.to_owned()).into());
            }
            claims.push(claim);
        }
        let data_start = (cursor.position() as u64).next_multiple_of(alignment);
        let tensors = place(file, claims, data_start)?;
        Ok(Self { path: path.to_owned(), file: file.clone(), metadata, tensors })
    }

    /// Returns the tensor of this name.
    pub(super) fn tensor(&self, name: &str) -> Option<&Tensor> {
        self.tensors.iter().find(|tensor| tensor.name == name)
    }

    pub(super) fn u64(&self, key: &str) -> Result<Option<u64>, GgufDamage> {
        self.read(key, "a whole number", Value::as_u64)
    }

    pub(super) fn f64(&self, key: &str) -> Result<Option<f64>, GgufDamage> {
        self.read(key, "a finite number", Value::as_f64)
    }

    pub(super) fn bool(&self, key: &str) -> Result<Option<bool>, GgufDamage> {
        self.read(key, "true or false", |value| match value {
            Value::Bool(value) => Some(*value),
            _ => None,
        })
    }

    pub(super) fn str(&self, key: &str) -> Result<Option<&str>, GgufDamage> {
        self.read(key, "a text", |value| match value {
            Value::String(place) => std::str::from_utf8(&self.file[place.clone()]).ok(),
            _ => None,
        })
    }

    pub(super) fn strings(&self, key: &str) -> Result<Option<Vec<&str>>, GgufDamage> {
        self.read(key, "an array of texts", |value| match value {
            Value::Strings(places) => places
                .iter()
                .map(|place| std::str::from_utf8(&self.file[place.clone()]).ok())
                .collect(),
            _ => None,
        })
    }

    pub(super) fn whole_numbers(&self, key: &str) -> Result<Option<Vec<i64>>, GgufDamage> {
        self.read(key, "an array of whole numbers", |value| match value {
            Value::Numbers(kind, place) => whole_numbers(*kind, &self.file[place.clone()]),
            _ => None,
        })
    }

    /// Returns an array of numbers or flags as numbers; empty if the file doesn't have it.
    pub(super) fn numbers(&self, key: &str) -> Result<Vec<f64>, GgufDamage> {
        let found = self.read(key, "an array of finite numbers", |value| match value {
            Value::Numbers(kind, place) => numbers(*kind, &self.file[place.clone()]),
            _ => None,
        })?;
        Ok(found.unwrap_or_default())
    }

    pub(super) fn floats(&self, key: &str) -> Result<Option<Vec<f32>>, GgufDamage> {
        self.read(key, "an array of 32-bit floats", |value| match value {
            Value::Numbers(kind, place) => floats(*kind, &self.file[place.clone()]),
            _ => None,
        })
    }

    fn read<'a, T>(
        &'a self,
        key: &str,
        expected: &'static str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, GgufDamage> {
        match self.metadata.get(key) {
            None => Ok(None),
            Some(value) => read(value)
                .map(Some)
                .ok_or_else(|| GgufDamage::Value { key: key.to_owned(), expected }),
        }
    }
}

/// An entry of the tensor table, unchecked.
struct Claim<'a> {
    name: &'a str,
    shape: Vec<u64>,
    kind: u32,
    offset: u64,
}

impl<'a> Claim<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, GgufDamage> {
        let name = cursor.text("a tensor name")?;
        let dimensions = cursor.u32()?;
        if dimensions > MAX_DIMENSIONS {
            let count = dimensions.into();
            return Err(GgufDamage::Count { what: "dimensions of a tensor", count });
        }
        let shape = (0..dimensions).map(|_| cursor.u64()).collect::<Result<_, _>>()?;
        Ok(Self { name, shape, kind: cursor.u32()?, offset: cursor.u64()? })
    }
}

/// Places the tensors in the file, sorted by offset.
fn place(
    file: &Bytes,
    mut claims: Vec<Claim<'_>>,
    data_start: u64,
) -> Result<Vec<Tensor>, GgufDamage> {
    claims.sort_by_key(|claim| claim.offset);
    let mut tensors: Vec<Tensor> = Vec::with_capacity(claims.len());
    let mut previous_end = data_start;
    for claim in claims {
        let kind = TensorKind::from_id(claim.kind).ok_or(claim.kind);
        let impossible = || GgufDamage::ImpossibleShape {
            tensor: claim.name.to_owned(),
            shape: claim.shape.clone(),
        };
        let length = match kind {
            Ok(kind) => size_bytes(&claim.shape, kind).ok_or_else(impossible)?,
            Err(_) => 0,
        };
        let start = data_start.saturating_add(claim.offset);
        let end = start.saturating_add(length);
        if end > file.len() as u64 {
            return Err(GgufDamage::Outside {
                tensor: claim.name.to_owned(),
                start,
                end,
                length: file.len() as u64,
            });
        }
        if start < previous_end {
            let before = tensors.last().map_or_else(String::new, |tensor| tensor.name.clone());
            return Err(GgufDamage::Overlap(before, claim.name.to_owned()));
        }
        previous_end = end;
        tensors.push(Tensor {
            name: claim.name.to_owned(),
            shape: claim.shape.iter().rev().map(|&dimension| dimension as usize).collect(),
            kind,
            data: file.slice(start as usize..end as usize).expect("checked against the length"),
        });
    }
    Ok(tensors)
}

/// Returns the size of a tensor in bytes, or `None` if a row is not a whole number of blocks or a
/// product overflows.
fn size_bytes(shape: &[u64], kind: TensorKind) -> Option<u64> {
    let (&row, outer) = shape.split_first()?;
    let elements = outer.iter().try_fold(row, |product, &dimension| product.checked_mul(dimension));
    (elements? > 0 && row.is_multiple_of(kind.block))
        .then(|| (elements? / kind.block).checked_mul(kind.block_bytes))?
}
