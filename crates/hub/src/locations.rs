//! The folders where models live. The caller resolves them once, from its settings.

use std::path::{Path, PathBuf};

/// Folders to look in, and permissions. Every entry point takes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locations {
    /// The Hugging Face cache, which contains `models--org--name`.
    pub hf_hub_cache: PathBuf,
    /// Our own data folder. Imported models are in its `models` folder.
    pub data_dir: PathBuf,
    /// The folder of the user's own workspaces, if one is set.
    pub workspace_home: Option<PathBuf>,
    /// Folders where Ollama may keep its models. They are read and never written.
    pub ollama_models: Vec<PathBuf>,
    /// `true` if the network must not be used.
    pub offline: bool,
    /// The Python interpreter for `pypi:` models. If it is `None`, the search path is used.
    pub python: Option<PathBuf>,
}

/// The system whose conventions decide the default folders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum System {
    Unix,
    MacOs,
    Windows,
}

const THIS_SYSTEM: System = if cfg!(windows) {
    System::Windows
} else if cfg!(target_os = "macos") {
    System::MacOs
} else {
    System::Unix
};

impl Locations {
    /// Returns the folders that the values from `lookup` name: the environment variables that the
    /// Python tools share, and this system's convention for data. Unset and empty are the same.
    /// [`python`](Self::python) stays `None`.
    pub fn from_values(lookup: impl Fn(&str) -> Option<String>, home: &Path) -> Self {
        Self::for_system(THIS_SYSTEM, lookup, home)
    }

    fn for_system(system: System, lookup: impl Fn(&str) -> Option<String>, home: &Path) -> Self {
        let value = |name: &str| lookup(name).filter(|value| !value.trim().is_empty());
        let folder = |name: &str| value(name).map(|value| expand_home(&value, home));
        let hf_hub_cache = folder("HF_HUB_CACHE")
            .or_else(|| folder("HUGGINGFACE_HUB_CACHE"))
            .or_else(|| folder("HF_HOME").map(|root| root.join("hub")))
            .or_else(|| folder("XDG_CACHE_HOME").map(|root| root.join("huggingface").join("hub")))
            .unwrap_or_else(|| home.join(".cache").join("huggingface").join("hub"));
        let data_root = folder("XDG_DATA_HOME")
            .filter(|root| is_absolute(root))
            .or_else(|| match system {
                System::Windows => folder("LOCALAPPDATA"),
                System::MacOs | System::Unix => None,
            })
            .unwrap_or_else(|| match system {
                System::Unix => home.join(".local").join("share"),
                System::MacOs => home.join("Library").join("Application Support"),
                System::Windows => home.join("AppData").join("Local"),
            });
        Self {
            hf_hub_cache,
            data_dir: data_root.join("mlxk"),
            workspace_home: folder("MLXK_WORKSPACE_HOME"),
            ollama_models: folder("OLLAMA_MODELS").map_or_else(
                || {
                    let own = home.join(".ollama").join("models");
                    // The folder of its Linux service.
                    let service = PathBuf::from("/usr/share/ollama/.ollama/models");
                    if system == System::Unix { vec![own, service] } else { vec![own] }
                },
                |folder| vec![folder],
            ),
            offline: value("HF_HUB_OFFLINE").is_some_and(|value| is_true(&value)),
            python: None,
        }
    }

    /// Returns the folder of imported models.
    pub fn models_dir(&self) -> PathBuf {
        self.data_dir.join("models")
    }
}

pub(crate) fn is_true(value: &str) -> bool {
    ["1", "on", "yes", "true"].iter().any(|word| value.trim().eq_ignore_ascii_case(word))
}

/// Expands a leading `~`, as the Python tools do. A shell does not expand it inside quotes.
pub(crate) fn expand_home(value: &str, home: &Path) -> PathBuf {
    match value.strip_prefix('~') {
        Some("") => home.to_owned(),
        Some(rest) if rest.starts_with(['/', '\\']) => home.join(&rest[1..]),
        _ => PathBuf::from(value),
    }
}

/// Returns `true` for an absolute path. A path rooted at the current drive of Windows counts too,
/// so that tests on other systems agree.
fn is_absolute(path: &Path) -> bool {
    path.is_absolute() || path.has_root()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(system: System, values: &[(&str, &str)]) -> Locations {
        let lookup = |name: &str| {
            values.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        };
        Locations::for_system(system, lookup, Path::new("/home/ada"))
    }

    #[test]
    fn cache_precedence() {
        let all = [
            ("HF_HUB_CACHE", "/a"),
            ("HUGGINGFACE_HUB_CACHE", "/b"),
            ("HF_HOME", "/c"),
            ("XDG_CACHE_HOME", "/d"),
        ];
        let expected =
            ["/a", "/b", "/c/hub", "/d/huggingface/hub", "/home/ada/.cache/huggingface/hub"];
        for (skipped, path) in expected.iter().enumerate() {
            let found = with(System::Unix, &all[skipped.min(4)..]);
            assert_eq!(found.hf_hub_cache, Path::new(path));
        }
        assert_eq!(
            with(System::Unix, &[("HF_HUB_CACHE", ""), ("HF_HOME", "~/hf")]).hf_hub_cache,
            Path::new("/home/ada/hf/hub")
        );
    }

    #[test]
    fn data_folder_by_system() {
        let default = |system| with(system, &[]).data_dir;
        assert_eq!(default(System::Unix), Path::new("/home/ada/.local/share/mlxk"));
        assert_eq!(default(System::MacOs), Path::new("/home/ada/Library/Application Support/mlxk"));
        assert_eq!(default(System::Windows), Path::new("/home/ada/AppData/Local/mlxk"));
        assert_eq!(
            with(System::Windows, &[("LOCALAPPDATA", "/local")]).data_dir,
            Path::new("/local/mlxk")
        );
        for system in [System::Unix, System::MacOs, System::Windows] {
            let values = [("XDG_DATA_HOME", "/data"), ("LOCALAPPDATA", "/local")];
            assert_eq!(with(system, &values).data_dir, Path::new("/data/mlxk"));
        }
        // The XDG specification says that a relative value is ignored.
        let relative = with(System::Unix, &[("XDG_DATA_HOME", "data")]).data_dir;
        assert_eq!(relative, Path::new("/home/ada/.local/share/mlxk"));
    }

    #[test]
    fn offline_takes_the_usual_words() {
        for (value, expected) in
            [("1", true), ("TRUE", true), ("on", true), ("0", false), ("", false), ("no", false)]
        {
            assert_eq!(
                with(System::Unix, &[("HF_HUB_OFFLINE", value)]).offline,
                expected,
                "{value}"
            );
        }
        assert!(!with(System::Unix, &[]).offline);
    }
}
