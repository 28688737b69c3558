//! Reads GGUF files, converts them to MLX checkpoints, and writes such files.
//!
//! Quantizations that already are affine groups keep every value. K-quants become affine groups
//! with scales rounded to f16, unless you ask for a lossless import. The groups of `Q6_K` are
//! smaller than MLX's, so it is quantized again, to 8 bits. MXFP4 only changes the order of its bits.
//! Everything else is refused by name.

mod architecture;
mod blocks;
mod config;
mod cursor;
mod encode;
mod error;
mod export;
mod groups;
mod kind;
mod plan;
mod reader;
mod sizes;
mod tensors;
mod tokenizer;
mod value;
mod vocabulary;
mod writer;

use std::io::Read;
use std::path::Path;

use mlxk_memory::map_file;

use crate::FormatError;

pub use architecture::{
    Bias, Extent, GgufArchitecture, GgufRope, HeadDim, Heads, LayerTensor, Order, Window,
};
pub use config::json_number;
pub use encode::RowEncoding;
pub use error::{GgufDamage, GgufLimit};
pub use export::{Export, ExportError, Exported};
pub use kind::TensorKind;
pub use plan::Plan;
pub use sizes::GgufSizes;
pub use tensors::GgufBiases;
pub use vocabulary::{GgufVocabulary, byte_alphabet};
pub use writer::{GgufWriter, MetaValue, TensorEntry};

/// Summary of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// Number of parameters.
    pub parameters: u64,
    /// Type of most of them, such as `Q4_0`; `None` if it is unknown.
    pub kind: Option<&'static str>,
}

/// First bytes of every GGUF file.
const MAGIC: [u8; 4] = *b"GGUF";

/// Returns `true` if a file begins as GGUF files do, whatever its name is.
pub fn is_gguf(path: &Path) -> bool {
    // Opening a named pipe would wait for its writer.
    if !path.is_file() {
        return false;
    }
    let mut start = [0; MAGIC.len()];
    let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut start));
    read.is_ok() && start == MAGIC
}

/// Summarizes a file.
pub fn contents(path: &Path) -> Result<Contents, FormatError> {
    let file = reader::Gguf::parse(path, &map_file(path).map_err(FormatError::read(path))?)
        .map_err(|problem| problem.of(path))?;
    let mut by_kind = std::collections::BTreeMap::<_, u64>::new();
    for tensor in &file.tensors {
        let kind = tensor.kind.as_ref().ok().map(|kind| kind.name);
        *by_kind.entry(kind).or_default() += tensor.shape.iter().product::<usize>() as u64;
    }
    let parameters = by_kind.values().sum();
    let kind = by_kind.into_iter().max_by_key(|(_, count)| *count).and_then(|(kind, _)| kind);
    Ok(Contents { parameters, kind })
}

/// Checks the container: header, metadata, and that every tensor lies inside the file. Use
/// [`Plan::new`] to check if the model can be imported.
pub fn check(path: &Path) -> Result<(), FormatError> {
    reader::Gguf::parse(path, &map_file(path).map_err(FormatError::read(path))?)
        .map_err(|problem| problem.of(path))?;
    Ok(())
}
