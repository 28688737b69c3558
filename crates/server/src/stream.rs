//! Answers piece by piece: server-sent events and JSON Lines, one network write per event.

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
use tokio::sync::mpsc;
use tracing::Instrument;

use crate::answer::Answers;
use crate::error::{ApiError, Kind};

/// How events are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// `data: {..}` and an empty line; silence is broken by comments.
    Sse,
    /// A line of JSON each. Nothing can be sent in between.
    JsonLines,
}

/// Events that may be under way to a client that reads slowly; the answer itself waits in memory.
const UNDER_WAY: usize = 16;

/// The sending end of a stream.
pub(crate) struct Events {
    sender: mpsc::Sender<Piece>,
    framing: Framing,
    heartbeat: Duration,
}

enum Piece {
    Data(Bytes),
    /// Without it the body breaks off, and the client learns that something is missing.
    End,
}

/// Why a stream ended early.
pub(crate) enum Broken {
    /// Nobody listens any more.
    Gone,
    /// To be told as the last event.
    Failed(ApiError),
}

impl From<ApiError> for Broken {
    fn from(error: ApiError) -> Self {
        Self::Failed(error)
    }
}

/// A response whose events `write` sends. Where it fails, `fail` makes the last events of it.
pub(crate) fn response<W, F>(
    framing: Framing,
    heartbeat: Duration,
    write: impl FnOnce(Events) -> W,
    fail: F,
) -> Response
where
    W: Future<Output = Result<(), Broken>> + Send + 'static,
    F: FnOnce(&ApiError) -> Vec<String> + Send + 'static,
{
    let (sender, pieces) = mpsc::channel(UNDER_WAY);
    let ending = sender.clone();
    let writing = write(Events { sender, framing, heartbeat });
    let task = async move {
        match writing.await {
            Ok(()) => {}
            Err(Broken::Gone) => return,
            Err(Broken::Failed(error)) => {
                for text in fail(&error) {
                    let piece = Piece::Data(frame(framing, &text));
                    if ending.send(piece).await.is_err() {
                        return;
                    }
                }
            }
        }
        // A client that is gone needs no end.
        let _ = ending.send(Piece::End).await;
    };
    tokio::spawn(task.in_current_span());
    let kind = match framing {
        Framing::Sse => "text/event-stream; charset=utf-8",
        Framing::JsonLines => "application/x-ndjson",
    };
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(kind)),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (headers, Body::new(Paced { pieces, pause: false, ended: false })).into_response()
}

impl Events {
    /// Sends an event.
    pub(crate) async fn send(&self, event: &impl Serialize) -> Result<(), Broken> {
        let text = serde_json::to_string(event)
            .map_err(|error| ApiError::new(Kind::Internal, error.to_string()))?;
        self.send_text(&text).await
    }

    /// Sends an event that is no JSON.
    pub(crate) async fn send_text(&self, text: &str) -> Result<(), Broken> {
        self.send_piece(frame(self.framing, text)).await
    }

    async fn send_piece(&self, bytes: Bytes) -> Result<(), Broken> {
        self.sender.send(Piece::Data(bytes)).await.map_err(|_| Broken::Gone)
    }

    /// Waits until nobody listens any more.
    pub(crate) async fn gone(&self) {
        self.sender.closed().await;
    }

    /// Waits for the next event of `answers`, with signs of life in between; `None` at the end.
    pub(crate) async fn next(
        &self,
        answers: &mut Answers,
    ) -> Result<Option<(usize, Event)>, Broken> {
        loop {
            tokio::select! {
                biased;
                () = self.sender.closed() => return Err(Broken::Gone),
                event = answers.next() => return Ok(event?),
                () = tokio::time::sleep(self.heartbeat) => {}
            }
            if self.framing == Framing::Sse {
                self.send_piece(Bytes::from_static(b": ping\n\n")).await?;
            }
        }
    }
}

fn frame(framing: Framing, text: &str) -> Bytes {
    match framing {
        Framing::Sse => format!("data: {text}\n\n").into(),
        Framing::JsonLines => format!("{text}\n").into(),
    }
}

/// A body that rests after every piece, so that the connection writes it out before it asks for
/// the next.
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
