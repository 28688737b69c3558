//! What to do about each failure.

use super::{HubError, download, ticked};

impl HubError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::BadReference { hint, .. } => return hint.clone(),
            Self::NotFound { folder_here: true, name, .. } => {
                format!("For the folder of that name write `./{name}`")
            }
            Self::NotFound { in_ollama: Some(name), suggestion, .. } => {
                format!("`ollama:{name}` uses what Ollama has; {}", download(suggestion))
            }
            Self::UnknownPair { in_ollama: true, name, .. } => {
                format!("`ollama:{name}` uses what Ollama has")
            }
            Self::NotImported { from, .. } => format!("`mlxk pull {from}` imports it"),
            Self::NotFound { near, suggestion, .. } if near.is_empty() => {
                format!("{}; `mlxk list` shows what is here", download(suggestion))
            }
            Self::NotFound { near, suggestion, .. } => {
                format!("Similar: {}; {}", ticked(near), download(suggestion))
            }
            Self::Ambiguous { .. } => "Write one of these names in full".into(),
            Self::AmbiguousRevision { .. } => "Write more digits of the hash".into(),
            Self::NoRevisions { name, .. } => format!("Write `{name}` alone"),
            Self::UnknownPair { known, .. } => {
                format!("Known are {}; any other model goes by `org/NAME`", ticked(known))
            }
            Self::NotInOllama { known, stores, .. } if known.is_empty() => format!(
                "Ollama has no models in {}; `OLLAMA_MODELS` names another folder",
                ticked(&stores.iter().map(|store| store.display().to_string()).collect::<Vec<_>>())
            ),
            Self::NotInOllama { known, .. } => format!("Ollama has {}", ticked(known)),
            Self::OllamaUnusable { .. } => {
                "Another tag of it may do; `mlxk pull org/NAME` gets an MLX checkpoint".into()
            }
            Self::OllamaDamaged { name, .. } => format!("`ollama pull {name}` fetches it again"),
            Self::BadPath { .. } => "A checkpoint folder holds `config.json`, the weights and the \
                                     tokenizer"
                .into(),
            Self::BadWorkspace { .. } => {
                "Put the file in order, or remove it, and try again".into()
            }
            Self::UnhealthyResult { .. } => {
                "The folder is left as it is; put it in order, or make it again from a whole model"
                    .into()
            }
            Self::BadTarget { .. } => "Name a folder that does not exist yet".into(),
            Self::TargetFull { .. } => "Free some space, or name a target on another disk".into(),
            Self::Offline { .. } => "Unset `HF_HUB_OFFLINE`, or `offline` in the configuration, to allow downloads".into(),
            Self::NotPrivate { page, .. } => format!(
                "Delete it or make it private on {page}, then try again without `--create`"
            ),
            Self::NoToken { .. } => "Make one with write permission on the hub's settings page, and \
                                     set `HF_TOKEN` to it"
                .into(),
            Self::NoPip { .. } => "Install Python 3 with pip (`python3 -m ensurepip` adds pip), \
                                   or name the interpreter in `MLXK_PYTHON`"
                .into(),
            Self::PipFailed { requirement, .. } => {
                format!("`python3 -m pip download --no-deps {requirement}` shows all of it")
            }
            Self::BadWheel { .. } | Self::Damaged { .. } => {
                "Nothing of it was kept; ask whoever runs the package index".into()
            }
            Self::DiskFull { .. } => {
                "Free some space, or set `XDG_DATA_HOME` to another disk".into()
            }
            Self::Nowhere { name, near, .. } => {
                let similar = match near.as_slice() {
                    [] => String::new(),
                    near => format!("Similar: {}; ", ticked(near)),
                };
                let word = name.rsplit('/').next().unwrap_or(name);
                let word = word.split('@').next().unwrap_or(word);
                format!(
                    "{similar}`mlxk search {word}` looks on the hub; for a private repository set \
                     `HF_TOKEN`"
                )
            }
            Self::OfflineSearch => "Unset `HF_HUB_OFFLINE` to allow it".into(),
            Self::WillNotRun { .. } => "`--force` downloads it all the same".into(),
            Self::NotRepairable { .. } => {
                "`mlxk health` says what is wrong with it, and what repairs that".into()
            }
            Self::NoRoom { .. } => "Free some space, set `HF_HUB_CACHE` to another disk, or try \
                                    anyway with `--force`"
                .into(),
            Self::DamagedDownload { .. } => {
                "Nothing of that file was kept; the same command fetches it again".into()
            }
            Self::BadSetting { setting, .. } => format!("Correct or unset `{setting}`"),
            Self::Unreachable { .. } | Self::Stalled { .. } => {
                "Check the connection and the proxy (`HTTPS_PROXY`); the same command again goes on \
                 where this one stopped"
                    .into()
            }
            Self::Untrusted { .. } => "Where a company's proxy reads along, set `SSL_CERT_FILE` to \
                                       a file of its certificates (PEM)"
                .into(),
            Self::RedirectLoop { .. } | Self::BadAnswer { .. } => {
                "Try again later; if `HF_ENDPOINT` is set, check that a hub is there".into()
            }
            Self::Gated { page, token, .. } => format!(
                "Ask for access on {page}, then {}",
                match token {
                    Some(source) => format!(
                        "try again; the token from {source} was used, it must be one of that user"
                    ),
                    None => "set `HF_TOKEN` to a token of that user".to_owned(),
                }
            ),
            Self::NoSuchRepo { page, token, .. } => format!(
                "Check the spelling on {page}; {}",
                match token {
                    Some(source) => format!("the token from {source} was used"),
                    None => "for a private repository set `HF_TOKEN`".to_owned(),
                }
            ),
            Self::NoSuchRevision { page, .. } => format!("{page}/tree/main shows the branches"),
            Self::NoSuchFile { .. } => "The repository may have changed; try again".into(),
            Self::Denied { token: Some(source), .. } => format!(
                "The token from {source} was used; check that it is valid and allows this"
            ),
            Self::Denied { .. } => "Set `HF_TOKEN` to a token that allows this".into(),
            Self::TooManyRequests { wait_seconds: Some(seconds), .. } => {
                format!("Try again in {seconds} seconds; the same command goes on where it stopped")
            }
            Self::TooManyRequests { .. } | Self::ServerStatus { status: 500.., .. } => {
                "Try again later; the same command goes on where it stopped".into()
            }
            Self::ServerStatus { .. } => return None,
            Self::NothingToRemove { near, .. } if near.is_empty() => {
                "`mlxk list --all` shows what is here".into()
            }
            Self::NothingToRemove { near, .. } => format!("Similar: {}", ticked(near)),
            Self::RevisionNotHere { available, .. } if available.is_empty() => {
                "It has no revisions at all; without `@revision` all that is left of it goes".into()
            }
            Self::RevisionNotHere { available, .. } => format!("Here are {}", ticked(available)),
            Self::NotOurs { .. } => "Remove it as you would any other file".into(),
            Self::Locked { .. } => {
                "Wait until it has finished; `--force` removes the model all the same".into()
            }
            Self::NeedsConfirmation { name } => {
                format!("`mlxk rm {name}` removes it; `--force` takes a part of a name too")
            }
            Self::BadDerived { .. } => {
                "Correct it, or remove it and make the name anew with `mlxk cp`".into()
            }
            Self::BadModelfile { .. } => {
                "`mlxk create --help` says what a Modelfile may hold".into()
            }
            Self::DerivedCycle { chain } => {
                format!("`mlxk rm {}` breaks it", chain.last().map_or("", String::as_str))
            }
            Self::NameTaken { .. } => "Choose another one, or remove that first".into(),
            Self::UnusedNeedsForce => "`mlxk rm --unused --dry-run` only lists it".into(),
            Self::ThroughLink { name, .. } => {
                format!("`mlxk rm {name}` removes the links, and keeps what they lead to")
            }
            Self::Format(_)
            | Self::Declined { .. }
            | Self::RemovalDeclined { .. }
            | Self::Cancelled
            | Self::Io { .. } => {
                return None;
            }
        })
    }
}
