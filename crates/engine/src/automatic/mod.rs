//! The choice of a device: the GPU if there is one that isn't software, and if it is faster for this model than the
//! processor. That is measured once, and kept.
//!
//! Without a GPU, no driver is started. If the processor was faster before, none is started either.

mod decision;
mod measure;
mod record;

use std::io::Read as _;
use std::path::Path;

use mlxk_format::{Checkpoint, MAX_CONFIG_BYTES, read_object};
use mlxk_gpu::AdapterInfo;
use mlxk_models::{ModelError, Output, Progress};

pub use self::decision::{Measured, Speeds};
pub use self::record::Decision;
use crate::device::{Automatic, DeviceChoice};
use crate::embed::EmbedSettings;
use crate::error::EngineError;
use crate::load_options::{LoadOptions, tell_failure};

/// Returns the device for the model of the options, or an error if `progress` cancels the measurement.
pub(crate) fn settle(
    options: &LoadOptions,
    automatic: &Automatic,
    progress: &mut Progress<'_>,
) -> Result<DeviceChoice, EngineError> {
    let cpu = DeviceChoice::Cpu(automatic.cpu);
    if !mlxk_gpu::may_have_gpus() {
        return Ok(cpu);
    }
    match decide(options, automatic, &mut mlxk_gpu::first_card, progress) {
        Ok(true) => Ok(automatic.on_gpu()),
        Ok(false) => Ok(cpu),
        Err(error @ EngineError::Model(ModelError::Cancelled)) => Err(error),
        Err(error) => {
            tell_failure(&error);
            Ok(cpu)
        }
    }
}

/// Returns what was decided before about the model in a folder. No driver is started.
pub(crate) fn known(folder: &Path, automatic: &Automatic) -> Option<Decision> {
    let file = record::file(automatic.decisions.as_deref()?, &facts(folder, automatic)?.each());
    record::read(&file)
}

/// Returns `true` if the model runs on the GPU that `find` returns.
fn decide(
    options: &LoadOptions,
    automatic: &Automatic,
    find: &mut dyn FnMut() -> Option<AdapterInfo>,
    progress: &mut Progress<'_>,
) -> Result<bool, EngineError> {
    let folder = &options.path;
    let Some(facts) = facts(folder, automatic) else {
        // Whatever is wrong with the model, loading it says so.
        return Ok(false);
    };
    let file = automatic.decisions.as_deref().map(|it| record::file(it, &facts.each()));
    let before = file.as_deref().and_then(record::read);
    if facts.shows_drivers && before.as_ref().is_some_and(|before| !before.is_gpu()) {
        return Ok(false);
    }
    let gpu = find().map(|card| format!("{}, {}, {}", card.name, card.interface, card.driver));
    if let Some(before) = before.filter(|before| before.gpu == gpu) {
        return Ok(before.is_gpu());
    }
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let mut decision = Decision { version, model: folder.clone(), gpu, measured: None };
    if decision.gpu.is_some() && answers(folder)? {
        let cpu = DeviceChoice::Cpu(automatic.cpu);
        let measured = measure::measure(options, automatic.on_gpu(), cpu, progress)?;
        tracing::info!(
            gpu = decision.gpu,
            gpu_tokens_per_s = measured.gpu.decode,
            cpu_tokens_per_s = measured.cpu.decode,
            chosen = if measured.prefers_gpu() { "gpu" } else { "cpu" },
            "compared the devices"
        );
        decision.measured = Some(measured);
    }
    if let Some(file) = file {
        // It is measured again if it can't be kept.
        let _ = record::write(&file, &decision);
    }
    Ok(decision.is_gpu())
}

/// Returns `true` if the model writes answers. Others compute vectors, whose last digits shall not depend on the other
/// texts of a request, and they are fast on the processor.
fn answers(folder: &Path) -> Result<bool, EngineError> {
    let shape = mlxk_models::shape(&Checkpoint::open(folder)?)?;
    Ok(shape.output == Output::Logits && !EmbedSettings::open(folder)?.is_dedicated)
}

/// Everything that a decision depends on.
struct Facts {
    words: Vec<String>,
    /// `true` if another driver or card would be another fact.
    shows_drivers: bool,
}

impl Facts {
    fn each(&self) -> Vec<&str> {
        self.words.iter().map(String::as_str).collect()
    }
}

fn facts(folder: &Path, automatic: &Automatic) -> Option<Facts> {
    let path = folder.canonicalize().ok()?;
    let config = read_object(&folder.join("config.json"), MAX_CONFIG_BYTES).ok()?.to_string();
    let Automatic { cpu, gpu: _, layers, decisions: _, surroundings } = automatic;
    let hardware = mlxk_gpu::fingerprint();
    let shows_drivers = hardware.is_some();
    let words = vec![
        env!("CARGO_PKG_VERSION").to_owned(),
        path.display().to_string(),
        config,
        format!("{cpu:?} {layers:?}"),
        processor(),
        hardware.unwrap_or_default(),
        surroundings.clone(),
    ];
    Some(Facts { words, shows_drivers })
}

/// Describes the processor.
fn processor() -> String {
    let threads = std::thread::available_parallelism().map_or(0, usize::from);
    let mut text = String::new();
    // The file describes each core, and the first is enough.
    if let Ok(file) = std::fs::File::open("/proc/cpuinfo") {
        let _ = file.take(1024).read_to_string(&mut text);
    }
    let name = text.lines().find(|line| line.starts_with("model name")).unwrap_or_default();
    format!("{} {threads} {name}", std::env::consts::ARCH)
}

#[cfg(test)]
mod tests;
