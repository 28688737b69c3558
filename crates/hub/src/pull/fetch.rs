//! Fetches one part of a file, and tries again if something goes wrong.

use std::io::{Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::partial_file::PartialFile;
use super::progress::Meter;
use super::remote::{Remote, plain_etag};
use crate::error::{HubError, Result};
use crate::http::error::HttpError;
use crate::http::{Client, Request, Response, Tries, without_query};

const BUFFER_BYTES: usize = 256 << 10;
const WRITE: &str = "write a downloaded file";

/// Shared by all connections of a pull.
pub(super) struct Job<'a> {
    pub client: &'a Client,
    pub remote: &'a Remote,
    pub meter: &'a Meter<'a>,
    /// Set when another connection has failed for good.
    pub stop: &'a AtomicBool,
}

/// The end of an attempt that did not bring everything.
enum Stop {
    /// Trying again is pointless: the disk failed, or the user cancelled.
    ForGood(HubError),
    Failed(Box<Failed>),
}

/// A failure that another attempt may not have.
struct Failed {
    error: HubError,
    /// Time that the server asks to wait.
    asked: Option<Duration>,
    /// `true` if another attempt may help although the error does not pass by itself.
    again: bool,
}

impl Stop {
    fn failed(error: HubError, asked: Option<Duration>, again: bool) -> Self {
        Self::Failed(Box::new(Failed { error, asked, again }))
    }

    /// An error that another attempt may not have, whatever kind it is.
    fn again(error: impl Into<HubError>) -> Self {
        Self::failed(error.into(), None, true)
    }

    /// An error after which another attempt is made only if it may pass by itself.
    fn if_passing(error: impl Into<HubError>) -> Self {
        Self::failed(error.into(), None, false)
    }
}

impl From<HubError> for Stop {
    fn from(error: HubError) -> Self {
        Self::ForGood(error)
    }
}

/// The content of a successful answer.
enum Served {
    /// The range that was asked for.
    Range,
    /// The whole file, whatever was asked for.
    WholeFile,
}

/// Fetches part `index` and records it. Leaves it alone if another connection fetches all parts.
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
        match attempt(job, file, &range, &mut at, &mut data) {
            Ok(None) => {}
            Ok(Some(whole)) => {
                job.meter.lost(at - range.start);
                let first = file.begin_streaming();
                return if first { stream(job, file, whole) } else { Ok(()) };
            }
            Err(Stop::ForGood(error)) => return Err(error),
            Err(Stop::Failed(failed)) => pause(&mut tries, *failed, at > before)?,
        }
    }
    data.sync_data().map_err(HubError::io("flush a part of a download to disk"))?;
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
    data.map_err(HubError::io(WRITE))
}

/// Sends one request for the rest of the range, and reads the answer as far as it goes. Returns the
/// answer unread if it is the whole file.
fn attempt(
    job: &Job<'_>,
    file: &PartialFile,
    range: &Range<u64>,
    at: &mut u64,
    data: &mut fs_err::File,
) -> Result<Option<Response>, Stop> {
    let response = request_range(job, file, range, *at)?;
    match check_range(file, range, *at, &response)? {
        Served::WholeFile => Ok(Some(response)),
        Served::Range => {
            copy_range(job, file, range.end, at, data, response)?;
            Ok(None)
        }
    }
}

fn is_whole_file(file: &PartialFile, range: &Range<u64>, at: u64) -> bool {
    at == 0 && range.end == file.file.size_bytes
}

/// Asks for the range from `at` on.
fn request_range(
    job: &Job<'_>,
    file: &PartialFile,
    range: &Range<u64>,
    at: u64,
) -> Result<Response, Stop> {
    let from_start = is_whole_file(file, range, at);
    let several = file.part_count() > 1;
    let url = if several {
        // The place is asked for once, so that each part costs one request.
        file.place(job.client, job.remote).map_err(Stop::if_passing)?
    } else {
        job.remote.resolve_url(job.client, &file.file.name)
    };
    let mut request = Request::get(url).about(&job.remote.subject(Some(&file.file.name)));
    if !from_start {
        request = request.header("range", format!("bytes={at}-{}", range.end - 1));
    }
    job.client.send_once(&request)?.map_err(|(error, asked)| {
        // A link that has expired, or a server with another version of the file.
        let stale = matches!(
            error,
            HubError::Http(
                HttpError::Denied { .. } | HttpError::ServerStatus { status: 400..500, .. }
            )
        );
        file.forget_place();
        Stop::failed(error, asked, stale && (several || !from_start))
    })
}

/// Checks that an answer is what was asked for: the range from `at` on, of the same file.
fn check_range(
    file: &PartialFile,
    range: &Range<u64>,
    at: u64,
    response: &Response,
) -> Result<Served, Stop> {
    let size = file.file.size_bytes;
    let from_start = is_whole_file(file, range, at);
    let bad = |problem: String| {
        Stop::again(HttpError::BadAnswer { url: without_query(&response.url), problem })
    };
    match response.status() {
        206 => {
            let Some((start, total)) = response.header("content-range").and_then(content_range)
            else {
                return Err(bad("does not say which part of the file it is".to_owned()));
            };
            if start != at {
                return Err(bad(format!("starts at byte {start} of the file, not at {at}")));
            }
            if let Some(total) = total.filter(|total| *total != size) {
                file.forget_place();
                return Err(bad(format!("is of a file of {total} bytes, not {size}")));
            }
        }
        200 if from_start => {
            if let Some(length) = response.length().filter(|length| *length != size) {
                return Err(bad(format!("has {length} bytes, not {size}")));
            }
        }
        200 => return Ok(Served::WholeFile),
        status => return Err(bad(format!("has the unexpected status {status}"))),
    }
    let etag = response.header("etag").map(plain_etag);
    if file.part_count() > 1 && !file.etag_stays(etag.as_deref()) {
        file.forget_place();
        return Err(Stop::again(file.changed()));
    }
    Ok(Served::Range)
}

/// Copies an answer to the file, up to byte `end`; `at` moves along. Ends early if another
/// connection starts to fetch the whole file, which brings this part too.
fn copy_range(
    job: &Job<'_>,
    file: &PartialFile,
    end: u64,
    at: &mut u64,
    data: &mut fs_err::File,
    response: Response,
) -> Result<(), Stop> {
    data.seek(SeekFrom::Start(*at)).map_err(HubError::io(WRITE))?;
    let url = response.url.clone();
    let mut body = response.into_reader().take(end - *at);
    let mut buffer = vec![0; BUFFER_BYTES];
    while *at < end {
        let count = read(job, &url, &mut body, &mut buffer)?;
        if file.is_streaming() {
            return Ok(());
        }
        data.write_all(&buffer[..count]).map_err(HubError::io(WRITE))?;
        *at += count as u64;
        job.meter.arrived(count as u64);
    }
    Ok(())
}

/// Reads the next bytes, at least one.
fn read(job: &Job<'_>, url: &str, body: &mut impl Read, buffer: &mut [u8]) -> Result<usize, Stop> {
    let result = body.read(buffer);
    if job.stop.load(Ordering::Relaxed) || job.client.cancelled() {
        return Err(Stop::ForGood(HubError::Cancelled));
    }
    match result {
        Ok(0) => Err(Stop::if_passing(HttpError::broken_off(url))),
        Ok(count) => Ok(count),
        Err(error) => {
            let stall = job.client.stall_timeout();
            Err(Stop::if_passing(Response::read_failed(url, error, stall)))
        }
    }
}

/// Parses `bytes 0-9/100`. Returns the first byte, and the size of the file if it is known.
fn content_range(value: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = value.trim().strip_prefix("bytes")?.trim_start().split_once('/')?;
    let (start, _) = range.split_once('-')?;
    Some((start.trim().parse().ok()?, total.trim().parse().ok()))
}

/// Reads the whole file over one connection, starting with `response`, and records its parts one
/// after the other.
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
        let result = match response {
            Ok(response) => stream_once(job, file, response, &mut counted),
            Err((error, asked)) => Err(Stop::failed(error, asked, false)),
        };
        match result {
            Ok(()) => return Ok(()),
            Err(Stop::ForGood(error)) => return Err(error),
            Err(Stop::Failed(failed)) => pause(&mut tries, *failed, counted > before)?,
        }
    }
}

/// Reads the file once from its start. `counted` is the number of bytes that the progress has
/// shown.
fn stream_once(
    job: &Job<'_>,
    file: &PartialFile,
    response: Response,
    counted: &mut u64,
) -> Result<(), Stop> {
    let failed = || HubError::io(WRITE);
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
            let count = read(job, &url, &mut body, &mut buffer[..limit])?;
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
    Ok(())
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
