//! Standard input as a part of the prompt.

use std::io::IsTerminal;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::exit::{Interrupted, UsageError};
use crate::{Context, input, interrupt};

/// Time to wait for a silent pipe before printing a hint.
const HINT_AFTER: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(50);

/// Returns `true` if standard input may have content: it is a pipe, a socket or a file.
pub(super) fn is_given() -> bool {
    let stdin = std::io::stdin();
    !stdin.is_terminal() && has_content(&stdin)
}

#[cfg(unix)]
fn has_content(stdin: &std::io::Stdin) -> bool {
    use std::os::fd::AsFd;
    use std::os::unix::fs::FileTypeExt;

    let Ok(owned) = stdin.as_fd().try_clone_to_owned() else { return false };
    std::fs::File::from(owned).metadata().is_ok_and(|metadata| {
        let kind = metadata.file_type();
        kind.is_fifo() || kind.is_socket() || kind.is_file()
    })
}

#[cfg(not(unix))]
fn has_content(_: &std::io::Stdin) -> bool {
    true
}

/// Reads all of standard input, up to `limit` bytes, without the newlines at the end. Prints a hint if that takes long.
pub(super) fn read(limit: u64, context: &Context) -> anyhow::Result<String> {
    let (sender, receiver) = channel();
    // A read cannot be interrupted, so a second thread does it while this one waits for Ctrl-C.
    std::thread::Builder::new().name("mlxk-stdin".to_owned()).spawn(move || {
        let result = input::read(std::io::stdin().lock(), limit);
        // The receiver is gone after Ctrl-C.
        let _ = sender.send(result);
    })?;
    let started = Instant::now();
    let mut hinted = false;
    let bytes = loop {
        match receiver.recv_timeout(POLL) {
            Ok(result) => break result.context("Cannot read standard input")?,
            Err(RecvTimeoutError::Disconnected) => break Vec::new(),
            Err(RecvTimeoutError::Timeout) if interrupt::requested() => {
                return Err(Interrupted.into());
            }
            Err(RecvTimeoutError::Timeout) => {
                if !hinted && started.elapsed() > HINT_AFTER {
                    hinted = true;
                    context
                        .printer
                        .note("Waiting for standard input to end; pass `--no-stdin` to skip it");
                }
            }
        }
    };
    let text = String::from_utf8(bytes)
        .map_err(|_| UsageError("The prompt on standard input is not valid UTF-8 text".into()))?;
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}
