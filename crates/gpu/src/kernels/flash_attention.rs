//! Attention of many rows of a sequence, on the matrix units of a GPU (Dao et al., 2022, arXiv:2205.14135).
//!
//! A workgroup computes 16 rows of a head. Its subgroups share the pages, and each keeps sums of its own until the end. Keys and values in pages are tiles already. Sums are scaled
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
    /// Subgroups of a workgroup.
    pub splits: u32,
}

impl FlashAttention {
    pub(crate) const CONSTANTS: &'static [&'static str] =
        &["HEAD_DIM", "WINDOW", "CAP", "SINKS", "SPLITS"];

    pub(crate) fn constants(self) -> Vec<u32> {
        let Self { head_dim, window, cap, sinks, splits } = self;
        [&[head_dim][..], &[window, cap, sinks].map(u32::from), &[splits]].concat()
    }

    fn from_constants(constants: &[u32]) -> Self {
        let &[head_dim, window, cap, sinks, splits] = constants else {
            panic!("attention has its constants");
        };
        let [window, cap, sinks] = [window, cap, sinks].map(|flag| flag != 0);
        Self { head_dim, window, cap, sinks, splits }
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
            .replace("/*JOIN*/", &self.join_source())
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
            // An operand of a store that is an expression makes naga panic.
            writeln!(
                text,
                "      let to = own_scores + {}u;\n      coopStoreT(s, &scores[to], 9u);\n    }}",
                4 * half
            )
            .expect("a string");
        }
        text
    }

    fn shrink_source(self) -> String {
        let each = (0..self.blocks()).map(|d| {
            format!(
                "      coopStoreT(o{d}, &tile[own_tile], 4u);\n      workgroupBarrier();\n\
                 \x20     tile[own_tile + lane * 2u] *= shrink;\n      tile[own_tile + lane * 2u + 1u] *= shrink;\n\
                 \x20     workgroupBarrier();\n\
                 \x20     o{d} = coopLoadT<coop_mat16x16<f32, C>>(&tile[own_tile], 4u);\n      workgroupBarrier();\n"
            )
        });
        each.collect()
    }

    fn sums_source(self) -> String {
        let mut text = String::new();
        for half in 0..2 {
            writeln!(
                text,
                "    {{\n      let a = coopLoadT<coop_mat16x16<f16, A>>(&shares[own_shares + {}u], 10u);",
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

    /// Returns the statements that find the factors of the sums of each subgroup: `factor0`, `factor1`, …
    fn join_source(self) -> String {
        let mut text = String::from("  var greatest = most;\n");
        if self.splits > 1 {
            text += "  if (half == 0u) {\n    greatest_of[own * 16u + row] = most;\n    totals_of[own * 16u + row] = total;\n  }\n  workgroupBarrier();\n  total = 0.0;\n";
            for split in 0..self.splits {
                writeln!(text, "  greatest = max(greatest, greatest_of[{}u + row]);", split * 16)
                    .expect("a string");
            }
            for split in 0..self.splits {
                write!(
                    text,
                    "  var factor{split} = exp2(greatest_of[{0}u + row] - greatest);\n\
                     \x20 total = fma(totals_of[{0}u + row], factor{split}, total);\n",
                    split * 16
                )
                .expect("a string");
            }
        } else {
            text += "  var factor0 = 1.0;\n";
        }
        text += "  if (SINKS != 0u) { total += exp2(sinks[head] * LOG2_E - greatest); }\n  let inverse = 1.0 / total;\n";
        for split in 0..self.splits {
            writeln!(text, "  factor{split} *= inverse;").expect("a string");
        }
        text
    }

    /// Returns the statements that add up the sums of the subgroups, a tile at a time, and store them as tiles.
    fn store_source(self) -> String {
        let each = (0..self.blocks()).map(|d| {
            let sum = |n: u32| {
                let parts = (0..self.splits)
                    .map(|split| format!("tile[{}u + lane * 2u] * factor{split}", split * 64 + n));
                parts.collect::<Vec<_>>().join(" + ")
            };
            format!(
                "  coopStoreT(o{d}, &tile[own_tile], 4u);\n  workgroupBarrier();\n\
                 \x20 if (is_row && own == {3}u) {{\n\
                 \x20   out[to + {0}u] = vec4<f16>({1});\n\
                 \x20   out[to + {0}u + 1u] = vec4<f16>({2});\n  }}\n  workgroupBarrier();\n",
                d * 64,
                sum(0),
                sum(1),
                d % self.splits
            )
        });
        each.collect()
    }
}

/// Returns the text of the kernel.
pub(crate) fn write(constants: &[u32]) -> String {
    FlashAttention::from_constants(constants).source()
}
