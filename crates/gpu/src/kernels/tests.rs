//! Every variant of every kernel passes the validation, and becomes Metal's and DirectX's language. That needs
//! neither a GPU nor a driver.

use mlxk_tensor::{Dtype, Mode};
use naga::back::{hlsl, msl, spv};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};

use super::fixed_product::{Epilogue, Experts};
use super::matrix_product::MatrixAfter;
use super::*;
use crate::pipelines::Variant;
use crate::products::fixed_shape;
use crate::tuning::Tuning;
use crate::weights::Form;

/// Memory of a workgroup that every driver has.
const WORKGROUP_BYTES: u32 = 16 << 10;

fn forms() -> Vec<Form> {
    let dtypes = [Dtype::F32, Dtype::F16, Dtype::Bf16];
    let form = |mode, dtype| match mode {
        Mode::Affine { .. } => Form::Affine(mode, dtype),
        _ => Form::Block(mode),
    };
    let quantized = dtypes.into_iter().flat_map(|dtype| Mode::all().map(move |it| form(it, dtype)));
    dtypes.into_iter().map(Form::Dense).chain(quantized).collect()
}

/// All kernels without weights, with values of their constants that reach every branch.
fn without_weights() -> Vec<Variant> {
    let mut all = vec![
        Variant::new(&SELECT_ROWS, &[]),
        Variant::new(&COPY_PIECES, &[]),
        Variant::new(&COPY_ALL, &[]),
        Variant::new(&PEAK, &[]),
        Variant::new(&RMS_NORM, &[]),
        Variant::new(&COMBINE, &[]),
        Variant::new(&GROUP_ROWS, &[128]),
        Variant::new(&CHOOSE_POSITIONS, &[]),
        Variant::new(&NORMALIZE, &[]),
        Variant::new(&COLUMN_SCAN, &[16]),
        Variant::new(&GATED_UNIT, &[]),
        Variant::new(&WKV_INPUTS, &[64]),
        Variant::new(&WKV, &[64]),
        Variant::new(&ADD_SCALED, &[]),
        Variant::new(&WEIGH, &[]),
        Variant::new(&SELECTIVE_SCAN, &[128]),
        Variant::new(&HADAMARD, &[512, 512, 0]),
        Variant::new(&HADAMARD, &[8192, 4096, 1]),
    ];
    for flag in [0, 1] {
        all.push(Variant::new(&ROPE, &[flag]));
        all.push(Variant::new(&REDUCE_ROWS, &[flag]));
        all.push(Variant::new(&COMBINE_GROUPS, &[flag]));
        all.push(Variant::new(&ROW_STATISTICS, &[flag]));
        all.push(Variant::new(&LAYER_NORM, &[flag]));
        all.push(Variant::new(&TOP, &[flag]));
        all.push(Variant::new(&BEST, &[flag]));
        all.push(Variant::new(&CONV, &[flag, 1, 1]));
        all.extend((0..9).map(|activation| Variant::new(&ACTIVATION, &[activation, flag])));
    }
    all.extend((0..8).map(|operation| Variant::new(&ARITHMETIC, &[operation])));
    for bits in [32, 16, 8] {
        for [heads, head_dim] in [[64, 128], [3, 40]] {
            all.push(Variant::new(&INDEX_SCORES, &[heads, head_dim, bits]));
            all.push(Variant::new(&APPEND, &[head_dim, 0, bits, bits]));
        }
    }
    for [keys, values] in [[32, 32], [16, 16], [8, 8], [8, 4]] {
        for [head, value] in [[64, 64], [7, 5], [576, 512]] {
            all.push(Variant::new(&APPEND, &[head, value, keys, values]));
            all.push(Variant::new(&ATTENTION, &[head, value, keys, values, 0, 0, 0, 1]));
            all.push(Variant::new(&ATTENTION, &[head, value, keys, values, 0, 0, 0, 3]));
            all.push(Variant::new(&ATTENTION, &[head, value, keys, values, 1, 1, 1, 2]));
            all.push(Variant::new(&ATTENTION, &[head, value, keys, values, 0, 0, 0, 4]));
        }
    }
    for [head_dim, heads, rope, flag] in
        [[128, 1, 1, 0], [64, 4, 2, 1], [80, 1, 0, 1], [256, 2, 1, 0]]
    {
        let on = flag != 0;
        let (cap, sinks, growth, split) = (on, on, on, !on);
        let shape = DecodeAttention {
            head_dim,
            heads,
            chunk: 256,
            rope,
            cap,
            sinks,
            growth,
            norm: on,
            split,
        };
        all.push(Variant::new(&DECODE_ATTENTION, &shape.constants()));
        all.push(Variant::new(&JOIN_CHUNKS, &[head_dim, flag]));
    }
    all.extend(fixed_products());
    all.extend((0..3).map(|decay| Variant::new(&DELTA_RULE, &[128, decay])));
    all.extend((0..4).map(|scores| Variant::new(&ROUTE, &[8, 2, scores, 1, 1, 1, 4, 2, 2, 1, 0])));
    all.push(Variant::new(&ROUTE, &[512, 22, 2, 1, 0, 1, 1, 0, 1, 0, 1]));
    all
}

/// Products in whole numbers, of one matrix or with experts.
fn fixed_products() -> Vec<Variant> {
    let mut all = Vec::new();
    let mut add = |shape: FixedProduct| {
        for shares in [false, true] {
            let shape = FixedProduct { shares, ..shape };
            if !shares || shape.workgroup_bytes() <= WORKGROUP_BYTES {
                all.push(Variant::new(&FIXED_PRODUCT, &shape.constants()));
            }
        }
    };
    for bits in [4, 8] {
        for (rows, matrices, epilogue) in [
            (1, 3, Epilogue::Store),
            (4, 1, Epilogue::Add),
            (1, 2, Epilogue::Gate(0)),
            (2, 2, Epilogue::Gate(8)),
        ] {
            let sizes = [576, 1200, rows];
            let shape = FixedProduct {
                matrices,
                epilogue,
                norm: matrices > 1,
                biases: 5 & ((1 << matrices) - 1),
                ..fixed_shape(sizes, (bits, 64), matrices == 2, &Tuning::default())
            };
            add(shape);
        }
        for (blocks, matrices, experts, epilogue) in [
            (18, 2, Experts::Each(4), Epilogue::Gate(0)),
            (18, 1, Experts::Each(1), Epilogue::Store),
            (144, 1, Experts::Sum(8), Epilogue::Add),
            (1152, 1, Experts::Sum(8), Epilogue::Store),
        ] {
            let sizes = [32 * blocks, 1200, 1];
            let shape = FixedProduct {
                matrices,
                experts,
                epilogue,
                norm: matrices > 1,
                biases: 5 & ((1 << matrices) - 1),
                ..fixed_shape(sizes, (bits, 64), matrices == 2, &Tuning::default())
            };
            add(shape);
        }
    }
    all
}

fn with_weights() -> impl Iterator<Item = Variant> {
    forms().into_iter().flat_map(|form| {
        let embed = Variant { kernel: &EMBED, form: Some(form), constants: vec![] };
        let kernels = [&PRODUCT, &TAIL_PRODUCT].into_iter();
        let products = kernels.flat_map(move |kernel| {
            let all = [[1, 0, 0], [8, 0, 1], [1, 1, 1], [1, 2, 0]];
            let variant = move |constants: [u32; 3]| Variant {
                kernel,
                form: Some(form),
                constants: constants.to_vec(),
            };
            all.map(variant)
        });
        let tile = |bias| Variant { kernel: &TILE, form: Some(form), constants: vec![bias] };
        [embed, tile(0), tile(1)].into_iter().chain(products)
    })
}

/// Kernels that use matrix units. They run on Vulkan only.
fn on_matrices() -> Vec<Variant> {
    let mut all = [&ROWS, &GATHER_TILES, &MATRIX_PEAK].map(|it| Variant::new(it, &[])).to_vec();
    for flag in [0, 1] {
        all.push(Variant::new(&TILES, &[flag, 2 * flag]));
        all.push(Variant::new(&ROPE_TILES, &[64, 1 + flag, flag]));
        for head_dim in [64, 80, 128, 256] {
            let [window, cap, sinks] = [flag != 0; 3];
            for splits in [1, 2, 4] {
                let shape = FlashAttention { head_dim, window, cap, sinks, splits };
                all.push(Variant::new(&FLASH_ATTENTION, &shape.constants()));
            }
        }
    }
    for (bits, scales) in [(4, Dtype::F16), (8, Dtype::Bf16), (4, Dtype::F32)] {
        for (rows, step, group_size) in [(64, 32, 32), (128, 64, 64), (256, 128, 64)] {
            for (matrices, parts, after, biases, experts) in [
                (3, 1, MatrixAfter::Store, 5, false),
                (1, 2, MatrixAfter::Store, 0, false),
                (1, 1, MatrixAfter::Add, 0, false),
                (2, 1, MatrixAfter::Gate(0), 2, false),
                (1, 1, MatrixAfter::Store, 1, true),
                (2, 1, MatrixAfter::Gate(0), 2, true),
            ] {
                let cols = 1536;
                let shape = MatrixProduct {
                    cols,
                    rows,
                    step,
                    matrices,
                    parts,
                    experts,
                    after,
                    biases,
                    bits,
                    group_size,
                    scales,
                };
                all.push(Variant::new(&MATRIX_PRODUCT, &shape.constants()));
            }
        }
    }
    all
}

#[test]
fn kernels_for_matrix_units_are_valid() {
    for variant in on_matrices() {
        let (module, info) = validated(&variant);
        let (name, shared) = (variant.kernel.name, workgroup_bytes(&module));
        assert!(shared <= 48 << 10, "{name} shares {shared} bytes");
        let options = spv::Options { lang_version: (1, 4), ..spv::Options::default() };
        let vulkan = spv::write_vec(&module, &info, &options, None);
        vulkan.unwrap_or_else(|error| panic!("{name} for Vulkan: {error}"));
    }
}

fn validated(variant: &Variant) -> (naga::Module, ModuleInfo) {
    let (text, name) = (variant.text(), variant.kernel.name);
    let module = naga::front::wgsl::parse_str(&text)
        .unwrap_or_else(|error| panic!("{name}: {}\n{text}", error.emit_to_string(&text)));
    let capabilities = Capabilities::IMMEDIATES
        | Capabilities::SHADER_FLOAT16_IN_FLOAT32
        | Capabilities::SHADER_FLOAT16
        | Capabilities::SUBGROUP
        | Capabilities::COOPERATIVE_MATRIX;
    let mut validator = Validator::new(ValidationFlags::all(), capabilities);
    let info = validator
        .subgroup_stages(naga::valid::ShaderStages::COMPUTE)
        .subgroup_operations(naga::valid::SubgroupOperationSet::all())
        .validate(&module);
    let info = info.unwrap_or_else(|error| panic!("{name}: {}", error.emit_to_string(&text)));
    (module, info)
}

/// Returns the memory that the threads of a workgroup share.
fn workgroup_bytes(module: &naga::Module) -> u32 {
    let shared = module.global_variables.iter().map(|(_, variable)| variable);
    let shared = shared.filter(|variable| variable.space == naga::AddressSpace::WorkGroup);
    let gctx = module.to_ctx();
    shared.map(|variable| module.types[variable.ty].inner.size(gctx)).sum()
}

#[test]
fn every_kernel_is_valid_on_every_system() {
    for variant in without_weights().into_iter().chain(with_weights()) {
        let name = variant.kernel.name;
        let (module, info) = validated(&variant);
        let shared = workgroup_bytes(&module);
        assert!(shared <= WORKGROUP_BYTES, "{name} shares {shared} bytes");
        let options = msl::Options {
            lang_version: (2, 4),
            fake_missing_bindings: true,
            ..msl::Options::default()
        };
        let metal = msl::write_string(&module, &info, &options, &msl::PipelineOptions::default());
        let (metal, _) = metal.unwrap_or_else(|error| panic!("{name} in Metal: {error}"));
        assert!(metal.contains("kernel void main_"), "{metal}");
        let options = hlsl::Options {
            shader_model: hlsl::ShaderModel::V6_0,
            fake_missing_bindings: true,
            immediates_target: Some(hlsl::BindTarget { space: 1, ..hlsl::BindTarget::default() }),
            special_constants_binding: Some(hlsl::BindTarget { space: 2, ..Default::default() }),
            ..hlsl::Options::default()
        };
        let mut direct = String::new();
        let pipeline = hlsl::PipelineOptions::default();
        let written =
            hlsl::Writer::new(&mut direct, &options, &pipeline).write(&module, &info, None);
        written.unwrap_or_else(|error| panic!("{name} for DirectX: {error}"));
        assert!(direct.contains("numthreads"), "{direct}");
    }
}
