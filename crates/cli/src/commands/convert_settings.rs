//! Settings of a conversion, from the options of `mlxk convert`.

use std::path::Path;

use anyhow::Context as _;
use clap::ValueEnum;
use mlxk_format::convert::{Change, Conversion, ModuleMode, Options, Quantization, Recipe};
use mlxk_tensor::{Dtype, Mode};

use crate::Context;
use crate::args::{ConvertArgs, ModeName, Quantize, TypeName};
use crate::exit::UsageError;
use crate::input;

/// Reads the options, and the file of a recipe if there is one.
pub(super) fn options(args: &ConvertArgs) -> anyhow::Result<Options> {
    let dtype = args.dtype.map(|name| match name {
        TypeName::Bfloat16 => Dtype::Bf16,
        TypeName::Float16 => Dtype::F16,
        TypeName::Float32 => Dtype::F32,
    });
    let quantize = args.quantize.is_some()
        || args.mode.is_some()
        || args.q_group_size.is_some()
        || args.recipe.is_some()
        || !args.module.is_empty();
    let change = match (args.dequantize, quantize) {
        (true, _) => Change::Dequantize,
        (false, true) => Change::Quantize(quantization(args)?),
        (false, false) => Change::Keep,
    };
    Ok(Options { dtype, text_only: args.text_only, ..Options::new(change) })
}

/// Returns the options that decide the result, as words of a command line.
pub(super) fn words(args: &ConvertArgs) -> Vec<String> {
    let mut words = Vec::new();
    let mut add = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            words.extend([name.to_owned(), value]);
        }
    };
    let mode = |mode: ModeName| value_name(&mode);
    add(
        "-q",
        args.quantize.map(|quantize| match quantize {
            Quantize::Bits(bits) => bits.to_string(),
            Quantize::Mode(name) => mode(name),
        }),
    );
    add("--mode", args.mode.map(mode));
    add("--q-group-size", args.q_group_size.map(|size| size.to_string()));
    // The file of a recipe is recorded by its absolute path.
    let recipe = args.recipe.as_ref().map(|recipe| match Path::new(recipe).canonicalize() {
        Ok(path) if Recipe::ALL.iter().all(|known| known.name() != recipe) => {
            path.display().to_string()
        }
        _ => recipe.clone(),
    });
    add("--recipe", recipe);
    for module in &args.module {
        add("--module", Some(module.clone()));
    }
    add("--dtype", args.dtype.map(|dtype| value_name(&dtype)));
    for (name, is_set) in [
        ("--dequantize", args.dequantize),
        ("--text-only", args.text_only),
        ("--lossless", args.lossless),
        ("--repair-index", args.repair_index),
    ] {
        if is_set {
            words.push(name.to_owned());
        }
    }
    words
}

fn value_name(value: &impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

fn quantization(args: &ConvertArgs) -> anyhow::Result<Quantization> {
    let mode = mode(args)?;
    let builtin = args
        .recipe
        .as_deref()
        .and_then(|name| Recipe::ALL.into_iter().find(|recipe| recipe.name() == name));
    if builtin.is_some() && !matches!(mode, Mode::Affine { .. }) {
        return Err(usage(format!(
            "`--recipe` works only with affine quantization, not with `--mode {}`",
            mode.name()
        )));
    }
    let mut modules = Vec::new();
    if let (Some(path), None) = (&args.recipe, builtin) {
        let names: Vec<_> =
            Recipe::ALL.iter().map(|recipe| format!("`{}`", recipe.name())).collect();
        let text = input::read_text(path.as_ref()).with_context(|| {
            format!("`--recipe {path}` is neither a readable file nor one of {}", names.join(", "))
        })?;
        let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
        for line in lines.filter(|line| !line.is_empty()) {
            let pattern = module(line, mode)
                .map_err(|problem| usage(format!("`--recipe {path}`: `{line}` {problem}")))?;
            modules.push(pattern);
        }
    }
    for text in &args.module {
        let pattern =
            module(text, mode).map_err(|problem| usage(format!("`--module {text}` {problem}")))?;
        modules.push(pattern);
    }
    Ok(Quantization { mode, recipe: builtin, modules })
}

/// Refuses a pattern of `--module` that matches nothing. A recipe may be made for several models, so its lines
/// are only reported.
pub(super) fn check_patterns(
    args: &ConvertArgs,
    conversion: &Conversion,
    context: &Context,
) -> anyhow::Result<()> {
    let pattern_of = |text: &str| text.split('=').next().unwrap_or_default().trim().to_owned();
    for pattern in conversion.unmatched() {
        // A model without it uses its embedding for the output, too.
        if pattern == "lm_head" {
            context.printer.note(
                "warning: `lm_head` has no effect: the model uses `embed_tokens` for its output",
            );
            continue;
        }
        if let Some(text) = args.module.iter().find(|text| pattern_of(text) == *pattern) {
            return Err(usage(format!(
                "`--module {text}`: no weight matrix of the model matches `{pattern}`"
            )));
        }
        let recipe = args.recipe.as_deref().unwrap_or_default();
        context.printer.note(format_args!(
            "warning: `--recipe {recipe}`: no weight matrix of the model matches `{pattern}`"
        ));
    }
    Ok(())
}

/// Returns the mode of modules without one of their own.
fn mode(args: &ConvertArgs) -> anyhow::Result<Mode> {
    let (bits, named) = match args.quantize {
        Some(Quantize::Bits(bits)) => (Some(bits), None),
        Some(Quantize::Mode(mode)) => (None, Some(mode)),
        None => (None, None),
    };
    if let (Some(named), Some(mode)) = (named, args.mode)
        && named != mode
    {
        return Err(usage("`--quantize` and `--mode` name different modes".to_owned()));
    }
    let fixed = match args.mode.or(named).unwrap_or(ModeName::Affine) {
        ModeName::Affine => {
            let (bits, size) = (bits.unwrap_or(4), args.q_group_size.unwrap_or(64));
            return affine(bits.into(), size.into()).map_err(usage);
        }
        ModeName::Mxfp4 => Mode::Mxfp4,
        ModeName::Mxfp8 => Mode::Mxfp8,
        ModeName::Nvfp4 => Mode::Nvfp4,
    };
    let bits_fit = bits.is_none_or(|bits| usize::from(bits) == fixed.bits());
    let size_fits = args.q_group_size.is_none_or(|size| usize::from(size) == fixed.group_size());
    if bits_fit && size_fits {
        return Ok(fixed);
    }
    Err(usage(format!(
        "`--mode {}` supports only {} bits in groups of {}",
        fixed.name(),
        fixed.bits(),
        fixed.group_size()
    )))
}

fn affine(bits: u64, group_size: u64) -> Result<Mode, String> {
    Mode::affine(bits, group_size).ok_or_else(|| {
        format!(
            "MLX has no {bits}-bit quantization in groups of {group_size}; use 2, 3, 4, 5, 6 or 8 \
             bits and groups of 32, 64 or 128"
        )
    })
}

/// Parses `PATTERN=BITS[:GROUP]`, `PATTERN=MODE` or `PATTERN=dense`. The error completes "`--module x` …".
fn module(text: &str, usual: Mode) -> Result<ModuleMode, String> {
    let wrong = || {
        "must have the form `PATTERN=BITS`, `PATTERN=BITS:GROUP`, `PATTERN=mxfp4` or \
         `PATTERN=dense`"
            .to_owned()
    };
    let (pattern, mode) = text.split_once('=').ok_or_else(wrong)?;
    let (pattern, mode) = (pattern.trim(), mode.trim());
    if pattern.is_empty() {
        return Err(wrong());
    }
    let mode = match mode {
        "dense" => None,
        "mxfp4" => Some(Mode::Mxfp4),
        "mxfp8" => Some(Mode::Mxfp8),
        "nvfp4" => Some(Mode::Nvfp4),
        numbers => {
            let (bits, size) = match numbers.split_once(':') {
                Some((bits, size)) => (bits, size.trim().parse().map_err(|_| wrong())?),
                None if matches!(usual, Mode::Affine { .. }) => {
                    (numbers, usual.group_size() as u64)
                }
                None => (numbers, 64),
            };
            let bits = bits.trim().parse().map_err(|_| wrong())?;
            Some(affine(bits, size).map_err(|problem| format!("is impossible: {problem}"))?)
        }
    };
    Ok(ModuleMode { pattern: pattern.to_owned(), mode })
}

fn usage(text: String) -> anyhow::Error {
    UsageError(text).into()
}
