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

use super::written::{self, Bindings};
use crate::kernels::{ACTIVATIONS, FUNCTIONS};
use crate::weights::BLOCK;

/// Greatest whole number that a value of `x` becomes. Its bytes, and those of the lowest one, have room for a carry.
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
    pub experts: Experts,
    pub epilogue: Epilogue,
    /// Bit `m` is set if matrix `m` has biases of rows.
    pub biases: u32,
    pub bits: u32,
    pub group_size: u32,
    pub scales: Dtype,
    /// `true` if the threads of a workgroup turn `x` into whole numbers together, in the memory that they share. Each
    /// reads what its neighbours don't, so that reads of `x` are of many bytes that follow each other.
    pub shares: bool,
}

/// Choice of the matrices of a stack, by routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Experts {
    /// There is no stack.
    One,
    /// Each row of the result has its own matrix. A row of `x` has so many results.
    Each(u32),
    /// Each row of the result is the weighted sum of so many products. A row of `x` is made of as many parts, one for
    /// each of them.
    Sum(u32),
}

/// Use of the results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Epilogue {
    Store,
    /// They are added to what is there.
    Add,
    /// Rows of the first matrix are the gate of those of the second, by the activation of this number.
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
        "EXPERTS",
        "FAN",
        "EPILOGUE",
        "BIASES",
        "BITS",
        "GROUP_SIZE",
        "SCALES",
        "SHARES",
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
        let (experts, fan) = match self.experts {
            Experts::One => (0, 1),
            Experts::Each(fan) => (1, fan),
            Experts::Sum(fan) => (2, fan),
        };
        let norm = u32::from(self.norm);
        let shares = u32::from(self.shares);
        let [biases, bits, group_size] = [self.biases, self.bits, self.group_size];
        let more = [norm, experts, fan, epilogue, biases, bits, group_size, scales, shares];
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
            experts,
            fan,
            epilogue,
            biases,
            bits,
            group_size,
            scales,
            shares,
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
            experts: match experts {
                0 => Experts::One,
                1 => Experts::Each(fan),
                _ => Experts::Sum(fan),
            },
            epilogue: match epilogue {
                0 => Epilogue::Store,
                1 => Epilogue::Add,
                activation => Epilogue::Gate(activation - 2),
            },
            biases,
            bits,
            group_size,
            scales: [Dtype::F32, Dtype::F16, Dtype::Bf16][scales as usize],
            shares: shares != 0,
        }
    }

    pub(crate) const fn threads(&self) -> u32 {
        self.lanes * self.parts
    }

    /// Returns the rows of a matrix that a workgroup computes.
    pub(crate) const fn group_rows(&self) -> u32 {
        self.parts * self.rows
    }

    /// Returns the blocks of a row of a matrix.
    const fn own_blocks(&self) -> u32 {
        match self.experts {
            Experts::Sum(fan) => self.blocks / fan,
            _ => self.blocks,
        }
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

    /// Returns the vectors of four lanes.
    const fn vectors(&self) -> u32 {
        self.lanes.div_ceil(4)
    }

    /// Returns the number of threads that add up a sum.
    fn team(&self) -> u32 {
        let most = (self.threads() / self.sums()).min(self.vectors()).clamp(1, 16);
        1 << most.ilog2()
    }

    /// Returns the bytes that the threads of a workgroup share.
    pub(crate) fn workgroup_bytes(&self) -> u32 {
        let sums = 4 * self.sums() * (4 * self.vectors() + self.team());
        // Four vectors of bytes, and vectors of the greatest values, sums and squares.
        let block = 16 * if self.norm { 7 } else { 6 };
        sums + if self.shares { block * self.lanes } else { 0 }
    }

    fn bindings(&self) -> String {
        let mut all = Bindings::default();
        all.add_matrices(self.matrices, "vec4<u32>");
        all.add("read", "x", "vec4<f32>");
        if self.norm {
            all.add("read", "norm", "vec4<f32>");
        }
        if self.experts != Experts::One {
            all.add("read", "routes", "u32");
        }
        let outs = if self.is_gated() { 1 } else { self.matrices };
        for out in 0..outs {
            all.add("read_write", &format!("out{out}"), "f32");
        }
        all.text
    }

    /// Returns declarations of what is read of `ahead` rows of each matrix. `kind` is `now` or `next`.
    fn declarations(&self, matrices: &[u32], kind: &str) -> String {
        let raw = if self.scales == Dtype::F32 { "vec2<u32>" } else { "u32" };
        let mut text = String::new();
        for (matrix, r, i) in self.places(matrices) {
            writeln!(text, "  var {kind}_a{matrix}_{r}_{i}: vec4<u32>;").expect("a string");
            if self.bits == 8 {
                writeln!(text, "  var {kind}_b{matrix}_{r}_{i}: vec4<u32>;").expect("a string");
            }
            writeln!(text, "  var {kind}_s{matrix}_{r}_{i}: {raw};").expect("a string");
        }
        text
    }

    /// Returns all matrices, rows and iterations that are read ahead.
    fn places(&self, matrices: &[u32]) -> Vec<(u32, u32, u32)> {
        let of_matrix = |&matrix: &u32| {
            (0..self.ahead).flat_map(move |r| (0..self.iterations).map(move |i| (matrix, r, i)))
        };
        matrices.iter().flat_map(of_matrix).collect()
    }

    /// Returns statements that read the packed values of rows from `r` on, and their scales.
    fn reads(&self, matrices: &[u32], kind: &str, r: &str) -> String {
        let mut text = String::new();
        for (matrix, row, i) in self.places(matrices) {
            if i == 0 {
                writeln!(
                    text,
                    "    let row{matrix}_{row} = min(first + part + PARTS * ({r} + {row}u), p.m{matrix}.outs - 1u);"
                )
                .expect("a string");
            }
            let (own, blocks) = (format!("{matrix}_{row}_{i}"), self.group_size as usize / BLOCK);
            let (whole, all) = (format!("row{matrix}_{row}"), self.own_blocks());
            let (whole, block) = match self.experts {
                Experts::One => (whole, format!("block{i}")),
                Experts::Each(_) => {
                    (format!("(expert * p.m{matrix}.outs + {whole})"), format!("block{i}"))
                }
                Experts::Sum(_) => (
                    format!("(expert{i} * p.m{matrix}.outs + {whole})"),
                    format!("(block{i} % {all}u)"),
                ),
            };
            let at = format!("{whole} * {all}u + {block}");
            if self.bits == 8 {
                write!(
                    text,
                    "    {kind}_a{own} = w{matrix}[2u * ({at})];\n    {kind}_b{own} = w{matrix}[2u * ({at}) + 1u];\n"
                )
                .expect("a string");
            } else {
                writeln!(text, "    {kind}_a{own} = w{matrix}[{at}];").expect("a string");
            }
            writeln!(
                text,
                "    {kind}_s{own} = raw{matrix}({whole} * ({all}u / {blocks}u) + {block} / {blocks}u);"
            )
            .expect("a string");
        }
        text
    }

    /// Returns the statements that multiply what was read of a row, and keep its sums. `row` is its number among the
    /// results.
    fn multiplies(&self, matrix: u32, r: u32, row: &str) -> String {
        let mut text = String::from("    {\n");
        let axes = ["x", "y", "z", "w"];
        for i in 0..self.iterations {
            let own = format!("{matrix}_{r}_{i}");
            writeln!(text, "      let pair{i} = pair(now_s{own});").expect("a string");
            for (word, axis) in axes.iter().enumerate() {
                let (even, odd) = if self.bits == 8 {
                    let flip = |name| format!("now_{name}{own}.{axis} ^ 0x80808080u");
                    (flip("a"), flip("b"))
                } else {
                    let word = format!("now_a{own}.{axis}");
                    (format!("{word} & 0x0f0f0f0fu"), format!("({word} >> 4u) & 0x0f0f0f0fu"))
                };
                write!(text, "      let e{i}_{word} = {even};\n      let o{i}_{word} = {odd};\n")
                    .expect("a string");
            }
        }
        for t in 0..self.tile {
            writeln!(text, "      var sum{t} = 0.0;").expect("a string");
            for i in 0..self.iterations {
                // Packed values of 4 bits have no sign, so the lower bytes of x need none either.
                let dots = |byte: &str, dot: &str| {
                    let words = axes.iter().enumerate().map(|(word, axis)| {
                        format!(
                            "{dot}(e{i}_{word}, x{t}_{i}.{byte}_even.{axis}) + {dot}(o{i}_{word}, x{t}_{i}.{byte}_odd.{axis})"
                        )
                    });
                    words.collect::<Vec<_>>().join(" + ")
                };
                let lower = if self.bits == 8 { "dot4I8Packed" } else { "dot4U8Packed" };
                let (upper, lower) = (dots("upper", "dot4I8Packed"), dots("lower", lower));
                writeln!(
                    text,
                    "      sum{t} = fma(pair{i}.x * x{t}_{i}.scale, fma(256.0, f32({upper}), f32({lower})), \
                     fma(pair{i}.y, x{t}_{i}.sum, sum{t}));"
                )
                .expect("a string");
                if self.bits == 8 {
                    // Values were read less 128.
                    writeln!(text, "      sum{t} = fma(128.0 * pair{i}.x, x{t}_{i}.sum, sum{t});")
                        .expect("a string");
                }
            }
            writeln!(text, "      keep(({row}) * TILE + {t}u, lane, sum{t});").expect("a string");
        }
        text + "    }\n"
    }

    /// Returns the statements before `x` is read: what is read of the first rows.
    fn first_reads(&self, matrices: &[u32]) -> String {
        self.declarations(matrices, "now") + &self.reads(matrices, "now", "0u")
    }

    /// Returns the loop over the rows of a matrix, or over those of gates. The next rows are read before the last ones
    /// are multiplied.
    fn rows_source(&self, matrices: &[u32]) -> String {
        let ahead = self.ahead;
        let mut text = format!("  for (var r = 0u; r < ROWS; r += {ahead}u) {{\n");
        let has_next = self.rows > ahead;
        if has_next {
            text += &self.declarations(matrices, "next");
            write!(
                text,
                "  if (r + {ahead}u < ROWS) {{\n{}  }}\n",
                self.reads(matrices, "next", &format!("r + {ahead}u"))
            )
            .expect("a string");
        }
        for &matrix in matrices {
            for r in 0..ahead {
                let row = format!("part + PARTS * (r + {r}u)");
                let row = if self.is_gated() { format!("2u * ({row}) + {matrix}u") } else { row };
                text += &self.multiplies(matrix, r, &row);
            }
        }
        if has_next {
            for (matrix, r, i) in self.places(matrices) {
                let own = format!("{matrix}_{r}_{i}");
                writeln!(text, "  now_a{own} = next_a{own};").expect("a string");
                if self.bits == 8 {
                    writeln!(text, "  now_b{own} = next_b{own};").expect("a string");
                }
                writeln!(text, "  now_s{own} = next_s{own};").expect("a string");
            }
        }
        text + "  }\n"
    }

    fn source(&self) -> String {
        let mut text = written::constants(Self::CONSTANTS, &self.constants());
        text += &written::parameters("eps: f32", self.matrices);
        text += &self.bindings();
        for matrix in 0..self.matrices {
            let at = format!("p.m{matrix}.scales");
            let (kind, value) = match self.scales {
                Dtype::F32 => (
                    "vec2<u32>",
                    format!(
                        "vec2<u32>(s{matrix}[{at} + 2u * group], s{matrix}[{at} + 2u * group + 1u])"
                    ),
                ),
                _ => ("u32", format!("s{matrix}[{at} + group]")),
            };
            writeln!(text, "fn raw{matrix}(group: u32) -> {kind} {{ return {value}; }}")
                .expect("a string");
        }
        text += match self.scales {
            Dtype::F32 => {
                "fn pair(raw: vec2<u32>) -> vec2<f32> { return bitcast<vec2<f32>>(raw); }\n"
            }
            Dtype::F16 => "fn pair(raw: u32) -> vec2<f32> { return unpack2x16float(raw); }\n",
            Dtype::Bf16 => {
                "fn pair(raw: u32) -> vec2<f32> { return bitcast<vec2<f32>>(vec2<u32>(raw << 16u, raw & 0xffff0000u)); }\n"
            }
        };
        let (sums, vectors, team) = (self.sums(), self.vectors(), self.team());
        write!(
            text,
            "const SUMS = {sums}u;\nconst VECTORS = {vectors}u;\nconst TEAM = {team}u;\n\
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
        if self.shares {
            text += &self.shared_source();
        } else {
            text += &self.quantize_source();
        }
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
        for i in 0..8 {
            writeln!(text, "  let n{i} = whole(v{i} * inverse);").expect("a string");
        }
        for word in 0..4 {
            let axis = ["x", "y", "z", "w"][word as usize];
            let [first, second] = self.vectors_of_word(word).map(|n| format!("n{n}"));
            for (number, part) in ["even", "odd"].into_iter().enumerate() {
                let [p, r, upper] = self.paired_source(number, [&first, &second]);
                write!(
                    text,
                    "  {{\n    let p = {p};\n    let r = {r};\n    q.lower_{part}.{axis} = lower(p, r);\n\
                     \x20   q.upper_{part}.{axis} = {upper};\n  }}\n"
                )
                .expect("a string");
            }
        }
        text + "  return q;\n}\n"
    }

    /// Returns the vectors of a block whose values are in a word of the packed ones, and in the next word if values
    /// have 8 bits.
    const fn vectors_of_word(&self, word: u32) -> [u32; 2] {
        if self.bits == 8 { [word, word + 4] } else { [2 * word, 2 * word + 1] }
    }

    /// Returns expressions of the pairs of whole numbers whose bytes become the word of even values (0) or odd ones (1),
    /// and of the word of their upper bytes. `vectors` are the whole numbers.
    fn paired_source(&self, number: usize, [first, second]: [&str; 2]) -> [String; 3] {
        // In the order of the word that they are multiplied with.
        let [a, b, c, d] = if self.bits == 8 {
            ["x", "y", "z", "w"].map(|axis| format!("{}.{axis}", [first, second][number]))
        } else {
            let [low, high] = [["x", "z"], ["y", "w"]][number];
            [(first, low), (first, high), (second, low), (second, high)]
                .map(|(vector, axis)| format!("{vector}.{axis}"))
        };
        let upper = if self.bits == 8 {
            // The lower bytes have a sign.
            format!("upper(paired({a} + 128u, {c} + 128u), paired({b} + 128u, {d} + 128u))")
        } else {
            "upper(p, r)".to_owned()
        };
        [format!("paired({a}, {c})"), format!("paired({b}, {d})"), upper]
    }

    /// Returns the memory of a workgroup in which blocks of `x` become whole numbers, and the function that reads one.
    fn shared_source(&self) -> String {
        let squares =
            if self.norm { "var<workgroup> squares: array<vec4<f32>, LANES>;\n" } else { "" };
        let found = if self.norm { "dot(squares[lane], vec4<f32>(1.0))" } else { "0.0" };
        format!(
            "// [upper even, upper odd, lower even, lower odd][blocks], one word of each thread.\n\
             var<workgroup> digits: array<vec4<u32>, 4u * LANES>;\n\
             var<workgroup> greatest: array<vec4<f32>, LANES>;\n\
             var<workgroup> value_sums: array<vec4<f32>, LANES>;\n{squares}\
             fn shared_block(lane: u32) -> Quantized {{\n  let four = greatest[lane];\n\
             \x20 return Quantized(digits[lane], digits[LANES + lane], digits[2u * LANES + lane], digits[3u * LANES + lane], \
             max(max(four.x, four.y), max(four.z, four.w)) / GREATEST, dot(value_sums[lane], vec4<f32>(1.0)), {found});\n}}\n"
        )
    }

    /// Returns the statements that turn the blocks of a row into whole numbers, those of iteration `i`. A thread takes
    /// a word of a block, which is two vectors of `x`.
    fn share_source(&self, row: &str, i: u32) -> String {
        let mut text = String::from("  {\n");
        let (items, threads) = (4 * self.lanes, self.threads());
        let count = items.div_ceil(threads);
        let [first, second] = match self.bits {
            8 => ["word", "word + 4u"],
            _ => ["2u * word", "2u * word + 1u"],
        };
        writeln!(text, "    let start = ({row}) * (BLOCKS * 8u);").expect("a string");
        for n in 0..count {
            // The last threads may do the same work.
            let item = format!("min(local + {}u, {}u)", n * threads, items - 1);
            let block = format!("item{n} / 4u + {}u", i * self.lanes);
            write!(
                text,
                "    let item{n} = {item};\n    let word{n} = item{n} % 4u;\n\
                 \x20   let at{n} = min({block}, BLOCKS - 1u) * 8u;\n\
                 \x20   var a{n} = x[start + at{n} + {}];\n    var b{n} = x[start + at{n} + {}];\n",
                first.replace("word", &format!("word{n}")),
                second.replace("word", &format!("word{n}"))
            )
            .expect("a string");
        }
        for n in 0..count {
            if self.norm {
                write!(
                    text,
                    "    squares[item{n} / 4u][word{n}] = dot(a{n}, a{n}) + dot(b{n}, b{n});\n\
                     \x20   a{n} *= norm[at{n} + {}];\n    b{n} *= norm[at{n} + {}];\n",
                    first.replace("word", &format!("word{n}")),
                    second.replace("word", &format!("word{n}"))
                )
                .expect("a string");
            }
            write!(
                text,
                "    {{\n      let most = max(abs(a{n}), abs(b{n}));\n\
                 \x20     greatest[item{n} / 4u][word{n}] = max(max(most.x, most.y), max(most.z, most.w));\n\
                 \x20     value_sums[item{n} / 4u][word{n}] = dot(a{n} + b{n}, vec4<f32>(1.0));\n    }}\n"
            )
            .expect("a string");
        }
        text += "    workgroupBarrier();\n";
        for n in 0..count {
            write!(
                text,
                "    {{\n      let four = greatest[item{n} / 4u];\n\
                 \x20     let most = max(max(four.x, four.y), max(four.z, four.w));\n\
                 \x20     let inverse = select(GREATEST / most, 0.0, most == 0.0);\n\
                 \x20     let a = whole(a{n} * inverse);\n      let b = whole(b{n} * inverse);\n"
            )
            .expect("a string");
            for number in 0..2 {
                let [p, r, upper] = self.paired_source(number, ["a", "b"]);
                write!(
                    text,
                    "      {{\n        let p = {p};\n        let r = {r};\n\
                     \x20       digits[{number}u * LANES + item{n} / 4u][word{n}] = {upper};\n\
                     \x20       digits[{}u * LANES + item{n} / 4u][word{n}] = lower(p, r);\n      }}\n",
                    number + 2
                )
                .expect("a string");
            }
            text += "    }\n";
        }
        text + "    workgroupBarrier();\n  }\n"
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
            if let Experts::Sum(_) = self.experts {
                write!(
                    text,
                    "  let choice{i} = first_row * FAN + block{i} / {}u;\n  let expert{i} = routes[choice{i}];\n",
                    self.own_blocks()
                )
                .expect("a string");
            }
        }
        if let Experts::Each(_) = self.experts {
            text += "  let expert = routes[first_row];\n";
        }
        let values = self.values_source(is_padded);
        if self.is_gated() {
            text += "  let first = id.x * VALUE_ROWS;\n";
            text += &self.first_reads(&[0, 1]);
            text += &values;
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
            if self.matrices == 1 {
                text += &self.first_reads(&[0]);
                text += &values;
                text += &self.rows_source(&[0]);
            } else {
                text += &values;
                for matrix in 0..self.matrices {
                    let (reads, rows) = (self.first_reads(&[matrix]), self.rows_source(&[matrix]));
                    write!(text, "  if (matrix == {matrix}u) {{\n{reads}{rows}  }}\n")
                        .expect("a string");
                }
            }
        }
        text += include_str!("fixed_sums.wgsl");
        text += &self.epilogue_source();
        text + "}\n"
    }

    /// Returns statements that turn the blocks of a thread into whole numbers.
    fn values_source(&self, is_padded: bool) -> String {
        let mut text = String::new();
        for t in 0..self.tile {
            for i in 0..self.iterations {
                let row = match self.experts {
                    Experts::One => format!("min(first_row + {t}u, p.rows - 1u)"),
                    Experts::Each(_) => "first_row / FAN".to_owned(),
                    Experts::Sum(_) => "first_row".to_owned(),
                };
                if self.shares {
                    if t + i > 0 {
                        text += "  workgroupBarrier();\n";
                    }
                    text += &self.share_source(&row, i);
                    writeln!(text, "  var x{t}_{i} = shared_block(lane);").expect("a string");
                } else {
                    writeln!(text, "  var x{t}_{i} = quantized({row}, block{i});")
                        .expect("a string");
                }
                if let Experts::Sum(_) = self.experts {
                    write!(
                        text,
                        "  let weight{t}_{i} = bitcast<f32>(routes[p.rows * FAN + choice{i}]);\n\
                         \x20 x{t}_{i}.scale *= weight{t}_{i};\n  x{t}_{i}.sum *= weight{t}_{i};\n"
                    )
                    .expect("a string");
                }
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
                    "  if (part == 0u) {{ keep(RESULTS + {t}u, lane, {}); }}",
                    squares.join(" + ")
                )
                .expect("a string");
            }
        }
        text
    }

    fn epilogue_source(&self) -> String {
        let mut text = String::new();
        let bias = |matrix: u32| {
            if self.biases >> matrix & 1 == 0 {
                return String::new();
            }
            let row = match self.experts {
                Experts::One => "row",
                Experts::Each(_) => "expert * p.m0.outs + row",
                Experts::Sum(_) => return " + bias".to_owned(),
            };
            format!(" + bitcast<f32>(s{matrix}[p.m{matrix}.row_biases + {row}])")
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
            if let Experts::Sum(fan) = self.experts
                && self.biases != 0
            {
                text += "    var bias = 0.0;\n    let known = min(row, p.m0.outs - 1u);\n";
                for n in 0..fan {
                    let at = format!("first_row * FAN + {n}u");
                    writeln!(
                        text,
                        "    bias += bitcast<f32>(routes[p.rows * FAN + {at}]) * bitcast<f32>(s0[p.m0.row_biases + routes[{at}] * p.m0.outs + known]);"
                    )
                    .expect("a string");
                }
            }
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
