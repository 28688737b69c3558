//! Folders for the tests.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::json;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::locations::Locations;
use crate::store::Origin;
use crate::store::Store;

/// A home with an empty cache and an empty store.
pub(crate) struct Fixture {
    pub locations: Locations,
    folder: TempDir,
}

/// The way in which a cache keeps its files.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Links into `blobs`.
    #[cfg(unix)]
    Linked,
    /// Copies next to the blobs.
    Copied,
    /// No blobs at all.
    Moved,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let locations = Locations {
            hf_hub_cache: folder.path().join("hub"),
            data_dir: folder.path().join("data"),
            workspace_home: None,
            ollama_models: vec![folder.path().join("ollama")],
            offline: false,
            python: None,
        };
        Self { locations, folder }
    }

    /// Returns the folder around everything.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Adds a complete repository with one tiny checkpoint per hash; `main` is the last one.
    pub(crate) fn cached(&self, id: &str, hashes: &[&str]) -> PathBuf {
        let mut folder = PathBuf::new();
        for hash in hashes {
            let files = [("config.json", r#"{"model_type":"llama"}"#), ("model.safetensors", hash)];
            folder = self.snapshot(id, hash, &files, Layout::Copied);
            self.set_ref(id, "main", hash);
        }
        folder
    }

    /// Adds a snapshot. Returns the folder of its repository.
    pub(crate) fn snapshot(
        &self,
        id: &str,
        hash: &str,
        files: &[(&str, &str)],
        layout: Layout,
    ) -> PathBuf {
        let repo = self.repo_folder(id);
        let snapshot = repo.join("snapshots").join(hash);
        fs_err::create_dir_all(&snapshot).unwrap();
        fs_err::create_dir_all(repo.join("blobs")).unwrap();
        for (name, content) in files {
            let digest = crate::hash::sha256_of(content.as_bytes());
            let blob = repo.join("blobs").join(&digest);
            if layout != Layout::Moved {
                fs_err::write(&blob, content).unwrap();
            }
            match layout {
                #[cfg(unix)]
                Layout::Linked => {
                    let target = Path::new("../../blobs").join(digest);
                    fs_err::os::unix::fs::symlink(target, snapshot.join(name)).unwrap();
                }
                Layout::Copied | Layout::Moved => {
                    fs_err::write(snapshot.join(name), content).unwrap();
                }
            }
        }
        repo
    }

    pub(crate) fn set_ref(&self, id: &str, name: &str, hash: &str) {
        let path = self.repo_folder(id).join("refs").join(name);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, hash).unwrap();
    }

    fn repo_folder(&self, id: &str) -> PathBuf {
        self.locations.hf_hub_cache.join(format!("models--{}", id.replace('/', "--")))
    }

    /// Adds an imported model.
    pub(crate) fn stored(&self, name: &str, source: &str) -> PathBuf {
        let folder = self.locations.models_dir().join(name);
        fs_err::create_dir_all(&folder).unwrap();
        fs_err::write(folder.join("config.json"), r#"{"model_type":"llama"}"#).unwrap();
        origin(source).write(&folder).unwrap();
        folder
    }

    /// Adds a model to Ollama's store, one blob per layer. Returns the path of the first blob.
    pub(crate) fn ollama(&self, path: &str, layers: &[(&str, &[u8])]) -> PathBuf {
        let root = &self.locations.ollama_models[0];
        let (manifest, blobs) = (root.join("manifests").join(path), root.join("blobs"));
        fs_err::create_dir_all(manifest.parent().unwrap()).unwrap();
        fs_err::create_dir_all(&blobs).unwrap();
        let blob = |bytes| format!("sha256-{}", crate::hash::sha256_of(bytes));
        let list: Vec<_> = layers
            .iter()
            .map(|(kind, bytes)| {
                let name = blob(bytes);
                fs_err::write(blobs.join(&name), bytes).unwrap();
                let kind = format!("application/vnd.ollama.image.{kind}");
                json!({"mediaType": kind, "digest": name.replace('-', ":"), "size": bytes.len()})
            })
            .collect();
        let text = json!({"schemaVersion": 2, "config": {}, "layers": list}).to_string();
        fs_err::write(manifest, text).unwrap();
        blobs.join(blob(layers[0].1))
    }

    /// Adds a model with one file to Ollama's store.
    pub(crate) fn ollama_model(&self, name: &str, tag: &str, gguf: &[u8]) {
        self.ollama(&format!("registry.ollama.ai/library/{name}/{tag}"), &[("model", gguf)]);
    }

    /// Returns the names of everything in the store's folder, sorted.
    pub(crate) fn in_store(&self) -> Vec<String> {
        let root = Store::new(&self.locations).root().to_owned();
        let Ok(entries) = std::fs::read_dir(root) else { return Vec::new() };
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

pub(crate) fn origin(source: &str) -> Origin {
    Origin {
        source: source.to_owned(),
        package_version: None,
        file: "m.gguf".to_owned(),
        file_bytes: 1,
        file_modified_ns: None,
        sha256: None,
        imported_unix_s: 1,
        written: std::collections::BTreeMap::new(),
        importer: "test".to_owned(),
    }
}

/// A file for a wheel.
pub(crate) struct WheelFile<'a> {
    pub name: &'a str,
    pub content: &'a [u8],
    /// Hash field and size in the RECORD, if they should not be the truth.
    pub recorded: Option<(String, usize)>,
    /// `true` if the RECORD has a row for it.
    pub listed: bool,
    pub deflated: bool,
}

impl<'a> WheelFile<'a> {
    pub(crate) fn new(name: &'a str, content: &'a [u8]) -> Self {
        Self { name, content, recorded: None, listed: true, deflated: false }
    }
}

/// Writes a wheel that pip accepts, with a RECORD of `files`.
pub(crate) fn write_wheel(folder: &Path, file_name: &str, files: &[WheelFile<'_>]) -> PathBuf {
    let path = folder.join(file_name);
    let mut parts = file_name.split('-');
    let (package, version) = (parts.next().unwrap(), parts.next().unwrap());
    let info = format!("{package}-{version}.dist-info");
    let metadata = format!("Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n");
    let tag = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n";
    let (metadata_name, tag_name) = (format!("{info}/METADATA"), format!("{info}/WHEEL"));
    let own = [
        WheelFile::new(&metadata_name, metadata.as_bytes()),
        WheelFile::new(&tag_name, tag.as_bytes()),
    ];
    let mut archive = zip::ZipWriter::new(fs_err::File::create(&path).unwrap());
    let mut record = Vec::new();
    let stored = || {
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored)
    };
    for file in files.iter().chain(&own) {
        let method = if file.deflated {
            stored().compression_method(zip::CompressionMethod::Deflated)
        } else {
            stored()
        };
        archive.start_file(file.name, method).unwrap();
        archive.write_all(file.content).unwrap();
        if file.listed {
            let truth = crate::wheel::base64url(&Sha256::digest(file.content));
            let (hash, size) = file
                .recorded
                .clone()
                .unwrap_or_else(|| (format!("sha256={truth}"), file.content.len()));
            let name = file.name.replace('"', "\"\"");
            writeln!(record, "\"{name}\",{hash},{size}").unwrap();
        }
    }
    let record_name = format!("{info}/RECORD");
    writeln!(record, "{record_name},,").unwrap();
    archive.start_file(record_name, stored()).unwrap();
    archive.write_all(&record).unwrap();
    archive.finish().unwrap();
    path
}

/// Returns the bytes of a GGUF file that can be imported: one layer, two tokens, all zeros.
pub(crate) fn tiny_gguf() -> Vec<u8> {
    const WIDTH: u64 = 32;
    let string = |text: &str| {
        let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
        bytes.extend(text.as_bytes());
        bytes
    };
    let text = |text: &str| [8u32.to_le_bytes().to_vec(), string(text)].concat();
    let number = |value: u32| [4u32.to_le_bytes(), value.to_le_bytes()].concat();
    let texts = |list: &[&str]| {
        let head = [9u32.to_le_bytes(), 8u32.to_le_bytes()].concat();
        let items = list.iter().flat_map(|item| string(item)).collect();
        [head, (list.len() as u64).to_le_bytes().to_vec(), items].concat()
    };
    let epsilon = [6u32.to_le_bytes(), 1e-5f32.to_le_bytes()].concat();
    let metadata: [(&str, Vec<u8>); 11] = [
        ("general.architecture", text("llama")),
        ("llama.embedding_length", number(WIDTH as u32)),
        ("llama.feed_forward_length", number(WIDTH as u32)),
        ("llama.attention.head_count", number(2)),
        ("llama.block_count", number(1)),
        ("llama.context_length", number(64)),
        ("llama.attention.layer_norm_rms_epsilon", epsilon),
        ("tokenizer.ggml.model", text("gpt2")),
        ("tokenizer.ggml.pre", text("smollm")),
        ("tokenizer.ggml.tokens", texts(&["a", "b", "ab"])),
        ("tokenizer.ggml.merges", texts(&["a b"])),
    ];
    let square = [WIDTH, WIDTH];
    let tensors: [(&str, &[u64]); 11] = [
        ("token_embd.weight", &[WIDTH, 3]),
        ("output_norm.weight", &[WIDTH]),
        ("blk.0.attn_norm.weight", &[WIDTH]),
        ("blk.0.ffn_norm.weight", &[WIDTH]),
        ("blk.0.attn_q.weight", &square),
        ("blk.0.attn_k.weight", &square),
        ("blk.0.attn_v.weight", &square),
        ("blk.0.attn_output.weight", &square),
        ("blk.0.ffn_gate.weight", &square),
        ("blk.0.ffn_up.weight", &square),
        ("blk.0.ffn_down.weight", &square),
    ];
    let mut file = b"GGUF".to_vec();
    file.extend(3u32.to_le_bytes());
    file.extend((tensors.len() as u64).to_le_bytes());
    file.extend((metadata.len() as u64).to_le_bytes());
    for (key, value) in metadata {
        file.extend(string(key));
        file.extend(value);
    }
    let mut offset = 0u64;
    for (name, shape) in tensors {
        file.extend(string(name));
        file.extend((shape.len() as u32).to_le_bytes());
        file.extend(shape.iter().flat_map(|size| size.to_le_bytes()));
        file.extend(0u32.to_le_bytes());
        file.extend(offset.to_le_bytes());
        offset += shape.iter().product::<u64>() * 4;
    }
    file.resize(file.len().next_multiple_of(32), 0);
    file.resize(file.len() + offset as usize, 0);
    file
}

/// Writes an executable shell script called `python`. Another process writes it: a parallel test's
/// child could inherit our descriptor for a moment, which makes the file "busy".
#[cfg(unix)]
pub(crate) fn script(folder: &Path, body: &str) -> PathBuf {
    let (text, path) = (folder.join("python.txt"), folder.join("python"));
    fs_err::write(&text, format!("#!/bin/sh\n{body}\n")).unwrap();
    let copy = "cp \"$0\" \"$1\" && chmod +x \"$1\"";
    let status = std::process::Command::new("sh").args(["-c", copy]).arg(text).arg(&path).status();
    assert!(status.unwrap().success());
    path
}
