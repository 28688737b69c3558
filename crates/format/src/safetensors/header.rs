//! Reads the header. Every number in it is untrusted until it is checked.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::ops::Range;
use std::path::Path;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use super::{ElementType, MAX_HEADER_BYTES};
use crate::error::{FormatError, HeaderProblem, TensorProblem};
use crate::files::open_file;

/// A header, checked against the length of its file.
pub struct Header {
    pub(super) tensors: Vec<Tensor>,
    pub(super) metadata: BTreeMap<String, String>,
}

impl Header {
    /// Reads the header of the file at `path` without its tensors.
    pub fn read(path: &Path) -> Result<Self, FormatError> {
        let mut file = open_file(path).map_err(FormatError::read(path))?;
        let file_length = file.metadata().map_err(FormatError::read(path))?.len();
        let mut bytes = Vec::new();
        file.by_ref().take(8).read_to_end(&mut bytes).map_err(FormatError::read(path))?;
        let header_length = match bytes.first_chunk() {
            Some(length) => u64::from_le_bytes(*length).min(MAX_HEADER_BYTES),
            None => 0,
        };
        let rest = header_length.min(file_length);
        file.take(rest).read_to_end(&mut bytes).map_err(FormatError::read(path))?;
        if crate::files::is_lfs_pointer(&bytes) {
            return Err(FormatError::LfsPointer { path: path.to_owned() });
        }
        parse(path, &bytes, file_length)
    }

    /// Returns the names of the tensors, in the order of their data.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.iter().map(|tensor| tensor.name.as_str())
    }

    /// Returns the `__metadata__` of the header.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }
}

/// A checked tensor. `range` counts from the start of the file, not of the data section.
pub(super) struct Tensor {
    pub(super) name: String,
    pub(super) dtype: ElementType,
    pub(super) shape: Vec<usize>,
    pub(super) range: Range<usize>,
}

/// A tensor as the header describes it, unchecked.
#[derive(Deserialize)]
struct Claim {
    dtype: TypeName,
    shape: Vec<usize>,
    data_offsets: (u64, u64),
}

/// The name of an element type, looked up when it is read.
enum TypeName {
    Known(ElementType),
    Unknown(String),
}

impl<'de> Deserialize<'de> for TypeName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;
        impl Visitor<'_> for Name {
            type Value = TypeName;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of an element type")
            }

            fn visit_str<E>(self, name: &str) -> Result<TypeName, E> {
                Ok(ElementType::from_name(name)
                    .map_or_else(|| TypeName::Unknown(name.to_owned()), TypeName::Known))
            }
        }
        deserializer.deserialize_str(Name)
    }
}

/// The members of the header in the order of the file. A map would hide a name that occurs twice.
struct Members {
    tensors: Vec<(String, Claim)>,
    metadata: BTreeMap<String, String>,
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Members { tensors: Vec::new(), metadata: BTreeMap::new() };
                while let Some(name) = map.next_key::<String>()? {
                    if name == "__metadata__" {
                        members.metadata = map
                            .next_value::<Option<BTreeMap<String, String>>>()?
                            .unwrap_or_default();
                    } else {
                        members.tensors.push((name, map.next_value()?));
                    }
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

/// Parses and checks the header of a file of `file_length` bytes. `start` must contain at least the
/// header.
pub(super) fn parse(path: &Path, start: &[u8], file_length: u64) -> Result<Header, FormatError> {
    let damaged = |problem| FormatError::Header { path: path.to_owned(), problem };
    let Some((length, rest)) = start.split_first_chunk::<8>() else {
        return Err(damaged(HeaderProblem::TooShort(start.len() as u64)));
    };
    let length = u64::from_le_bytes(*length);
    let available = file_length.saturating_sub(8);
    if length > MAX_HEADER_BYTES {
        return Err(damaged(HeaderProblem::TooLong(length)));
    }
    if length > available {
        return Err(damaged(HeaderProblem::PastTheEnd { length, available }));
    }
    let header = rest.get(..length as usize).ok_or_else(|| {
        // The file became shorter while it was read.
        damaged(HeaderProblem::PastTheEnd { length, available: rest.len() as u64 })
    })?;
    let members: Members =
        serde_json::from_slice(header).map_err(|error| damaged(HeaderProblem::Json(error)))?;
    let data_start = 8 + length;
    let tensors = place(path, members.tensors, data_start, file_length)?;
    Ok(Header { tensors, metadata: members.metadata })
}

/// Checks that the tensors fill `data_start..file_length` without gap or overlap.
fn place(
    path: &Path,
    mut claims: Vec<(String, Claim)>,
    data_start: u64,
    file_length: u64,
) -> Result<Vec<Tensor>, FormatError> {
    claims.sort_by_key(|(_, claim)| claim.data_offsets);
    let mut tensors: Vec<Tensor> = Vec::with_capacity(claims.len());
    let last = claims.iter().map(|(_, claim)| claim.data_offsets.1).max().unwrap_or(0);
    let needed = data_start.saturating_add(last);
    let mut expected = 0;
    for (name, claim) in claims {
        let bad =
            |problem| FormatError::Tensor { path: path.to_owned(), tensor: name.clone(), problem };
        let (start, end) = claim.data_offsets;
        let dtype = match claim.dtype {
            TypeName::Known(dtype) => dtype,
            TypeName::Unknown(name) => return Err(bad(TensorProblem::UnknownType(name))),
        };
        if start != expected || end < start {
            return Err(bad(TensorProblem::Offsets { start, end, expected }));
        }
        if dtype.tensor_bytes(&claim.shape) != Some(end - start) {
            return Err(bad(TensorProblem::Length {
                shape: claim.shape,
                dtype: dtype.name(),
                length: end - start,
            }));
        }
        match data_start.checked_add(end) {
            Some(file_end) if file_end <= file_length => {
                let range = (data_start + start) as usize..file_end as usize;
                tensors.push(Tensor { name, dtype, shape: claim.shape, range });
            }
            _ => {
                return Err(FormatError::Truncated {
                    path: path.to_owned(),
                    tensor: name,
                    needed,
                    length: file_length,
                });
            }
        }
        expected = end;
    }
    let mut names: Vec<&str> = tensors.iter().map(|tensor| tensor.name.as_str()).collect();
    names.sort_unstable();
    if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        let (path, tensor) = (path.to_owned(), pair[0].to_owned());
        return Err(FormatError::Tensor { path, tensor, problem: TensorProblem::Twice });
    }
    let end = data_start + expected;
    if end < file_length {
        let problem = HeaderProblem::TrailingBytes { extra: file_length - end };
        return Err(FormatError::Header { path: path.to_owned(), problem });
    }
    Ok(tensors)
}
