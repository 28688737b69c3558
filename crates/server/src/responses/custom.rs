//! The text of a tool that takes one text, out of the JSON that the model writes: `{"input": "TEXT"}`.

/// Reads the text piece by piece.
#[derive(Debug, Default)]
pub(super) struct Text {
    json: String,
    /// Bytes that have been read, from the beginning of the text on.
    read: Option<usize>,
    ended: bool,
}

impl Text {
    /// Takes more JSON. Returns the text that is certain by now.
    pub(super) fn push(&mut self, json: &str) -> String {
        self.json.push_str(json);
        if self.read.is_none() {
            self.read = begin(&self.json);
        }
        let Some(read) = self.read.filter(|_| !self.ended) else { return String::new() };
        let rest = &self.json[read..];
        let length = certain(rest);
        self.ended = rest[length..].starts_with('"');
        let text = serde_json::from_str(&format!("\"{}\"", &rest[..length])).unwrap_or_default();
        self.read = Some(read + length);
        text
    }
}

/// Returns the place after the quote that begins the text.
fn begin(json: &str) -> Option<usize> {
    let colon = json.find(':')?;
    let quote = json[colon..].find('"')?;
    Some(colon + quote + 1)
}

/// Returns the length of the complete characters and escapes at the beginning.
fn certain(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let next = match bytes[at] {
            b'"' => break,
            b'\\' => match bytes.get(at + 1) {
                None => break,
                Some(b'u') => {
                    let code =
                        text.get(at + 2..at + 6).and_then(|hex| u32::from_str_radix(hex, 16).ok());
                    match code {
                        // The first half of a character.
                        Some(0xD800..=0xDBFF) => at + 12,
                        Some(_) => at + 6,
                        None => break,
                    }
                }
                Some(_) => at + 2,
            },
            _ => at + 1,
        };
        if next > bytes.len() {
            break;
        }
        at = next;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_add_up_to_the_text() {
        let text = "a\"b\\c\n\té🦀 {\"input\": \"x\"}";
        for json in [
            serde_json::json!({"input": text}).to_string(),
            r#"{ "input" : "a\"b\\c\n\t\u00e9\ud83e\udd80 {\"input\": \"x\"}" }"#.to_owned(),
        ] {
            for size in [1, 2, 7, 100] {
                let mut reader = Text::default();
                let letters: Vec<char> = json.chars().collect();
                let found: String = letters
                    .chunks(size)
                    .map(|part| reader.push(&part.iter().collect::<String>()))
                    .collect();
                assert_eq!(found, text, "{size}");
            }
        }
    }
}
