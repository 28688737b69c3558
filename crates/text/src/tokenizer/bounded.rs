//! The steps of a tokenizer around its model, with a bound on what they make of a text.
//!
//! A tokenizer comes with a checkpoint, and each of its steps can lengthen a text: forty replacements of `i` by
//! `ii` make 10¹² letters of one. Here a sequence is a list of steps, and the text is measured between them.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};

use serde::de::DeserializeOwned;
use serde_json::Value;
use tokenizers::decoders::strip::Strip;
use tokenizers::{
    Decoder, DecoderWrapper, NormalizedString, Normalizer, NormalizerWrapper, OffsetReferential,
    OffsetType, PostProcessorWrapper, PreTokenizedString, PreTokenizer, PreTokenizerWrapper,
    Result,
};

/// A text may grow to this many times its length, and [`MAX_MORE_BYTES`]. Known tokenizers triple a text of spaces.
const MAX_GROWTH: usize = 12;
const MAX_MORE_BYTES: usize = 1024;
/// Most steps of one part.
const MAX_STEPS: usize = 40;
/// Most bytes of a text in the file that a step inserts.
const MAX_INSERTED_BYTES: usize = 1024;
/// Most characters of a word that a word model splits, which takes quadratic time.
pub(super) const MAX_WORD_CHARS: usize = 10_000;

/// A normalizer.
pub(super) struct Normalizers(Vec<Step<NormalizerWrapper>>);

/// A pre-tokenizer.
pub(super) struct PreTokenizers(Vec<Step<PreTokenizerWrapper>>);

/// A decoder.
pub(super) struct Decoders(Vec<Step<DecoderWrapper>>);

/// One step, and what it inserts for each match of its pattern.
struct Step<T> {
    run: T,
    inserts: Inserts,
}

enum Inserts {
    /// Nothing that depends on the file.
    Nothing,
    /// A text of this length for each place where the pattern occurs. `None` is a regular expression.
    Text { pattern: Option<String>, bytes: usize },
}

impl Inserts {
    /// Returns the most bytes that the step adds to `text`.
    fn most(&self, text: &str) -> usize {
        match self {
            Self::Nothing => 0,
            Self::Text { pattern: Some(pattern), bytes } if !pattern.is_empty() => {
                text.matches(pattern.as_str()).count().saturating_mul(*bytes)
            }
            Self::Text { bytes, .. } => (text.len() + 1).saturating_mul(*bytes),
        }
    }
}

/// Reads a part of the file. Returns `None` if the file has `null`.
pub(super) fn normalizers(value: Value) -> std::result::Result<Option<Normalizers>, String> {
    Ok(steps("normalizer", "normalizers", value)?.map(Normalizers))
}

/// Like [`normalizers`].
pub(super) fn pre_tokenizers(value: Value) -> std::result::Result<Option<PreTokenizers>, String> {
    Ok(steps("pre_tokenizer", "pretokenizers", value)?.map(PreTokenizers))
}

/// Like [`normalizers`].
pub(super) fn decoders(value: Value) -> std::result::Result<Option<Decoders>, String> {
    Ok(steps("decoder", "decoders", value)?.map(Decoders))
}

/// Reads the post-processor. A text occurs at most once in its result.
pub(super) fn post_processor(
    value: Value,
) -> std::result::Result<Option<PostProcessorWrapper>, String> {
    let mut found = Vec::new();
    flatten("processors", value.clone(), &mut found);
    for step in &found {
        let pieces = step["single"].as_array().map_or(&[][..], Vec::as_slice);
        let texts = pieces.iter().filter(|piece| piece.get("Sequence").is_some()).count();
        if texts > 1 || pieces.len() > MAX_STEPS {
            return Err("its post_processor repeats a text".to_owned());
        }
    }
    parse("post_processor", value)
}

fn parse<T: DeserializeOwned>(name: &str, value: Value) -> std::result::Result<T, String> {
    serde_json::from_value(value).map_err(|error| format!("its {name} is not supported: {error}"))
}

/// Reads a part as a list of steps. Sequences inside of sequences, whose steps are named `inner`, become a part of
/// the list.
fn steps<T: DeserializeOwned>(
    name: &str,
    inner: &str,
    value: Value,
) -> std::result::Result<Option<Vec<Step<T>>>, String> {
    if value.is_null() {
        return Ok(None);
    }
    let mut found = Vec::new();
    flatten(inner, value, &mut found);
    if found.len() > MAX_STEPS {
        return Err(format!("its {name} has more than {MAX_STEPS} steps"));
    }
    let steps = found.into_iter().map(|value| step(name, value));
    steps.collect::<std::result::Result<_, _>>().map(Some)
}

fn flatten(inner: &str, mut value: Value, found: &mut Vec<Value>) {
    let is_sequence = value["type"] == "Sequence";
    match value.get_mut(inner).map(Value::take) {
        Some(Value::Array(steps)) if is_sequence => {
            for step in steps {
                flatten(inner, step, found);
            }
        }
        Some(other) => {
            value[inner] = other;
            found.push(value);
        }
        None => found.push(value),
    }
}

fn step<T: DeserializeOwned>(name: &str, value: Value) -> std::result::Result<Step<T>, String> {
    let inserted = ["content", "prepend", "replacement", "suffix", "prefix"];
    let lengths = inserted.iter().filter_map(|key| value[*key].as_str()).map(str::len);
    let bytes = lengths.max().unwrap_or(0);
    if bytes > MAX_INSERTED_BYTES {
        return Err(format!("its {name} inserts more than {MAX_INSERTED_BYTES} bytes at once"));
    }
    if value["type"] == "FixedLength" && value["length"] == 0 {
        return Err(format!("its {name} cuts text into pieces of length 0"));
    }
    let inserts = if value["type"] == "Replace" {
        Inserts::Text { pattern: value["pattern"]["String"].as_str().map(str::to_owned), bytes }
    } else {
        Inserts::Nothing
    };
    Ok(Step { run: parse(name, value)?, inserts })
}

thread_local! {
    /// `true` if a bound was exceeded on this thread. The library ignores errors of normalizers.
    static EXCEEDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs the library. Fails if a step exceeds its bound on the way, or if the library panics, as it does for some
/// sequences of steps.
pub(super) fn within_bounds<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    EXCEEDED.set(false);
    let done = panic::catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err("a step of the tokenizer failed".into()))?;
    if EXCEEDED.get() { Err(TOO_LONG.into()) } else { Ok(done) }
}

const TOO_LONG: &str = "the tokenizer makes the text too long";

/// Bound of one text.
#[derive(Clone, Copy)]
struct Bound(usize);

impl Bound {
    fn of(bytes: usize) -> Self {
        Self(bytes.saturating_mul(MAX_GROWTH).saturating_add(MAX_MORE_BYTES))
    }

    fn check(self, bytes: usize) -> Result<()> {
        if bytes > self.0 {
            EXCEEDED.set(true);
            return Err(TOO_LONG.into());
        }
        Ok(())
    }
}

impl Normalizer for Normalizers {
    fn normalize(&self, text: &mut NormalizedString) -> Result<()> {
        let bound = Bound::of(text.get().len());
        for Step { run, inserts } in &self.0 {
            let mapped = match run {
                NormalizerWrapper::Precompiled(map) => {
                    mapped_bytes(text.get(), |part| map.transform(part))
                }
                _ => text.get().len(),
            };
            bound.check(mapped.saturating_add(inserts.most(text.get())))?;
            run.normalize(text)?;
            bound.check(text.get().len())?;
        }
        Ok(())
    }
}

/// Returns the most bytes that a text has after a map of short parts, such as characters with accents.
fn mapped_bytes<'a>(text: &str, transform: impl Fn(&str) -> Option<&'a str>) -> usize {
    let parts_at = |start: usize| {
        let ends = text[start..].char_indices().map(move |(at, char)| start + at + char.len_utf8());
        let most = |end: usize| transform(&text[start..end]).map_or(end - start, str::len);
        ends.take_while(|end| *end <= start + 5).map(most).max().unwrap_or(4)
    };
    text.char_indices().map(|(start, _)| parts_at(start)).fold(0, usize::saturating_add)
}

impl PreTokenizer for PreTokenizers {
    fn pre_tokenize(&self, text: &mut PreTokenizedString) -> Result<()> {
        let bytes = |text: &PreTokenizedString| {
            let parts = text.get_splits(OffsetReferential::Normalized, OffsetType::None);
            parts.iter().map(|(part, _, _)| part.len()).sum::<usize>()
        };
        let bound = Bound::of(bytes(text));
        for Step { run, .. } in &self.0 {
            run.pre_tokenize(text)?;
            // One step at most triples the text.
            if self.0.len() > 1 {
                bound.check(bytes(text))?;
            }
        }
        Ok(())
    }
}

impl Decoder for Decoders {
    fn decode_chain(&self, mut tokens: Vec<String>) -> Result<Vec<String>> {
        let bytes = |tokens: &[String]| tokens.iter().map(String::len).sum::<usize>();
        let bound = Bound::of(bytes(&tokens) + tokens.len());
        for Step { run, inserts } in &self.0 {
            let more: usize = tokens.iter().map(|token| inserts.most(token)).sum();
            bound.check(bytes(&tokens).saturating_add(more))?;
            tokens = match run {
                DecoderWrapper::Strip(strip) => {
                    tokens.iter().map(|token| stripped(strip, token).to_owned()).collect()
                }
                run => run.decode_chain(tokens)?,
            };
            bound.check(bytes(&tokens))?;
        }
        Ok(tokens)
    }
}

/// Returns a token without the characters that the step drops at its ends. The library's own function panics if
/// it may drop more than there are.
fn stripped<'a>(strip: &Strip, token: &'a str) -> &'a str {
    let mut rest = token;
    for _ in 0..strip.start.min(token.len()) {
        rest = rest.strip_prefix(strip.content).unwrap_or(rest);
    }
    for _ in 0..strip.stop.min(token.len()) {
        rest = rest.strip_suffix(strip.content).unwrap_or(rest);
    }
    rest
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn replace(old: &str, new: &str) -> Value {
        json!({"type": "Replace", "pattern": {"String": old}, "content": new})
    }

    fn normalize(value: Value, text: &str) -> std::result::Result<String, String> {
        let steps = normalizers(value)?.unwrap();
        let mut text = NormalizedString::from(text);
        steps.normalize(&mut text).map_err(|error| error.to_string())?;
        Ok(text.get().to_owned())
    }

    #[test]
    fn sequences_are_steps_in_order() {
        let inner =
            json!({"type": "Sequence", "normalizers": [replace("b", "c"), replace("c", "d")]});
        let value = json!({"type": "Sequence", "normalizers": [replace("a", "b"), inner]});
        assert_eq!(normalize(value, "abc").unwrap(), "ddd");
        assert_eq!(normalize(json!({"type": "NFC"}), "e\u{301}").unwrap(), "é");
        assert_eq!(normalize(json!({"type": "NFKC"}), "\u{fdfa}").unwrap().chars().count(), 18);
    }

    #[test]
    fn more_can_be_stripped_than_there_is() {
        for (start, stop, expected) in [(1, 0, "iaii"), (9, 9, "a"), (0, 1, "iiai"), (1, 1, "iai")]
        {
            assert_eq!(stripped(&Strip::new('i', start, stop), "iiaii"), expected);
        }
        assert_eq!(stripped(&Strip::new('i', 2, 2), "iii"), "");
        assert_eq!(stripped(&Strip::new('i', 2, 2), ""), "");
    }

    #[test]
    fn bombs_are_refused() {
        let sequence = |step: Value| json!({"type": "Sequence", "normalizers": vec![step; 40]});
        let regex = json!({"type": "Replace", "pattern": {"Regex": "."}, "content": "xx"});
        for value in [
            sequence(replace("i", "ii")),
            sequence(regex),
            sequence(json!({"type": "ByteLevel"})),
            replace("i", &"i".repeat(1024)),
            replace("i", &"i".repeat(1 << 20)),
            json!({"type": "Prepend", "prepend": "x".repeat(2000)}),
            json!({"type": "Sequence", "normalizers": vec![replace("a", "b"); 300]}),
        ] {
            let error = normalize(value.clone(), &"i é".repeat(1000)).unwrap_err();
            assert!(error.contains("too long") || error.starts_with("its normalizer"), "{error}");
        }

        let bytes = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true,
            "use_regex": false});
        let steps = pre_tokenizers(json!({"type": "Sequence", "pretokenizers": vec![bytes; 40]}));
        let mut text = PreTokenizedString::from("é é".repeat(1000));
        assert!(steps.unwrap().unwrap().pre_tokenize(&mut text).is_err());
        assert!(pre_tokenizers(json!({"type": "FixedLength", "length": 0})).is_err());

        let steps = json!({"type": "Sequence", "decoders": vec![replace("i", "ii"); 40]});
        let decoded = decoders(steps).unwrap().unwrap().decode(vec!["i".to_owned(); 100]);
        assert!(decoded.is_err());

        let text = json!({"Sequence": {"id": "A", "type_id": 0}});
        let twice = json!({"type": "TemplateProcessing", "single": [text, text], "pair": [],
            "special_tokens": {}});
        let processors = json!({"type": "Sequence", "processors": vec![twice; 40]});
        assert!(post_processor(processors).is_err());
    }
}
