//! Answers that arrive line by line.

use std::io::{BufRead, BufReader, Read};
use std::time::{Duration, Instant};

use mlxk_http::Connections;
use serde_json::Value;

use crate::endpoint::{Ask, Endpoint, Sent, message};
use crate::error::{ProviderError, Result};
use crate::limits::Limits;

/// Limit of a line.
const MAX_LINE_BYTES: u64 = 16 << 20;

/// The lines of an answer.
pub(crate) struct Lines<'a> {
    endpoint: &'a Endpoint,
    reader: BufReader<Box<dyn Read>>,
    _connections: Connections,
    limits: &'a Limits,
    started: Instant,
    /// Number of events so far.
    events: usize,
    /// The line that is being read.
    line: Vec<u8>,
}

/// The next item of a stream.
pub(crate) enum Next {
    /// An event, and the time from sending the request to its arrival.
    Event(Value, Duration),
    /// `[DONE]`, the end mark of OpenAI's dialect.
    Done,
    /// The end of the connection.
    End,
}

impl<'a> Lines<'a> {
    /// Sends a request and returns the lines of the answer. Times are measured from here.
    pub(crate) fn request(
        endpoint: &'a Endpoint,
        ask: Ask<'_>,
        limits: &'a Limits,
    ) -> Result<Self> {
        let started = Instant::now();
        let Sent { response, connections } = endpoint.send(ask, limits)?;
        let reader: Box<dyn Read> = Box::new(response.into_body().into_reader());
        let (reader, line) = (BufReader::new(reader), Vec::new());
        Ok(Self { endpoint, reader, _connections: connections, limits, started, events: 0, line })
    }

    /// Returns the time since the request was sent.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Returns the `data` of the next server-sent event. Comments and other fields are skipped,
    /// because our dialects say everything in `data`.
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

    /// Returns the next line of JSON.
    pub(crate) fn next_json(&mut self) -> Result<Next> {
        loop {
            let Some(line) = self.read()? else { return Ok(Next::End) };
            let (line, at) = (line.trim().to_owned(), self.elapsed());
            if !line.is_empty() {
                return self.event(&line, at);
            }
        }
    }

    /// Returns the error for an answer that ends too early.
    pub(crate) fn broke_off(&self, problem: &str) -> ProviderError {
        if self.endpoint.connections.cancelled() || self.limits.check().is_err() {
            return ProviderError::Cancelled;
        }
        let address = self.endpoint.address.clone();
        ProviderError::BrokeOff { address, events: self.events, problem: problem.to_owned() }
    }

    /// Returns the error for an event without a required field.
    pub(crate) fn bad_answer(&self, event: &Value) -> ProviderError {
        self.endpoint.bad_answer(&event.to_string())
    }

    /// Returns the error that a server reports in its stream.
    pub(crate) fn failed(&self, text: &str) -> ProviderError {
        let address = self.endpoint.address.clone();
        ProviderError::Failed { address, message: message(text) }
    }

    fn event(&mut self, text: &str, at: Duration) -> Result<Next> {
        let value: Value =
            serde_json::from_str(text).map_err(|_| self.endpoint.bad_answer(text))?;
        if value.get("error").is_some_and(|error| !error.is_null()) {
            return Err(self.failed(text));
        }
        self.events += 1;
        Ok(Next::Event(value, at))
    }

    /// Returns the next line without its line break, or `None` at the end.
    fn read(&mut self) -> Result<Option<&str>> {
        self.line.clear();
        let read = (&mut self.reader).take(MAX_LINE_BYTES).read_until(b'\n', &mut self.line);
        match read {
            Ok(0) => Ok(None),
            Ok(_) => {
                let line = std::str::from_utf8(&self.line)
                    .map_err(|_| self.endpoint.bad_answer("bytes that are not UTF-8"))?;
                Ok(Some(line.trim_end_matches(['\r', '\n'])))
            }
            Err(error) => Err(self.endpoint.broken(error.into(), self.limits, self.events)),
        }
    }
}
