//! Rules that turn tokens into text, from the decoder in `tokenizer.json`.

use serde_json::Value;

/// A way to decode. The first two look at each token alone.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Every character of a token stands for one byte, as in GPT-2.
    ByteLevel,
    /// Tokens are text with a few replacements, as SentencePiece writes them.
    Pieces(Pieces),
    /// Anything else: the decoder itself runs on a window of tokens.
    Other,
}

/// Rules of [`Style::Pieces`].
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Pieces {
    /// Text to replace in each token, and its replacement, in this order.
    replacements: Vec<(String, String)>,
    /// `true` if `<0xNN>` is a byte.
    byte_fallback: bool,
    /// Character that is dropped from the first token.
    drop_in_first: Option<char>,
    /// Character that is dropped from the start of the text, and the maximum count.
    pub(super) trim: Option<(char, usize)>,
}

impl Style {
    /// Reads the `decoder` field.
    pub(crate) fn of(decoder: &Value) -> Self {
        let mut steps = Vec::new();
        flatten(decoder, &mut steps);
        match steps.as_slice() {
            [step] if kind(step) == "Metaspace" => metaspace(step),
            [step] if kind(step) == "ByteLevel" => Self::ByteLevel,
            [first, fuse] if kind(first) == "ByteLevel" && kind(fuse) == "Fuse" => Self::ByteLevel,
            steps => pieces(steps).map_or(Self::Other, Self::Pieces),
        }
    }

    /// Appends the bytes of a token that is not the first one.
    pub(crate) fn push_bytes(&self, token: &str, bytes: &mut Vec<u8>) {
        match self {
            Self::ByteLevel => push_byte_level(token, bytes),
            Self::Pieces(pieces) => pieces.push(token, false, bytes),
            Self::Other => bytes.extend_from_slice(token.as_bytes()),
        }
    }
}

impl Pieces {
    /// Appends the bytes of one token.
    pub(super) fn push(&self, token: &str, is_first: bool, bytes: &mut Vec<u8>) {
        if self.byte_fallback
            && let Some(byte) = byte_of(token)
        {
            bytes.push(byte);
            return;
        }
        if let Some(dropped) = self.drop_in_first
            && is_first
        {
            bytes.extend_from_slice(token.replace(dropped, "").as_bytes());
            return;
        }
        match self.replacements.as_slice() {
            [] => bytes.extend_from_slice(token.as_bytes()),
            [(old, new)] => push_replaced(token, old, new, bytes),
            several => {
                let text = several
                    .iter()
                    .fold(token.to_owned(), |text, (old, new)| text.replace(old.as_str(), new));
                bytes.extend_from_slice(text.as_bytes());
            }
        }
    }
}

fn push_replaced(token: &str, old: &str, new: &str, bytes: &mut Vec<u8>) {
    for (at, part) in token.split(old).enumerate() {
        if at > 0 {
            bytes.extend_from_slice(new.as_bytes());
        }
        bytes.extend_from_slice(part.as_bytes());
    }
}

/// Parses a byte such as `<0x0A>`.
fn byte_of(token: &str) -> Option<u8> {
    let digits = token.strip_prefix("<0x")?.strip_suffix('>')?;
    let is_hex = digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_hex.then(|| u8::from_str_radix(digits, 16).ok())?
}

fn kind(step: &Value) -> &str {
    step["type"].as_str().unwrap_or_default()
}

fn flatten<'a>(decoder: &'a Value, steps: &mut Vec<&'a Value>) {
    match decoder["decoders"].as_array() {
        Some(inner) if kind(decoder) == "Sequence" => {
            for step in inner {
                flatten(step, steps);
            }
        }
        _ => steps.push(decoder),
    }
}

fn metaspace(step: &Value) -> Style {
    let replacement = step["replacement"].as_str().unwrap_or("▁");
    let mut chars = replacement.chars();
    let (Some(char), None) = (chars.next(), chars.next()) else { return Style::Other };
    let prepends = match step["prepend_scheme"].as_str() {
        Some(scheme) => scheme != "never",
        None => step["add_prefix_space"].as_bool().unwrap_or(true),
    };
    Style::Pieces(Pieces {
        replacements: vec![(replacement.to_owned(), " ".to_owned())],
        drop_in_first: prepends.then_some(char),
        ..Pieces::default()
    })
}

/// Most times that replacements may lengthen a token.
const MAX_GROWTH: usize = 64;

/// Reads replacements, byte fallback, fusing, and trimming of the start. Any of them may be absent. Returns
/// `None` for another order or another step, which would have another meaning.
fn pieces(steps: &[&Value]) -> Option<Pieces> {
    let mut pieces = Pieces::default();
    let mut fused = false;
    for step in steps {
        match kind(step) {
            "Replace" if !pieces.byte_fallback && !fused => {
                let old = step["pattern"]["String"].as_str().filter(|old| !old.is_empty())?;
                pieces.replacements.push((old.to_owned(), step["content"].as_str()?.to_owned()));
            }
            "ByteFallback" if !fused => pieces.byte_fallback = true,
            "Fuse" => fused = true,
            "Strip" if fused && pieces.trim.is_none() && step["stop"].as_u64() == Some(0) => {
                let char = step["content"].as_str()?.chars().next()?;
                pieces.trim = Some((char, step["start"].as_u64()?.try_into().ok()?));
            }
            _ => return None,
        }
    }
    // Several replacements can lengthen a token without end. The decoder of the file has bounds.
    let growth = |(old, new): &(String, String)| new.len().div_ceil(old.len()).max(1);
    let most = pieces.replacements.iter().map(growth).fold(1, usize::saturating_mul);
    (most <= MAX_GROWTH).then_some(pieces)
}

/// By code of a character in the byte-level alphabet: its byte, or 0x100 if there is none.
///
/// Printable bytes stand for themselves. The others are the characters from U+0100 on, in order.
const BYTES: [u16; 0x144] = {
    let mut bytes = [0x100; 0x144];
    let mut byte = 0;
    let mut next = 0x100;
    while byte < 0x100 {
        let printable = matches!(byte, 0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF);
        if printable {
            bytes[byte] = byte as u16;
        } else {
            bytes[next] = byte as u16;
            next += 1;
        }
        byte += 1;
    }
    bytes
};

/// Appends the bytes of a token. One that has characters outside the alphabet is an added token, and its text
/// is used unchanged.
fn push_byte_level(token: &str, bytes: &mut Vec<u8>) {
    let start = bytes.len();
    for char in token.chars() {
        let Some(&byte @ 0..=0xFF) = BYTES.get(char as usize) else {
            bytes.truncate(start);
            bytes.extend_from_slice(token.as_bytes());
            return;
        };
        bytes.push(byte as u8);
    }
}
