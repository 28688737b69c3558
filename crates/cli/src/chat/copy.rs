//! The clipboard, through the terminal: OSC 52 of xterm's control sequences, which most terminals
//! know, over ssh too.

use std::io::Write;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

/// Terminals refuse more than about 100,000 characters.
const MAX_BYTES: usize = 74_000;

/// Asks the terminal to take the text; whether it does cannot be known.
pub(super) fn to_clipboard(text: &str) -> Result<(), String> {
    if text.len() > MAX_BYTES {
        return Err(format!("The answer is longer than the {MAX_BYTES} bytes that terminals take"));
    }
    let mut out = std::io::stdout().lock();
    write!(out, "\x1b]52;c;{}\x07", BASE64_STANDARD.encode(text))
        .and_then(|()| out.flush())
        .map_err(|error| error.to_string())
}
