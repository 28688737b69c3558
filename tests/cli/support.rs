//! Runs the binary in a home folder of its own.

use std::path::Path;

use assert_cmd::Command;
use assert_cmd::assert::Assert;
use tempfile::TempDir;

use mlxk_testkit::{Kind, Stored, checkpoint};

/// Variables of the caller that must not reach the tests.
const CALLERS: [&str; 18] = [
    "ALL_PROXY",
    "HF_ENDPOINT",
    "HF_HOME",
    "HF_HUB_CACHE",
    "HF_HUB_DOWNLOAD_TIMEOUT",
    "HF_HUB_OFFLINE",
    "HF_TOKEN",
    "HF_TOKEN_PATH",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "HUGGINGFACE_HUB_CACHE",
    "MLXK_DEVICE",
    "HUGGING_FACE_HUB_TOKEN",
    "NO_PROXY",
    "OLLAMA_HOST",
    "OPENAI_API_KEY",
    "SSL_CERT_FILE",
    "XDG_CACHE_HOME",
];

/// A home folder without models.
pub(crate) struct World {
    pub(crate) home: TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap() }
    }

    /// Returns the command, without the caller's models and settings.
    pub(crate) fn mlxk(&self, arguments: &[&str]) -> Command {
        let mut command = Command::cargo_bin("mlxk").unwrap();
        for variable in CALLERS {
            command.env_remove(variable);
            command.env_remove(variable.to_lowercase());
        }
        command.env("HOME", self.home.path());
        command.env("XDG_DATA_HOME", self.home.path().join("data"));
        command.env("XDG_CONFIG_HOME", self.home.path().join("config"));
        command.env_remove("MLXK_CONFIG");
        command.env("OLLAMA_MODELS", self.home.path().join("ollama"));
        command.env("HF_HUB_CACHE", self.cache());
        command.args(arguments);
        command
    }

    pub(crate) fn cache(&self) -> std::path::PathBuf {
        self.home.path().join("hub")
    }

    /// Puts a tiny model into the Hugging Face cache.
    pub(crate) fn cached(&self, name: &str) {
        let folder = checkpoint(Kind::Llama, Stored::Bits(4));
        let repo = self.cache().join(format!("models--{}", name.replace('/', "--")));
        let hash = "0123456789abcdef0123456789abcdef01234567";
        let snapshot = repo.join("snapshots").join(hash);
        std::fs::create_dir_all(&snapshot).unwrap();
        std::fs::create_dir_all(repo.join("refs")).unwrap();
        std::fs::write(repo.join("refs/main"), hash).unwrap();
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), snapshot.join(entry.file_name())).unwrap();
        }
    }
}

/// Returns standard output and standard error as text.
pub(crate) fn streams(assert: &Assert) -> (String, String) {
    let output = assert.get_output();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("output is valid UTF-8");
    (text(&output.stdout), text(&output.stderr))
}

pub(crate) fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}
