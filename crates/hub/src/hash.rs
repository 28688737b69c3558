//! Hashes of content: SHA-256, and git's own hash of a blob, which a hub uses for small files.

use std::io::{self, ErrorKind, Read};

use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::error::{HubError, Result};
use crate::io_error::IoError;

/// Bytes read between two calls of `advance`.
const PIECE_BYTES: usize = 1 << 20;

/// The reason why a reader was not read to its end.
#[derive(Debug)]
pub(crate) enum Stopped {
    /// Reading failed.
    Read(io::Error),
    /// The receiver of the pieces stopped.
    By(Box<HubError>),
}

impl Stopped {
    /// Returns the error if reading was part of `action`.
    pub(crate) fn during(action: &'static str) -> impl Fn(Self) -> HubError {
        move |stopped| match stopped {
            Self::Read(source) => IoError { action, reason: source }.into(),
            Self::By(error) => *error,
        }
    }
}

/// Receives the number of bytes read so far, and may stop the reading.
pub(crate) type Advance<'a> = dyn FnMut(u64) -> Result<()> + 'a;

/// Reads `reader` to its end, piece by piece.
pub(crate) fn pieces(
    reader: &mut dyn Read,
    each: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<(), Stopped> {
    let mut buffer = vec![0; PIECE_BYTES];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => each(&buffer[..count]).map_err(|error| Stopped::By(Box::new(error)))?,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(Stopped::Read(error)),
        }
    }
}

/// Returns the SHA-256 of all that `reader` gives, in hexadecimal. `advance` receives the bytes
/// read so far, and may stop it.
pub(crate) fn sha256(reader: &mut dyn Read, advance: &mut Advance<'_>) -> Result<String, Stopped> {
    let mut hash = Sha256::new();
    feed(reader, &mut |piece| hash.update(piece), advance)?;
    Ok(hex(&hash.finalize()))
}

/// Returns git's hash of a blob of `length` bytes, in hexadecimal.
pub(crate) fn git_blob(
    reader: &mut dyn Read,
    length: u64,
    advance: &mut Advance<'_>,
) -> Result<String, Stopped> {
    let mut hash = git(length);
    feed(reader, &mut |piece| hash.update(piece), advance)?;
    Ok(hex(&hash.finalize()))
}

/// Returns SHA-256 and git's hash, from one pass.
pub(crate) fn both(
    reader: &mut dyn Read,
    length: u64,
    advance: &mut Advance<'_>,
) -> Result<(String, String), Stopped> {
    let (mut sha256, mut git) = (Sha256::new(), git(length));
    let mut hash = |piece: &[u8]| {
        sha256.update(piece);
        git.update(piece);
    };
    feed(reader, &mut hash, advance)?;
    Ok((hex(&sha256.finalize()), hex(&git.finalize())))
}

fn git(length: u64) -> Sha1 {
    let mut hash = Sha1::new();
    hash.update(format!("blob {length}\0"));
    hash
}

fn feed(
    reader: &mut dyn Read,
    hash: &mut dyn FnMut(&[u8]),
    advance: &mut Advance<'_>,
) -> Result<(), Stopped> {
    let mut done = 0;
    pieces(reader, &mut |piece| {
        hash(piece);
        done += piece.len() as u64;
        advance(done)
    })
}

/// Returns the SHA-256 of a few bytes, in hexadecimal.
pub(crate) fn sha256_of(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Returns bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    /// `printf abc | git hash-object --stdin`
    const GIT_ABC: &str = "f2ba8f84ab5c1bce84a7b441cb1959cfc7093b7f";

    #[expect(clippy::unnecessary_wraps, reason = "the form of an `Advance`")]
    fn on(_: u64) -> Result<()> {
        Ok(())
    }

    #[test]
    fn the_hashes_are_those_of_sha256sum_and_of_git() {
        assert_eq!(sha256(&mut &b"abc"[..], &mut on).unwrap(), ABC);
        assert_eq!(git_blob(&mut &b"abc"[..], 3, &mut on).unwrap(), GIT_ABC);
        let found = both(&mut &b"abc"[..], 3, &mut on).unwrap();
        assert_eq!(found, (ABC.to_owned(), GIT_ABC.to_owned()));
        assert_eq!(sha256_of(b"abc"), ABC);
    }

    #[test]
    fn progress_is_told_and_can_end_it() {
        let content = vec![7; 3 * PIECE_BYTES / 2];
        let mut told = Vec::new();
        sha256(&mut &content[..], &mut |done| {
            told.push(done);
            Ok(())
        })
        .unwrap();
        assert_eq!(told, [PIECE_BYTES as u64, content.len() as u64]);
        let stop = &mut |_| Err(HubError::Cancelled);
        let stopped = sha256(&mut &content[..], stop).unwrap_err();
        assert!(matches!(Stopped::during("read")(stopped), HubError::Cancelled));
    }

    #[test]
    fn an_interrupted_read_goes_on_and_a_failed_one_is_told() {
        struct Broken(Vec<io::Result<&'static [u8]>>);
        impl Read for Broken {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let piece = self.0.remove(0)?;
                buffer[..piece.len()].copy_from_slice(piece);
                Ok(piece.len())
            }
        }
        let interrupted = || Err(io::Error::from(ErrorKind::Interrupted));
        let mut reader = Broken(vec![Ok(b"a"), interrupted(), Ok(b"bc"), Ok(b"")]);
        assert_eq!(sha256(&mut reader, &mut on).unwrap(), ABC);
        let mut reader = Broken(vec![Ok(b"a"), Err(io::Error::other("bad sector"))]);
        let stopped = sha256(&mut reader, &mut on).unwrap_err();
        let error = Stopped::during("read a file")(stopped).to_string();
        assert!(error.contains("bad sector"), "{error}");
    }
}
