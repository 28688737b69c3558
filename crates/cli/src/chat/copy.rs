//! Copies text to the clipboard with the terminal's OSC 52 sequence, which also works over SSH.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::output;

/// Maximum size. Terminals refuse more than about 100,000 characters, and base64 adds a third.
const MAX_BYTES: usize = 74_000;

/// Asks the terminal to copy the text. Terminals don't report if they did.
pub(super) fn to_clipboard(text: &str) -> Result<(), String> {
    if text.len() > MAX_BYTES {
        return Err(format!("The answer is longer than {MAX_BYTES} bytes, which terminals refuse"));
    }
    let mut out = output::stdout();
    out.styled(&format!("\x1b]52;c;{}\x07", BASE64_STANDARD.encode(text)))
        .and_then(|()| out.flush())
        .map_err(|error| error.to_string())
}
