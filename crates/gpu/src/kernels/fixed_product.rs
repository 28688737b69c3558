//! Products of a few rows with quantized matrices, in whole numbers.
//!
//! Unpacking bounds such a product, not memory. So each thread turns its values of `x` into numbers of 16 bits with a
//! scale per [`BLOCK`] of them, and multiplies their bytes with four packed values at a time (`dot4I8Packed`). The
//! error is 2⁻¹⁶ of the greatest value of a block, and sums of a block are exact.
//!
//! A workgroup computes some rows of up to three matrices that share `x`. `LANES` threads share a row, and each keeps
//! `ITERATIONS` blocks of `x` for all of them. The sums of the lanes meet in the memory of the workgroup, in one order.

use std::fmt::Write;

use mlxk_tensor::Dtype;

use crate::kernels::{ACTIVATIONS, FUNCTIONS};
use crate::weights::{BLOCK, pair_source};

/// Greatest whole number that a value of `x` becomes: its upper byte is 127.
const GREATEST: u32 = 32_512;

/// A variant of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FixedProduct {
    /// Blocks of a row.
    pub blocks: u32,
    pub lanes: u32,
    /// Blocks of a thread.
    pub iterations: u32,
    /// Rows that a workgroup computes side by side.
    pub parts: u32,
    /// Rows that each part computes one after the other.
    pub rows: u32,
    /// Rows that a thread reads before it uses them.
    pub ahead: u32,
    /// Rows of `x`.
    pub tile: u32,
    pub matrices: u32,
    /// `true` if `x` is normalized by its root mean square.
    pub norm: bool,
    pub epilogue: Epilogue,
    /// Bit `m` is set if matrix `m` has biases of rows.
    pub biases: u32,
    pub bits: u32,
    pub group_size: u32,
    pub scales: Dtype,
}

/// Use of the results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Epilogue {
    Store,
    /// They are added to what is there.
    Add,
    /// Those of the first matrix are the gate of those of the second, by the activation of this number.
    Gate(u32),
}

impl FixedProduct {
    /// Names of the constants of the kernel, in order.
    pub(crate) const CONSTANTS: &'static [&'static str] = &[
        "BLOCKS",
        "LANES",
        "ITERATIONS",
        "PARTS",
        "ROWS",
        "AHEAD",
        "TILE",
        "MATRICES",
        "NORM",
        "EPILOGUE",
        "BIASES",
        "BITS",
        "GROUP_SIZE",
        "SCALES",
    ];

    pub(crate) fn constants(&self) -> Vec<u32> {
        let epilogue = match self.epilogue {
            Epilogue::Store => 0,
            Epilogue::Add => 1,
            Epilogue::Gate(activation) => 2 + activation,
        };
        let Self { blocks, lanes, iterations, parts, rows, ahead, tile, matrices, .. } = *self;
        let scales = match self.scales {
            Dtype::F32 => 0,
            Dtype::F16 => 1,
            Dtype::Bf16 => 2,
        };
        let norm = u32::from(self.norm);
        let more = [norm, epilogue, self.biases, self.bits, self.group_size, scales];
        [&[blocks, lanes, iterations, parts, rows, ahead, tile, matrices][..], &more].concat()
    }

    fn from_constants(constants: &[u32]) -> Self {
        let &[
            blocks,
            lanes,
            iterations,
            parts,
            rows,
            ahead,
            tile,
            matrices,
            norm,
            epilogue,
            biases,
            bits,
            group_size,
            scales,
        ] = constants
        else {
            panic!("a product has its constants");
        };
        Self {
            blocks,
            lanes,
            iterations,
            parts,
            rows,
            ahead,
            tile,
            matrices,
            norm: norm != 0,
            epilogue: match epilogue {
                0 => Epilogue::Store,
                1 => Epilogue::Add,
                activation => Epilogue::Gate(activation - 2),
            },
            biases,
            bits,
            group_size,
            scales: [Dtype::F32, Dtype::F16, Dtype::Bf16][scales as usize],
        }
    }

    pub(crate) const fn threads(&self) -> u32 {
        self.lanes * self.parts
    }

    /// Returns the rows of a matrix that a workgroup computes.
    pub(crate) const fn group_rows(&self) -> u32 {
        self.parts * self.rows
    }

    const fn is_gated(&self) -> bool {
        matches!(self.epilogue, Epilogue::Gate(_))
    }

    /// Returns the results of a workgroup before the epilogue.
    const fn results(&self) -> u32 {
        self.group_rows() * self.tile * if self.is_gated() { 2 } else { 1 }
    }

    /// Returns the number of sums over lanes: results, and squares for the norm.
    const fn sums(&self) -> u32 {
        self.results() + if self.norm { self.tile } else { 0 }
    }

    /// Returns the number of threads that add up a sum.
    fn team(&self) -> u32 {
        let most = (self.threads() / self.sums()).min(self.lanes).clamp(1, 32);
        1 << most.ilog2()
    }

    /// Returns the distance of the sums in the memory of a workgroup, so that teams use different banks.
    fn stride(&self) -> u32 {
        let team = self.team() % 32;
        (self.lanes..).find(|stride| stride % 32 == team).unwrap_or(self.lanes)
    }

    /// Returns the bytes that the threads of a workgroup share.
    pub(crate) fn workgroup_bytes(&self) -> u32 {
        4 * self.sums() * (self.stride() + self.team())
    }

    fn bindings(&self) -> String {
        let mut text = String::new();
        let mut binding = 0;
        let mut bind = |access: &str, name: &str, item: &str| {
            writeln!(
                text,
                "@group(0) @binding({binding}) var<storage, {access}> {name}: array<{item}>;"
            )
            .expect("a string takes all text");
            binding += 1;
        };
        for matrix in 0..self.matrices {
            bind("read", &format!("w{matrix}"), "vec4<u32>");
            bind("read", &format!("s{matrix}"), "u32");
        }
        bind("read", "x", "vec4<f32>");
        if self.norm {
            bind("read", "norm", "vec4<f32>");
        }
        let outs = if self.is_gated() { 1 } else { self.matrices };
        for out in 0..outs {
            bind("read_write", &format!("out{out}"), "f32");
        }
        text
    }

    /// Returns the statements that read the packed values of row `row{r}` of a matrix.
    fn reads(&self, matrix: u32, r: u32) -> String {
        let mut text = format!(
            "    let row{r} = min(first + part + PARTS * (r + {r}u), p.m{matrix}.outs - 1u);\n"
        );
        for i in 0..self.iterations {
            let at = format!("row{r} * BLOCKS + block{i}");
            if self.bits == 8 {
                writeln!(text, "    let a{r}_{i} = w{matrix}[2u * ({at})];").expect("a string");
                writeln!(text, "    let b{r}_{i} = w{matrix}[2u * ({at}) + 1u];")
                    .expect("a string");
            } else {
                writeln!(text, "    let a{r}_{i} = w{matrix}[{at}];").expect("a string");
            }
            let blocks = self.group_size as usize / BLOCK;
            writeln!(
                text,
                "    let pair{r}_{i} = pair{matrix}(p.m{matrix}.scales, row{r} * (BLOCKS / {blocks}u) + block{i} / {blocks}u);"
            )
            .expect("a string");
        }
        text
    }

    /// Returns the statements that multiply row `r` of those that were read, and keep its sums. `row` is its number among
    /// the results.
    fn multiplies(&self, r: u32, row: &str) -> String {
        let mut text = String::new();
        for i in 0..self.iterations {
            for word in 0..4 {
                let axis = ["x", "y", "z", "w"][word];
                let (even, odd) = if self.bits == 8 {
                    let flip = |name| format!("{name}{r}_{i}.{axis} ^ 0x80808080u");
                    (flip("a"), flip("b"))
                } else {
                    let word = format!("a{r}_{i}.{axis}");
                    (format!("{word} & 0x0f0f0f0fu"), format!("({word} >> 4u) & 0x0f0f0f0fu"))
                };
                writeln!(text, "    let e{r}_{i}_{word} = {even};").expect("a string");
                writeln!(text, "    let o{r}_{i}_{word} = {odd};").expect("a string");
            }
        }
        for t in 0..self.tile {
            writeln!(text, "    var sum{r}_{t} = 0.0;").expect("a string");
            for i in 0..self.iterations {
                let dots = |byte: &str| {
                    let words = (0..4).map(|word| {
                        let axis = ["x", "y", "z", "w"][word];
                        format!(
                            "dot4I8Packed(e{r}_{i}_{word}, x{t}_{i}.{byte}_even.{axis}) + \
                             dot4I8Packed(o{r}_{i}_{word}, x{t}_{i}.{byte}_odd.{axis})"
                        )
                    });
                    words.collect::<Vec<_>>().join(" + ")
                };
                let (upper, lower) = (dots("upper"), dots("lower"));
                writeln!(
                    text,
                    "    sum{r}_{t} = fma(pair{r}_{i}.x * x{t}_{i}.scale, fma(256.0, f32({upper}), f32({lower})), \
                     fma(pair{r}_{i}.y, x{t}_{i}.sum, sum{r}_{t}));"
                )
                .expect("a string");
                if self.bits == 8 {
                    // Values were read less 128.
                    writeln!(
                        text,
                        "    sum{r}_{t} = fma(128.0 * pair{r}_{i}.x, x{t}_{i}.sum, sum{r}_{t});"
                    )
                    .expect("a string");
                }
            }
            writeln!(text, "    parts[(({row}) * TILE + {t}u) * STRIDE + lane] = sum{r}_{t};")
                .expect("a string");
        }
        text
    }

    /// Returns the loop over the rows of a matrix. With gates, both matrices are read in it.
    fn rows_source(&self, matrices: &[u32]) -> String {
        let ahead = self.ahead.min(self.rows);
        let mut text = format!("  for (var r = 0u; r < ROWS; r += {ahead}u) {{\n");
        for &matrix in matrices {
            text += "    {\n";
            for r in 0..ahead {
                text += &self.reads(matrix, r);
            }
            for r in 0..ahead {
                let row = format!("part + PARTS * (r + {r}u)");
                let row = if self.is_gated() { format!("2u * ({row}) + {matrix}u") } else { row };
                text += &self.multiplies(r, &row);
            }
            text += "    }\n";
        }
        text += "  }\n";
        text
    }

    fn source(&self) -> String {
        let mut text = String::new();
        for (name, value) in Self::CONSTANTS.iter().zip(self.constants()) {
            writeln!(text, "const {name} = {value}u;").expect("a string");
        }
        text += "struct M {\n  outs: u32,\n  groups: u32,\n  scales: u32,\n  row_biases: u32,\n}\n";
        text += "struct P {\n  rows: u32,\n  eps: f32,\n  a: f32,\n  b: f32,\n  c: f32,\n  d: f32,\n";
        for matrix in 0..self.matrices {
            writeln!(text, "  m{matrix}: M,").expect("a string");
        }
        text += "}\nvar<immediate> p: P;\n";
        text += &self.bindings();
        for matrix in 0..self.matrices {
            let (words, name) = (format!("s{matrix}"), format!("pair{matrix}"));
            text += &pair_source(self.scales, &words, &name);
        }
        let (sums, stride, team) = (self.sums(), self.stride(), self.team());
        write!(
            text,
            "const SUMS = {sums}u;\nconst STRIDE = {stride}u;\nconst TEAM = {team}u;\n\
             const RESULTS = {}u;\nconst THREADS = {}u;\nconst GREATEST = {GREATEST}.0;\n\
             const VALUE_ROWS = {}u;\n",
            self.results(),
            self.threads(),
            self.group_rows(),
        )
        .expect("a string");
        if let Epilogue::Gate(activation) = self.epilogue {
            writeln!(text, "const ACTIVATION = {activation}u;").expect("a string");
            text += FUNCTIONS;
            text += ACTIVATIONS;
        }
        text += include_str!("fixed_values.wgsl");
        text += &self.quantize_source();
        text += &self.main_source();
        text
    }

    /// Returns the function that reads a block of `x`.
    fn quantize_source(&self) -> String {
        let mut text = String::from(
            "fn quantized(row: u32, block: u32) -> Quantized {\n  var q: Quantized;\n  let at = row * (BLOCKS * 8u) + block * 8u;\n",
        );
        for i in 0..8 {
            writeln!(text, "  var v{i} = x[at + {i}u];").expect("a string");
        }
        let squares: Vec<String> = (0..8).map(|i| format!("dot(v{i}, v{i})")).collect();
        writeln!(text, "  q.squares = {};", squares.join(" + ")).expect("a string");
        if self.norm {
            for i in 0..8 {
                writeln!(text, "  v{i} *= norm[block * 8u + {i}u];").expect("a string");
            }
        }
        let most: Vec<String> = (0..8).map(|i| format!("abs(v{i})")).collect();
        let most = most.into_iter().reduce(|a, b| format!("max({a}, {b})")).unwrap_or_default();
        let sum: Vec<String> = (0..8).map(|i| format!("v{i}")).collect();
        write!(
            text,
            "  let most = {most};\n  let sums = {};\n\
             \x20 let greatest = max(max(most.x, most.y), max(most.z, most.w));\n\
             \x20 q.sum = (sums.x + sums.y) + (sums.z + sums.w);\n\
             \x20 q.scale = greatest / GREATEST;\n\
             \x20 let inverse = select(GREATEST / greatest, 0.0, greatest == 0.0);\n",
            sum.join(" + ")
        )
        .expect("a string");
        for word in 0..4 {
            let axis = ["x", "y", "z", "w"][word];
            let (even, odd) = if self.bits == 8 {
                (format!("v{word}"), format!("v{}", word + 4))
            } else {
                let (a, b) = (2 * word, 2 * word + 1);
                (
                    format!("vec4<f32>(v{a}.xz, v{b}.xz)"),
                    format!("vec4<f32>(v{a}.yw, v{b}.yw)"),
                )
            };
            for (name, values) in [("even", even), ("odd", odd)] {
                write!(
                    text,
                    "  let {name}{word} = vec4<i32>(round({values} * inverse));\n\
                     \x20 q.upper_{name}.{axis} = packed(({name}{word} + 128) >> vec4<u32>(8u));\n\
                     \x20 q.lower_{name}.{axis} = packed({name}{word});\n"
                )
                .expect("a string");
            }
        }
        text + "  return q;\n}\n"
    }

    fn main_source(&self) -> String {
        let mut text = String::from(
            "@compute @workgroup_size(THREADS)\n\
             fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(local_invocation_index) local: u32) {\n\
             \x20 let lane = local % LANES;\n  let part = local / LANES;\n  let first_row = id.y * TILE;\n",
        );
        let is_padded = self.lanes * self.iterations > self.blocks;
        for i in 0..self.iterations {
            let block = format!("lane + {}u", i * self.lanes);
            let block = if is_padded { format!("min({block}, BLOCKS - 1u)") } else { block };
            writeln!(text, "  let block{i} = {block};").expect("a string");
        }
        for t in 0..self.tile {
            for i in 0..self.iterations {
                writeln!(
                    text,
                    "  var x{t}_{i} = quantized(min(first_row + {t}u, p.rows - 1u), block{i});"
                )
                .expect("a string");
                if is_padded && (i + 1) * self.lanes > self.blocks {
                    writeln!(
                        text,
                        "  if (lane + {}u >= BLOCKS) {{ x{t}_{i}.scale = 0.0; x{t}_{i}.sum = 0.0; x{t}_{i}.squares = 0.0; }}",
                        i * self.lanes
                    )
                    .expect("a string");
                }
            }
            if self.norm {
                let squares: Vec<String> =
                    (0..self.iterations).map(|i| format!("x{t}_{i}.squares")).collect();
                writeln!(
                    text,
                    "  if (part == 0u) {{ parts[(RESULTS + {t}u) * STRIDE + lane] = {}; }}",
                    squares.join(" + ")
                )
                .expect("a string");
            }
        }
        if self.is_gated() {
            text += "  let first = id.x * VALUE_ROWS;\n";
            text += &self.rows_source(&[0, 1]);
        } else {
            text += "  var group = id.x;\n  var matrix = 0u;\n";
            for matrix in 1..self.matrices {
                writeln!(
                    text,
                    "  if (matrix == {0}u && group >= p.m{0}.groups) {{ group -= p.m{0}.groups; matrix = {matrix}u; }}",
                    matrix - 1
                )
                .expect("a string");
            }
            text += "  let first = group * VALUE_ROWS;\n";
            for matrix in 0..self.matrices {
                let rows = self.rows_source(&[matrix]);
                if self.matrices == 1 {
                    text += &rows;
                } else {
                    write!(text, "  if (matrix == {matrix}u) {{\n{rows}  }}\n").expect("a string");
                }
            }
        }
        text += include_str!("fixed_sums.wgsl");
        text += &self.epilogue_source();
        text + "}\n"
    }

    fn epilogue_source(&self) -> String {
        let mut text = String::new();
        let bias = |matrix: u32| {
            if self.biases >> matrix & 1 == 0 {
                return String::new();
            }
            format!(" + bitcast<f32>(s{matrix}[p.m{matrix}.row_biases + row])")
        };
        text += "  for (var v = local; v < VALUE_ROWS * TILE; v += THREADS) {\n\
                 \x20   let t = v % TILE;\n    let row = first + v / TILE;\n\
                 \x20   if (first_row + t >= p.rows) { continue; }\n";
        if self.norm {
            text += "    let factor = inverseSqrt(total(RESULTS + t) / (32.0 * f32(BLOCKS)) + p.eps);\n";
        } else {
            text += "    let factor = 1.0;\n";
        }
        if self.is_gated() {
            write!(
                text,
                "    if (row < p.m0.outs) {{\n\
                 \x20     let g = total((2u * (v / TILE)) * TILE + t) * factor{};\n\
                 \x20     let u = total((2u * (v / TILE) + 1u) * TILE + t) * factor{};\n\
                 \x20     out0[(first_row + t) * p.m0.outs + row] = gated(g, u);\n    }}\n",
                bias(0),
                bias(1)
            )
            .expect("a string");
        } else {
            let store = if self.epilogue == Epilogue::Add { "+=" } else { "=" };
            text += "    let value = total(v) * factor;\n";
            for matrix in 0..self.matrices {
                let test = if self.matrices == 1 {
                    String::new()
                } else {
                    format!("matrix == {matrix}u && ")
                };
                writeln!(
                    text,
                    "    if ({test}row < p.m{matrix}.outs) {{ out{matrix}[(first_row + t) * p.m{matrix}.outs + row] {store} value{}; }}",
                    bias(matrix)
                )
                .expect("a string");
            }
        }
        text + "  }\n"
    }
}

/// Returns the text of the kernel.
pub(crate) fn write(constants: &[u32]) -> String {
    FixedProduct::from_constants(constants).source()
}
