//! `/api/blobs/{digest}`: files that clients upload before they create a model from them.
//!
//! Invariant: a file with the name of a digest is complete and has that SHA-256. It is deleted when a model is
//! made from it, or after a day.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::extract::{Path as Parameter, Request, State};
use axum::http::StatusCode;
use bytes::Bytes;
use http_body::Body as _;
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::digest::{digits, hex};
use crate::error::{ApiError, Kind};
use crate::state::{Shared, State as ServerState};

/// Number of parts that may wait for the disk.
const WAITING: usize = 16;
/// Free space that an upload leaves on the disk.
const LEFT_FREE_BYTES: u64 = 1 << 30;
/// Bytes between two looks at the free space.
const LOOK_EVERY_BYTES: u64 = 64 << 20;
/// Time that an upload is kept for a model to be made from it.
const KEPT: Duration = Duration::from_hours(24);

/// Returns the path of a blob, whether it exists or not.
pub(super) fn path(digits: &str, state: &ServerState) -> PathBuf {
    folder(state).join(format!("sha256-{}", digits.to_ascii_lowercase()))
}

fn folder(state: &ServerState) -> PathBuf {
    state.config.locations.data_dir.join("blobs")
}

/// Checks if a blob was uploaded.
pub(super) async fn check(
    State(state): State<Shared>,
    Parameter(digest): Parameter<String>,
) -> Result<StatusCode, ApiError> {
    let path = path(digits(&digest)?, &state);
    if path.is_file() {
        return Ok(StatusCode::OK);
    }
    Err(ApiError::new(Kind::NotFound, format!("The blob `{digest}` was not uploaded")))
}

/// Receives a blob.
pub(super) async fn upload(
    State(state): State<Shared>,
    Parameter(digest): Parameter<String>,
    request: Request,
) -> Result<StatusCode, ApiError> {
    state.may_change_models()?;
    let expected = digits(&digest)?.to_ascii_lowercase();
    let target = path(&expected, &state);
    let idle = state.config.limits.body_idle;
    if target.is_file() {
        // Read to its end, because a client that is still writing would not see the response.
        receive(request, None, idle).await?;
        return Ok(StatusCode::OK);
    }
    let _place = state.take_change()?;
    let most = state.config.limits.upload_bytes;
    let stated = request.body().size_hint().lower();
    if stated > most {
        return Err(too_large(most));
    }
    let (sender, parts) = mpsc::channel(WAITING);
    let folder = folder(&state);
    let writing = tokio::task::spawn_blocking(move || {
        let room = Room { most, stated };
        write(&folder, parts, &target, &expected, &room)
    });
    let receiving = receive(request, Some(&sender), idle).await;
    // The end is a part of its own, so that an interrupted upload is never taken for a complete one.
    if receiving.is_ok() {
        let _ = sender.send(Part::End).await;
    }
    drop(sender);
    let written = writing.await.map_err(|_| ApiError::panicked())?;
    receiving?;
    written?;
    Ok(StatusCode::CREATED)
}

/// Bounds of an upload.
struct Room {
    /// Most bytes of an upload.
    most: u64,
    /// Bytes that the client announced; 0 if it did not.
    stated: u64,
}

impl Room {
    /// Refuses an upload that is too large, or that would fill the disk with its next `more` bytes.
    fn check(&self, folder: &Path, written: u64, more: u64) -> Result<(), ApiError> {
        if written > self.most {
            return Err(too_large(self.most));
        }
        match mlxk_hub::free_bytes(folder) {
            Ok(free) if free < more.saturating_add(LEFT_FREE_BYTES) => {
                let message = "The disk of the server has too little space for the upload";
                Err(ApiError::new(Kind::Disk, message))
            }
            _ => Ok(()),
        }
    }
}

fn too_large(most: u64) -> ApiError {
    ApiError::new(Kind::TooLarge, format!("The upload is larger than {most} bytes"))
}

enum Part {
    Data(Bytes),
    End,
}

/// Reads the body to its end and passes it to the writer, if there is one, part by part.
async fn receive(
    request: Request,
    sender: Option<&mpsc::Sender<Part>>,
    idle: Duration,
) -> Result<(), ApiError> {
    let mut body = std::pin::pin!(request.into_body());
    loop {
        let frame = std::future::poll_fn(|context| body.as_mut().poll_frame(context));
        let frame = match timeout(idle, frame).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(Some(Err(error))) => {
                return Err(ApiError::bad(format!("The upload is incomplete: {error}")));
            }
            Ok(None) => return Ok(()),
            Err(_) => {
                let message = format!("The upload sent no data for {} s", idle.as_secs());
                return Err(ApiError::new(Kind::Timeout, message));
            }
        };
        if let Ok(data) = frame.into_data()
            && let Some(sender) = sender
            && sender.send(Part::Data(data)).await.is_err()
        {
            // The writer has failed, and returns the reason.
            return Ok(());
        }
    }
}

/// Writes the parts, and gives the file its name if the digest is the expected one.
fn write(
    folder: &Path,
    mut parts: mpsc::Receiver<Part>,
    target: &Path,
    expected: &str,
    room: &Room,
) -> Result<(), ApiError> {
    let failed = |error: std::io::Error| {
        ApiError::new(Kind::Internal, format!("The upload cannot be stored: {error}"))
    };
    std::fs::create_dir_all(folder).map_err(failed)?;
    sweep(folder);
    room.check(folder, 0, room.stated)?;
    let (mut written, mut looked) = (0_u64, 0_u64);
    let mut file =
        tempfile::Builder::new().prefix(".upload-").tempfile_in(folder).map_err(failed)?;
    let mut hash = Sha256::new();
    loop {
        match parts.blocking_recv() {
            Some(Part::Data(data)) => {
                written += data.len() as u64;
                if written > room.most || written - looked > LOOK_EVERY_BYTES {
                    room.check(folder, written, 0)?;
                    looked = written;
                }
                hash.update(&data);
                file.write_all(&data).map_err(failed)?;
            }
            Some(Part::End) => break,
            None => return Err(ApiError::bad("The upload is incomplete")),
        }
    }
    let found = hex(&hash.finalize());
    if found != expected {
        let message =
            format!("The upload has the digest `sha256:{found}`, not `sha256:{expected}`");
        return Err(ApiError::field("digest", message));
    }
    file.as_file().sync_all().map_err(failed)?;
    file.persist(target).map_err(|error| failed(error.error))?;
    Ok(())
}

/// Deletes old uploads. Errors are ignored: the next upload tries again.
fn sweep(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let age = entry.metadata().and_then(|file| file.modified()).ok();
        let age = age.and_then(|time| time.elapsed().ok());
        if age.is_some_and(|age| age > KEPT) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}
