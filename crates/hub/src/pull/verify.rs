//! Whether a file's content is what its hash promises.

use std::path::Path;

use super::remote::{Check, RemoteFile};
use crate::hash::{self, Stopped};
use crate::{HubError, Result};

const CHECK: &str = "check a downloaded file";

/// Why the file at `path` is not `file`; `None` where it is. `advance` learns how many bytes were
/// read, and may end the check with an error.
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
