//! Streams: server-sent events and JSON Lines, with one network write per event.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body::Frame;
use mlxk_engine::Event;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::Instrument;

use super::answers::Answers;
use crate::error::{ApiError, Kind};
use crate::guard;

/// Form of a dialect's streams.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wire {
    pub(crate) framing: Framing,
    /// Text that ends every stream.
    pub(crate) end: Option<&'static str>,
    /// Builds the event of an error, which comes last.
    pub(crate) error: fn(&ApiError) -> Value,
}

/// Separation of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// `data: {..}` and an empty line. Comments show the client that the server still works.
    Sse,
    /// Server-sent events with names: `event: NAME`, where the name is the field `type` of the data, which comes first
    /// in it. `ping` is sent while nothing else is.
    NamedSse { ping: &'static str },
    /// One line of JSON per event. Nothing can be sent between them.
    JsonLines,
}

/// Events on their way to a client. If it reads slowly, the rest of the answer waits in the engine's channel.
const CAPACITY: usize = 16;

/// The sending end of a stream.
pub(crate) struct Events {
    sender: mpsc::Sender<Piece>,
    framing: Framing,
    heartbeat: Duration,
}

enum Piece {
    Data(Bytes),
    /// The regular end. Without it the connection breaks off, so that the client sees the answer is incomplete.
    End,
}

/// Why a stream ended early.
pub(crate) enum Broken {
    /// The client has left.
    Gone,
    /// Sent as the last event.
    Failed(ApiError),
}

impl From<ApiError> for Broken {
    fn from(error: ApiError) -> Self {
        Self::Failed(error)
    }
}

/// Returns a response whose events `write` sends. If that fails, the last event is the error.
pub(crate) fn response<W>(
    wire: Wire,
    heartbeat: Duration,
    write: impl FnOnce(Events) -> W,
) -> Response
where
    W: Future<Output = Result<(), Broken>> + Send + 'static,
{
    let (sender, pieces) = mpsc::channel(CAPACITY);
    let ending = Events { sender: sender.clone(), framing: wire.framing, heartbeat };
    let writing = write(Events { sender, framing: wire.framing, heartbeat });
    let task = async move {
        let failed = match writing.await {
            Ok(()) => None,
            Err(Broken::Gone) => return,
            Err(Broken::Failed(error)) => {
                log(&error);
                Some((wire.error)(&error).to_string())
            }
        };
        for text in failed.as_deref().into_iter().chain(wire.end) {
            if ending.send_text(text).await.is_err() {
                return;
            }
        }
        // A client that has left needs no end.
        let _ = ending.sender.send(Piece::End).await;
    };
    tokio::spawn(task.in_current_span());
    let kind = match wire.framing {
        Framing::Sse | Framing::NamedSse { .. } => "text/event-stream; charset=utf-8",
        Framing::JsonLines => "application/x-ndjson",
    };
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(kind)),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (headers, Body::new(Paced { pieces, pause: false, ended: false })).into_response()
}

/// Logs one line for a stream that an error ended, which the status of its response doesn't show.
fn log(error: &ApiError) {
    let (code, reason) = (error.kind.status().as_u16(), guard::logged_reason(error));
    if error.kind.status().is_server_error() {
        tracing::warn!(code, reason, "the stream ended with an error");
    } else {
        tracing::info!(code, reason, "the stream ended with an error");
    }
}

impl Events {
    /// Sends an event.
    pub(crate) async fn send(&self, event: &impl Serialize) -> Result<(), Broken> {
        let text = serde_json::to_string(event)
            .map_err(|error| ApiError::new(Kind::Internal, error.to_string()))?;
        self.send_text(&text).await
    }

    /// Sends events.
    pub(super) async fn send_all(&self, events: &[impl Serialize]) -> Result<(), Broken> {
        for event in events {
            self.send(event).await?;
        }
        Ok(())
    }

    async fn send_text(&self, text: &str) -> Result<(), Broken> {
        self.send_piece(frame(self.framing, text)).await
    }

    async fn send_piece(&self, bytes: Bytes) -> Result<(), Broken> {
        self.sender.send(Piece::Data(bytes)).await.map_err(|_| Broken::Gone)
    }

    /// Waits until the client has left.
    pub(crate) async fn gone(&self) {
        self.sender.closed().await;
    }

    /// Returns the next event of `answers`, or `None` at the end. Sends heartbeats as long as nothing else is sent;
    /// `sent` is the time of the last piece.
    pub(super) async fn next(
        &self,
        answers: &mut Answers,
        sent: &mut Instant,
    ) -> Result<Option<(usize, Event)>, Broken> {
        loop {
            tokio::select! {
                biased;
                () = self.sender.closed() => return Err(Broken::Gone),
                event = answers.next() => return Ok(event?),
                () = tokio::time::sleep_until(*sent + self.heartbeat) => {}
            }
            *sent = Instant::now();
            match self.framing {
                Framing::Sse => self.send_piece(Bytes::from_static(b": ping\n\n")).await?,
                Framing::NamedSse { ping } => {
                    self.send_piece(Bytes::from_static(ping.as_bytes())).await?;
                }
                Framing::JsonLines => {}
            }
        }
    }
}

fn frame(framing: Framing, text: &str) -> Bytes {
    match framing {
        Framing::Sse => format!("data: {text}\n\n").into(),
        Framing::NamedSse { .. } => match event_name(text) {
            Some(name) => format!("event: {name}\ndata: {text}\n\n").into(),
            None => format!("data: {text}\n\n").into(),
        },
        Framing::JsonLines => format!("{text}\n").into(),
    }
}

/// Returns the `type` of an event, which is its first field.
fn event_name(text: &str) -> Option<&str> {
    let (name, _) = text.strip_prefix("{\"type\":\"")?.split_once('"')?;
    Some(name)
}

/// A body that pauses after every piece, so that the connection writes each one out on its own. Some clients
/// take every network read for whole lines.
struct Paced {
    pieces: mpsc::Receiver<Piece>,
    pause: bool,
    ended: bool,
}

impl http_body::Body for Paced {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        if std::mem::take(&mut self.pause) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.ended {
            return Poll::Ready(None);
        }
        self.pieces.poll_recv(context).map(|piece| match piece {
            Some(Piece::Data(bytes)) => {
                self.pause = true;
                Some(Ok(Frame::data(bytes)))
            }
            Some(Piece::End) => {
                self.ended = true;
                None
            }
            None => {
                self.ended = true;
                Some(Err(std::io::Error::other("the answer was not finished")))
            }
        })
    }
}
