//! Which blobs a snapshot uses.

use std::collections::{HashMap, HashSet};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use crate::cache::{CachedRepo, Snapshot};
use crate::disk::{Entry, walk};

/// The blobs of a repository, by name.
pub(super) struct Blobs {
    folder: PathBuf,
    real_folder: Option<PathBuf>,
    /// Whole and partial ones.
    pub names: HashSet<String>,
    /// Names by size, for snapshots that hold copies in place of links.
    by_size: HashMap<u64, Vec<String>>,
}

/// One file of a snapshot.
pub(super) struct Used {
    pub path: PathBuf,
    /// Whether it is the snapshot's own `config.json`.
    pub is_config: bool,
    /// The blobs that it is a link to or a copy of.
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

    /// All files of a snapshot, `config.json` first.
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

    /// Names of all blobs that the snapshots use.
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

    /// The blob that a link names itself, or that it leads to by way of others.
    fn named_by_link(&self, link: &Path) -> Option<String> {
        let direct = std::fs::read_link(link)
            .ok()
            .and_then(|target| Some(normalized(&link.parent()?.join(target))))
            .and_then(|target| in_folder(&target, &normalized(&self.folder)));
        direct
            .or_else(|| in_folder(&std::fs::canonicalize(link).ok()?, self.real_folder.as_deref()?))
    }
}

/// Whether a blob is a download that has not finished, or belongs to one.
pub(super) fn is_partial(name: &str) -> bool {
    name.contains(".incomplete")
}

/// The name of a file that lies directly in `folder`.
fn in_folder(path: &Path, folder: &Path) -> Option<String> {
    let mut parts = path.strip_prefix(folder).ok()?.components();
    match (parts.next(), parts.next()) {
        (Some(Component::Normal(name)), None) => name.to_str().map(str::to_owned),
        _ => None,
    }
}

/// The path with `.` and `..` worked out by its text alone.
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

/// Whether two files of one size hold the same bytes.
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

/// Fills the block as far as the file goes.
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
