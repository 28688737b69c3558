//! Reads little-endian fields from untrusted bytes.

use std::ops::Range;

use super::GgufDamage;

/// A position in the file. Every read is checked against the end of the file.
pub(super) struct Cursor<'a> {
    file: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(file: &'a [u8]) -> Self {
        Self { file, at: 0 }
    }

    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// Returns the range of the next `length` bytes and moves past them.
    pub(super) fn skip(&mut self, length: u64) -> Result<Range<usize>, GgufDamage> {
        let end = usize::try_from(length)
            .ok()
            .and_then(|length| self.at.checked_add(length))
            .filter(|&end| end <= self.file.len())
            .ok_or(GgufDamage::Ends(self.at as u64))?;
        let range = self.at..end;
        self.at = end;
        Ok(range)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], GgufDamage> {
        let range = self.skip(N as u64)?;
        Ok(self.file[range].try_into().expect("the range has this length"))
    }

    pub(super) fn u32(&mut self) -> Result<u32, GgufDamage> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, GgufDamage> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn bytes<const N: usize>(&mut self) -> Result<[u8; N], GgufDamage> {
        self.array()
    }

    /// Returns the range of a string, which is stored as a length and that many bytes.
    pub(super) fn string(&mut self) -> Result<Range<usize>, GgufDamage> {
        let length = self.u64()?;
        self.skip(length)
    }

    /// Reads a string that must be valid UTF-8, such as a name.
    pub(super) fn text(&mut self, what: &str) -> Result<&'a str, GgufDamage> {
        let range = self.string()?;
        std::str::from_utf8(&self.file[range]).map_err(|_| GgufDamage::Text(what.to_owned()))
    }

    /// Reads a count of entries of at least `smallest` bytes each. Refuses a count that cannot fit
    /// before anything is allocated for it.
    pub(super) fn count(&mut self, what: &'static str, smallest: u64) -> Result<u64, GgufDamage> {
        let count = self.u64()?;
        self.fits(count, what, smallest)
    }

    pub(super) fn fits(
        &self,
        count: u64,
        what: &'static str,
        smallest: u64,
    ) -> Result<u64, GgufDamage> {
        let left = (self.file.len() - self.at) as u64;
        match count.checked_mul(smallest) {
            Some(bytes) if bytes <= left => Ok(count),
            _ => Err(GgufDamage::Count { what, count }),
        }
    }
}
