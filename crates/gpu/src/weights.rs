//! Weights on the device: their layout, and the text that reads them in a kernel.
//!
//! A matrix, or a stack of them, is one buffer of words: packed values, scales, factors of matrices, and biases of
//! rows. Packed values are those of the file. So are scales, but each is followed by the bias of its group if there
//! are any, so that a kernel reads both at once. Kernels read [`BLOCK`] columns at a time, which is a whole number of
//! words in every mode. Only rows that end within a block are padded.

use std::fmt::Write;

use bytemuck::cast_slice;
use mlxk_ops::{OpsError, Result};
use mlxk_tensor::{Dense, Dtype, Mode, QuantTensor, Storage};
use wgpu::{Buffer, WriteOnly};

use crate::context::Context;
use crate::upload::Ring;

const BYTE: &str = include_str!("kernels/byte.wgsl");
const E2M1: &str = include_str!("kernels/e2m1.wgsl");
const E4M3: &str = include_str!("kernels/e4m3.wgsl");
const E8M0: &str = include_str!("kernels/e8m0.wgsl");

/// Number of columns that a kernel reads at a time.
pub(crate) const BLOCK: usize = 32;

/// Form of the values of a matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Form {
    Dense(Dtype),
    /// With scales and biases of this type.
    Affine(Mode, Dtype),
    /// mxfp4, mxfp8 and nvfp4.
    Block(Mode),
}

/// A matrix, or a stack of them.
pub(crate) struct Matrix {
    pub name: String,
    pub form: Form,
    pub experts: usize,
    pub rows: usize,
    pub cols: usize,
    pub buffer: Buffer,
    pub layout: Layout,
    /// `true` if a bias is added to the rows of a product.
    pub has_bias: bool,
    /// Index of the rotation of its inputs.
    pub rotation: Option<usize>,
}

/// Places in the buffer of a matrix, as kernels get them (`Matrix` in their text). All are indices of words.
#[derive(Clone, Copy, Default)]
pub(crate) struct Layout {
    /// Words of a row of packed values.
    row_words: u32,
    /// Scales of a row.
    row_scales: u32,
    /// First word of the scales.
    pub scales: u32,
    /// First word of the factors of matrices.
    factors: u32,
    /// First word of the biases of rows.
    pub row_biases: u32,
}

impl Layout {
    /// Returns the words of the structure `Matrix`.
    pub(crate) fn parameters(&self) -> [u32; 5] {
        let Self { row_words, row_scales, scales, factors, row_biases } = *self;
        [row_words, row_scales, scales, factors, row_biases]
    }
}

/// Bytes of a section of the buffer.
enum Section<'a> {
    Whole(&'a [u8]),
    /// Rows, each padded with zeros to a number of bytes.
    Padded(&'a [u8], usize, usize),
    /// Numbers of this many bytes, alternately from both.
    Pairs([&'a [u8]; 2], usize),
    Floats(&'a [f32]),
}

impl Section<'_> {
    fn bytes(&self) -> usize {
        match self {
            Self::Whole(bytes) => bytes.len().next_multiple_of(4),
            Self::Padded(bytes, from, to) => bytes.len() / from * to,
            Self::Pairs([first, second], _) => first.len() + second.len(),
            Self::Floats(values) => size_of_val(*values),
        }
    }

    /// Writes the bytes from `start` on. `start` and their number are multiples of four.
    fn write(&self, start: usize, out: WriteOnly<'_, [u8]>) {
        match self {
            Self::Whole(bytes) => copy(bytes, start, out),
            Self::Floats(values) => copy(cast_slice(values), start, out),
            Self::Padded(bytes, from, to) => write_padded(bytes, [*from, *to], start, out),
            Self::Pairs(both, 2) => write_pairs::<2, 4>(both, start, out),
            Self::Pairs(both, _) => write_pairs::<4, 8>(both, start, out),
        }
    }
}

/// Writes bytes from `start` on, and zeros behind them.
fn copy(bytes: &[u8], start: usize, mut out: WriteOnly<'_, [u8]>) {
    let rest = &bytes[start.min(bytes.len())..];
    let count = rest.len().min(out.len());
    let mut known = out.split_off(..count).expect("it is as long");
    known.copy_from_slice(&rest[..count]);
    out.fill(0);
}

/// Writes rows of `from` bytes as rows of `to` bytes, from byte `start` of these on.
fn write_padded(bytes: &[u8], [from, to]: [usize; 2], start: usize, mut out: WriteOnly<'_, [u8]>) {
    let mut at = start;
    while !out.is_empty() {
        let (row, column) = (at / to, at % to);
        let count = out.len().min(to - column);
        let row = &bytes[row * from..(row + 1) * from];
        copy(row, column, out.split_off(..count).expect("it is as long"));
        at += count;
    }
}

/// Writes numbers of `N` bytes alternately from both, from byte `start` on. `PAIR` is twice `N`.
fn write_pairs<const N: usize, const PAIR: usize>(
    both: &[&[u8]; 2],
    start: usize,
    mut out: WriteOnly<'_, [u8]>,
) {
    let numbers = both.map(|bytes| bytes.as_chunks::<N>().0);
    // A piece may begin or end within a pair.
    if !start.is_multiple_of(PAIR) && !out.is_empty() {
        let mut half = out.split_off(..N).expect("it is as long");
        half.copy_from_slice(&numbers[1][start / PAIR]);
    }
    let end = out.len() / PAIR * PAIR;
    let last = out.split_off(end..).filter(|last| !last.is_empty());
    let (pairs, _) = out.into_chunks::<PAIR>();
    let (first, count) = (start.div_ceil(PAIR), pairs.len());
    let [a, b] = numbers.map(|numbers| numbers[first..].iter());
    pairs.write_iter(a.zip(b).take(count).map(|(a, b)| {
        let mut pair = [0; PAIR];
        pair[..N].copy_from_slice(a);
        pair[N..].copy_from_slice(b);
        pair
    }));
    if let Some(mut last) = last {
        last.copy_from_slice(&numbers[0][first + count]);
    }
}

/// Writes the bytes of sections that follow each other, from `start` on.
fn write_sections(sections: &[Section<'_>], mut start: usize, mut out: WriteOnly<'_, [u8]>) {
    for section in sections {
        let bytes = section.bytes();
        if start >= bytes {
            start -= bytes;
            continue;
        }
        let count = out.len().min(bytes - start);
        section.write(start, out.split_off(..count).expect("it is as long"));
        start = 0;
    }
}

/// Uploads a tensor, and the biases of its rows.
pub(crate) fn upload(
    context: &Context,
    ring: &mut Ring,
    tensor: &QuantTensor,
    bias: Option<&[f32]>,
) -> Result<Matrix> {
    let QuantTensor { name, experts, rows, cols, storage } = tensor;
    let rounded = cols.next_multiple_of(BLOCK);
    let whole = |bytes, row_bytes: usize| {
        if rounded == *cols || row_bytes == 0 {
            return Section::Whole(bytes);
        }
        Section::Padded(bytes, row_bytes, row_bytes / cols * rounded)
    };
    let one: &[f32] = &[1.0];
    let (form, packed, scales, factors) = match storage {
        Storage::Dense(Dense { dtype, data }) => {
            let packed = whole(data, cols * dtype.size_bytes());
            (Form::Dense(*dtype), packed, Section::Whole(&[]), one)
        }
        Storage::Affine { bits, group_size, packed, scales, biases } => {
            let mode = Mode::Affine { bits: *bits as u8, group_size: *group_size as u16 };
            let form = Form::Affine(mode, scales.dtype);
            // Groups are as long as a block at least.
            let pairs = Section::Pairs([&scales.data, &biases.data], scales.dtype.size_bytes());
            (form, Section::Whole(packed), pairs, one)
        }
        Storage::Block { mode, packed, scales, global_scale } => {
            // Only nvfp4 has groups that are shorter than a block.
            let row = cols * mode.bits() / 8;
            let packed = if rounded == *cols {
                Section::Whole(packed)
            } else {
                Section::Padded(packed, row, rounded * mode.bits() / 8)
            };
            let factors = global_scale.as_deref().unwrap_or(one);
            (Form::Block(*mode), packed, Section::Whole(scales), factors)
        }
    };
    let factors = if factors.len() == *experts { factors.to_vec() } else { vec![1.0; *experts] };
    let row_words = packed.bytes() / 4 / (experts * rows).max(1);
    let row_scales = tensor.mode().map_or(0, |mode| cols / mode.group_size());
    let sections =
        [packed, scales, Section::Floats(&factors), Section::Floats(bias.unwrap_or_default())];
    let mut offsets = [0; 4];
    let mut end = 0;
    for (offset, section) in offsets.iter_mut().zip(&sections) {
        *offset = end;
        end += section.bytes();
    }
    let most = context.info.limits.binding.min(context.info.limits.buffer);
    if end as u64 > most {
        return Err(OpsError::TooLarge { tensor: name.clone(), bytes: end, most });
    }
    let no_room =
        |_| context.error(&format_args!("there is no memory for the {end} bytes of `{name}`"));
    let buffer = context.buffer(end).map_err(no_room)?;
    ring.upload(context, &buffer, end, &|start, out| write_sections(&sections, start, out))?;
    let word = |index: usize| (offsets[index] / 4) as u32;
    let layout = Layout {
        row_words: row_words as u32,
        row_scales: row_scales as u32,
        scales: word(1),
        factors: word(2),
        row_biases: word(3),
    };
    Ok(Matrix {
        name: name.clone(),
        form,
        experts: *experts,
        rows: *rows,
        cols: *cols,
        buffer,
        layout,
        has_bias: bias.is_some(),
        rotation: None,
    })
}

/// Declarations that every form shares. A kernel that reads weights has `m: Matrix` in its parameters `p`.
const DECLARATIONS: &str = "\
struct Matrix {
  row_words: u32,
  row_scales: u32,
  scales: u32,
  factors: u32,
  row_biases: u32,
}
@group(0) @binding(0) var<storage, read> w: array<u32>;
alias Block = array<vec4<f32>, 8>;
";

impl Form {
    /// Returns the function `block(row, b, matrix)`, which reads block `b` of a row. `row` counts the rows of
    /// all matrices.
    pub(crate) fn source(self) -> String {
        let mut text = String::from(DECLARATIONS);
        if let Form::Affine(_, dtype) = self {
            text += &pair_source(dtype, "w", "pair");
        }
        if let Form::Block(mode) = self {
            text += &block_numbers_source(mode);
        }
        text += "fn block(row: u32, b: u32, matrix: u32) -> Block {\n";
        let words = BLOCK * self.bits() / 32;
        writeln!(text, "  let at = row * p.m.row_words + b * {words}u;").expect("a string");
        for word in 0..words {
            writeln!(text, "  let w{word} = w[at + {word}u];").expect("a string");
        }
        text += &self.scales_source();
        text += "  var out: Block;\n";
        for four in 0..BLOCK / 4 {
            let values: Vec<String> = (0..4).map(|i| self.value_source(4 * four + i)).collect();
            let values = format!("vec4<f32>({})", values.join(", "));
            let scaled = match self {
                Form::Dense(_) => values,
                Form::Affine(..) => format!("{values} * scale + bias"),
                Form::Block(Mode::Nvfp4) => format!("{values} * scale{}", four / 4),
                Form::Block(_) => format!("{values} * scale"),
            };
            writeln!(text, "  out[{four}] = {scaled};").expect("a string");
        }
        text + "  return out;\n}\n"
    }

    fn bits(self) -> usize {
        match self {
            Form::Dense(dtype) => 8 * dtype.size_bytes(),
            Form::Affine(mode, _) | Form::Block(mode) => mode.bits(),
        }
    }

    /// Returns statements that read the scales of a block.
    fn scales_source(self) -> String {
        match self {
            Form::Dense(_) => String::new(),
            Form::Affine(mode, _) => {
                let blocks = mode.group_size() / BLOCK;
                format!(
                    "  let group = row * p.m.row_scales + b / {blocks}u;\n  \
                     let scale_bias = pair(p.m.scales, group);\n  \
                     let scale = scale_bias.x;\n  \
                     let bias = scale_bias.y;\n"
                )
            }
            Form::Block(Mode::Nvfp4) => "  \
                let group = row * p.m.row_scales + 2u * b;\n  \
                let factor = bitcast<f32>(w[p.m.factors + matrix]);\n  \
                let scale0 = e4m3(byte(p.m.scales, group)) * factor;\n  \
                // The last block may have one group only.\n  \
                let scale1 = select(0.0, e4m3(byte(p.m.scales, group + 1u)) * factor, \
                2u * b + 1u < p.m.row_scales);\n"
                .to_owned(),
            Form::Block(_) => {
                "  let scale = e8m0(byte(p.m.scales, row * p.m.row_scales + b));\n".to_owned()
            }
        }
    }

    /// Returns an expression for a value of the block without its scale.
    fn value_source(self, index: usize) -> String {
        let bits = self.bits();
        let (word, shift) = (index * bits / 32, index * bits % 32);
        let code = if bits == 32 {
            format!("w{word}")
        } else if shift + bits > 32 {
            let (next, rest) = (word + 1, 32 - shift);
            format!("(((w{word} >> {shift}u) | (w{next} << {rest}u)) & {}u)", (1 << bits) - 1)
        } else {
            format!("((w{word} >> {shift}u) & {}u)", (1_u32 << bits) - 1)
        };
        match self {
            Form::Dense(Dtype::F32) => format!("bitcast<f32>({code})"),
            Form::Dense(Dtype::F16) => format!("unpack2x16float({code}).x"),
            Form::Dense(Dtype::Bf16) => format!("bitcast<f32>({code} << 16u)"),
            Form::Affine(..) => format!("f32({code})"),
            Form::Block(Mode::Mxfp8) => format!("e4m3({code})"),
            Form::Block(_) => format!("e2m1({code})"),
        }
    }
}

/// Returns the function `pair(start, index)`, which reads the scale and the bias of a group.
pub(crate) fn pair_source(dtype: Dtype, words: &str, name: &str) -> String {
    let body = match dtype {
        Dtype::F32 => format!(
            "vec2<f32>(bitcast<f32>({words}[start + 2u * index]), bitcast<f32>({words}[start + 2u * index + 1u]))"
        ),
        Dtype::F16 => format!("unpack2x16float({words}[start + index])"),
        Dtype::Bf16 => format!(
            "bitcast<vec2<f32>>(vec2<u32>({words}[start + index] << 16u, {words}[start + index] & 0xffff0000u))"
        ),
    };
    format!("fn {name}(start: u32, index: u32) -> vec2<f32> {{ return {body}; }}\n")
}

/// Returns the functions that decode the numbers of a block mode.
fn block_numbers_source(mode: Mode) -> String {
    let functions = match mode {
        Mode::Mxfp4 => [BYTE, E8M0, E2M1],
        Mode::Mxfp8 => [BYTE, E8M0, E4M3],
        _ => [BYTE, E4M3, E2M1],
    };
    functions.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the bytes of the sections, written in pieces.
    fn written(sections: &[Section<'_>], piece: usize) -> Vec<u8> {
        let mut out = vec![0xaa; sections.iter().map(Section::bytes).sum()];
        for (index, part) in out.chunks_mut(piece).enumerate() {
            write_sections(sections, index * piece, WriteOnly::from_mut(part));
        }
        out
    }

    #[test]
    fn pieces_of_any_size_make_the_same_bytes() {
        let bytes: Vec<u8> = (0..=255).collect();
        let (scales, biases) = (&bytes[..40], &bytes[100..140]);
        let mut expected = bytes[..21].to_vec();
        expected.extend([0; 3]);
        for row in bytes[..30].chunks(6) {
            expected.extend(row);
            expected.extend([0; 2]);
        }
        for pair in scales.chunks(2).zip(biases.chunks(2)) {
            expected.extend([pair.0, pair.1].concat());
        }
        for pair in scales.chunks(4).zip(biases.chunks(4)) {
            expected.extend([pair.0, pair.1].concat());
        }
        expected.extend(1.5_f32.to_le_bytes());
        let sections = [
            Section::Whole(&bytes[..21]),
            Section::Padded(&bytes[..30], 6, 8),
            Section::Pairs([scales, biases], 2),
            Section::Pairs([scales, biases], 4),
            Section::Floats(&[1.5]),
        ];
        for piece in [4, 8, 12, 20, 64, 1000] {
            assert_eq!(written(&sections, piece), expected, "pieces of {piece}");
        }
    }
}
