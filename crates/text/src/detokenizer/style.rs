//! How tokens become text, read off the decoder of `tokenizer.json`.

use serde_json::Value;

/// The ways to decode that need no look at other tokens.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Every character of a token stands for one byte, as in GPT-2.
    ByteLevel,
    /// Tokens are text with a few replacements, as SentencePiece writes them.
    Pieces(Pieces),
    /// Anything else: whole windows go through the decoder itself.
    Other,
}

/// Rules of [`Style::Pieces`].
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Pieces {
    /// Applied to each token in turn: what to look for, what to write.
    replacements: Vec<(String, String)>,
    /// Whether `<0xNN>` is a byte.
    byte_fallback: bool,
    /// The character dropped from the first token.
    drop_in_first: Option<char>,
    /// The character dropped from the start of the text, and how often at most.
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

    /// Adds the bytes of one token, leaving aside what holds for the first one only.
    pub(crate) fn push_bytes(&self, token: &str, bytes: &mut Vec<u8>) {
        match self {
            Self::ByteLevel => push_byte_level(token, bytes),
            Self::Pieces(pieces) => pieces.push(token, false, bytes),
            Self::Other => bytes.extend_from_slice(token.as_bytes()),
        }
    }
}

impl Pieces {
    /// Adds the bytes of one token.
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

/// `<0x0A>` as the byte it names.
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

/// Replacements, then bytes, then fusing, then trimming the start: any of them may be absent, but
/// another order or another step means something else.
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
    Some(pieces)
}

/// The byte behind each character of the byte-level alphabet, by its code; 0x100 where there is none.
///
/// Printable bytes stand for themselves; the others follow from U+0100 on, in order.
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

/// A token with any character outside the alphabet was added as it is, and is its own text.
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
