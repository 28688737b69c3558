//! Answers that come line by line.

use std::io::{BufRead, BufReader, Read};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::http::{Endpoint, Patience, message};
use crate::{ProviderError, Result};

/// A line is no longer than this.
const MAX_LINE_BYTES: u64 = 16 << 20;

/// The lines of an answer.
pub(crate) struct Lines<'a> {
    endpoint: &'a Endpoint,
    reader: BufReader<Box<dyn Read>>,
    patience: Patience,
    started: Instant,
    /// Events so far.
    events: usize,
    /// The line that is being read.
    line: Vec<u8>,
}

/// What a stream holds next.
pub(crate) enum Next {
    /// An event, and when it arrived after the request was sent.
    Event(Value, Duration),
    /// The mark for the end that OpenAI's dialect has.
    Done,
    /// The connection is at its end.
    End,
}

impl<'a> Lines<'a> {
    /// Times are counted from `started`, when the request was sent.
    pub(crate) fn new(
        endpoint: &'a Endpoint,
        reader: Box<dyn Read>,
        patience: Patience,
        started: Instant,
    ) -> Self {
        let reader = BufReader::new(reader);
        Self { endpoint, reader, patience, started, events: 0, line: Vec::new() }
    }

    /// The time so far.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// The next event of a stream of server-sent events: what `data:` holds. Comments, and fields
    /// that none of our dialects uses, are passed over.
    pub(crate) fn next_event(&mut self) -> Result<Next> {
        loop {
            let Some(line) = self.read()? else { return Ok(Next::End) };
            let Some(data) = line.strip_prefix("data:") else { continue };
            let (data, at) = (data.trim().to_owned(), self.elapsed());
            if data == "[DONE]" {
                return Ok(Next::Done);
            }
            return self.event(&data, at);
        }
    }

    /// The next line of JSON.
    pub(crate) fn next_json(&mut self) -> Result<Next> {
        loop {
            let Some(line) = self.read()? else { return Ok(Next::End) };
            let (line, at) = (line.trim().to_owned(), self.elapsed());
            if !line.is_empty() {
                return self.event(&line, at);
            }
        }
    }

    /// The error of an answer that ends here.
    pub(crate) fn broke_off(&self, problem: &str) -> ProviderError {
        if self.endpoint.http.cancelled() {
            return ProviderError::Cancelled;
        }
        let address = self.endpoint.address.clone();
        ProviderError::BrokeOff { address, events: self.events, problem: problem.to_owned() }
    }

    /// The error of an event that lacks what it should have.
    pub(crate) fn nonsense(&self, event: &Value) -> ProviderError {
        self.endpoint.nonsense(&event.to_string())
    }

    fn event(&mut self, text: &str, at: Duration) -> Result<Next> {
        let value: Value = serde_json::from_str(text).map_err(|_| self.endpoint.nonsense(text))?;
        if value.get("error").is_some_and(|error| !error.is_null()) {
            let address = self.endpoint.address.clone();
            return Err(ProviderError::Failed { address, message: message(text) });
        }
        self.events += 1;
        Ok(Next::Event(value, at))
    }

    /// A line without its end; `None` where there is none left.
    fn read(&mut self) -> Result<Option<&str>> {
        self.line.clear();
        let read = (&mut self.reader).take(MAX_LINE_BYTES).read_until(b'\n', &mut self.line);
        match read {
            Ok(0) => Ok(None),
            Ok(_) => {
                let line = std::str::from_utf8(&self.line)
                    .map_err(|_| self.endpoint.nonsense("bytes that are no text"))?;
                Ok(Some(line.trim_end_matches(['\r', '\n'])))
            }
            Err(error) => Err(self.endpoint.broken(error.into(), self.patience, self.events)),
        }
    }
}
