//! Downloads files over several connections, and checks them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::fetch::{self, Job};
use super::layout::RepoFolder;
use super::options::PullOptions;
use super::partial_file::PartialFile;
use super::parts;
use super::progress::Meter;
use super::remote::Remote;
use super::remote_file::RemoteFile;
use super::scheduler::{Scheduler, Task};
use super::verify::mismatch;
use crate::error::{HubError, Result};
use crate::http::{Client, Tell};
use crate::pull::error::PullError;

/// Fetches files and gives them their names. With `again`, even files that are there are fetched.
/// Returns the bytes that went over the network.
pub(super) fn fetch_all(
    client: &Client,
    remote: &Remote,
    folder: &RepoFolder,
    files: Vec<RemoteFile>,
    options: &PullOptions,
    again: bool,
    tell: &Tell,
) -> Result<u64> {
    tell.stage(format!("Downloading {}", remote.repo));
    let mut done = 0;
    for file in &files {
        done += parts::recorded_bytes(&folder.incomplete(&file.etag), file)?;
    }
    let total = super::plan::total(files.iter().map(|file| file.size_bytes));
    let meter = Meter::new(tell, done, total);
    let scheduler = Scheduler::new(files, folder, client, tell, options.part_bytes, again);
    let stop = AtomicBool::new(false);
    let failure = Mutex::new(None);
    let job = Job { client, remote, meter: &meter, stop: &stop };
    std::thread::scope(|scope| {
        for _ in 0..options.workers.max(1) {
            scope.spawn(|| {
                if let Err(error) = work(&job, &scheduler) {
                    // The first error is the reason; the other connections were stopped for it.
                    let mut failure = failure.lock().unwrap_or_else(PoisonError::into_inner);
                    failure.get_or_insert(error);
                    stop.store(true, Ordering::Relaxed);
                }
            });
        }
    });
    match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => Ok(meter.fetched()),
    }
}

fn work(job: &Job<'_>, scheduler: &Scheduler<'_>) -> Result<()> {
    while !job.stop.load(Ordering::Relaxed) {
        let complete = match scheduler.next()? {
            None => return Ok(()),
            Some(Task::Check(file)) => Some(file),
            Some(Task::Fetch(file, index)) => {
                let result = fetch::part(job, &file, index);
                let complete = file.release();
                result?;
                complete.then_some(file)
            }
        };
        if let Some(file) = complete {
            finish(job, scheduler, file)?;
        }
    }
    Ok(())
}

/// Checks a complete file and gives it its name. After a wrong hash, the file is fetched once more.
fn finish(job: &Job<'_>, scheduler: &Scheduler<'_>, file: Arc<PartialFile>) -> Result<()> {
    let size = file.file.size_bytes;
    // While other files arrive, their progress is shown instead.
    let last = scheduler.is_empty() && size > 64 << 20;
    if last {
        scheduler.tell.stage(format!("Checking {}", file.file.name));
    }
    let problem = mismatch(&file.incomplete, &file.file, &mut |done| {
        if job.stop.load(Ordering::Relaxed) || job.client.cancelled() {
            return Err(HubError::Cancelled);
        }
        if last {
            scheduler.tell.advance(done, size);
        }
        Ok(())
    })?;
    let Some(problem) = problem else { return file.finish() };
    if file.part_count() > 0 && file.start_over()? {
        scheduler.tell.note(format!("`{}` arrived damaged; downloading it again", file.file.name));
        job.meter.lost(size);
        scheduler.again(file);
        return Ok(());
    }
    file.discard()?;
    Err(PullError::Damaged { file: file.file.name.clone(), problem }.into())
}
