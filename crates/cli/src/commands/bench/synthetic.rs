//! Synthetic models for `mlxk bench model`.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use mlxk_bench::SyntheticError;
use mlxk_bench::kernels::WeightForm;
use mlxk_bench::model::Subject;
use mlxk_bench::synthetic::{RowEncoding, Synthetic};
use mlxk_tensor::{Dtype, Mode};
use tempfile::TempDir;

use crate::args::{GgufType, ModelArgs, SyntheticMode};
use crate::exit::{Interrupted, UsageError};
use crate::printer::Unit;
use crate::{Context, format, interrupt};

/// A synthetic model. Without `--keep`, it is deleted when this is dropped.
pub(super) struct Made {
    name: String,
    folder: PathBuf,
    _temporary: Option<TempDir>,
}

impl Made {
    /// Returns the model to measure.
    pub(super) fn subject(&self) -> Subject {
        Subject { name: self.name.clone(), folder: self.folder.clone() }
    }
}

/// Creates the model and the GGUF file that the options ask for.
pub(super) fn make(args: &ModelArgs, context: &Context) -> anyhow::Result<Option<Made>> {
    let Some(shape) = &args.synthetic else { return Ok(None) };
    let model = Synthetic::new(shape, form(args)?)?;
    if let Some(path) = &args.gguf {
        // The GGUF file comes first because it may be refused.
        let encoding = encoding(args.gguf_type);
        let written = work(&format!("Writing {}", path.display()), context, &mut |progress| {
            model.write_gguf(path, encoding, progress)
        });
        if let Err(error) = written {
            remove(path);
            return Err(error);
        }
    }
    if args.no_run && args.keep.is_none() {
        return Ok(None);
    }
    let (name, size) = (model.name().to_owned(), format::size(model.weights_bytes()));
    let label = format!("Creating {name} ({size})");
    let Some(folder) = &args.keep else {
        let temporary = tempfile::tempdir()?;
        work(&label, context, &mut |progress| model.write(temporary.path(), progress))?;
        let folder = temporary.path().to_owned();
        return Ok(Some(Made { name, folder, _temporary: Some(temporary) }));
    };
    if folder.exists() {
        check_kept(&model, folder)?;
    } else {
        keep(&model, folder, &label, context)?;
    }
    Ok(Some(Made { name, folder: folder.clone(), _temporary: None }))
}

/// Creates the folder, which appears complete or not at all.
fn keep(model: &Synthetic, folder: &Path, label: &str, context: &Context) -> anyhow::Result<()> {
    let parent = match folder.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let cannot = || format!("Cannot create `{}`", folder.display());
    std::fs::create_dir_all(parent).with_context(cannot)?;
    let partial =
        tempfile::Builder::new().prefix(".synthetic-").tempdir_in(parent).with_context(cannot)?;
    work(label, context, &mut |progress| model.write(partial.path(), progress))?;
    std::fs::rename(partial.keep(), folder).with_context(cannot)
}

/// Refuses a folder that contains anything but this model.
fn check_kept(model: &Synthetic, folder: &Path) -> anyhow::Result<()> {
    let config = folder.join("config.json");
    let found = mlxk_format::read_object(&config, mlxk_format::MAX_CONFIG_BYTES)?;
    if found != *model.config() {
        anyhow::bail!(
            "`{}` contains another model; delete the folder, or pass another one with `--keep`",
            folder.display()
        );
    }
    Ok(())
}

/// Writes files under a progress bar.
pub(super) fn work(
    label: &str,
    context: &Context,
    write: &mut dyn FnMut(&mut mlxk_bench::synthetic::Progress<'_>) -> Result<(), SyntheticError>,
) -> anyhow::Result<()> {
    let progress = context.printer.progress();
    progress.begin(label);
    let mut report = |done, total| {
        progress.update(done, total, Unit::Bytes);
        if interrupt::requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    match write(&mut report) {
        Err(error) if error.is_cancelled() => Err(Interrupted.into()),
        result => Ok(result?),
    }
}

/// Removes an incomplete file.
fn remove(path: &Path) {
    // If this fails too, the first error is more useful.
    let _ = std::fs::remove_file(path);
}

fn form(args: &ModelArgs) -> anyhow::Result<WeightForm> {
    let quantized = |mode| Ok(WeightForm::Quantized(mode));
    match args.mode {
        SyntheticMode::Affine => {
            let (bits, group_size) = (args.bits, args.group_size);
            match Mode::affine(bits.into(), group_size.into()) {
                Some(mode) => quantized(mode),
                None => Err(UsageError(format!(
                    "MLX has no {bits}-bit quantization in groups of {group_size}; `--bits` must be 2, \
                     3, 4, 5, 6 or 8, `--group-size` 32, 64 or 128"
                ))
                .into()),
            }
        }
        SyntheticMode::Mxfp4 => quantized(Mode::Mxfp4),
        SyntheticMode::Mxfp8 => quantized(Mode::Mxfp8),
        SyntheticMode::Nvfp4 => quantized(Mode::Nvfp4),
        SyntheticMode::Bf16 => Ok(WeightForm::Dense(Dtype::Bf16)),
        SyntheticMode::F16 => Ok(WeightForm::Dense(Dtype::F16)),
        SyntheticMode::F32 => Ok(WeightForm::Dense(Dtype::F32)),
    }
}

fn encoding(name: GgufType) -> RowEncoding {
    match name {
        GgufType::Q4 => RowEncoding::Q4_0,
        GgufType::Q8 => RowEncoding::Q8_0,
        GgufType::F16 => RowEncoding::F16,
        GgufType::F32 => RowEncoding::F32,
    }
}
