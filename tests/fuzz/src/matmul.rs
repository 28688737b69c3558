//! Multiplies with a matrix of any mode, shape and content, by the processor's kernels and by the
//! portable ones.

use mlxk_cpu::{Cpu, CpuOptions, InstructionSet};
use mlxk_memory::Bytes;
use mlxk_ops::{Batch, Compute, OpsError, Weights};
use mlxk_tensor::{Dense, Dtype, Mode, QuantTensor, Storage};

/// Takes the shape from the first five bytes, the matrix and the activations from the rest.
pub fn matmul(data: &[u8]) {
    let Some((&[mode, rows, groups, tokens, exact], content)) = data.split_first_chunk() else {
        return;
    };
    let modes: Vec<Mode> = Mode::all().collect();
    let mode = modes.get(usize::from(mode) % (modes.len() + 1)).copied();
    let (rows, tokens) = (1 + usize::from(rows) % 40, 1 + usize::from(tokens) % 9);
    let cols = (1 + usize::from(groups) % 12) * mode.map_or(7, Mode::group_size);
    let mut bytes = content.iter().copied().cycle();
    let mut take = |count: usize| -> Vec<u8> { bytes.by_ref().take(count).collect() };
    if content.is_empty() {
        return;
    }
    let storage = storage(mode, rows, cols, &mut take);
    let tensor = QuantTensor { name: "w".into(), experts: 1, rows, cols, storage };
    let x: Vec<u8> = take(tokens * cols);
    let product = |instructions| {
        let options = CpuOptions {
            threads: Some(1),
            exact: exact % 2 == 1,
            instructions,
            ..CpuOptions::default()
        };
        Cpu::new(options).ok().map(|cpu| product(cpu, &tensor, &x, tokens))
    };
    let portable = product(Some(InstructionSet::Portable));
    for set in InstructionSet::available() {
        let (Some(Ok(portable)), Some(Ok(own))) = (&portable, product(Some(set))) else { continue };
        for (own, portable) in own.iter().zip(portable) {
            let close = (own - portable).abs() <= 1e-3 * (1.0 + portable.abs()) * cols as f32;
            assert!(close || !portable.is_finite() || exact % 2 == 1, "{own} is not {portable}");
        }
    }
}

/// Returns the bytes of a matrix. Scales are small enough that sums stay finite.
fn storage(
    mode: Option<Mode>,
    rows: usize,
    cols: usize,
    take: &mut dyn FnMut(usize) -> Vec<u8>,
) -> Storage {
    let mut floats = |count: usize| Dense {
        dtype: Dtype::F32,
        data: take(count)
            .into_iter()
            .flat_map(|byte| (f32::from(byte as i8) / 64.0).to_le_bytes())
            .collect::<Vec<u8>>()
            .into(),
    };
    let Some(mode) = mode else { return Storage::Dense(floats(rows * cols)) };
    let groups = rows * cols / mode.group_size();
    match mode {
        Mode::Affine { bits, group_size } => {
            let (scales, biases) = (floats(groups), floats(groups));
            let packed: Bytes = take(rows * cols * usize::from(bits) / 8).into();
            let (bits, group_size) = (usize::from(bits), usize::from(group_size));
            Storage::Affine { bits, group_size, packed, scales, biases }
        }
        _ => Storage::Block {
            mode,
            packed: take(rows * cols * mode.bits() / 8).into(),
            // E8M0 from 2^-7 to 2^0; E4M3 below 2.
            scales: take(groups)
                .into_iter()
                .map(|byte| if mode == Mode::Nvfp4 { byte & 0x3F } else { 120 + byte % 8 })
                .collect::<Vec<u8>>()
                .into(),
            global_scale: None,
        },
    }
}

fn product(
    mut cpu: Cpu,
    tensor: &QuantTensor,
    x: &[u8],
    tokens: usize,
) -> Result<Vec<f32>, OpsError> {
    let weight = cpu.load(tensor.clone(), None)?;
    // Activations enter as rows of a dense table.
    let table: Vec<u8> =
        x.iter().flat_map(|&byte| (f32::from(byte as i8) / 16.0).to_le_bytes()).collect();
    let table = Dense { dtype: Dtype::F32, data: table.into() };
    let (rows, cols) = (tokens, tensor.cols);
    let storage = Storage::Dense(table);
    let table =
        cpu.load(QuantTensor { name: "x".into(), experts: 1, rows, cols, storage }, None)?;
    cpu.begin(&Batch::default())?;
    let (x, out) = (cpu.act(tokens, cols), cpu.act(tokens, tensor.rows));
    let ids: Vec<u32> = (0..tokens as u32).collect();
    cpu.embed(x, table, &ids, 1.0);
    cpu.linear(&[out], x, &[weight]);
    Ok(cpu.read(out)?.to_vec())
}
