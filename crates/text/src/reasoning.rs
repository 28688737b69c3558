//! What a model thinks before it answers, told apart from the answer.
//!
//! Models mark their reasoning in one of two ways: between tags at the beginning of the answer
//! (`<think> … </think>`, `[THINK] … [/THINK]`), or as messages on channels (OpenAI's harmony format,
//! gpt-oss: <https://cookbook.openai.com/articles/openai-harmony>). Invariant: however the text is cut
//! into pieces, the same comes out.

/// Opening and closing tags.
const TAGS: [(&str, &str); 2] = [("<think>", "</think>"), ("[THINK]", "[/THINK]")];

/// The marks of the harmony format.
const CHANNEL: &str = "<|channel|>";
const MESSAGE: &str = "<|message|>";
const ENDS: [&str; 4] = ["<|end|>", "<|return|>", "<|call|>", "<|start|>"];

/// A piece of what the model wrote, never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// Thoughts, without the marks around them.
    Reasoning(String),
    /// The answer.
    Answer(String),
}

/// Tells reasoning and answer apart, piece by piece.
#[derive(Clone, Debug)]
pub struct ReasoningParser {
    format: Format,
    state: State,
    /// Text whose meaning the next pieces decide.
    held: String,
    /// Whether the current part has begun: space at its beginning is left out.
    begun: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Tags { open: &'static str, close: &'static str },
    Channels,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before anything: an opening tag may come.
    Start,
    /// Between the messages of the channel format.
    Header,
    Reasoning,
    Answer,
}

impl ReasoningParser {
    /// The parser for a chat template, given its text and the prompt that it rendered; `None` where
    /// the template knows no reasoning.
    pub fn for_template(template: &str, prompt: &str) -> Option<Self> {
        if template.contains(CHANNEL) && template.contains(MESSAGE) {
            return Some(Self::new(Format::Channels, State::Header));
        }
        let (open, close) = TAGS
            .into_iter()
            .find(|(open, close)| template.contains(open) || template.contains(close))?;
        let inside = prompt.trim_end().ends_with(open);
        let state = if inside { State::Reasoning } else { State::Start };
        Some(Self::new(Format::Tags { open, close }, state))
    }

    fn new(format: Format, state: State) -> Self {
        Self { format, state, held: String::new(), begun: false }
    }

    /// Whether the marks are special tokens, which a detokenizer has to keep.
    pub fn needs_special_tokens(&self) -> bool {
        self.format == Format::Channels
    }

    /// Whether what comes next is not part of the answer.
    pub fn is_before_answer(&self) -> bool {
        matches!(self.state, State::Reasoning | State::Header)
    }

    /// Takes the next piece.
    pub fn push(&mut self, piece: &str) -> Vec<Written> {
        self.held.push_str(piece);
        let mut out = Vec::new();
        while self.step(&mut out) {}
        out
    }

    /// The rest, when no more comes.
    pub fn finish(&mut self) -> Vec<Written> {
        let rest = std::mem::take(&mut self.held);
        let mut out = Vec::new();
        match self.state {
            // An end of the text cuts a mark short; what came of it is no text.
            State::Header => {}
            State::Reasoning => self.emit(rest.trim_end(), &mut out),
            State::Start | State::Answer => self.emit(&rest, &mut out),
        }
        out
    }

    /// Decides what is held as far as that is possible; whether it may go on.
    fn step(&mut self, out: &mut Vec<Written>) -> bool {
        match (self.state, self.format) {
            (State::Start, Format::Tags { open, .. }) => {
                let text = self.held.trim_start();
                if let Some(rest) = text.strip_prefix(open) {
                    self.held = rest.to_owned();
                    self.enter(State::Reasoning);
                    return true;
                }
                let undecided = open.starts_with(text);
                if !undecided {
                    self.state = State::Answer;
                    // Nothing was thought: the answer is what was written, space included.
                    self.begun = true;
                }
                !undecided
            }
            (State::Header, _) => {
                let Some(at) = self.held.find(MESSAGE) else { return false };
                let header = &self.held[..at];
                let channel = header.rsplit(CHANNEL).next().unwrap_or_default();
                let is_final = !header.contains(CHANNEL) || channel.trim().starts_with("final");
                self.held.drain(..at + MESSAGE.len());
                self.enter(if is_final { State::Answer } else { State::Reasoning });
                true
            }
            (State::Reasoning, Format::Tags { close, .. }) => {
                self.pass_until(&[close], State::Answer, out)
            }
            (State::Reasoning | State::Answer, Format::Channels) => {
                self.pass_until(&ENDS, State::Header, out)
            }
            (State::Start | State::Answer, _) => {
                let text = std::mem::take(&mut self.held);
                self.emit(&text, out);
                false
            }
        }
    }

    /// Lets text through up to one of the marks, and enters the next state there.
    fn pass_until(&mut self, marks: &[&str], next: State, out: &mut Vec<Written>) -> bool {
        let found = marks.iter().filter_map(|mark| Some((self.held.find(mark)?, mark.len()))).min();
        let trims = self.state == State::Reasoning;
        if let Some((at, length)) = found {
            let text = self.held[..at].to_owned();
            self.emit(if trims { text.trim_end() } else { &text }, out);
            self.held.drain(..at + length);
            self.enter(next);
            return true;
        }
        let longest = marks.iter().map(|mark| partial(&self.held, mark)).max().unwrap_or(0);
        let mut end = self.held.len() - longest;
        if trims {
            // Space may turn out to be the end of the thoughts.
            end = self.held[..end].trim_end().len();
        }
        let text: String = self.held.drain(..end).collect();
        self.emit(&text, out);
        false
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        self.begun = false;
    }

    fn emit(&mut self, text: &str, out: &mut Vec<Written>) {
        let text = if self.begun { text } else { text.trim_start() };
        if text.is_empty() {
            return;
        }
        self.begun = true;
        out.push(match self.state {
            State::Reasoning => Written::Reasoning(text.to_owned()),
            _ => Written::Answer(text.to_owned()),
        });
    }
}

/// How many of the last bytes of `text` begin `mark` without completing it.
fn partial(text: &str, mark: &str) -> usize {
    (1..mark.len())
        .rev()
        .find(|&length| mark.is_char_boundary(length) && text.ends_with(&mark[..length]))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reasoning and answer of the text, cut at every `width` characters.
    fn read(parser: &ReasoningParser, text: &str, width: usize) -> (String, String) {
        let mut parser = parser.clone();
        let characters: Vec<char> = text.chars().collect();
        let mut written = Vec::new();
        for piece in characters.chunks(width) {
            written.extend(parser.push(&piece.iter().collect::<String>()));
        }
        written.extend(parser.finish());
        let (mut reasoning, mut answer) = (String::new(), String::new());
        for piece in written {
            match piece {
                Written::Reasoning(text) => reasoning.push_str(&text),
                Written::Answer(text) => answer.push_str(&text),
            }
        }
        (reasoning, answer)
    }

    fn assert_reads(template: &str, prompt: &str, text: &str, reasoning: &str, answer: &str) {
        let parser = ReasoningParser::for_template(template, prompt).unwrap();
        for width in [1, 2, 3, 5, 7, 1000] {
            let found = read(&parser, text, width);
            assert_eq!(found, (reasoning.to_owned(), answer.to_owned()), "{text:?} by {width}");
        }
    }

    const THINK: &str = "{{ '<think>' }} {{ '</think>' }}";
    const HARMONY: &str = "<|start|>assistant<|channel|>final<|message|>";

    #[test]
    fn tags_enclose_thoughts() {
        let cases = [
            ("<think>\nLet me see…\n\nYes.\n</think>\n\n42", "Let me see…\n\nYes.", "42"),
            ("\n <think>a < b </thin> c</think>d</think>", "a < b </thin> c", "d</think>"),
            ("<think>\n\n</think>\n\nHello", "", "Hello"),
            ("<think>never ends \n", "never ends", ""),
            ("  plain <think>x</think>", "", "  plain <think>x</think>"),
            ("<thin", "", "<thin"),
            ("<", "", "<"),
            ("", "", ""),
        ];
        for (text, reasoning, answer) in cases {
            assert_reads(THINK, "<|im_start|>assistant\n", text, reasoning, answer);
        }
        assert_reads(THINK, "<|Assistant|><think>\n", "ah\n</think>\n\nso", "ah", "so");
        assert_reads("[THINK]", "", "[THINK]m[/THINK]n", "m", "n");
    }

    #[test]
    fn channels_carry_thoughts_and_answers() {
        let prompt = "<|start|>assistant";
        assert_reads(
            HARMONY,
            prompt,
            "<|channel|>analysis<|message|>User says hi. <|end|><|start|>assistant<|channel|>final\
             <|message|>Hello! <|b|><|return|>",
            "User says hi.",
            "Hello! <|b|>",
        );
        assert_reads(HARMONY, prompt, "<|channel|>final<|message|>x\n", "", "x\n");
        assert_reads(
            HARMONY,
            prompt,
            "<|channel|>commentary to=f <|constrain|>json<|message|>{}<|call|>",
            "{}",
            "",
        );
        assert_reads(HARMONY, prompt, "<|channel|>analysis<|mess", "", "");
    }

    #[test]
    fn other_templates_have_no_parser() {
        assert!(ReasoningParser::for_template("{{ messages }}", "<think>").is_none());
    }
}
