//! Whether a file's content is what its hash promises.

use std::io::Read;
use std::path::Path;

use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::remote::{Check, RemoteFile};
use crate::{HubError, Result};

const BUFFER_BYTES: usize = 1 << 20;

/// Why the file at `path` is not `file`; `None` where it is. `advance` learns how many bytes were
/// read, and may end the check with an error.
pub(super) fn mismatch(
    path: &Path,
    file: &RemoteFile,
    advance: &mut dyn FnMut(u64) -> Result<()>,
) -> Result<Option<String>> {
    let failed = || HubError::io("check a downloaded file");
    let mut input = fs_err::File::open(path).map_err(failed())?;
    let size_bytes = input.metadata().map_err(failed())?.len();
    if size_bytes != file.size_bytes {
        return Ok(Some(format!("it has {size_bytes} bytes, not {}", file.size_bytes)));
    }
    let mut read = |hash: &mut dyn FnMut(&[u8])| -> Result<()> {
        let mut buffer = vec![0; BUFFER_BYTES];
        let mut done = 0;
        loop {
            let count = input.read(&mut buffer).map_err(failed())?;
            if count == 0 {
                return Ok(());
            }
            hash(&buffer[..count]);
            done += count as u64;
            advance(done)?;
        }
    };
    let (name, found) = match file.check {
        Check::SizeOnly => return Ok(None),
        Check::Sha256 => {
            let mut hash = Sha256::new();
            read(&mut |bytes| hash.update(bytes))?;
            ("SHA-256", crate::wheel::hex(&hash.finalize()))
        }
        Check::GitSha1 => {
            let mut hash = Sha1::new();
            hash.update(format!("blob {size_bytes}\0"));
            read(&mut |bytes| hash.update(bytes))?;
            ("git hash", crate::wheel::hex(&hash.finalize()))
        }
    };
    let same = found.eq_ignore_ascii_case(&file.etag);
    Ok((!same).then(|| format!("its {name} is {found}, not {}", file.etag)))
}
