//! Checks of the weight files: the index against the shards, and every header against its file.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;

use mlxk_format::is_weight_file;
use mlxk_format::safetensors::Header;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use super::files::{contents, gguf, present};
use super::{Finding, Problem};
use crate::inventory::Inventory;

pub(super) const INDEX: &str = "model.safetensors.index.json";
const TORCH_INDEX: &str = "pytorch_model.bin.index.json";
/// Names of the tensors of a vision tower.
const TOWERS: [&str; 4] = ["vision_tower.", "vision_model.", "visual.", "multi_modal_projector."];

/// A summary of the weights, from their names and headers.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct Weights {
    pub safetensors: bool,
    pub npz: bool,
    pub gguf: bool,
    pub torch: bool,
    /// `true` if they have the names that our engine looks for.
    pub loadable: bool,
    /// `format` of the metadata, such as `mlx` or `pt`.
    pub format: Option<String>,
    /// `true` if there is a vision tower.
    pub vision_tower: bool,
    /// Number of weight files.
    pub shards: usize,
}

/// Checks all weights and summarizes them.
pub(super) fn weights(files: &Inventory, findings: &mut Vec<Finding>) -> Weights {
    let safetensors = files.ending(&[".safetensors"]);
    let torch: Vec<&str> = files.ending(&[".bin", ".pt", ".pth"]);
    let torch: Vec<&str> = torch.into_iter().filter(|name| is_torch(name)).collect();
    let ggufs = files.ending(&[".gguf"]);
    let npz = files.ending(&[".npz"]);
    let mut found = Weights {
        safetensors: !safetensors.is_empty() || files.has(INDEX),
        npz: !npz.is_empty(),
        gguf: !ggufs.is_empty(),
        torch: !torch.is_empty() || files.has(TORCH_INDEX),
        ..Weights::default()
    };
    found.loadable = files.has(INDEX) || safetensors.iter().any(|name| is_weight_file(name));
    if found.safetensors {
        let mut shards = Shards { files, findings, found: &mut found };
        if files.has(INDEX) { shards.indexed(&safetensors) } else { shards.alone(&safetensors) }
    } else if !npz.is_empty() {
        found.shards = npz.len();
        check_each(files, &npz, findings, zip);
    } else if !ggufs.is_empty() {
        found.shards = ggufs.len();
        check_each(files, &ggufs, findings, gguf);
        numbered(&ggufs, findings);
    } else if found.torch {
        torch_weights(files, &torch, findings);
        found.shards = torch.len();
    } else {
        findings.push(Finding::error("", Problem::NoWeights));
    }
    found
}

struct Shards<'a> {
    files: &'a Inventory,
    findings: &'a mut Vec<Finding>,
    found: &'a mut Weights,
}

impl Shards<'_> {
    /// Checks the shards in the index, which are exactly the files that are used, unless the index is
    /// stale.
    fn indexed(&mut self, here: &[&str]) {
        let map = match index(self.files, INDEX) {
            Ok(map) => map,
            Err(problem) => {
                self.findings.push(Finding::error(INDEX, problem));
                self.alone(here);
                return;
            }
        };
        if let Some(shard) = self.is_stale(&map, here) {
            self.findings.push(Finding::note(INDEX, Problem::StaleIndex { shard }));
            self.alone(here);
            return;
        }
        self.found.shards = map.len();
        let lost = map.keys().filter(|shard| !self.files.has(shard)).count();
        if lost == map.len() && here.is_empty() {
            self.findings.push(Finding::error(INDEX, Problem::NoShards));
            return;
        }
        for (shard, tensors) in &map {
            let Some(header) = self.header(shard) else { continue };
            let names: HashSet<&str> = header.names().collect();
            if let Some(tensor) = tensors.iter().find(|tensor| !names.contains(tensor.as_str())) {
                let tensor = tensor.clone();
                self.findings.push(Finding::error(shard, Problem::NotInShard { tensor }));
            }
        }
        for name in here.iter().filter(|name| is_weight_file(name)) {
            if !map.contains_key(*name) {
                self.findings.push(Finding::note(*name, Problem::Unlisted));
            }
        }
    }

    /// Returns a shard that does not fit the index if it is of other files: none of its shards is there,
    /// or the files in `here` have all its tensors. Then they are loaded without it, as in mlx-lm.
    fn is_stale(&self, map: &BTreeMap<String, Vec<String>>, here: &[&str]) -> Option<String> {
        let header = |name: &str| Header::read(&present(self.files, name).ok()?.path).ok();
        let misfit = |(shard, tensors): (&String, &Vec<String>)| {
            if !self.files.has(shard) {
                return Some(shard.clone());
            }
            let header = header(shard)?;
            let names: HashSet<&str> = header.names().collect();
            let lacks = tensors.iter().any(|tensor| !names.contains(tensor.as_str()));
            lacks.then(|| shard.clone())
        };
        let shard = map.iter().find_map(misfit)?;
        let used: Vec<&str> = here.iter().copied().filter(|name| is_weight_file(name)).collect();
        let is_of_others = map.keys().all(|shard| !self.files.has(shard));
        if is_of_others
            && !used.is_empty()
            && numbered(&used, &mut Vec::new()) != Numbers::Incomplete
        {
            return Some(shard);
        }
        let mut names = HashSet::new();
        for file in used {
            names.extend(header(file)?.names().map(str::to_owned));
        }
        map.values().flatten().all(|tensor| names.contains(tensor)).then_some(shard)
    }

    /// Checks shards without an index. The numbers in their names say how many there must be. Files
    /// that are not loaded, such as adapters, do not count next to those that are.
    fn alone(&mut self, here: &[&str]) {
        let loaded: Vec<&str> = here.iter().copied().filter(|name| is_weight_file(name)).collect();
        let used = if loaded.is_empty() { here } else { &loaded };
        self.found.shards = used.len();
        for name in used {
            self.header(name);
        }
        if numbered(used, self.findings) == Numbers::Complete && !self.files.has(INDEX) {
            self.findings.push(Finding::note(INDEX, Problem::NoIndex));
        }
    }

    /// Checks one file. Returns its header if it is intact.
    fn header(&mut self, name: &str) -> Option<Header> {
        let header = present(self.files, name)
            .and_then(|file| Header::read(&file.path).map_err(Problem::of));
        match header {
            Ok(header) => {
                if self.found.format.is_none() {
                    self.found.format = header.metadata().get("format").cloned();
                }
                let sees = |name: &str| TOWERS.iter().any(|tower| name.contains(tower));
                self.found.vision_tower |= header.names().any(sees);
                Some(header)
            }
            Err(problem) => {
                self.findings.push(Finding::error(name, problem));
                None
            }
        }
    }
}

/// Returns the shards of an index, with the tensors of each.
fn index(files: &Inventory, name: &str) -> Result<BTreeMap<String, Vec<String>>, Problem> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: Members,
    }
    let bad = |detail: &str| Problem::BadIndex(detail.to_owned());
    let text = contents(files, name)?;
    let shards = match serde_json::from_slice(mlxk_format::without_mark(&text)) {
        Ok(Index { weight_map: Members(shards) }) => shards,
        Err(error) if error.is_data() => return Err(bad("it has no valid `weight_map`")),
        Err(error) => return Err(Problem::Json(error.to_string())),
    };
    if shards.is_empty() {
        return Err(bad("its `weight_map` is empty"));
    }
    let leads_out = |shard: &String| {
        shard.is_empty() || shard.contains(['/', '\\', ':', '\0']) || shard.starts_with("..")
    };
    if shards.keys().any(leads_out) {
        return Err(bad("its `weight_map` names a file outside the folder"));
    }
    Ok(shards)
}

/// Tensors by shard, parsed without a map of all tensors in between.
struct Members(BTreeMap<String, Vec<String>>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with tensor and file names")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut shards: BTreeMap<String, Vec<String>> = BTreeMap::new();
                while let Some((tensor, shard)) = map.next_entry::<String, Cow<'de, str>>()? {
                    match shards.get_mut(shard.as_ref()) {
                        Some(tensors) => tensors.push(tensor),
                        None => {
                            shards.insert(shard.into_owned(), vec![tensor]);
                        }
                    }
                }
                Ok(Members(shards))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

/// The numbers in names such as `model-00001-of-00003`.
#[derive(Debug, PartialEq, Eq)]
enum Numbers {
    /// No numbers, or only 1 of 1.
    None,
    Complete,
    Incomplete,
}

/// Reads the numbers in the names, and reports missing ones.
fn numbered(names: &[&str], findings: &mut Vec<Finding>) -> Numbers {
    let mut series: BTreeMap<(&str, usize, &str), BTreeSet<usize>> = BTreeMap::new();
    for name in names {
        if let Some((stem, number, of, ending)) = number(name) {
            series.entry((stem, of, ending)).or_default().insert(number);
        }
    }
    let mut found = Numbers::None;
    for ((stem, of, ending), here) in &series {
        let expected: BTreeSet<usize> = (1..=(*of).min(MAX_SHARDS)).collect();
        if expected.is_subset(here) {
            if *of > 1 && found == Numbers::None {
                found = Numbers::Complete;
            }
        } else {
            found = Numbers::Incomplete;
            let problem = Problem::SomeShards { here: here.len(), of: *of };
            findings.push(Finding::error(format!("{stem}-*-of-{of:05}{ending}"), problem));
        }
    }
    found
}

/// No model has more. A name may claim any number.
const MAX_SHARDS: usize = 10_000;

/// Splits `stem-00001-of-00003.ending` into its parts.
fn number(name: &str) -> Option<(&str, usize, usize, &str)> {
    let (rest, ending) = name.split_at(name.rfind('.')?);
    let (rest, of) = rest.rsplit_once("-of-")?;
    let (stem, number) = rest.rsplit_once('-')?;
    let whole = |text: &str| (text.len() >= 2).then(|| text.parse().ok()).flatten();
    Some((stem, whole(number)?, whole(of)?, ending))
}

/// Returns `true` if a `.bin` file contains weights. Other tools use this ending too.
fn is_torch(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or(name);
    !matches!(file, "training_args.bin" | "optimizer.bin" | "scheduler.bin" | "random_states.bin")
        && !file.starts_with("optimizer.")
        && !file.starts_with("rng_state")
}

fn torch_weights(files: &Inventory, here: &[&str], findings: &mut Vec<Finding>) {
    if files.has(TORCH_INDEX) {
        match index(files, TORCH_INDEX) {
            Ok(map) => {
                let shards: Vec<&str> = map.keys().map(String::as_str).collect();
                check_each(files, &shards, findings, torch);
                return;
            }
            Err(problem) => findings.push(Finding::error(TORCH_INDEX, problem)),
        }
    } else {
        numbered(here, findings);
    }
    check_each(files, here, findings, torch);
}

fn check_each(
    files: &Inventory,
    names: &[&str],
    findings: &mut Vec<Finding>,
    check: impl Fn(&std::path::Path) -> Result<(), Problem>,
) {
    for name in names {
        let checked = present(files, name).and_then(|file| check(&file.path));
        findings.extend(checked.err().map(|problem| Finding::error(*name, problem)));
    }
}

/// Checks a file of PyTorch's. Newer ones are archives; older ones have nothing to check.
fn torch(path: &std::path::Path) -> Result<(), Problem> {
    use std::io::Read;

    let mut start = [0; 4];
    let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut start));
    if read.is_ok() && start == *b"PK\x03\x04" { zip(path) } else { Ok(()) }
}

/// Checks an archive. Its directory is at the end, so a truncated file has none.
fn zip(path: &std::path::Path) -> Result<(), Problem> {
    let file = std::fs::File::open(path).map_err(|error| Problem::Unreadable(error.to_string()))?;
    match zip::ZipArchive::new(std::io::BufReader::new(file)) {
        Ok(_) => Ok(()),
        Err(_) => Err(Problem::Damaged("its directory is missing, so it was truncated".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names() {
        assert_eq!(
            number("model-00001-of-00003.safetensors"),
            Some(("model", 1, 3, ".safetensors"))
        );
        assert_eq!(number("a-b-q4-02-of-12.gguf"), Some(("a-b-q4", 2, 12, ".gguf")));
        for name in ["model.safetensors", "model-1-of-x.safetensors", "one-of-us.bin", "x"] {
            assert_eq!(number(name), None, "{name}");
        }
        let mut findings = Vec::new();
        let complete = ["m-00001-of-00002.gguf", "m-00002-of-00002.gguf"];
        assert_eq!(numbered(&complete, &mut findings), Numbers::Complete);
        assert_eq!(numbered(&["m-00001-of-00001.gguf"], &mut findings), Numbers::None);
        assert_eq!(findings, []);
        let claims = ["m-00002-of-99999999999.gguf"];
        assert_eq!(numbered(&claims, &mut findings), Numbers::Incomplete);
        assert_eq!(findings.len(), 1);
    }
}
