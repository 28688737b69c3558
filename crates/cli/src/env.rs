//! All environment variables that mlxk reads. `docs/reference/environment.md` is written from this
//! list, and nothing reads a variable that is not on it.

/// An environment variable.
#[derive(Debug)]
pub(crate) struct Variable {
    /// Name.
    pub name: &'static str,
    /// Group on the page.
    pub group: Group,
    /// Description.
    pub about: &'static str,
}

/// A group of variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    Mlxk,
    Hub,
    Folders,
    Network,
    Peers,
    Output,
    Doctor,
    Launch,
    MlxKnife,
}

impl Group {
    /// The groups with their titles, in the order of the page.
    pub(crate) const ALL: [(Self, &'static str); 9] = [
        (Self::Mlxk, "Settings of mlxk"),
        (Self::Hub, "Shared with the Python tools of Hugging Face"),
        (Self::Folders, "Folders"),
        (Self::Network, "Network"),
        (Self::Peers, "Other servers"),
        (Self::Output, "Output"),
        (Self::Doctor, "Read only by `mlxk doctor`"),
        (Self::Launch, "Read only by `mlxk launch`"),
        (Self::MlxKnife, "Of MLX-Knife 2, for `server`; ours win"),
    ];
}

macro_rules! variables {
    ($($constant:ident: $group:ident, $name:literal, $about:literal;)*) => {
        $(
            #[doc = $about]
            pub(crate) const $constant: &str = $name;
        )*

        /// All variables.
        pub(crate) const ALL: &[Variable] =
            &[$(Variable { name: $constant, group: Group::$group, about: $about }),*];
    };
}

variables! {
    MLXK_CONFIG: Mlxk, "MLXK_CONFIG", "Path of the configuration file, instead of the default one";
    MLXK_TEMPERATURE: Mlxk, "MLXK_TEMPERATURE", "Default of `--temperature`";
    MLXK_TOP_P: Mlxk, "MLXK_TOP_P", "Default of `--top-p`";
    MLXK_TOP_K: Mlxk, "MLXK_TOP_K", "Default of `--top-k`";
    MLXK_MIN_P: Mlxk, "MLXK_MIN_P", "Default of `--min-p`";
    MLXK_MAX_TOKENS: Mlxk, "MLXK_MAX_TOKENS", "Default of `--max-tokens`";
    MLXK_CTX: Mlxk, "MLXK_CTX", "Default of `--ctx`";
    MLXK_THREADS: Mlxk, "MLXK_THREADS", "Default of `--threads`";
    MLXK_DEVICE: Mlxk, "MLXK_DEVICE", "Default of `--device`";
    MLXK_HOST: Mlxk, "MLXK_HOST", "Default of `--host` for `server`, `launch`, `ps` and `stop`";
    MLXK_PORT: Mlxk, "MLXK_PORT", "Default of `--port` for `server`, `launch`, `ps` and `stop`";
    MLXK_API_KEY: Mlxk, "MLXK_API_KEY", "API key that `server` requires, and that `launch`, `ps` and `stop` send";
    MLXK_PYTHON: Mlxk, "MLXK_PYTHON", "Python whose pip fetches `pypi:` models";
    MLXK_MLX_LIBRARY: Mlxk, "MLXK_MLX_LIBRARY", "Path of MLX's C library, for `--device mlx`";
    MLXK_NO_HISTORY: Mlxk, "MLXK_NO_HISTORY", "Keep neither conversations nor what you type in a chat, if `true` or `1`";
    OLLAMA_NOHISTORY: Mlxk, "OLLAMA_NOHISTORY", "Used like `MLXK_NO_HISTORY`";
    MLXK_WORKSPACE_HOME: Mlxk, "MLXK_WORKSPACE_HOME", "Folder for workspaces (checkpoints of your own)";
    HF_HOME: Hub, "HF_HOME", "Folder of Hugging Face tools; the cache is `hub` in it";
    HF_HUB_CACHE: Hub, "HF_HUB_CACHE", "Folder of the cache";
    HUGGINGFACE_HUB_CACHE: Hub, "HUGGINGFACE_HUB_CACHE", "Older name of `HF_HUB_CACHE`";
    HF_ENDPOINT: Hub, "HF_ENDPOINT", "Address of the hub or of a mirror";
    HF_TOKEN: Hub, "HF_TOKEN", "Token for gated and private repositories";
    HUGGING_FACE_HUB_TOKEN: Hub, "HUGGING_FACE_HUB_TOKEN", "Older name of `HF_TOKEN`";
    HUGGINGFACE_HUB_TOKEN: Hub, "HUGGINGFACE_HUB_TOKEN", "Another older name of `HF_TOKEN`";
    HF_TOKEN_PATH: Hub, "HF_TOKEN_PATH", "File with the token; the default is `token` in `HF_HOME`";
    HF_HUB_OFFLINE: Hub, "HF_HUB_OFFLINE", "Never download anything, if `1`, `on`, `yes` or `true`";
    HF_HUB_DOWNLOAD_TIMEOUT: Hub, "HF_HUB_DOWNLOAD_TIMEOUT", "Seconds without data after which a connection is aborted";
    OLLAMA_MODELS: Folders, "OLLAMA_MODELS", "Ollama's model store (mlxk never writes to it)";
    XDG_DATA_HOME: Folders, "XDG_DATA_HOME", "Parent of `mlxk`, which holds imported models, conversations and input history";
    XDG_CACHE_HOME: Folders, "XDG_CACHE_HOME", "Parent of `huggingface`, which holds the cache if no `HF_` variable is set";
    XDG_CONFIG_HOME: Folders, "XDG_CONFIG_HOME", "Parent of `mlxk`, which holds the configuration file";
    HOME: Folders, "HOME", "Home folder; the folders above default to places in it";
    USERPROFILE: Folders, "USERPROFILE", "Home folder on Windows";
    LOCALAPPDATA: Folders, "LOCALAPPDATA", "Used like `XDG_DATA_HOME` on Windows";
    APPDATA: Folders, "APPDATA", "Used like `XDG_CONFIG_HOME` on Windows";
    VK_DRIVER_FILES: Folders, "VK_DRIVER_FILES", "Drivers that Vulkan uses instead of the installed ones; if it changes, `--device auto` compares the devices again";
    VK_ICD_FILENAMES: Folders, "VK_ICD_FILENAMES", "Older name of `VK_DRIVER_FILES`";
    HTTPS_PROXY: Network, "HTTPS_PROXY", "Proxy for `https` addresses; lower case also works, here and in the next three";
    HTTP_PROXY: Network, "HTTP_PROXY", "Proxy for `http` addresses";
    ALL_PROXY: Network, "ALL_PROXY", "Proxy for both";
    NO_PROXY: Network, "NO_PROXY", "Hosts to reach without a proxy, separated by commas";
    SSL_CERT_FILE: Network, "SSL_CERT_FILE", "PEM file of certificates to trust instead of the system's and the built-in ones";
    REQUESTS_CA_BUNDLE: Network, "REQUESTS_CA_BUNDLE", "Another name of `SSL_CERT_FILE`, from Python tools";
    SSL_CERT_DIR: Network, "SSL_CERT_DIR", "Folder of PEM certificates named by their hash, instead of the system's";
    OLLAMA_HOST: Peers, "OLLAMA_HOST", "Address of Ollama, for `bench` and `doctor` (the default is `127.0.0.1:11434`). `ps` and `stop` ask there first, unless you say where the server is. `server` never listens there";
    OPENAI_API_KEY: Peers, "OPENAI_API_KEY", "API key that `bench --vs openai:URL` sends";
    OPENAI_BASE_URL: Peers, "OPENAI_BASE_URL", "Address behind `openai:` in `run --engine` and `server --backend`";
    ANTHROPIC_API_KEY: Peers, "ANTHROPIC_API_KEY", "API key for `anthropic:`";
    ANTHROPIC_BASE_URL: Peers, "ANTHROPIC_BASE_URL", "Address behind `anthropic:`";
    OLLAMA_API_KEY: Peers, "OLLAMA_API_KEY", "API key for the Ollama in `OLLAMA_HOST`";
    NO_COLOR: Output, "NO_COLOR", "Any value turns off colors and other styles";
    TERM: Output, "TERM", "The value `dumb` turns off colors and other styles";
    LC_ALL: Output, "LC_ALL", "Character set of the terminal; symbols beyond ASCII are used if it is UTF-8";
    LC_CTYPE: Output, "LC_CTYPE", "Used instead if `LC_ALL` is not set";
    LANG: Output, "LANG", "Used instead if `LC_CTYPE` is not set either";
    VISUAL: Output, "VISUAL", "Editor for `/edit` in a chat";
    EDITOR: Output, "EDITOR", "Used instead if `VISUAL` is not set; the default is `vi`, on Windows `notepad`";
    XDG_RUNTIME_DIR: Output, "XDG_RUNTIME_DIR", "Folder of your session; if it is not set on Linux, Mesa's layer for the choice of a GPU is turned off";
    WAYLAND_DISPLAY: Output, "WAYLAND_DISPLAY", "Display of your session; if it is set, that layer stays on";
    NODEVICE_SELECT: Output, "NODEVICE_SELECT", "The variable that turns the layer off; mlxk sets it for itself";
    COMPLETE: Output, "COMPLETE", "Shell to complete words for; set by the completion scripts";
    PATH: Doctor, "PATH", "Search path, to find `mlxk`, Ollama and Python, and the programs that `launch` starts";
    SHELL: Doctor, "SHELL", "Your shell, for its completions";
    VIRTUAL_ENV: Doctor, "VIRTUAL_ENV", "Active virtual environment of Python";
    CODEX_HOME: Launch, "CODEX_HOME", "Folder of Codex's settings, instead of `.codex` in the home folder";
    CONTINUE_GLOBAL_DIR: Launch, "CONTINUE_GLOBAL_DIR", "Folder of Continue's settings, instead of `.continue`";
    PI_CODING_AGENT_DIR: Launch, "PI_CODING_AGENT_DIR", "Folder of pi's settings, instead of `.pi/agent`";
    QWEN_HOME: Launch, "QWEN_HOME", "Folder of Qwen Code's settings, instead of `.qwen`";
    MLXK2_HOST: MlxKnife, "MLXK2_HOST", "Used like `MLXK_HOST`";
    MLXK2_PORT: MlxKnife, "MLXK2_PORT", "Used like `MLXK_PORT`";
    MLXK2_MAX_TOKENS: MlxKnife, "MLXK2_MAX_TOKENS", "Used like `MLXK_MAX_TOKENS`";
    MLXK2_PRELOAD_MODEL: MlxKnife, "MLXK2_PRELOAD_MODEL", "Default of `--model`";
    MLXK2_LOG_JSON: MlxKnife, "MLXK2_LOG_JSON", "Any value but `0` logs as JSON Lines";
    MLXK2_LOG_LEVEL: MlxKnife, "MLXK2_LOG_LEVEL", "Default of `--log-level`";
    MLXK2_DEBUG: MlxKnife, "MLXK2_DEBUG", "Any value but `0` logs debug messages";
    MLXK2_ENABLE_PIPES: MlxKnife, "MLXK2_ENABLE_PIPES", "Not needed: `run` always reads standard input";
}

/// Reads a variable of the list. An empty one counts as unset.
pub(crate) fn read(name: &str) -> Option<String> {
    debug_assert!(is_known(name), "`{name}` is not on the list");
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

/// Reads a variable if it is on the list, in the capitals that the list has.
pub(crate) fn read_known(name: &str) -> Option<String> {
    if is_known(name) { read(name) } else { None }
}

/// Returns the variables with this beginning that are set but not on the list.
pub(crate) fn unheeded(prefix: &str) -> Vec<String> {
    let mut names: Vec<String> = std::env::vars_os()
        .filter(|(_, value)| !value.is_empty())
        .filter_map(|(name, _)| name.into_string().ok())
        .filter(|name| name.starts_with(prefix) && !is_known(name))
        .collect();
    names.sort();
    names
}

/// Returns `true` if output has no colors and other styles: `NO_COLOR` (<https://no-color.org>), or a
/// dumb terminal.
pub(crate) fn is_plain() -> bool {
    read(NO_COLOR).is_some() || read(TERM).is_some_and(|value| value == "dumb")
}

/// Returns `true` if a variable is set to something that [`read`] does not return: spaces, or text that is not
/// UTF-8.
pub(crate) fn is_unreadable(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| !value.is_empty()) && read(name).is_none()
}

/// Returns `true` if a variable is on the list. Ignores case, because proxies are also set in lower case.
fn is_known(name: &str) -> bool {
    ALL.iter().any(|variable| variable.name.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::path::Path;

    use super::*;

    #[test]
    fn the_list_contains_all_variables_of_the_hub() {
        let asked = RefCell::new(Vec::new());
        let lookup = |name: &str| {
            asked.borrow_mut().push(name.to_owned());
            None
        };
        let home = Path::new("/home/ada");
        mlxk_hub::Locations::from_values(lookup, home);
        mlxk_hub::HubSettings::from_values(lookup, home);
        let unknown: Vec<_> = asked.take().into_iter().filter(|name| !is_known(name)).collect();
        assert!(unknown.is_empty(), "not on the list: {unknown:?}");
    }
}
