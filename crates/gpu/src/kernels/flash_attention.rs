//! Attention of many rows of a sequence, on the matrix units of a GPU (Dao et al., 2022, arXiv:2205.14135).
//!
//! A subgroup computes 16 rows of a head, page after page. Keys and values in pages are tiles already. Sums are scaled
//! down only if a score exceeds the greatest one so far by more than a factor of 2⁸, because a kernel can't reach the
//! elements of a matrix but through memory.

use std::fmt::Write;

use super::written;
use crate::kernels::FUNCTIONS;

/// A variant of the kernel. Keys and values are f16, and equally wide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FlashAttention {
    pub head_dim: u32,
    pub window: bool,
    pub cap: bool,
    pub sinks: bool,
}

impl FlashAttention {
    pub(crate) const CONSTANTS: &'static [&'static str] = &["HEAD_DIM", "WINDOW", "CAP", "SINKS"];

    pub(crate) fn constants(self) -> Vec<u32> {
        let Self { head_dim, window, cap, sinks } = self;
        [&[head_dim][..], &[window, cap, sinks].map(u32::from)].concat()
    }

    fn from_constants(constants: &[u32]) -> Self {
        let &[head_dim, window, cap, sinks] = constants else {
            panic!("attention has its constants");
        };
        let [window, cap, sinks] = [window, cap, sinks].map(|flag| flag != 0);
        Self { head_dim, window, cap, sinks }
    }

    fn source(self) -> String {
        let mut text = String::from("enable f16;\nenable wgpu_cooperative_matrix;\n");
        text += &written::constants(Self::CONSTANTS, &self.constants());
        text += FUNCTIONS;
        text += include_str!("flash_attention.wgsl");
        text.replace("/*START*/", &self.start_source())
            .replace("/*SCORES*/", &self.scores_source())
            .replace("/*SHRINK*/", &self.shrink_source())
            .replace("/*SUMS*/", &self.sums_source())
            .replace("/*STORE*/", &self.store_source())
    }

    const fn blocks(self) -> u32 {
        self.head_dim / 16
    }

    fn start_source(self) -> String {
        let each = (0..self.blocks()).map(|d| {
            format!(
                "  let q{d} = coopLoadT<coop_mat16x16<f16, A>>(&q[(slot * BLOCKS + {d}u) * 64u], 4u);\n\
                 \x20 var o{d}: coop_mat16x16<f32, C>;\n"
            )
        });
        each.collect()
    }

    fn scores_source(self) -> String {
        let mut text = String::new();
        for half in 0..2 {
            text += "    {\n      var s: coop_mat16x16<f32, C>;\n";
            for d in 0..self.blocks() {
                writeln!(
                    text,
                    "      {{ let k = coopLoad<coop_mat16x16<f16, B>>(&kv[page + {}u], 4u); s = coopMultiplyAdd(q{d}, k, s); }}",
                    d * 128 + half * 64
                )
                .expect("a string");
            }
            writeln!(text, "      coopStoreT(s, &scores[{}u], 9u);\n    }}", 4 * half)
                .expect("a string");
        }
        text
    }

    fn shrink_source(self) -> String {
        let each = (0..self.blocks()).map(|d| {
            format!(
                "      coopStoreT(o{d}, &tile[0], 4u);\n      workgroupBarrier();\n\
                 \x20     tile[lane * 2u] *= shrink;\n      tile[lane * 2u + 1u] *= shrink;\n      workgroupBarrier();\n\
                 \x20     o{d} = coopLoadT<coop_mat16x16<f32, C>>(&tile[0], 4u);\n      workgroupBarrier();\n"
            )
        });
        each.collect()
    }

    fn sums_source(self) -> String {
        let mut text = String::new();
        for half in 0..2 {
            writeln!(
                text,
                "    {{\n      let a = coopLoadT<coop_mat16x16<f16, A>>(&shares[{}u], 10u);",
                4 * half
            )
            .expect("a string");
            for d in 0..self.blocks() {
                writeln!(
                    text,
                    "      {{ let v = coopLoadT<coop_mat16x16<f16, B>>(&kv[page + PAGE_KEYS + {}u], 4u); o{d} = coopMultiplyAdd(a, v, o{d}); }}",
                    d * 128 + half * 64
                )
                .expect("a string");
            }
            text += "    }\n";
        }
        text
    }

    fn store_source(self) -> String {
        let each = (0..self.blocks()).map(|d| {
            format!(
                "  coopStoreT(o{d}, &tile[0], 4u);\n  workgroupBarrier();\n\
                 \x20 if (is_row) {{\n\
                 \x20   out[to + {0}u] = vec4<f16>(tile[lane * 2u] * inverse);\n\
                 \x20   out[to + {0}u + 1u] = vec4<f16>(tile[lane * 2u + 1u] * inverse);\n  }}\n  workgroupBarrier();\n",
                d * 64
            )
        });
        each.collect()
    }
}

/// Returns the text of the kernel.
pub(crate) fn write(constants: &[u32]) -> String {
    FlashAttention::from_constants(constants).source()
}
