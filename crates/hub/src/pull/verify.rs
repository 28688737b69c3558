//! Checks the content of a file against its hash.

use std::path::Path;

use super::remote_file::{Check, RemoteFile};
use crate::error::{HubError, Result};
use crate::hash::{self, Stopped};

const CHECK: &str = "check a downloaded file";

/// Returns the reason why the file at `path` is not `file`, or `None` if it is. `advance` receives
/// the bytes read so far, and may stop the check.
pub(super) fn mismatch(
    path: &Path,
    file: &RemoteFile,
    advance: &mut dyn FnMut(u64) -> Result<()>,
) -> Result<Option<String>> {
    let failed = || HubError::io(CHECK);
    let mut input = fs_err::File::open(path).map_err(failed())?;
    let size_bytes = input.metadata().map_err(failed())?.len();
    if size_bytes != file.size_bytes {
        return Ok(Some(format!("it has {size_bytes} bytes, not {}", file.size_bytes)));
    }
    let (name, found) = match file.check {
        Check::SizeOnly => return Ok(None),
        Check::Sha256 => ("SHA-256", hash::sha256(&mut input, advance)),
        Check::GitSha1 => ("git hash", hash::git_blob(&mut input, size_bytes, advance)),
    };
    let found = found.map_err(Stopped::during(CHECK))?;
    let same = found.eq_ignore_ascii_case(&file.etag);
    Ok((!same).then(|| format!("its {name} is {found}, not {}", file.etag)))
}
