//! Fetches one part of a file, through whatever goes wrong on the way.

use std::io::{Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::partial_file::PartialFile;
use super::progress::Meter;
use super::remote::{Remote, plain_etag};
use crate::http::error::HttpError;
use crate::http::{Client, Request, Response, Tries};
use crate::{HubError, Result};

const BUFFER_BYTES: usize = 256 << 10;

/// What all connections of a pull share.
pub(super) struct Job<'a> {
    pub client: &'a Client,
    pub remote: &'a Remote,
    pub meter: &'a Meter<'a>,
    /// Set where another connection failed for good.
    pub stop: &'a AtomicBool,
}

/// One try that did not bring everything.
struct Failed {
    error: HubError,
    /// How long the server asks to wait.
    asked: Option<Duration>,
    /// Whether trying again may help, although the error does not pass by itself.
    again: bool,
}

enum Outcome {
    /// All of the range, or less where another connection fetches the whole file by now.
    Fetched,
    /// The server sends the file from its start, whatever was asked for.
    NoRanges(Response),
    Failed(Failed),
}

impl From<HubError> for Outcome {
    fn from(error: HubError) -> Self {
        Self::Failed(Failed { error, asked: None, again: false })
    }
}

fn again(error: HubError) -> Outcome {
    Outcome::Failed(Failed { error, asked: None, again: true })
}

/// Fetches part `index` and records it, or leaves it to a connection that fetches all parts.
pub(super) fn part(job: &Job<'_>, file: &PartialFile, index: usize) -> Result<()> {
    let range = file.range(index);
    let mut data = open(file)?;
    let mut at = range.start;
    let mut tries = Tries::new(job.client);
    while at < range.end {
        if file.is_streaming() {
            job.meter.lost(at - range.start);
            return Ok(());
        }
        let before = at;
        match attempt(job, file, &range, &mut at, &mut data)? {
            Outcome::Fetched => {}
            Outcome::NoRanges(response) => {
                job.meter.lost(at - range.start);
                let first = file.begin_streaming();
                return if first { stream(job, file, response) } else { Ok(()) };
            }
            Outcome::Failed(failed) => pause(&mut tries, failed, at > before)?,
        }
    }
    data.sync_data().map_err(HubError::io("bring a part of a download to the disk"))?;
    file.record(index)
}

fn pause(tries: &mut Tries<'_>, failed: Failed, progressed: bool) -> Result<()> {
    if progressed {
        tries.progressed();
    }
    if failed.again {
        tries.pause_anyway(failed.error, failed.asked)
    } else {
        tries.pause(failed.error, failed.asked)
    }
}

fn open(file: &PartialFile) -> Result<fs_err::File> {
    let data = fs_err::OpenOptions::new().write(true).open(&file.incomplete);
    data.map_err(HubError::io("write a downloaded file"))
}

/// One request for what is left of the range, read as far as it goes.
fn attempt(
    job: &Job<'_>,
    file: &PartialFile,
    range: &Range<u64>,
    at: &mut u64,
    data: &mut fs_err::File,
) -> Result<Outcome> {
    let size = file.file.size_bytes;
    let from_start = *at == 0 && range.end == size;
    let several = file.part_count() > 1;
    let url = if several {
        // Asked for once, so that each part costs one request.
        match file.place(job.client, job.remote) {
            Ok(url) => url,
            Err(error) => return Ok(error.into()),
        }
    } else {
        job.remote.resolve_url(job.client, &file.file.name)
    };
    let mut request = Request::get(url).about(&job.remote.subject(Some(&file.file.name)));
    if !from_start {
        request = request.header("range", format!("bytes={at}-{}", range.end - 1));
    }
    let response = match job.client.send_once(&request)? {
        Ok(response) => response,
        Err((error, asked)) => {
            // A link that has expired, or a server with another version of the file.
            let stale = matches!(
                error,
                HubError::Http(
                    HttpError::Denied { .. } | HttpError::ServerStatus { status: 400..500, .. }
                )
            );
            let again = stale && (several || !from_start);
            file.forget_place();
            return Ok(Outcome::Failed(Failed { error, asked, again }));
        }
    };
    let bad = |problem: String| {
        again(HubError::Http(HttpError::BadAnswer {
            url: response.url.split('?').next().unwrap_or_default().to_owned(),
            problem,
        }))
    };
    match response.status() {
        206 => {
            let Some((start, total)) = response.header("content-range").and_then(content_range)
            else {
                return Ok(bad("does not say which part of the file it is".to_owned()));
            };
            if start != *at {
                return Ok(bad(format!("is the file from byte {start} on, not from {at}")));
            }
            if total.is_some_and(|total| total != size) {
                file.forget_place();
                return Ok(bad(format!(
                    "is of a file of {} bytes, not {size}",
                    total.unwrap_or(0)
                )));
            }
        }
        200 if from_start => {
            if let Some(length) = response.length().filter(|length| *length != size) {
                return Ok(bad(format!("has {length} bytes, not {size}")));
            }
        }
        200 => return Ok(Outcome::NoRanges(response)),
        status => return Ok(bad(format!("has the unexpected status {status}"))),
    }
    let etag = response.header("etag").map(plain_etag);
    if several && !file.etag_stays(etag.as_deref()) {
        file.forget_place();
        return Ok(again(file.changed()));
    }
    data.seek(SeekFrom::Start(*at)).map_err(HubError::io("write a downloaded file"))?;
    let url = response.url.clone();
    let mut body = response.into_reader().take(range.end - *at);
    let mut buffer = vec![0; BUFFER_BYTES];
    while *at < range.end {
        let count = match read(job, &url, &mut body, &mut buffer)? {
            Ok(count) => count,
            Err(error) => return Ok(error.into()),
        };
        if file.is_streaming() {
            // The other connection brings this part too.
            return Ok(Outcome::Fetched);
        }
        data.write_all(&buffer[..count]).map_err(HubError::io("write a downloaded file"))?;
        *at += count as u64;
        job.meter.arrived(count as u64);
    }
    Ok(Outcome::Fetched)
}

/// The next bytes, at least one; the inner error is the server's fault.
fn read(
    job: &Job<'_>,
    url: &str,
    body: &mut impl Read,
    buffer: &mut [u8],
) -> Result<Result<usize>> {
    let result = body.read(buffer);
    if job.stop.load(Ordering::Relaxed) || job.client.cancelled() {
        return Err(HubError::Cancelled);
    }
    Ok(match result {
        Ok(0) => Err(HttpError::broken_off(url).into()),
        Ok(count) => Ok(count),
        Err(error) => Err(Response::read_failed(url, error, job.client.stall_timeout())),
    })
}

/// First byte, and the size of the whole where it is known, of `bytes 0-9/100`.
fn content_range(value: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = value.trim().strip_prefix("bytes")?.trim_start().split_once('/')?;
    let (start, _) = range.split_once('-')?;
    Some((start.trim().parse().ok()?, total.trim().parse().ok()))
}

/// Reads the whole file over one connection, beginning with `response`, and records part after
/// part.
fn stream(job: &Job<'_>, file: &PartialFile, response: Response) -> Result<()> {
    let mut tries = Tries::new(job.client);
    let mut counted = 0;
    let mut next = Some(response);
    loop {
        let response = if let Some(response) = next.take() {
            Ok(response)
        } else {
            let url = job.remote.resolve_url(job.client, &file.file.name);
            let subject = job.remote.subject(Some(&file.file.name));
            job.client.send_once(&Request::get(url).about(&subject))?
        };
        let before = counted;
        let failed = match response {
            Ok(response) => match stream_once(job, file, response, &mut counted)? {
                None => return Ok(()),
                Some(error) => Failed { error, asked: None, again: false },
            },
            Err((error, asked)) => Failed { error, asked, again: false },
        };
        pause(&mut tries, failed, counted > before)?;
    }
}

/// Reads once from the start; an error that is the server's fault where it broke off. `counted` is
/// how far the progress has been told.
fn stream_once(
    job: &Job<'_>,
    file: &PartialFile,
    response: Response,
    counted: &mut u64,
) -> Result<Option<HubError>> {
    let failed = || HubError::io("write a downloaded file");
    let mut data = open(file)?;
    let url = response.url.clone();
    let mut body = response.into_reader();
    let mut buffer = vec![0; BUFFER_BYTES];
    for index in 0..file.part_count() {
        let range = file.range(index);
        let needed = !file.is_done(index);
        data.seek(SeekFrom::Start(range.start)).map_err(failed())?;
        let mut at = range.start;
        while at < range.end {
            let limit = buffer.len().min((range.end - at) as usize);
            let count = match read(job, &url, &mut body, &mut buffer[..limit])? {
                Ok(count) => count,
                Err(error) => return Ok(Some(error)),
            };
            at += count as u64;
            if needed {
                data.write_all(&buffer[..count]).map_err(failed())?;
                if at > *counted {
                    job.meter.arrived(at - (*counted).max(at - count as u64));
                }
            }
            *counted = (*counted).max(at);
        }
        if needed {
            data.sync_data().map_err(failed())?;
            file.record(index)?;
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges() {
        for (value, expected) in [
            ("bytes 0-9/100", Some((0, Some(100)))),
            ("bytes 5-9/*", Some((5, None))),
            ("bytes */100", None),
            ("5-9/100", None),
            ("", None),
        ] {
            assert_eq!(content_range(value), expected, "{value}");
        }
    }
}
