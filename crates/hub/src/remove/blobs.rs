//! The blobs of a repository, and the snapshots that use them.

use std::collections::{HashMap, HashSet};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use crate::cache::{CachedRepo, Snapshot};
use crate::disk::{Entry, walk};

/// The blobs of a repository, by name.
pub(super) struct Blobs {
    folder: PathBuf,
    real_folder: Option<PathBuf>,
    /// Names of complete and partial blobs.
    pub names: HashSet<String>,
    /// Names by size, for snapshots that have copies instead of links.
    by_size: HashMap<u64, Vec<String>>,
}

/// One file of a snapshot.
pub(super) struct Used {
    pub path: PathBuf,
    /// `true` for the snapshot's own `config.json`.
    pub is_config: bool,
    /// The blobs that it links to or is a copy of.
    pub blobs: Vec<String>,
}

impl Blobs {
    pub(super) fn of(repo: &CachedRepo) -> Self {
        let folder = repo.folder.join("blobs");
        let mut blobs = Self {
            real_folder: std::fs::canonicalize(&folder).ok(),
            folder,
            names: HashSet::new(),
            by_size: HashMap::new(),
        };
        for entry in std::fs::read_dir(&blobs.folder).into_iter().flatten().flatten() {
            let (Ok(name), Ok(metadata)) = (entry.file_name().into_string(), entry.metadata())
            else {
                continue;
            };
            if metadata.is_dir() {
                continue;
            }
            if metadata.is_file() && !is_partial(&name) {
                blobs.by_size.entry(metadata.len()).or_default().push(name.clone());
            }
            blobs.names.insert(name);
        }
        blobs
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Returns all files of a snapshot, `config.json` first.
    pub(super) fn used_by(&self, snapshot: &Snapshot) -> Vec<Used> {
        let mut files: Vec<Used> = walk(&snapshot.path)
            .into_iter()
            .map(|entry| Used {
                is_config: entry.relative == Path::new("config.json"),
                blobs: self.of_file(&entry),
                path: entry.path,
            })
            .collect();
        files.sort_by(|a, b| b.is_config.cmp(&a.is_config).then_with(|| a.path.cmp(&b.path)));
        files
    }

    /// Returns the names of all blobs that the snapshots use.
    pub(super) fn used<'a>(
        &self,
        snapshots: impl IntoIterator<Item = &'a Snapshot>,
    ) -> HashSet<String> {
        let files = snapshots.into_iter().flat_map(|snapshot| self.used_by(snapshot));
        files.flat_map(|file| file.blobs).collect()
    }

    fn of_file(&self, entry: &Entry) -> Vec<String> {
        if !entry.is_link {
            let same_size = self.by_size.get(&entry.size_bytes()).into_iter().flatten();
            let is_copy = |name: &&String| is_equal(&entry.path, &self.path(name)).unwrap_or(true);
            return same_size.filter(is_copy).cloned().collect();
        }
        self.named_by_link(&entry.path).into_iter().collect()
    }

    /// Returns the blob that a link names itself or leads to through others.
    fn named_by_link(&self, link: &Path) -> Option<String> {
        let direct = std::fs::read_link(link)
            .ok()
            .and_then(|target| Some(normalized(&link.parent()?.join(target))))
            .and_then(|target| in_folder(&target, &normalized(&self.folder)));
        direct
            .or_else(|| in_folder(&std::fs::canonicalize(link).ok()?, self.real_folder.as_deref()?))
    }
}

/// Returns `true` for an unfinished download and its records.
pub(super) fn is_partial(name: &str) -> bool {
    name.contains(".incomplete")
}

/// Returns the name of a file that is directly in `folder`.
fn in_folder(path: &Path, folder: &Path) -> Option<String> {
    let mut parts = path.strip_prefix(folder).ok()?.components();
    match (parts.next(), parts.next()) {
        (Some(Component::Normal(name)), None) => name.to_str().map(str::to_owned),
        _ => None,
    }
}

/// Returns the path with `.` and `..` resolved in its text alone.
fn normalized(path: &Path) -> PathBuf {
    let mut result = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                result.pop();
            }
            part => result.push(part),
        }
    }
    result
}

/// Returns `true` if two files of the same size have the same bytes.
fn is_equal(a: &Path, b: &Path) -> io::Result<bool> {
    const BLOCK: usize = 1 << 16;
    let open =
        |path| Ok::<_, io::Error>(io::BufReader::with_capacity(BLOCK, std::fs::File::open(path)?));
    let (mut a, mut b) = (open(a)?, open(b)?);
    let mut blocks = (vec![0; BLOCK], vec![0; BLOCK]);
    loop {
        let count = read_block(&mut a, &mut blocks.0)?;
        if count != read_block(&mut b, &mut blocks.1)? || blocks.0[..count] != blocks.1[..count] {
            return Ok(false);
        }
        if count == 0 {
            return Ok(true);
        }
    }
}

/// Fills the block up to the end of the file.
fn read_block(file: &mut impl Read, block: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < block.len() {
        match file.read(&mut block[filled..])? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
}
