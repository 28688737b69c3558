//! The kernels: one file of WGSL per operation, and the constants that its variants differ in.
//!
//! A variant is the declarations of its constants, the text that reads its form of weights if it has any, and
//! the file. A file declares its parameters as `P`, and its buffers in the order in which they are bound.

pub(crate) mod decode_attention;
pub(crate) mod fixed_product;
pub(crate) mod flash_attention;
pub(crate) mod matrix_product;
#[cfg(test)]
mod tests;
mod written;

use crate::pipelines::{Kernel, Source};
use decode_attention::DecodeAttention;
use fixed_product::FixedProduct;
use flash_attention::FlashAttention;
use matrix_product::MatrixProduct;

/// Texts that several kernels share.
const FUNCTIONS: &str = include_str!("functions.wgsl");
const ACTIVATIONS: &str = include_str!("activations.wgsl");

macro_rules! kernel {
    ($name:literal, [$($constant:literal),*] $(, $shared:literal)*) => {
        Kernel {
            name: $name,
            source: Source::File(concat!(
                $(include_str!(concat!($shared, ".wgsl")),)* include_str!(concat!($name, ".wgsl"))
            )),
            constants: &[$($constant),*],
        }
    };
}

pub(crate) static EMBED: Kernel = kernel!("embed", []);
pub(crate) static HADAMARD: Kernel = kernel!("hadamard", ["BLOCK", "PART", "BACK"]);
pub(crate) static PRODUCT: Kernel = kernel!("product", ["TILE", "SELECT", "BIAS"], "wide_rows");
/// Like [`PRODUCT`], for rows that end within a block.
pub(crate) static TAIL_PRODUCT: Kernel =
    Kernel { name: "tail_product", ..kernel!("product", ["TILE", "SELECT", "BIAS"], "any_rows") };
pub(crate) static FIXED_PRODUCT: Kernel = Kernel {
    name: "fixed_product",
    source: Source::Written(fixed_product::write),
    constants: FixedProduct::CONSTANTS,
};
pub(crate) static MATRIX_PRODUCT: Kernel = Kernel {
    name: "matrix_product",
    source: Source::Written(matrix_product::write),
    constants: MatrixProduct::CONSTANTS,
};
pub(crate) static ROWS: Kernel = kernel!("rows", []);
pub(crate) static TILES: Kernel = kernel!("tiles", ["NORM", "PARTS"]);
pub(crate) static SUM_PARTS: Kernel = kernel!("sum_parts", ["ADD"]);
pub(crate) static TILE: Kernel = kernel!("tile", ["BIAS"]);
pub(crate) static SELECT_ROWS: Kernel = kernel!("select_rows", []);
pub(crate) static COPY_ALL: Kernel = kernel!("copy_all", []);
pub(crate) static PEAK: Kernel = kernel!("peak", []);
pub(crate) static MATRIX_PEAK: Kernel = kernel!("matrix_peak", []);
pub(crate) static COPY_PIECES: Kernel = kernel!("copy_pieces", []);
pub(crate) static ROPE: Kernel = kernel!("rope", ["INTERLEAVED"]);
pub(crate) static RMS_NORM: Kernel = kernel!("rms_norm", []);
pub(crate) static LAYER_NORM: Kernel = kernel!("layer_norm", ["BIAS"], "total");
pub(crate) static ACTIVATION: Kernel =
    kernel!("activation", ["ACTIVATION", "GATED"], "functions", "activations");
pub(crate) static ARITHMETIC: Kernel = kernel!("arithmetic", ["OPERATION"], "functions");
pub(crate) static APPEND: Kernel =
    kernel!("append", ["HEAD_DIM", "VALUE_DIM", "KEY_BITS", "VALUE_BITS"], "head_words");
pub(crate) static ATTENTION: Kernel = kernel!(
    "attention",
    ["HEAD_DIM", "VALUE_DIM", "KEY_BITS", "VALUE_BITS", "CAP", "SINKS", "GROWTH", "MASK"],
    "functions",
    "head_words",
    "element"
);
pub(crate) static INDEX_SCORES: Kernel =
    kernel!("index_scores", ["HEADS", "HEAD_DIM", "KEY_BITS"], "head_words", "element");
pub(crate) static CHOOSE_POSITIONS: Kernel = kernel!("choose_positions", []);
pub(crate) static DECODE_ATTENTION: Kernel = Kernel {
    name: "decode_attention",
    source: Source::Written(decode_attention::write),
    constants: DecodeAttention::CONSTANTS,
};
pub(crate) static FLASH_ATTENTION: Kernel = Kernel {
    name: "flash_attention",
    source: Source::Written(flash_attention::write),
    constants: FlashAttention::CONSTANTS,
};
pub(crate) static ROPE_TILES: Kernel = Kernel {
    name: "rope_tiles",
    // A text begins with what it enables, so that the shared one follows.
    source: Source::File(concat!(include_str!("rope_tiles.wgsl"), include_str!("turned.wgsl"))),
    constants: &["HEAD_DIM", "ROPE", "GROWTH"],
};
pub(crate) static JOIN_CHUNKS: Kernel = kernel!("join_chunks", ["HEAD_DIM", "SINKS"]);
pub(crate) static ROUTE: Kernel = kernel!(
    "route",
    [
        "EXPERTS",
        "PER_ROW",
        "SCORES",
        "CORRECTION",
        "FACTORS",
        "NORMALIZE",
        "GROUPS",
        "KEEP",
        "BEST",
        "EXCLUDED",
        "PASSING"
    ]
);
pub(crate) static COMBINE: Kernel = kernel!("combine", []);
pub(crate) static GROUP_ROWS: Kernel = kernel!("group_rows", ["EXPERTS"]);
pub(crate) static GATHER_TILES: Kernel = kernel!("gather_tiles", []);
pub(crate) static COMBINE_GROUPS: Kernel = kernel!("combine_groups", ["ADD"]);
pub(crate) static BEST: Kernel = kernel!("best", ["FIRST"]);
pub(crate) static WEIGH: Kernel = kernel!("weigh", []);
pub(crate) static TOP: Kernel = kernel!("top", ["FIRST"]);
pub(crate) static CONV: Kernel = kernel!("conv", ["STATE", "BIAS", "SILU"], "functions");
pub(crate) static NORMALIZE: Kernel = kernel!("normalize", []);
pub(crate) static DELTA_RULE: Kernel = kernel!("delta_rule", ["KEY_DIM", "DECAY"], "functions");
pub(crate) static COLUMN_SCAN: Kernel = kernel!("column_scan", ["STATE_DIM"], "functions");
pub(crate) static GATED_UNIT: Kernel = kernel!("gated_unit", [], "functions");
pub(crate) static WKV_INPUTS: Kernel = kernel!("wkv_inputs", ["HEAD_DIM"], "functions");
pub(crate) static WKV: Kernel = kernel!("wkv", ["HEAD_DIM"]);
pub(crate) static REDUCE_ROWS: Kernel = kernel!("reduce_rows", ["MAX"]);
pub(crate) static ROW_STATISTICS: Kernel = kernel!("row_statistics", ["CUT"], "total");
pub(crate) static ADD_SCALED: Kernel = kernel!("add_scaled", []);
pub(crate) static SELECTIVE_SCAN: Kernel = kernel!("selective_scan", ["STATE_DIM"], "functions");
