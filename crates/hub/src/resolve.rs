//! Resolves a reference to a folder on this machine, to an import that would create it, or to a
//! repository that could be downloaded.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::aliases::Alias;
use crate::cache::CachedRepo;
use crate::cache::{HfCache, Snapshot};
use crate::error::{HubError, Result};
use crate::locations::Locations;
use crate::ollama::error::OllamaError;
use crate::pairs::PairTable;
use crate::reference::error::{MISSING, ReferenceError};
use crate::reference::{PypiSpec, Reference};
use crate::repo_id::RepoId;
use crate::resolution::{ImportPlan, ImportSource, Matching, NotLocal, Resolution, Resolved};
use crate::store::Store;
use crate::store::{Origin, SourceFile, StoredModel, as_model_name, only};
use crate::suggest::similar;
use crate::workspace::{Workspace, is_checkpoint, workspaces};

/// Resolves a reference on this machine. Reads folders and never uses the network.
pub fn resolve(
    reference: &Reference,
    matching: Matching,
    pairs: &PairTable,
    locations: &Locations,
) -> Result<Resolution> {
    search(reference, matching, pairs, locations, false)
}

/// Like [`resolve`], for commands that look at models without running them. Also finds models that
/// are incomplete.
pub fn locate(
    reference: &Reference,
    matching: Matching,
    pairs: &PairTable,
    locations: &Locations,
) -> Result<Resolution> {
    search(reference, matching, pairs, locations, true)
}

fn search(
    reference: &Reference,
    matching: Matching,
    pairs: &PairTable,
    locations: &Locations,
    incomplete: bool,
) -> Result<Resolution> {
    if let Some(derived) = crate::derived_by(reference, locations)? {
        let from = derived.from.parse()?;
        let resolution = search(&from, Matching::Exact, pairs, locations, incomplete)?;
        return Ok(match resolution {
            Resolution::Local(base) => Resolution::Local(base.derived(derived)),
            other => other,
        });
    }
    let (workspaces, store) = (workspaces(locations)?, Store::new(locations).models()?);
    Search { reference, pairs, locations, workspaces, store, incomplete }.resolve(matching)
}

/// No checkpoint has more files in a folder.
const MAX_ENTRIES: usize = 100_000;

/// Digits of a digest in the name of a model, as in Ollama's list of models.
const DIGITS: usize = 12;

/// Returns the repository of `org/NAME-GGUF:QUANTIZATION`.
fn gguf_repo(name: &str) -> Option<&str> {
    let (repo, tag) = name.split_once(':')?;
    let (_, short) = repo.split_once('/')?;
    let tag = tag.to_ascii_lowercase();
    let tag = tag.trim_start_matches("ud-");
    let is_numbered = |start: &str| {
        tag.strip_prefix(start).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    let is_quantization = ["q", "iq", "tq", "f", "bf", "mxfp"].into_iter().any(is_numbered);
    (is_quantization || short.to_ascii_lowercase().contains("gguf")).then_some(repo)
}

struct Search<'a> {
    reference: &'a Reference,
    pairs: &'a PairTable,
    locations: &'a Locations,
    workspaces: Vec<Workspace>,
    store: Vec<StoredModel>,
    /// `true` if incomplete models count.
    incomplete: bool,
}

impl Search<'_> {
    /// Returns the error for `name:tag` without a checkpoint: a name in Ollama's style, or a
    /// quantization in a GGUF repository of the hub, which Ollama downloads by such a name, too.
    fn unknown_short(&self, name: &str) -> ReferenceError {
        let in_ollama = crate::ollama::has(name, self.locations);
        match gguf_repo(name).filter(|_| !in_ollama) {
            Some(repo) => ReferenceError::GgufRepo {
                name: name.to_owned(),
                checkpoint: crate::pairs::checkpoint_of_gguf(repo).map(ToString::to_string),
                repo: repo.to_owned(),
            },
            None => ReferenceError::UnknownPair {
                name: name.to_owned(),
                in_ollama,
                similar: self.pairs.similar(name),
            },
        }
    }

    fn resolve(&self, matching: Matching) -> Result<Resolution> {
        match self.reference {
            Reference::Name { name, revision } => match (Alias::find(name), revision) {
                (Some(alias), None) => self.alias(name, alias, matching),
                _ => self.bare_name(name, revision.as_deref(), matching),
            },
            Reference::Repo { id, revision } => self.repo(id, revision.as_deref()),
            Reference::Short(name) => self.short(name),
            Reference::Folder(path) => match self.reference.gguf() {
                Some(file) => self.gguf(file),
                None => self.folder(path),
            },
            Reference::Gguf(path) => self.gguf(path),
            Reference::Pypi(spec) => self.package(spec),
            Reference::Ollama(name) => self.ollama(name),
        }
    }

    /// Resolves `name:tag`. A model that was imported from Ollama under that name comes before one that
    /// would have to be fetched.
    fn short(&self, name: &str) -> Result<Resolution> {
        let found = match (self.pairs.repo(name), Alias::of_ollama(name)) {
            (Some(id), _) => self.repo(id, None),
            (None, Some(alias)) => match self.package(&alias.spec())? {
                found @ Resolution::Local(_) => Ok(found),
                package => Ok(self.same_model(alias)?.unwrap_or(package)),
            },
            (None, None) => Err(self.unknown_short(name).into()),
        };
        let imported = || Store::new(self.locations).of_ollama(name);
        match found {
            Ok(Resolution::Local(_))
            | Err(HubError::Reference(ReferenceError::Ambiguous { .. })) => found,
            other => match imported()? {
                Some(model) => self.imported(&model, None),
                None => other,
            },
        }
    }

    /// Resolves the name of an alias. A model on this machine comes before one that would have to be
    /// fetched, and an exact name before a part of one.
    fn alias(&self, name: &str, alias: &Alias, how: Matching) -> Result<Resolution> {
        let exact = self.bare_name(name, None, Matching::Exact)?;
        if let Resolution::Local(_) = exact {
            return Ok(exact);
        }
        let package = self.package(&alias.spec())?;
        if let Resolution::Local(_) = package {
            return Ok(package);
        }
        if let Some(found) = self.same_model(alias)? {
            return Ok(found);
        }
        if how == Matching::Exact {
            return Ok(package);
        }
        match self.bare_name(name, None, how)? {
            Resolution::NotLocal(_) => Ok(package),
            found => Ok(found),
        }
    }

    /// Returns the model of an alias if it is here in another form: the checkpoint on the hub, or an import
    /// from Ollama.
    fn same_model(&self, alias: &Alias) -> Result<Option<Resolution>> {
        let repos = self.repos()?;
        if let Some(repo) = repos.iter().find(|repo| repo.id.to_string() == alias.repo)
            && let found @ Resolution::Local(_) = self.cached(repo, None)?
        {
            return Ok(Some(found));
        }
        let imported = Store::new(self.locations).of_ollama(alias.ollama)?;
        imported.map(|model| self.imported(&model, None)).transpose()
    }

    fn repos(&self) -> Result<Vec<CachedRepo>> {
        HfCache::new(&self.locations.hf_hub_cache).repos()
    }

    fn bare_name(&self, name: &str, revision: Option<&str>, how: Matching) -> Result<Resolution> {
        if let Some(workspace) = self.workspaces.iter().find(|workspace| workspace.name == name) {
            return self.workspace(workspace, revision);
        }
        if let Some(model) = self.store.iter().find(|model| model.name == name) {
            return self.imported(model, revision);
        }
        let repos = self.repos()?;
        let first_choice = [RepoId::in_default_org(name).to_string(), name.to_owned()];
        for choice in &first_choice {
            if let Some(repo) = repos.iter().find(|repo| repo.id.to_string() == *choice) {
                return self.cached(repo, revision);
            }
        }
        let pair = self.pairs.repo(name);
        if let Some(repo) = pair.and_then(|pair| repos.iter().find(|repo| repo.id == *pair)) {
            return self.cached(repo, revision);
        }
        // Each tier is looser than the one before. The hub ignores the case of names, too.
        let tiers: [fn(&str, &str) -> bool; 3] = [
            |full, name| short_of(full) == name,
            |full, name| short_of(full).eq_ignore_ascii_case(name),
            |full, name| full.to_ascii_lowercase().contains(&name.to_ascii_lowercase()),
        ];
        let allowed = if how == Matching::Substring { &tiers[..] } else { &tiers[..2] };
        for fits in allowed {
            if let Some(found) = self.unique(name, revision, &repos, |full| fits(full, name))? {
                return Ok(found);
            }
        }
        self.not_local(name, self.pairs.repo_or_default(name), revision, false, &repos)
    }

    /// Returns the only model whose full name `fits`, or an error if there are several. A
    /// repository whose download never finished does not count.
    fn unique(
        &self,
        name: &str,
        revision: Option<&str>,
        repos: &[CachedRepo],
        fits: impl Fn(&str) -> bool,
    ) -> Result<Option<Resolution>> {
        let workspaces: Vec<_> =
            self.workspaces.iter().filter(|workspace| fits(&workspace.name)).collect();
        let models: Vec<_> = self.store.iter().filter(|model| fits(&model.name)).collect();
        let repos: Vec<_> = repos
            .iter()
            .filter(|repo| fits(&repo.id.to_string()))
            .filter(|repo| self.incomplete || repo.snapshots().iter().any(Snapshot::has_config))
            .collect();
        Ok(match (workspaces.as_slice(), models.as_slice(), repos.as_slice()) {
            ([], [], []) => None,
            ([workspace], [], []) => Some(self.workspace(workspace, revision)?),
            ([], [model], []) => Some(self.imported(model, revision)?),
            ([], [], [repo]) => Some(self.cached(repo, revision)?),
            _ => {
                let own = workspaces.iter().map(|workspace| workspace.name.clone());
                let stored = models.iter().map(|model| model.name.clone());
                let cached = repos.iter().map(|repo| repo.id.to_string());
                let candidates = own.chain(stored).chain(cached);
                return Err(ReferenceError::ambiguous(name, candidates).into());
            }
        })
    }

    fn repo(&self, id: &RepoId, revision: Option<&str>) -> Result<Resolution> {
        // `ORG/NAME` below the folder of workspaces, as other tools lay them out.
        let written = self.locations.workspace_home.as_ref().map(|home| {
            let path = id.to_string().split('/').fold(home.clone(), |path, part| path.join(part));
            Workspace { name: id.to_string(), path }
        });
        if let Some(workspace) = written.filter(|workspace| is_checkpoint(&workspace.path)) {
            return self.workspace(&workspace, revision);
        }
        let repos = self.repos()?;
        if let Some(repo) = repos.iter().find(|repo| repo.id == *id) {
            return self.cached(repo, revision);
        }
        let full = id.to_string();
        // The hub ignores the case of names, too.
        let is_it = |name: &str| name.eq_ignore_ascii_case(&full);
        if let Some(found) = self.unique(&full, revision, &repos, is_it)? {
            return Ok(found);
        }
        self.not_local(&self.written(&full), id.clone(), revision, false, &repos)
    }

    fn cached(&self, repo: &CachedRepo, revision: Option<&str>) -> Result<Resolution> {
        let name = repo.id.to_string();
        let snapshot = repo.snapshot(revision)?;
        let counts = |snapshot: &Snapshot| self.incomplete || snapshot.has_config();
        let Some(snapshot) = snapshot.filter(counts) else {
            if self.incomplete && revision.is_none() {
                let found = repo.any_revision();
                let changed = self.written(&name) != name;
                return Ok(Resolution::Local(Resolved { changed, ..found }));
            }
            // Another revision may be complete, so this one is missing and not broken.
            let broken = revision.is_none();
            return self.not_local(&name, repo.id.clone(), revision, broken, &[]);
        };
        let changed = self.written(&name) != name;
        let resolved = Resolved::cached(name, snapshot.path, snapshot.hash);
        Ok(Resolution::Local(Resolved { changed, ..resolved }))
    }

    /// Returns the name as the user wrote it, or `full` if the reference is not a name.
    fn written(&self, full: &str) -> String {
        match self.reference {
            Reference::Name { name, .. } | Reference::Short(name) => name.clone(),
            Reference::Repo { id, .. } => id.to_string(),
            _ => full.to_owned(),
        }
    }

    fn workspace(&self, workspace: &Workspace, revision: Option<&str>) -> Result<Resolution> {
        if let Some(revision) = revision {
            return Err(ReferenceError::NoRevisions {
                what: "workspace",
                name: workspace.name.clone(),
                revision: revision.to_owned(),
            }
            .into());
        }
        let changed = self.written(&workspace.name) != workspace.name;
        Ok(Resolution::Local(Resolved { changed, ..Resolved::workspace(workspace.clone()) }))
    }

    fn imported(&self, model: &StoredModel, revision: Option<&str>) -> Result<Resolution> {
        if let Some(revision) = revision {
            return Err(ReferenceError::NoRevisions {
                what: "imported model",
                name: model.name.clone(),
                revision: revision.to_owned(),
            }
            .into());
        }
        let written = match self.reference {
            Reference::Name { name, .. } => name.as_str(),
            _ => &model.name,
        };
        let changed = written != model.name;
        Ok(Resolution::Local(Resolved { changed, ..Resolved::imported(model)? }))
    }

    fn package(&self, spec: &PypiSpec) -> Result<Resolution> {
        let from_it =
            |model: &&StoredModel| model.origin.as_ref().is_some_and(|origin| origin.is_from(spec));
        let newest = self
            .store
            .iter()
            .filter(from_it)
            .max_by_key(|model| model.origin.as_ref().map(|origin| origin.imported_unix_s));
        if let Some(model) = newest {
            return Ok(Resolution::Local(Resolved::imported(model)?));
        }
        let alias = Alias::for_spec(spec);
        Ok(Resolution::NeedsImport(ImportPlan {
            asked: self.reference.to_string(),
            name: package_model_name(spec),
            source: ImportSource::Pypi { spec: spec.clone() },
            download_bytes: alias.map(|alias| alias.download_bytes),
        }))
    }

    /// Returns an earlier import, unless Ollama now has another file under that name.
    fn ollama(&self, name: &str) -> Result<Resolution> {
        let found = crate::ollama::find(name, self.locations);
        // The tag may be another than `latest`, if it is the only one.
        let full = match &found {
            Ok(model) => model.name.clone(),
            Err(_) => crate::ollama::full_name(name),
        };
        let source = format!("ollama:{full}");
        let from_it = |model: &&StoredModel| {
            let origin = model.origin.as_ref();
            origin.is_some_and(|origin| origin.source.eq_ignore_ascii_case(&source))
        };
        let known = self.store.iter().find(from_it);
        let found = match (found, known) {
            (Ok(found), _) => found,
            (Err(_), Some(model)) => return Ok(Resolution::Local(Resolved::imported(model)?)),
            (Err(error), None) => return self.imported_before(name, error),
        };
        let sha256 =
            |model: &StoredModel| model.origin.as_ref().and_then(|origin| origin.sha256.clone());
        if let Some(model) = known
            && sha256(model).as_ref() == Some(&found.sha256)
        {
            let changed = !full.eq_ignore_ascii_case(&crate::ollama::full_name(name));
            return Ok(Resolution::Local(Resolved { changed, ..Resolved::imported(model)? }));
        }
        let wanted = found.name.strip_suffix(":latest").unwrap_or(&found.name);
        let name = known.map_or_else(
            || self.free_name(&as_model_name(wanted), &source),
            |model| model.name.clone(),
        );
        Ok(Resolution::NeedsImport(ImportPlan {
            asked: self.reference.to_string(),
            name,
            source: ImportSource::Ollama {
                name: found.name,
                path: found.path,
                sha256: found.sha256,
            },
            download_bytes: Some(0),
        }))
    }

    /// Returns the only import of a name without a tag that Ollama no longer has, or `error`.
    fn imported_before(&self, name: &str, error: HubError) -> Result<Resolution> {
        if !matches!(error, HubError::Ollama(OllamaError::NotFound { .. })) {
            return Err(error);
        }
        let imports = Store::new(self.locations).all_of_ollama(name)?;
        match only(&format!("ollama:{name}"), &imports)? {
            None => Err(error),
            Some(model) => {
                let found = Resolved { changed: true, ..Resolved::imported(model)? };
                Ok(Resolution::Local(found))
            }
        }
    }

    fn gguf(&self, path: &Path) -> Result<Resolution> {
        let file = SourceFile::of(path)?;
        let imported = |is_it: &dyn Fn(&Origin) -> bool| {
            self.store.iter().find(|model| model.origin.as_ref().is_some_and(is_it))
        };
        let known = imported(&|origin| origin.is_of(&file));
        let intact = imported(&|origin| origin.is_unchanged(&file));
        // The same file may have been imported by its name in Ollama.
        let same = || {
            let digest = digest_of_blob(&file.target)?;
            imported(&|origin| origin.has_content(digest, file.size_bytes))
        };
        if let Some(model) = intact.or_else(same) {
            return Ok(Resolution::Local(Resolved::imported(model)?));
        }
        // A file of Ollama's store comes with the name and the settings that it has there.
        if let Some(digest) = digest_of_blob(&file.target)
            && let Some(model) = crate::ollama::with_file(digest, self.locations)
        {
            return self.ollama(&model.name);
        }
        // In the cache of the hub, links have better names than their targets.
        let named = if file.target.extension().is_some_and(is_gguf) { &file.target } else { path };
        let wanted = as_model_name(&name_of_file(named));
        let name =
            known.map_or_else(|| self.free_name(&wanted, &file.source), |model| model.name.clone());
        Ok(Resolution::NeedsImport(ImportPlan {
            asked: self.reference.to_string(),
            name,
            source: ImportSource::Gguf { path: PathBuf::from(&file.source) },
            download_bytes: Some(0),
        }))
    }

    /// Returns the wanted name. If it is taken, a few digits of the hash of its source are added.
    fn free_name(&self, wanted: &str, source: &str) -> String {
        let is_it = |other: &str| other.eq_ignore_ascii_case(wanted);
        let taken = Alias::find(wanted).is_some()
            || self.store.iter().any(|model| is_it(&model.name))
            || crate::derived::derived_names(self.locations).iter().any(|name| is_it(name));
        if !taken {
            return wanted.to_owned();
        }
        format!("{wanted}-{}", &crate::hash::sha256_of(source.as_bytes())[..6])
    }

    fn folder(&self, path: &Path) -> Result<Resolution> {
        let bad = |problem| {
            HubError::Reference(ReferenceError::BadPath { path: path.to_owned(), problem })
        };
        if !path.exists() {
            return Err(bad(MISSING));
        }
        if !path.is_dir() {
            return Err(bad("is neither a folder nor a GGUF file"));
        }
        if !path.join("config.json").is_file() {
            if !self.incomplete {
                return Err(bad("is not a checkpoint folder: it has no `config.json`"));
            }
            // Sizes and dates of every file below would be read, of the whole disk for `/`.
            if !has_parts(path) {
                return Err(bad(
                    "is not a checkpoint folder: it has neither `config.json` nor weights",
                ));
            }
        }
        let absolute = std::path::absolute(path).map_err(HubError::io("make the path absolute"))?;
        Ok(Resolution::Local(Resolved::folder(self.reference.to_string(), absolute)))
    }

    fn not_local(
        &self,
        name: &str,
        suggestion: RepoId,
        revision: Option<&str>,
        broken: bool,
        repos: &[CachedRepo],
    ) -> Result<Resolution> {
        suggestion.check()?;
        let ids: Vec<String> = repos.iter().map(|repo| repo.id.to_string()).collect();
        let own = self.workspaces.iter().map(|workspace| workspace.name.as_str());
        let stored = own.chain(self.store.iter().map(|model| model.name.as_str()));
        let aliases = crate::aliases::ALIASES.iter().map(|alias| alias.name);
        let derived = crate::derived::derived_names(self.locations);
        let mut names: Vec<&str> = stored
            .chain(aliases)
            .chain(derived.iter().map(String::as_str))
            .chain(ids.iter().map(String::as_str))
            .collect();
        names.sort_unstable();
        names.dedup();
        let is_known = match self.reference {
            Reference::Short(typed) | Reference::Name { name: typed, .. } => {
                self.pairs.repo(typed).is_some()
            }
            _ => false,
        };
        // A name of the table is what the user meant.
        let mut similar = if is_known { Vec::new() } else { similar(name, names) };
        if matches!(self.reference, Reference::Name { .. }) && !is_known {
            let misspelt = self.pairs.misspelt(name);
            similar.extend(misspelt.filter(|name| !similar.contains(name)));
            if similar.is_empty() {
                similar = self.pairs.other_versions(name);
            }
        }
        Ok(Resolution::NotLocal(NotLocal {
            name: name.to_owned(),
            suggestion,
            revision: revision.map(str::to_owned),
            broken,
            similar,
            in_ollama: match self.reference {
                Reference::Short(name) | Reference::Name { name, revision: None }
                    if crate::ollama::has(name, self.locations) =>
                {
                    Some(name.clone())
                }
                _ => None,
            },
            path_here: path_here(name),
            cache: self.locations.hf_hub_cache.clone(),
        }))
    }
}

/// Returns the name of the model in a GGUF file: that of the file without `.gguf`. Of a digest as in Ollama's store, it
/// has the first digits.
fn name_of_file(path: &Path) -> String {
    let name = |part: Option<&OsStr>| {
        part.map(|part| part.to_string_lossy().into_owned()).unwrap_or_default()
    };
    if path.extension().is_some_and(is_gguf) {
        return name(path.file_stem());
    }
    match digest_of_blob(path) {
        Some(digits) => format!("sha256-{}", &digits[..DIGITS]),
        None => name(path.file_name()),
    }
}

/// Returns `true` if the part of a file's name after the last dot is `gguf`, in any case.
fn is_gguf(end: &OsStr) -> bool {
    end.eq_ignore_ascii_case("gguf")
}

/// Returns the SHA-256 in the name of a file in Ollama's store, in hexadecimal.
fn digest_of_blob(path: &Path) -> Option<&str> {
    let digits = path.file_name()?.to_str()?.strip_prefix("sha256-")?;
    (digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_hexdigit())).then_some(digits)
}

/// Returns `true` if the folder itself has a file as only checkpoints do.
fn has_parts(folder: &Path) -> bool {
    let endings = [".safetensors", ".safetensors.index.json", ".gguf", ".npz", ".bin"];
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let is_part = |name: &str| {
        name.starts_with("tokenizer") || endings.iter().any(|ending| name.ends_with(ending))
    };
    names.take(MAX_ENTRIES).any(|name| is_part(&name))
}

/// Returns `true` if the working directory has a checkpoint folder or a GGUF file of that name.
fn path_here(name: &str) -> bool {
    let path = Path::new(name);
    path.join("config.json").is_file() || mlxk_format::gguf::is_gguf(path)
}

/// Returns the name of an imported package: that of its alias, or `package-version`.
pub(crate) fn package_model_name(spec: &PypiSpec) -> String {
    match (Alias::for_spec(spec), spec.version()) {
        (Some(alias), _) => alias.name.to_owned(),
        (None, Some(version)) => as_model_name(&format!("{}-{version}", spec.package())),
        (None, None) => as_model_name(spec.package()),
    }
}

fn short_of(full: &str) -> &str {
    full.rsplit_once('/').map_or(full, |(_, short)| short)
}

#[cfg(test)]
mod tests;
