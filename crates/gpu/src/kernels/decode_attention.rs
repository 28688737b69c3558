//! Attention of one token of each sequence, with its rotations and the storing of its key and value.
//!
//! A workgroup computes some heads of a row over a chunk of positions. For the scores a thread takes a position, and
//! reads all of a key before it uses it. For the sums a thread takes eight features and every `LANES`-th position. The
//! new position never comes from the pages, because another workgroup may still be storing it.

use std::fmt::Write;

use super::written;
use crate::kernels::FUNCTIONS;

/// Features that a thread reads at a time.
const FEATURES: u32 = 8;
/// Values of a key that a thread holds at a time. More, or values further ahead, would take the registers of a second
/// workgroup.
const HELD: u32 = 64;
/// Positions whose values a thread reads at a time.
const AHEAD: u32 = 2;

/// A variant of the kernel. Keys and values are f16, and equally wide.
#[expect(clippy::struct_excessive_bools, reason = "each is a constant of the kernel")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DecodeAttention {
    pub head_dim: u32,
    /// Heads of a workgroup, which share keys and values.
    pub heads: u32,
    /// Positions of a workgroup.
    pub chunk: u32,
    /// 0 without a rotation, 1 if pairs are half of the turning dimensions apart, 2 if they are neighbours.
    pub rope: u32,
    pub cap: bool,
    pub sinks: bool,
    pub growth: bool,
    /// `true` if each head of queries and keys is normalized by its root mean square before it turns.
    pub norm: bool,
    /// `true` if there are several chunks. Results are then sums that are not divided yet, with the greatest score and
    /// the total behind them.
    pub split: bool,
}

impl DecodeAttention {
    pub(crate) const CONSTANTS: &'static [&'static str] =
        &["HEAD_DIM", "HEADS", "CHUNK", "ROPE", "CAP", "SINKS", "GROWTH", "NORM", "SPLIT"];

    pub(crate) fn constants(&self) -> Vec<u32> {
        let Self { head_dim, heads, chunk, rope, cap, sinks, growth, norm, split } = *self;
        let flags = [cap, sinks, growth, norm, split].map(u32::from);
        [&[head_dim, heads, chunk, rope][..], &flags].concat()
    }

    fn from_constants(constants: &[u32]) -> Self {
        let &[head_dim, heads, chunk, rope, cap, sinks, growth, norm, split] = constants else {
            panic!("attention has its constants");
        };
        let flags = [cap, sinks, growth, norm, split].map(|flag| flag != 0);
        let [cap, sinks, growth, norm, split] = flags;
        Self { head_dim, heads, chunk, rope, cap, sinks, growth, norm, split }
    }

    /// Returns `true` if there is a kernel for heads of this width.
    pub(crate) const fn takes(head_dim: usize) -> bool {
        head_dim.is_multiple_of(16) && head_dim >= 32 && head_dim <= 256
    }

    /// Returns the number of threads that share the features of a value.
    fn lanes(&self) -> u32 {
        let across = self.head_dim / FEATURES;
        1 << (256 / across).max(1).ilog2()
    }

    fn threads(&self) -> u32 {
        self.lanes() * self.head_dim / FEATURES
    }

    fn source(&self) -> String {
        let mut text = written::constants(Self::CONSTANTS, &self.constants());
        let (threads, lanes) = (self.threads(), self.lanes());
        write!(text, "const THREADS = {threads}u;\nconst LANES = {lanes}u;\n").expect("a string");
        text += FUNCTIONS;
        text += include_str!("turned.wgsl");
        text += include_str!("decode_attention.wgsl");
        // Buffers are declared in their order.
        text += if self.norm {
            include_str!("head_norms.wgsl")
        } else {
            "fn normed(kind: u32, at: u32, x: f32) -> f32 { return x; }\n\
             fn find_norms(queries: u32, own: u32, local: u32) {}\n"
        };
        text.replace("/*VALUES*/", &Self::first_values_source())
            .replace("/*SCORES*/", &self.scores_source())
            .replace("/*SUMS*/", &self.sums_source())
    }

    /// Returns the statements that compute `score0`, `score1`, … of the position at `at`.
    fn scores_source(&self) -> String {
        let mut text = String::new();
        for head in 0..self.heads {
            writeln!(text, "      var score{head} = 0.0;").expect("a string");
        }
        let vectors = self.head_dim / FEATURES;
        for start in (0..vectors).step_by((HELD / FEATURES) as usize) {
            text += "      {\n";
            let held = start..vectors.min(start + HELD / FEATURES);
            for i in held.clone() {
                writeln!(text, "        let k{i} = kv[at + {}u];", i / 2 * 64 + i % 2)
                    .expect("a string");
            }
            for i in held {
                let half = |word: &str| format!("unpack2x16float(k{i}.{word})");
                let four = |a, b| format!("vec4<f32>({}, {})", half(a), half(b));
                write!(
                    text,
                    "        {{\n          let a = {};\n          let b = {};\n",
                    four("x", "y"),
                    four("z", "w")
                )
                .expect("a string");
                for head in 0..self.heads {
                    let q = |n: u32| format!("query[{}u]", head * self.head_dim / 4 + 2 * i + n);
                    writeln!(text, "          score{head} += dot(a, {}) + dot(b, {});", q(0), q(1))
                        .expect("a string");
                }
                text += "        }\n";
            }
            text += "      }\n";
        }
        for head in 0..self.heads {
            writeln!(text, "      scores[{head}u * CHUNK + position - chunk_start] = score{head};")
                .expect("a string");
        }
        text
    }

    /// Returns the statements that read the values at `position`, which are used after the scores.
    fn values_source(position: &str) -> String {
        let each = (0..AHEAD).map(|i| {
            format!(
                "  v{i} = kv[place(min({position} + {i}u * LANES, last_old), table, kv_head) + PAGE_KEYS + block * 64u + half];\n"
            )
        });
        each.collect()
    }

    fn first_values_source() -> String {
        let declared = (0..AHEAD).map(|i| format!("v{i}: vec4<u32>;\n"));
        let declared = declared.collect::<Vec<_>>().join("  var ");
        format!("  var {declared}{}", Self::values_source("first + lane"))
    }

    /// Returns the statements that add up the values of the chunk, and store the sums.
    fn sums_source(&self) -> String {
        let mut text = String::new();
        for head in 0..self.heads {
            write!(text, "  var low{head} = vec4<f32>(0.0);\n  var high{head} = vec4<f32>(0.0);\n")
                .expect("a string");
        }
        writeln!(
            text,
            "  for (var position = first + lane; position < old_end; position += {AHEAD}u * LANES) {{"
        )
        .expect("a string");
        for i in 0..AHEAD {
            write!(
                text,
                "    let a{i} = vec4<f32>(unpack2x16float(v{i}.x), unpack2x16float(v{i}.y));\n\
                 \x20   let b{i} = vec4<f32>(unpack2x16float(v{i}.z), unpack2x16float(v{i}.w));\n"
            )
            .expect("a string");
        }
        text += &Self::values_source(&format!("position + {AHEAD}u * LANES"));
        for i in 0..AHEAD {
            write!(
                text,
                "    if (position + {i}u * LANES < old_end) {{\n\
                 \x20     let at = position + {i}u * LANES - chunk_start;\n"
            )
            .expect("a string");
            for head in 0..self.heads {
                write!(
                    text,
                    "      let share{head} = scores[{head}u * CHUNK + at];\n\
                     \x20     low{head} = fma(vec4<f32>(share{head}), a{i}, low{head});\n\
                     \x20     high{head} = fma(vec4<f32>(share{head}), b{i}, high{head});\n"
                )
                .expect("a string");
            }
            text += "    }\n";
        }
        text += "  }\n";
        for head in 0..self.heads {
            write!(
                text,
                "  if (has_new && lane == 0u) {{\n\
                 \x20   let share = scores[{head}u * CHUNK + newest - chunk_start];\n\
                 \x20   low{head} = fma(vec4<f32>(share), new_value[2u * octet], low{head});\n\
                 \x20   high{head} = fma(vec4<f32>(share), new_value[2u * octet + 1u], high{head});\n  }}\n\
                 \x20 workgroupBarrier();\n\
                 \x20 sums[lane * (HEAD_DIM / 4u) + 2u * octet] = low{head};\n\
                 \x20 sums[lane * (HEAD_DIM / 4u) + 2u * octet + 1u] = high{head};\n\
                 \x20 workgroupBarrier();\n\
                 \x20 finish(row, first_head, {head}u, id.y, groups.y, local);\n"
            )
            .expect("a string");
        }
        text
    }
}

/// Returns the text of the kernel.
pub(crate) fn write(constants: &[u32]) -> String {
    DecodeAttention::from_constants(constants).source()
}
