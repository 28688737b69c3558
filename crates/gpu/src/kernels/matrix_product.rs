//! Products of many rows with a quantized matrix, on the matrix units of a GPU.
//!
//! `x` is in tiles of 16 by 16 f16, `[rows / 16][cols / 16][16][16]`, which subgroups load from memory. Only the
//! weights, which each workgroup unpacks for `BK` columns at a time, go through the memory of the workgroup. The
//! subgroups of a workgroup are stacked along the rows. Sums are f32.

use std::fmt::Write;

use mlxk_tensor::Dtype;

use super::written::{self, Bindings};
use crate::kernels::{ACTIVATIONS, FUNCTIONS};
use crate::weights::pair_source;

/// Threads of a subgroup.
const SUBGROUP: u32 = 32;
/// Subgroups of a workgroup.
const SUBGROUPS: u32 = 4;
const THREADS: u32 = SUBGROUP * SUBGROUPS;
/// Edge of a tile.
const EDGE: u32 = 16;
/// Columns of the result that a workgroup computes.
pub(crate) const COLUMNS: u32 = 64;

/// A variant of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MatrixProduct {
    /// Columns of `x`.
    pub cols: u32,
    /// Rows that a workgroup computes: 64, 128 or 256.
    pub rows: u32,
    /// Columns of `x` between two barriers: 32, 64 or 128.
    pub step: u32,
    pub matrices: u32,
    /// Parts that `cols` is divided into. Each stores its own sums.
    pub parts: u32,
    /// `true` if each workgroup takes its matrices out of stacks: the expert of its rows.
    pub experts: bool,
    pub after: MatrixAfter,
    pub biases: u32,
    pub bits: u32,
    pub group_size: u32,
    pub scales: Dtype,
}

/// Use of the results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MatrixAfter {
    Store,
    /// They are added to what is there.
    Add,
    /// Rows of the first matrix are the gate of those of the second, by the activation of this number. The results
    /// are tiles of f16.
    Gate(u32),
}

impl MatrixProduct {
    pub(crate) const CONSTANTS: &'static [&'static str] = &[
        "COLS",
        "ROWS",
        "STEP",
        "MATRICES",
        "PARTS",
        "EXPERTS",
        "AFTER",
        "BIASES",
        "BITS",
        "GROUP_SIZE",
        "SCALES",
    ];

    pub(crate) fn constants(&self) -> Vec<u32> {
        let after = match self.after {
            MatrixAfter::Store => 0,
            MatrixAfter::Add => 1,
            MatrixAfter::Gate(activation) => 2 + activation,
        };
        let scales = match self.scales {
            Dtype::F32 => 0,
            Dtype::F16 => 1,
            Dtype::Bf16 => 2,
        };
        let Self { cols, rows, step, matrices, parts, biases, bits, group_size, .. } = *self;
        let experts = u32::from(self.experts);
        vec![cols, rows, step, matrices, parts, experts, after, biases, bits, group_size, scales]
    }

    fn from_constants(constants: &[u32]) -> Self {
        let &[cols, rows, step, matrices, parts, experts, after, biases, bits, group_size, scales] =
            constants
        else {
            panic!("a product has its constants");
        };
        Self {
            cols,
            rows,
            step,
            matrices,
            parts,
            experts: experts != 0,
            after: match after {
                0 => MatrixAfter::Store,
                1 => MatrixAfter::Add,
                activation => MatrixAfter::Gate(activation - 2),
            },
            biases,
            bits,
            group_size,
            scales: [Dtype::F32, Dtype::F16, Dtype::Bf16][scales as usize],
        }
    }

    const fn is_gated(&self) -> bool {
        matches!(self.after, MatrixAfter::Gate(_))
    }

    /// Returns the distance of rows of weights in the memory of the workgroup, in vectors.
    const fn stride(&self) -> u32 {
        (self.step + 8) / 4
    }

    /// Returns the pieces of packed values that a thread unpacks for a step, and the words of each.
    fn pieces(&self) -> (u32, u32) {
        // Values of a step, as words.
        let words = COLUMNS * self.step * self.bits / 32;
        let most = (self.step * self.bits / 32).min(4);
        let each = [4, 2, 1]
            .into_iter()
            .find(|each| *each <= most && words.is_multiple_of(each * THREADS));
        let each = each.unwrap_or(1);
        (words.div_ceil(each * THREADS), each)
    }

    fn source(&self) -> String {
        let mut text = String::from("enable f16;\nenable wgpu_cooperative_matrix;\n");
        let (pieces, each) = self.pieces();
        text += &written::constants(Self::CONSTANTS, &self.constants());
        text += &written::parameters("zero: u32", self.matrices);
        let words = if each == 1 { "u32".to_owned() } else { format!("vec{each}<u32>") };
        let mut buffers = Bindings::default();
        buffers.add_matrices(self.matrices, &words);
        buffers.add("read", "x", "vec4<f16>");
        if self.experts {
            buffers.add("read", "groups", "u32");
        }
        if self.is_gated() {
            buffers.add("read_write", "out0", "vec4<f16>");
        } else {
            for matrix in 0..self.matrices {
                buffers.add("read_write", &format!("out{matrix}"), "f32");
            }
        }
        text += &buffers.text;
        for matrix in 0..self.matrices {
            let (words, name) = (format!("s{matrix}"), format!("pair{matrix}"));
            text += &pair_source(self.scales, &words, &name);
        }
        writeln!(text, "var<workgroup> weights: array<vec4<f16>, {}>;", COLUMNS * self.stride())
            .expect("a string");
        if self.is_gated() {
            let size = SUBGROUPS * 2 * EDGE * EDGE;
            writeln!(text, "var<workgroup> results: array<f32, {size}>;").expect("a string");
        } else if self.biases != 0 {
            writeln!(text, "var<workgroup> results: array<f32, {}>;", EDGE * COLUMNS)
                .expect("a string");
        }
        if let MatrixAfter::Gate(activation) = self.after {
            writeln!(text, "const ACTIVATION = {activation}u;").expect("a string");
            text += FUNCTIONS;
            text += ACTIVATIONS;
        }
        let number = if self.scales == Dtype::F16 { "f16" } else { "f32" };
        writeln!(text, "alias NUMBER = {number};").expect("a string");
        text += include_str!("unpack_halves.wgsl");
        text += &self.main_source(pieces, each);
        text
    }

    /// Returns statements that read the packed values of step `k` into `codes0`, `codes1`, … and their scales.
    fn reads(&self, matrix: u32, pieces: u32, each: u32, k: &str) -> String {
        let mut text = String::new();
        // Pieces of a row of a step, and of a whole row.
        let across = self.step * self.bits / 32 / each;
        let whole = self.cols * self.bits / 32 / each;
        let values = 32 / self.bits * each;
        let groups = self.cols / self.group_size;
        for i in 0..pieces {
            let at = format!("(local + {}u)", i * THREADS);
            let stack = self.stack();
            let row = if self.is_gated() {
                // The first half of the columns is the gate's.
                format!("({stack}first + {at} / {across}u % {}u)", COLUMNS / 2)
            } else {
                format!("({stack}first + {at} / {across}u)")
            };
            let column = format!("{at} % {across}u");
            let read = |matrix: u32| {
                format!(
                    "codes{i} = w{matrix}[{row} * {whole}u + {k} * {across}u + {column}]; \
                     z{i} = pair{matrix}(p.m{matrix}.scales, {row} * {groups}u + ({k} * STEP + ({column}) * {values}u) / GROUP_SIZE);"
                )
            };
            // Rows of pieces, which belong to one matrix as a rule.
            let rows = i * THREADS / across..((i + 1) * THREADS).div_ceil(across);
            if self.is_gated() && rows.end <= COLUMNS / 2 {
                writeln!(text, "    {}", read(0)).expect("a string");
            } else if self.is_gated() && rows.start >= COLUMNS / 2 {
                writeln!(text, "    {}", read(1)).expect("a string");
            } else if self.is_gated() {
                writeln!(
                    text,
                    "    if ({at} / {across}u < {}u) {{ {} }} else {{ {} }}",
                    COLUMNS / 2,
                    read(0),
                    read(1)
                )
                .expect("a string");
            } else {
                writeln!(text, "    {}", read(matrix)).expect("a string");
            }
        }
        text
    }

    /// Returns what is added to rows of weights and to their biases.
    const fn stack(&self) -> &'static str {
        if self.experts { "stack + " } else { "" }
    }

    fn main_source(&self, pieces: u32, each: u32) -> String {
        // Workgroups that follow each other share weights, or the rows of an expert.
        let [down, across] = if self.experts { ["y", "x"] } else { ["x", "y"] };
        let mut text = format!(
            "@compute @workgroup_size({THREADS})\n\
             fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(local_invocation_index) local: u32, \
             @builtin(subgroup_invocation_id) lane: u32) {{\n\
             \x20 let subgroup = local / {SUBGROUP}u;\n\
             \x20 let row = id.{down} * ROWS + subgroup * (ROWS / {SUBGROUPS}u);\n"
        );
        if self.experts {
            text += "  let expert = groups[id.y];\n  if (expert == 0xffffffffu) { return; }\n\
                     \x20 let stack = expert * p.m0.outs;\n";
        }
        let columns = if self.is_gated() { COLUMNS / 2 } else { COLUMNS };
        let steps = self.cols / self.step / self.parts;
        write!(text, "  let start = id.z * {steps}u;\n  let end = start + {steps}u;\n")
            .expect("a string");
        write!(text, "  var group = id.{across};\n  var matrix = 0u;\n").expect("a string");
        if !self.is_gated() {
            for matrix in 1..self.matrices {
                writeln!(
                    text,
                    "  if (matrix == {0}u && group >= p.m{0}.groups) {{ group -= p.m{0}.groups; matrix = {matrix}u; }}",
                    matrix - 1
                )
                .expect("a string");
            }
        }
        writeln!(text, "  let first = group * {columns}u;").expect("a string");
        let words = if each == 1 { "u32".to_owned() } else { format!("vec{each}<u32>") };
        let tall = self.rows / SUBGROUPS / EDGE;
        let wide = COLUMNS / EDGE;
        for i in 0..tall {
            for j in 0..wide {
                writeln!(text, "  var c{i}_{j}: coop_mat16x16<f32, C>;").expect("a string");
            }
        }
        text += &self.start_source(tall, wide);
        for i in 0..pieces {
            write!(text, "  var codes{i}: {words};\n  var z{i}: vec2<f32>;\n").expect("a string");
        }
        let reads = |k: &str| -> String {
            if self.is_gated() || self.matrices == 1 {
                return self.reads(0, pieces, each, k);
            }
            let each_matrix = (0..self.matrices).map(|matrix| {
                let reads = self.reads(matrix, pieces, each, k);
                format!("    if (matrix == {matrix}u) {{\n{reads}    }}\n")
            });
            each_matrix.collect()
        };
        text += &reads("start");
        text += "  for (var k = start; k < end; k += 1u) {\n";
        text += &self.stores(pieces, each);
        text += "    workgroupBarrier();\n    let next = min(k + 1u, end - 1u);\n";
        text += &reads("next");
        text += &self.multiplies(tall, wide);
        text += "    workgroupBarrier();\n  }\n";
        if self.is_gated() {
            return text + &self.gates_source(tall, wide) + "}\n";
        }
        for matrix in 0..self.matrices {
            let stores = self.stores_source(matrix, tall, wide);
            write!(text, "  if (matrix == {matrix}u) {{\n{stores}  }}\n").expect("a string");
        }
        text + "}\n"
    }

    /// Returns statements that multiply the tiles of a step.
    fn multiplies(&self, tall: u32, wide: u32) -> String {
        let mut text = String::new();
        for step in 0..self.step / EDGE {
            text += "    {\n";
            for i in 0..tall {
                writeln!(
                    text,
                    "      let a{i} = coopLoadT<coop_mat16x16<f16, A>>(&x[((row / 16u + {i}u) * {}u + k * {}u + {step}u) * 64u], 4u);",
                    self.cols / EDGE,
                    self.step / EDGE
                )
                .expect("a string");
            }
            for j in 0..wide {
                writeln!(
                    text,
                    "      let b{j} = coopLoad<coop_mat16x16<f16, B>>(&weights[{}u], {}u);",
                    j * EDGE * self.stride() + step * 4,
                    self.stride()
                )
                .expect("a string");
                for i in 0..tall {
                    writeln!(text, "      c{i}_{j} = coopMultiplyAdd(a{i}, b{j}, c{i}_{j});")
                        .expect("a string");
                }
            }
            text += "    }\n";
        }
        text
    }

    /// Returns statements that unpack what was read to the memory of the workgroup.
    fn stores(&self, pieces: u32, each: u32) -> String {
        let mut text = String::new();
        let across = self.step * self.bits / 32 / each;
        let vectors = 32 / self.bits * each / 4;
        for i in 0..pieces {
            let at = format!("(local + {}u)", i * THREADS);
            writeln!(
                text,
                "    {{\n      let at = {at} / {across}u * {}u + {at} % {across}u * {vectors}u;",
                self.stride()
            )
            .expect("a string");
            writeln!(text, "      let z = scaling(z{i});").expect("a string");
            for word in 0..each {
                let value =
                    if each == 1 { format!("codes{i}") } else { format!("codes{i}[{word}]") };
                if self.bits == 8 {
                    writeln!(text, "      weights[at + {word}u] = bytes({value}, z);")
                        .expect("a string");
                } else {
                    writeln!(
                        text,
                        "      {{ let v = nibbles({value}, z); weights[at + {0}u] = v.low; weights[at + {1}u] = v.high; }}",
                        2 * word,
                        2 * word + 1
                    )
                    .expect("a string");
                }
            }
            text += "    }\n";
        }
        text
    }

    /// Returns statements that begin the sums: with biases of rows, or with what the results are added to.
    fn start_source(&self, tall: u32, wide: u32) -> String {
        let mut text = String::new();
        let tiles = || (0..tall).flat_map(|i| (0..wide).map(move |j| (i, j)));
        if self.after == MatrixAfter::Add {
            for (i, j) in tiles() {
                writeln!(
                    text,
                    "  c{i}_{j} = coopLoadT<coop_mat16x16<f32, C>>(&out0[(row + {}u) * p.m0.outs + first + {}u], p.m0.outs);",
                    i * EDGE,
                    j * EDGE
                )
                .expect("a string");
            }
        }
        if self.biases != 0 && !self.is_gated() {
            write!(
                text,
                "  for (var i = local; i < {}u; i += {THREADS}u) {{\n    var bias = 0.0;\n",
                EDGE * COLUMNS
            )
            .expect("a string");
            for matrix in (0..self.matrices).filter(|matrix| self.biases >> matrix & 1 != 0) {
                writeln!(
                    text,
                    "    if (matrix == {matrix}u) {{ bias = bitcast<f32>(s{matrix}[p.m{matrix}.row_biases + {}first + i % {COLUMNS}u]); }}",
                    self.stack()
                )
                .expect("a string");
            }
            text += "    results[i] = bias;\n  }\n  workgroupBarrier();\n";
            for (i, j) in tiles() {
                writeln!(
                    text,
                    "  c{i}_{j} = coopLoadT<coop_mat16x16<f32, C>>(&results[{}u], {COLUMNS}u);",
                    j * EDGE
                )
                .expect("a string");
            }
        }
        text
    }

    /// Returns statements that store the results of a matrix.
    fn stores_source(&self, matrix: u32, tall: u32, wide: u32) -> String {
        // An operand of a store that is an expression makes naga panic.
        let mut text = format!("  let outs = p.m{matrix}.outs;\n");
        let part = if self.parts > 1 { "id.z * p.rows * outs + " } else { "" };
        for i in 0..tall {
            for j in 0..wide {
                writeln!(
                    text,
                    "  {{ let at = {part}(row + {}u) * outs + first + {}u; coopStoreT(c{i}_{j}, &out{matrix}[at], outs); }}",
                    i * EDGE,
                    j * EDGE
                )
                .expect("a string");
            }
        }
        text
    }

    /// Returns statements that store gated results as tiles.
    fn gates_source(&self, tall: u32, wide: u32) -> String {
        let mut text = String::new();
        let bias = |matrix: u32, column: &str| {
            if self.biases >> matrix & 1 == 0 {
                return String::new();
            }
            let stack = self.stack();
            format!(" + bitcast<f32>(s{matrix}[p.m{matrix}.row_biases + {stack}{column}])")
        };
        for i in 0..tall {
            for j in 0..wide / 2 {
                write!(
                    text,
                    "  {{\n    let gate = subgroup * 512u;\n    let up = gate + 256u;\n\
                     \x20   coopStoreT(c{i}_{j}, &results[gate], 16u);\n\
                     \x20   coopStoreT(c{i}_{}, &results[up], 16u);\n    workgroupBarrier();\n\
                     \x20   let tile = ((row / 16u + {i}u) * (p.m0.outs / 16u) + first / 16u + {j}u) * 64u;\n\
                     \x20   for (var n = 0u; n < 2u; n += 1u) {{\n\
                     \x20     let q = lane * 8u + n * 4u;\n      let column = first + {}u + q % 16u;\n      var four: vec4<f32>;\n",
                    j + wide / 2,
                    j * EDGE
                )
                .expect("a string");
                for n in 0..4 {
                    let column = format!("column + {n}u");
                    writeln!(
                        text,
                        "      four[{n}] = gated(results[gate + q + {n}u]{}, results[up + q + {n}u]{});",
                        bias(0, &column),
                        bias(1, &column)
                    )
                    .expect("a string");
                }
                text += "      out0[tile + lane * 2u + n] = vec4<f16>(four);\n    }\n    workgroupBarrier();\n  }\n";
            }
        }
        text
    }
}

/// Returns the text of the kernel.
pub(crate) fn write(constants: &[u32]) -> String {
    MatrixProduct::from_constants(constants).source()
}
