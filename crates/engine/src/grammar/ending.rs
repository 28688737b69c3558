//! Finds a short text that completes an answer.
//!
//! From the text so far, every open string, list and object is ended with the shortest text that the grammar
//! takes: values and members that the schema suggests ([`Hints`]), then single bytes. The grammar has taken every
//! byte of the result, so it completes the answer for certain. It is the shortest one in all but contrived
//! schemas, such as those with several patterns for one string.

use super::hints::Hints;
use super::position::{Part, Position};

/// Most bytes that the grammar is asked about in one search.
const MAX_TRIES: usize = 200_000;
/// Most tries to end a string by looking ahead, and the depth of that.
const MAX_TRIES_AHEAD: usize = 4_000;
const MAX_AHEAD: usize = 3;
/// Most bytes of a string that are found one by one.
const MAX_STRING: usize = 600;
/// Most bytes of a text.
const MAX_BYTES: usize = 100_000;
/// Bytes to continue a string with: one of each kind that patterns distinguish.
const BYTES: &[u8] =
    b"a0@.-:/_ #1A+TZtf,;=!?*%&$~()[]{}<>|'bceglmnopqrsuvwxyzdhijkBCDEF23456789\\\"";

/// A grammar at the end of a text.
pub(crate) trait Acceptor {
    /// Appends a byte. Returns `false` if the grammar doesn't allow it there.
    fn push(&mut self, byte: u8) -> bool;
    /// Takes the last `count` bytes back.
    fn pop(&mut self, count: usize);
}

/// A search for the end of one text.
pub(crate) struct Ending<'a, A> {
    grammar: &'a mut A,
    hints: &'a Hints,
    position: Position,
    text: Vec<u8>,
    tries: usize,
    /// Index of the member to try first.
    member: usize,
}

/// Returns a short text that completes the one that `grammar` has taken, which ends at `position`. `last` is the
/// result for a text a few bytes shorter. Leaves the grammar as it was.
pub(crate) fn ending(
    grammar: &mut impl Acceptor,
    hints: &Hints,
    position: &Position,
    last: &[u8],
) -> Option<Vec<u8>> {
    let mut search = Ending {
        grammar,
        hints,
        position: position.clone(),
        text: Vec::new(),
        tries: MAX_TRIES,
        member: 0,
    };
    let found = search.end_scalar(last).and_then(|()| search.end_rest());
    let length = search.text.len();
    search.grammar.pop(length);
    found.map(|()| search.text)
}

impl<A: Acceptor> Ending<'_, A> {
    /// Appends a text, or nothing if the grammar doesn't allow all of it.
    fn take(&mut self, text: &[u8]) -> bool {
        for (index, &byte) in text.iter().enumerate() {
            if self.tries == 0 || self.text.len() > MAX_BYTES || !self.grammar.push(byte) {
                self.tries = self.tries.saturating_sub(1);
                self.grammar.pop(index);
                return false;
            }
            self.tries -= 1;
        }
        self.position.extend(text);
        self.text.extend_from_slice(text);
        true
    }

    /// Returns `true` if the grammar allows the byte next.
    fn allows(&mut self, byte: u8) -> bool {
        self.tries = self.tries.saturating_sub(1);
        let allowed = self.grammar.push(byte);
        if allowed {
            self.grammar.pop(1);
        }
        allowed
    }

    /// Ends the key, string, number or literal at the end of the text.
    fn end_scalar(&mut self, last: &[u8]) -> Option<()> {
        let begun = self.position.scalar().to_vec();
        match self.position.part() {
            Part::InKey => {
                let rest = self.hints.members.iter().filter_map(|it| it.strip_prefix(&*begun));
                let mut rest: Vec<&[u8]> = rest.collect();
                rest.sort_by_key(|rest| rest.len());
                if !rest.into_iter().any(|rest| self.take(rest)) {
                    self.end_string(last)?;
                }
            }
            Part::InString => self.end_string(last)?,
            Part::InNumber => self.end_number()?,
            Part::InLiteral => {
                let rest = ["true", "false", "null"].into_iter();
                let mut rest = rest.filter_map(|word| word.as_bytes().strip_prefix(&*begun));
                rest.any(|rest| self.take(rest)).then_some(())?;
            }
            _ => {}
        }
        Some(())
    }

    /// Completes everything that is open, after a complete scalar.
    fn end_rest(&mut self) -> Option<()> {
        loop {
            match self.position.part() {
                _ if self.tries == 0 => return None,
                Part::After | Part::InNumber | Part::InLiteral if self.position.is_outermost() => {
                    return Some(());
                }
                Part::After | Part::InNumber | Part::InLiteral => self.close_or_continue()?,
                Part::Value { first: true } if self.take(b"]") => {}
                Part::Value { .. } => self.value()?,
                Part::Key { first: true } if self.take(b"}") => {}
                Part::Key { .. } => self.member(b"")?,
                Part::Colon => self.take(b":").then_some(())?,
                Part::InKey | Part::InString => self.end_string(b"")?,
            }
        }
    }

    fn close_or_continue(&mut self) -> Option<()> {
        if self.position.is_in_object() {
            if self.take(b"}") {
                return Some(());
            }
            return self.member(b",");
        }
        self.take(b"]").then_some(()).or_else(|| self.take(b",").then_some(()))
    }

    /// Appends a member that is required, after `before`.
    fn member(&mut self, before: &[u8]) -> Option<()> {
        let hints = self.hints;
        let count = hints.members.len();
        for index in (self.member..count).chain(0..self.member.min(count)) {
            if self.take(&[before, &hints.members[index]].concat()) {
                self.member = index + 1;
                return Some(());
            }
        }
        self.take(&[before, b"\""].concat()).then_some(())
    }

    /// Appends the shortest value that is known to fit, or the beginning of one.
    fn value(&mut self) -> Option<()> {
        let hints = self.hints;
        for text in &hints.values {
            if self.whole_value(text) {
                return Some(());
            }
        }
        let numbers = b"-0123456789".iter().copied();
        for byte in b"ntf\"".iter().copied().chain(numbers).chain(*b"[{") {
            if self.take(&[byte]) {
                return self.end_scalar(b"");
            }
        }
        None
    }

    fn whole_value(&mut self, text: &[u8]) -> bool {
        let (position, length) = (self.position.clone(), self.text.len());
        if !self.take(text) {
            return false;
        }
        if self.position.part() == Part::InNumber && !self.number_may_end() {
            self.grammar.pop(text.len());
            self.text.truncate(length);
            self.position = position;
            return false;
        }
        true
    }

    /// Returns `true` if the number at the end is complete as it stands.
    fn number_may_end(&mut self) -> bool {
        [b',', b']', b'}', b'\n', b' '].into_iter().any(|byte| self.allows(byte))
            || (self.position.is_outermost()
                && self.position.scalar().last().is_some_and(u8::is_ascii_digit))
    }

    fn end_number(&mut self) -> Option<()> {
        if self.number_may_end() {
            return Some(());
        }
        let begun = self.position.scalar().to_vec();
        let hints = self.hints;
        for rest in hints.values.iter().filter_map(|text| text.strip_prefix(&*begun)) {
            if !rest.is_empty() && self.whole_value(rest) {
                return Some(());
            }
        }
        for _ in 0..MAX_STRING {
            let next = b"0123456789.".iter().find(|&&byte| self.allows(byte));
            self.take(&[*next?]);
            if self.number_may_end() {
                return Some(());
            }
        }
        None
    }

    /// Ends the string or key that is open. `last` ended it when it was a few bytes shorter.
    fn end_string(&mut self, last: &[u8]) -> Option<()> {
        // A text with several quotes may also end what is around the string, which does no harm.
        let old = last.iter().position(|byte| *byte == b'"').map_or(&[][..], |end| &last[..=end]);
        if (0..old.len())
            .rev()
            .any(|from| self.is_string_end(&old[from..]) && self.take(&old[from..]))
        {
            return Some(());
        }
        let begun = self.position.scalar().to_vec();
        let hints = self.hints;
        for rest in hints.values.iter().filter_map(|text| text.strip_prefix(&*begun)) {
            if self.take(rest) {
                return Some(());
            }
        }
        let mut found = Vec::new();
        for depth in 0..=MAX_AHEAD {
            let mut tries = MAX_TRIES_AHEAD;
            if self.look_ahead(depth, &mut tries, &mut found) {
                return self.take(&found).then_some(());
            }
        }
        self.grow_string()
    }

    /// Returns `true` if the text leaves the string that is open, and goes no further.
    fn is_string_end(&self, text: &[u8]) -> bool {
        let mut position = self.position.clone();
        position.extend(text);
        matches!(position.part(), Part::After | Part::Colon)
    }

    /// Looks for `depth` bytes after which the string may end. Appends them and the quote to `found`.
    fn look_ahead(&mut self, depth: usize, tries: &mut usize, found: &mut Vec<u8>) -> bool {
        if depth == 0 {
            found.push(b'"');
            let ends = self.allows(b'"') && self.is_string_end(found);
            if !ends {
                found.pop();
            }
            return ends;
        }
        for &byte in BYTES {
            if *tries == 0 {
                return false;
            }
            *tries -= 1;
            self.tries = self.tries.saturating_sub(1);
            if byte == b'"' || !self.grammar.push(byte) {
                continue;
            }
            found.push(byte);
            let ends = self.look_ahead(depth - 1, tries, found);
            self.grammar.pop(1);
            if ends {
                return true;
            }
            found.pop();
        }
        false
    }

    /// Appends bytes until the string may end, those first that were used least.
    fn grow_string(&mut self) -> Option<()> {
        let mut used = [0_u16; 256];
        for _ in 0..MAX_STRING {
            if self.is_string_end(b"\"") && self.take(b"\"") {
                return Some(());
            }
            let candidates = BYTES.iter().copied().chain(0x80..=0xff);
            let mut candidates: Vec<u8> = candidates.filter(|byte| *byte != b'"').collect();
            candidates.sort_by_key(|byte| used[usize::from(*byte)]);
            let next = candidates.into_iter().find(|byte| self.allows(*byte)).or_else(|| {
                // After a backslash.
                self.allows(b'"').then_some(b'"')
            })?;
            used[usize::from(next)] += 1;
            self.take(&[next]);
        }
        None
    }
}
