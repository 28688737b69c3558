//! A client that reads a stream of OpenAI's dialect line by line, without a library that could delay it.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Limit of silence.
const PATIENCE: Duration = Duration::from_mins(2);

/// Outcome of a request.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) end: End,
    /// Time to the first piece.
    pub(crate) first: Duration,
    pub(crate) total: Duration,
    /// Pieces of text, each with the time of its arrival.
    pub(crate) pieces: Vec<(String, Instant)>,
}

/// End of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// All of it has arrived.
    Whole,
    /// It ended with an error after its first piece, as the dialect says it.
    Broken,
    /// The server refused it with this status.
    Refused(u16),
    /// The connection ended without a word, because of this error if there is one.
    Lost(Option<std::io::ErrorKind>),
}

/// Asks the server at this address.
pub(crate) fn ask(address: &str, model: &str, text: &str) -> Answer {
    let started = Instant::now();
    let mut pieces = Vec::new();
    let end = exchange(address, model, text, &mut pieces);
    let end = end.unwrap_or_else(|error| End::Lost(Some(error.kind())));
    let first = pieces.first().map_or_else(|| started.elapsed(), |(_, at)| *at - started);
    Answer { end, first, total: started.elapsed(), pieces }
}

fn exchange(
    address: &str,
    model: &str,
    text: &str,
    pieces: &mut Vec<(String, Instant)>,
) -> std::io::Result<End> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let body = format!(
        "{{\"model\":\"{model}\",\"stream\":true,\"messages\":[{{\"role\":\"user\",\"content\":\"{text}\"}}]}}"
    );
    write!(
        stream,
        "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         connection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    if status != 200 {
        return Ok(if status == 0 { End::Lost(None) } else { End::Refused(status) });
    }
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Ok(End::Lost(None));
        }
        let Some(data) = line.strip_prefix("data: ") else { continue };
        let at = Instant::now();
        if data.starts_with("[DONE]") {
            return Ok(End::Whole);
        }
        if data.contains("\"error\"") {
            return Ok(End::Broken);
        }
        let content = data.split("\"content\":\"").nth(1).and_then(|rest| rest.split('"').next());
        if let Some(content) = content.filter(|content| !content.is_empty()) {
            pieces.push((content.to_owned(), at));
        }
    }
}
