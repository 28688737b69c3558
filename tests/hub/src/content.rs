//! Sends the content of files, with ranges, faults and counters.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Response, StatusCode};
use http_body::Frame;
use tokio::sync::mpsc::{Receiver, channel};

use crate::repo::StoredFile;
use crate::state::State;
use crate::{Fault, repo};

const CHUNK: usize = 16 << 10;

/// Answers with the content of `file`, called `name`, or with the requested range.
pub(crate) fn serve(
    state: &Arc<State>,
    name: &str,
    file: &StoredFile,
    headers: &HeaderMap,
    fault: Option<Fault>,
) -> Response<Body> {
    let total = file.content.len();
    let asked = match fault {
        Some(Fault::IgnoreRange) => None,
        _ => headers.get("range").and_then(|range| range.to_str().ok()).map(str::to_owned),
    };
    let mut range = match asked.as_deref().map(|asked| parse(asked, total)) {
        None => 0..total,
        Some(Some(range)) => range,
        Some(None) => {
            return Response::builder()
                .status(StatusCode::RANGE_NOT_SATISFIABLE)
                .header("content-range", format!("bytes */{total}"))
                .body(Body::empty())
                .unwrap();
        }
    };
    if fault == Some(Fault::WrongRange) {
        let length = range.len();
        let start = if range.end < total { range.end } else { 0 };
        range = start..(start + length).min(total);
    }
    let (first, last) = (range.start, range.end.saturating_sub(1));
    let mut content = file.content[range].to_vec();
    let mut etag = file.etag.clone();
    match fault {
        Some(Fault::Short(bytes)) => content.truncate(content.len().saturating_sub(bytes as usize)),
        Some(Fault::Flip) => {
            let middle = content.len() / 2;
            content[middle] ^= 0x40;
        }
        Some(Fault::OtherEtag) => etag = repo::sha256(etag.as_bytes()),
        _ => {}
    }
    let mut response = Response::builder()
        .header("content-length", content.len())
        .header("accept-ranges", "bytes")
        .header("etag", format!("\"{etag}\""));
    if asked.is_some() {
        response = response
            .status(StatusCode::PARTIAL_CONTENT)
            .header("content-range", format!("bytes {first}-{last}/{total}"));
    }
    state.began(name);
    response.body(Body::new(stream(state, name, content, fault))).unwrap()
}

fn parse(range: &str, total: usize) -> Option<std::ops::Range<usize>> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let first: usize = first.parse().ok()?;
    let end = if last.is_empty() { total } else { last.parse::<usize>().ok()? + 1 };
    (first < total && first < end).then(|| first..end.min(total))
}

/// Sends the content piece by piece. Each piece is counted once the connection takes it.
fn stream(state: &Arc<State>, name: &str, content: Vec<u8>, fault: Option<Fault>) -> Pieces {
    let (sender, receiver) = channel(1);
    let (state, name) = (Arc::clone(state), name.to_owned());
    let (size, pause) = match fault {
        Some(Fault::Drip(size, pause)) => (size, pause),
        _ => (CHUNK, state.lock().pace),
    };
    tokio::spawn(async move {
        let mut sent = 0;
        while sent < content.len() {
            let mut end = (sent + size).min(content.len());
            if let Some(Fault::Cut(limit) | Fault::Stall(limit)) = fault {
                end = end.min(limit as usize);
            }
            if end > sent {
                let piece = Bytes::copy_from_slice(&content[sent..end]);
                if sender.send(Ok(piece)).await.is_err() {
                    return;
                }
                state.sent(&name, (end - sent) as u64);
                sent = end;
            }
            match fault {
                Some(Fault::Cut(limit)) if sent as u64 >= limit => {
                    // What was sent should arrive before the connection ends.
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    let _ = sender.send(Err(io::Error::other("cut"))).await;
                    return;
                }
                Some(Fault::Stall(limit)) if sent as u64 >= limit => {
                    sender.closed().await;
                    return;
                }
                _ => {}
            }
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
        }
    });
    Pieces(receiver)
}

struct Pieces(Receiver<io::Result<Bytes>>);

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}
