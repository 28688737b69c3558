//! Splits what a model writes into content and tool calls.
//!
//! Invariant: the sum of the events does not depend on how the text is cut into pieces. All decisions are
//! made by text that is complete, and text that may be the beginning of a mark is held back.

use serde_json::Value;

use super::content::ContentWriter;
use super::envelope::EnvelopeReader;
use super::event::{Broken, ToolEvent};
use super::form::WireForm;
use super::name::{Name, read_name};
use super::schema::Tools;
use super::shape::{Arguments, Call, CallShape, NameForm, Named, Place};
use super::tags::TagReader;
use super::text::{Found, begins_with, find, partial, skip_space};
use super::value::{Notation, Progress, ValueReader};

/// Result of reading a part of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// Something was read, and more may be.
    Goes,
    /// More text has to come.
    NeedsMore,
    /// The arguments are complete.
    Ends,
    /// This is not what it should be.
    Malformed,
}

/// A mark with which calls of one of the accepted shapes may begin.
#[derive(Clone, Copy, Debug)]
struct Entry {
    mark: &'static str,
    shape: &'static CallShape,
    /// `true` if it is the mark of the section and not of the call.
    is_section: bool,
    place: Place,
}

/// Splits text into content and calls, piece by piece.
///
/// A call of an unknown tool becomes content, and so does one whose beginning is malformed. If arguments turn
/// out to be malformed after the call began, it ends with [`ToolEvent::Broken`].
#[derive(Clone, Debug)]
pub struct ToolParser {
    form: WireForm,
    entries: Vec<Entry>,
    tools: Tools,
    /// Text that may be needed again: all of the current call.
    held: String,
    /// Place in the held text where the current call begins.
    start: usize,
    /// Place in the held text that is read next.
    at: usize,
    state: State,
    /// Shape of the current call.
    shape: &'static CallShape,
    /// Number of the entry that led to the current call, among those that match there. `None` if it is a
    /// further call of a section.
    attempt: Option<usize>,
    /// The section around the current call and the next ones.
    section: Option<OpenSection>,
    content: ContentWriter,
    /// `true` before any text of a message.
    is_at_start: bool,
    /// Number of calls that began.
    calls: usize,
    events: Vec<ToolEvent>,
    /// Length of a mark at the beginning of the held text that the prompt contains, not the answer.
    of_prompt: usize,
    /// `true` once there was a piece.
    has_text: bool,
}

#[derive(Clone, Copy, Debug)]
struct OpenSection {
    end: &'static str,
    in_list: bool,
}

#[derive(Clone, Debug)]
enum State {
    Content,
    /// Before a call.
    Begin,
    /// Inside the name.
    Name,
    Envelope(Box<EnvelopeReader>, Option<CallState>),
    Value(Box<ValueReader>, CallState),
    Tags(Box<TagReader>, CallState),
    /// After the arguments, before the mark at the end of the call.
    End(CallState),
    /// After a call.
    After(CallState),
    /// Inside a malformed call.
    Drain(CallState),
}

/// A call whose name is known.
#[derive(Clone, Copy, Debug)]
struct CallState {
    index: usize,
    /// `true` if the tool is unknown, so that the call becomes content.
    is_muted: bool,
}

impl ToolParser {
    /// A parser for one answer. `tools` is the list of tool definitions in OpenAI's form.
    pub fn new(form: WireForm, tools: &Value) -> Self {
        Self::with_shapes(form, form.accepted(), tools)
    }

    /// A parser that accepts the form's own shape alone.
    pub(super) fn strict(form: WireForm, tools: &Value) -> Self {
        Self::with_shapes(form, std::slice::from_ref(form.shape()), tools)
    }

    fn with_shapes(form: WireForm, shapes: &'static [CallShape], tools: &Value) -> Self {
        Self {
            form,
            entries: shapes.iter().flat_map(entries).collect(),
            tools: Tools::read(tools),
            held: String::new(),
            start: 0,
            at: 0,
            state: State::Content,
            shape: &shapes[0],
            attempt: None,
            section: None,
            content: ContentWriter::default(),
            is_at_start: true,
            calls: 0,
            events: Vec::new(),
            of_prompt: 0,
            has_text: false,
        }
    }

    /// Takes the next piece, and returns what is certain by now.
    pub fn push(&mut self, piece: &str) -> Vec<ToolEvent> {
        if self.form == WireForm::FunctionaryArrows
            && !self.has_text
            && !piece.is_empty()
            && !piece.starts_with('>')
        {
            // The prompt ends with the mark before the first name.
            self.held.push_str(ARROWS);
            self.of_prompt = ARROWS.len();
        }
        self.has_text |= !piece.is_empty();
        self.held.push_str(piece);
        while self.step() {}
        self.release();
        std::mem::take(&mut self.events)
    }

    /// Ends the text, and returns the rest.
    pub fn finish(&mut self) -> Vec<ToolEvent> {
        while self.step() || self.end_step() {}
        let rest = self.held.split_off(self.at.min(self.held.len()));
        self.write(&rest);
        self.content.finish(&mut self.events);
        self.held.clear();
        (self.start, self.at) = (0, 0);
        std::mem::take(&mut self.events)
    }

    /// Returns `true` inside a call, from its first mark to its last one.
    pub fn is_in_call(&self) -> bool {
        match self.state {
            State::Content | State::After(_) => false,
            State::Begin | State::Name | State::Envelope(_, None) => {
                self.shape.place == Place::Anywhere
            }
            _ => true,
        }
    }

    /// Returns the number of calls that began.
    pub fn calls(&self) -> usize {
        self.calls
    }

    /// Drops text that is not needed again.
    fn release(&mut self) {
        let end = if matches!(self.state, State::Content) { self.at } else { self.start };
        self.held.drain(..end);
        self.of_prompt = self.of_prompt.saturating_sub(end);
        self.at -= end;
        self.start = 0;
    }

    /// Reads on. Returns `false` if more text has to come.
    fn step(&mut self) -> bool {
        match std::mem::replace(&mut self.state, State::Content) {
            State::Content => self.content_step(),
            State::Begin => self.begin_step(),
            State::Name => self.name_step(),
            State::Envelope(reader, call) => self.envelope_step(reader, call),
            State::Value(reader, call) => self.value_step(reader, call),
            State::Tags(reader, call) => self.tags_step(reader, call),
            State::End(call) => self.call_end_step(call),
            State::After(call) => self.after_step(call),
            State::Drain(call) => self.drain_step(call),
        }
    }

    /// Returns `false` after keeping the state for more text.
    fn wait(&mut self, state: State) -> bool {
        self.state = state;
        false
    }

    fn next(&mut self, state: State) -> bool {
        self.state = state;
        true
    }

    /// Returns the text of the current call up to here.
    fn call_text(&self) -> String {
        let start = self.start.max(self.of_prompt);
        self.held.get(start..self.at).unwrap_or_default().to_owned()
    }

    fn write(&mut self, text: &str) {
        self.is_at_start &= text.trim_ascii().is_empty();
        self.content.write(text, &mut self.events);
    }

    /// Looks for the next mark in content.
    fn content_step(&mut self) -> bool {
        let text = &self.held[self.at..];
        let spaces = skip_space(text);
        let starts = self.entries.iter().filter(|entry| entry.place == Place::Start);
        if self.is_at_start {
            let found = starts.map(|entry| begins_with(&text[spaces..], entry.mark)).max();
            match found {
                Some(Found::Yes) => {
                    let before = text[..spaces].to_owned();
                    self.start = self.at + spaces;
                    self.write(&before);
                    return self.try_entry(0);
                }
                // White space alone is not a reason to wait.
                Some(Found::Perhaps) if spaces < text.len() => return false,
                _ => {}
            }
        }
        let section_end = self.section.map_or("", |section| section.end);
        let noise = self.form.noise().iter().copied().chain([section_end]);
        let noise = noise.filter_map(|mark| Some((find(text, mark)?, mark)));
        let noise = noise.min_by_key(|(at, mark)| (*at, usize::MAX - mark.len()));
        let entries = self.entries.iter().filter(|entry| entry.place == Place::Anywhere);
        let entry = entries.filter_map(|entry| find(text, entry.mark)).min();
        match (entry, noise) {
            (Some(entry), noise) if noise.is_none_or(|(at, _)| entry < at) => {
                let before = self.held[self.at..self.at + entry].to_owned();
                self.start = self.at + entry;
                self.write(&before);
                self.try_entry(0)
            }
            (_, Some((at, mark))) => {
                let before = text[..at].to_owned();
                self.write(&before);
                self.at += at + mark.len();
                if mark == section_end {
                    self.section = None;
                } else {
                    self.is_at_start = true;
                }
                true
            }
            _ => {
                let marks: Vec<&str> = self
                    .entries
                    .iter()
                    .filter(|entry| entry.place == Place::Anywhere)
                    .map(|entry| entry.mark)
                    .chain(self.form.noise().iter().copied())
                    .chain([section_end])
                    .collect();
                let certain = text.len() - partial(text, &marks);
                let before = text[..certain].to_owned();
                self.at += certain;
                self.write(&before);
                false
            }
        }
    }

    /// Tries the entry with this number of those that match at the start. If there is none, the mark
    /// becomes content.
    fn try_entry(&mut self, number: usize) -> bool {
        let text = &self.held[self.start..];
        let matching = || self.entries.iter().filter(|entry| text.starts_with(entry.mark));
        if let Some(entry) = matching().nth(number).copied() {
            self.shape = entry.shape;
            self.attempt = Some(number);
            self.at = self.start;
            self.section = None;
            if let Some(section) = entry.shape.section {
                self.at += if entry.is_section { section.begin.trim().len() } else { 0 };
                self.section = Some(OpenSection { end: section.end.trim(), in_list: false });
            }
            return self.next(State::Begin);
        }
        let length = matching().map(|entry| entry.mark.len()).max().unwrap_or(0);
        self.section = None;
        self.at = self.start + length;
        let mark = self.call_text();
        self.write(&mark);
        self.is_at_start = false;
        self.next(State::Content)
    }

    /// Gives up a call whose name is not known yet.
    fn fail(&mut self) -> bool {
        if let Some(number) = self.attempt {
            return self.try_entry(number + 1);
        }
        self.at = self.start;
        self.next(State::Content)
    }

    fn begin_step(&mut self) -> bool {
        let text = &self.held[self.at..];
        let spaces = skip_space(text);
        let rest = &text[spaces..];
        if let Some(section) = &mut self.section
            && !section.in_list
            && rest.starts_with('[')
        {
            section.in_list = true;
            self.at += spaces + 1;
            return self.next(State::Begin);
        }
        if rest.is_empty() {
            return self.wait(State::Begin);
        }
        match self.shape.call {
            Call::Envelope(envelope) => match begins_with(rest, "{") {
                Found::Yes => {
                    self.at += spaces;
                    let is_marked = self.shape.place == Place::Anywhere;
                    let reader = EnvelopeReader::new(envelope, is_marked);
                    self.next(State::Envelope(Box::new(reader), None))
                }
                Found::Perhaps => self.wait(State::Begin),
                Found::No => self.fail(),
            },
            Call::Named(Named { name: NameForm::Header, .. }) => self.next(State::Name),
            Call::Named(named) => match begins_with(rest, named.begin.trim()) {
                Found::Yes => {
                    self.at += spaces + named.begin.trim().len();
                    self.next(State::Name)
                }
                Found::Perhaps => self.wait(State::Begin),
                Found::No => self.fail(),
            },
        }
    }

    fn section_end(&self) -> &'static str {
        self.shape.section.map_or("", |section| section.end.trim())
    }

    fn name_step(&mut self) -> bool {
        let Call::Named(named) = self.shape.call else { return self.fail() };
        if self.form == WireForm::FunctionaryArrows {
            match begins_with(&self.held[self.at..], ARROWS_TO_USER) {
                Found::Yes => {
                    self.at += ARROWS_TO_USER.len();
                    return self.next(State::Content);
                }
                Found::Perhaps => return self.wait(State::Name),
                Found::No => {}
            }
        }
        match read_name(&named, self.section_end(), &self.held[self.at..]) {
            Name::NeedsMore => self.wait(State::Name),
            Name::No => self.fail(),
            Name::Skip { length } => {
                self.at += length;
                self.is_at_start = false;
                self.next(State::Content)
            }
            Name::FoundJson { name, length } => {
                let Some(call) = self.begin_call(&name, None) else { return self.fail() };
                self.at += length;
                let reader = ValueReader::new(Notation::Json);
                self.next(State::Value(Box::new(reader), call))
            }
            Name::Found { name, id, length } => {
                let Some(call) = self.begin_call(&name, id) else { return self.fail() };
                self.at += length;
                let mut written = String::new();
                let state = match named.arguments {
                    Arguments::Json => {
                        State::Value(Box::new(ValueReader::new(Notation::Json)), call)
                    }
                    Arguments::Braces { quote } => {
                        let reader = ValueReader::new(Notation::Braces { quote });
                        State::Value(Box::new(reader), call)
                    }
                    Arguments::Keywords => {
                        State::Value(Box::new(ValueReader::keywords(&mut written)), call)
                    }
                    Arguments::Tagged(_) | Arguments::Elements { .. } => {
                        let tool = self.tools.known(&name).unwrap_or(&name);
                        match TagReader::new(&named, self.section_end(), tool) {
                            Some(reader) => State::Tags(Box::new(reader), call),
                            None => return self.fail(),
                        }
                    }
                };
                self.write_arguments(call, &written);
                self.next(state)
            }
        }
    }

    /// Begins a call of the tool `name`. Returns `None` if this is not a call.
    fn begin_call(&mut self, name: &str, id: Option<String>) -> Option<CallState> {
        let Some(name) = self.tools.known(name) else {
            // An unknown name between marks is read to the end, so that no part of it is taken for a call.
            let is_muted = self.shape.place == Place::Anywhere;
            return is_muted.then_some(CallState { index: 0, is_muted });
        };
        let index = self.calls;
        self.calls += 1;
        self.content.call();
        self.events.push(ToolEvent::CallBegin { index, name: name.to_owned(), id });
        Some(CallState { index, is_muted: false })
    }

    fn write_arguments(&mut self, call: CallState, text: &str) {
        if call.is_muted || text.is_empty() {
            return;
        }
        match self.events.last_mut() {
            Some(ToolEvent::Arguments { index, piece }) if *index == call.index => {
                piece.push_str(text);
            }
            _ => {
                let piece = text.to_owned();
                self.events.push(ToolEvent::Arguments { index: call.index, piece });
            }
        }
    }

    fn envelope_step(
        &mut self,
        mut reader: Box<EnvelopeReader>,
        mut call: Option<CallState>,
    ) -> bool {
        while let Some(char) = self.held[self.at..].chars().next() {
            let end = self.section_end();
            if reader.may_end() && !matches!(char, ',' | '}') && !end.is_empty() {
                // Small models sometimes forget the last brace.
                let rest = &self.held[self.at..];
                match begins_with(&rest[skip_space(rest)..], end) {
                    Found::Yes if let Some(call) = call => return self.complete(call),
                    Found::Perhaps => return self.wait(State::Envelope(reader, call)),
                    _ => {}
                }
            }
            let progress = reader.push(char);
            if progress == Progress::Malformed {
                return match call {
                    Some(call) => self.next(State::Drain(call)),
                    None => self.fail(),
                };
            }
            self.at += char.len_utf8();
            if call.is_none()
                && let Some(name) = reader.name.clone()
            {
                call = self.begin_call(&name, reader.id.clone());
                if call.is_none() {
                    return self.fail();
                }
            }
            if let Some(call) = call {
                self.write_arguments(call, &std::mem::take(&mut reader.arguments));
                if progress == Progress::Done {
                    return self.complete(call);
                }
            }
        }
        self.wait(State::Envelope(reader, call))
    }

    fn value_step(&mut self, mut reader: Box<ValueReader>, call: CallState) -> bool {
        let mut out = String::new();
        let mut progress = Progress::More;
        let mut length = 0;
        for char in self.held[self.at..].chars() {
            progress = reader.push(char, &mut out);
            match progress {
                Progress::More | Progress::Done => length += char.len_utf8(),
                Progress::DoneBefore | Progress::Malformed => {}
            }
            if progress != Progress::More {
                break;
            }
        }
        self.at += length;
        self.write_arguments(call, &out);
        match progress {
            Progress::More => self.wait(State::Value(reader, call)),
            Progress::Done => self.complete(call),
            Progress::DoneBefore | Progress::Malformed => self.next(State::Drain(call)),
        }
    }

    fn tags_step(&mut self, mut reader: Box<TagReader>, call: CallState) -> bool {
        let mut out = String::new();
        let (length, reading) = reader.step(&self.held[self.at..], &self.tools, &mut out);
        self.at += length;
        self.write_arguments(call, &out);
        match reading {
            Reading::Goes => self.next(State::Tags(reader, call)),
            Reading::NeedsMore => self.wait(State::Tags(reader, call)),
            Reading::Ends => self.complete(call),
            Reading::Malformed => self.next(State::Drain(call)),
        }
    }

    /// Ends a call whose arguments are complete.
    fn complete(&mut self, call: CallState) -> bool {
        if !call.is_muted {
            self.events.push(ToolEvent::CallEnd { index: call.index });
        }
        self.next(State::End(call))
    }

    /// Reads the mark at the end of a call, which may be missing.
    fn call_end_step(&mut self, call: CallState) -> bool {
        let marks = match self.shape.call {
            Call::Named(Named { arguments: Arguments::Keywords, .. }) | Call::Envelope(_) => {
                ["", ""]
            }
            Call::Named(named) => match named.name {
                NameForm::Header => [named.end.trim(), "<|end|>"],
                NameForm::Indexed => [named.end.trim(), JSON_BLOCK_END],
                _ => [named.end.trim(), ""],
            },
        };
        let text = &self.held[self.at..];
        let spaces = skip_space(text);
        let marks = marks.into_iter().filter(|mark| !mark.is_empty());
        let found = marks.map(|mark| (begins_with(&text[spaces..], mark), mark)).max();
        match found {
            Some((Found::Perhaps, _)) => return self.wait(State::End(call)),
            Some((Found::Yes, mark)) => {
                self.at += spaces + mark.len();
                if mark == JSON_BLOCK_END {
                    return self.next(State::End(call));
                }
            }
            _ => {}
        }
        self.end_call(call)
    }

    fn end_call(&mut self, call: CallState) -> bool {
        if call.is_muted {
            let text = self.call_text();
            self.write(&text);
        }
        self.start = self.at;
        self.next(State::After(call))
    }

    /// Looks for a further call, or the end of the section.
    fn after_step(&mut self, call: CallState) -> bool {
        let text = &self.held[self.at..];
        let spaces = skip_space(text);
        let rest = &text[spaces..];
        let mut perhaps = false;
        for (mark, next) in self.after_marks() {
            match begins_with(rest, mark) {
                _ if mark.is_empty() => {}
                Found::No => {}
                Found::Perhaps => perhaps = true,
                Found::Yes => return self.after_mark(call, next, spaces, mark),
            }
        }
        if perhaps {
            return self.wait(State::After(call));
        }
        let in_list = self.section.is_some_and(|section| section.in_list);
        let is_word = rest.starts_with(|char: char| char.is_alphabetic() || char == '_');
        if self.section.is_some() && !in_list && self.shape.call.trigger().is_empty() && is_word {
            return self.after_mark(call, After::Call, spaces, "");
        }
        self.next(State::Content)
    }

    /// Returns the marks that may follow a call.
    fn after_marks(&self) -> [(&'static str, After); 4] {
        const NONE: (&str, After) = ("", After::Call);
        let separator = (self.shape.separator.trim(), After::Behind);
        let call = (self.shape.call.trigger(), After::Call);
        match self.section {
            Some(OpenSection { in_list: true, .. }) => {
                [(",", After::Behind), ("]", After::ListEnd), NONE, NONE]
            }
            Some(OpenSection { end, .. }) => [(end, After::SectionEnd), separator, call, NONE],
            None if self.shape.place == Place::Start => [separator, call, NONE, NONE],
            None => [NONE; 4],
        }
    }

    fn after_mark(&mut self, call: CallState, next: After, spaces: usize, mark: &str) -> bool {
        match next {
            After::Call | After::Behind => {
                self.start = self.at;
                self.at += spaces;
                if let After::Behind = next {
                    self.at += mark.len();
                }
                self.attempt = None;
                self.next(State::Begin)
            }
            After::ListEnd | After::SectionEnd => {
                self.at += spaces + mark.len();
                if call.is_muted {
                    let text = self.call_text();
                    self.write(&text);
                }
                self.start = self.at;
                match (&mut self.section, next) {
                    (Some(section), After::ListEnd) if !section.end.is_empty() => {
                        section.in_list = false;
                        self.next(State::After(call))
                    }
                    _ => {
                        self.section = None;
                        self.next(State::Content)
                    }
                }
            }
        }
    }

    /// Looks for the end of a malformed call.
    fn drain_step(&mut self, call: CallState) -> bool {
        let text = &self.held[self.at..];
        let call_end = match self.shape.call {
            Call::Named(named) if named.arguments != Arguments::Keywords => named.end.trim(),
            _ => "",
        };
        let ends = [call_end, self.section_end()];
        let entries: Vec<&str> = match ends {
            // Without a mark at the end, the next call ends it.
            ["", ""] => self.entries.iter().map(|entry| entry.mark).collect(),
            _ => Vec::new(),
        };
        let end = ends.iter().filter_map(|mark| Some(find(text, mark)? + mark.len())).min();
        let entry = entries.iter().filter_map(|mark| find(text, mark)).min();
        if let Some(length) = end.or(entry) {
            self.at += length;
            if self.held[..self.at].ends_with(ends[1]) {
                self.section = None;
            }
            self.drained(call);
            return self.end_call(CallState { is_muted: false, ..call });
        }
        let marks: Vec<&str> = ends.into_iter().chain(entries).collect();
        self.at += text.len() - partial(text, &marks);
        self.wait(State::Drain(call))
    }

    fn drained(&mut self, call: CallState) {
        let text = self.call_text();
        if call.is_muted {
            self.write(&text);
        } else {
            let (index, cause) = (Some(call.index), Broken::Malformed);
            self.events.push(ToolEvent::Broken { index, cause, text });
        }
    }

    /// Ends what the current state has begun, at the end of the text. Returns `true` if there may be more.
    fn end_step(&mut self) -> bool {
        match std::mem::replace(&mut self.state, State::Content) {
            State::Content => return false,
            State::Begin if self.attempt.is_none() => self.at = self.held.len(),
            State::Begin | State::Name | State::Envelope(_, None) => self.cut_before_name(),
            State::Envelope(reader, Some(call)) if reader.may_end() => return self.complete(call),
            State::Envelope(_, Some(call)) | State::Value(_, call) => self.cut(call),
            State::Tags(mut reader, call) => {
                let mut out = String::new();
                reader.cut(&self.held[self.at..], &mut out);
                self.write_arguments(call, &out);
                self.cut(call);
            }
            // The rest is the beginning of a mark.
            State::End(call) => {
                self.at = self.held.len();
                return self.end_call(call);
            }
            State::After(_) => self.at = self.held.len(),
            State::Drain(call) => {
                self.at = self.held.len();
                self.drained(call);
            }
        }
        true
    }

    fn cut_before_name(&mut self) {
        self.at = self.held.len();
        let text = self.call_text();
        let is_header =
            matches!(self.shape.call, Call::Named(Named { name: NameForm::Header, .. }));
        if self.shape.place == Place::Start {
            self.write(&text);
        } else if !is_header || text.contains("to=") {
            self.events.push(ToolEvent::Broken { index: None, cause: Broken::Cut, text });
        }
    }

    fn cut(&mut self, call: CallState) {
        self.at = self.held.len();
        let text = self.call_text();
        if call.is_muted {
            self.write(&text);
        } else {
            let (index, cause) = (Some(call.index), Broken::Cut);
            self.events.push(ToolEvent::Broken { index, cause, text });
        }
    }
}

/// Functionary 3.2's mark before a name, and the name for text to the user.
const ARROWS: &str = ">>>";
const ARROWS_TO_USER: &str = "all\n";

/// Mark after arguments as one JSON object in Kimi K3's form.
const JSON_BLOCK_END: &str = "<|close|>json<|sep|>";

/// Meaning of a mark after a call.
#[derive(Clone, Copy, Debug)]
enum After {
    /// The next call begins with it.
    Call,
    /// The next call comes after it.
    Behind,
    ListEnd,
    SectionEnd,
}

/// Returns the marks with which calls of a shape may begin.
fn entries(shape: &'static CallShape) -> Vec<Entry> {
    let entry = |mark, is_section, place| Entry { mark, shape, is_section, place };
    if let Call::Named(Named { name: NameForm::Header, .. }) = shape.call {
        return vec![
            entry("<|channel|>", false, Place::Anywhere),
            entry("to=", false, Place::Start),
        ];
    }
    let mut entries = vec![entry(shape.trigger(), shape.section.is_some(), shape.place)];
    if shape.section.is_some_and(|section| section.is_optional) {
        entries.push(entry(shape.call.trigger(), false, shape.place));
    }
    entries
}
