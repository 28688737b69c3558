//! Huge pages.
//!
//! The kernel maps a file in pages of 4 KiB if it read the file in small pieces. A process that
//! then reads gigabytes of it per second spends much of its time on address translation, more so in
//! a virtual machine, where each address is translated twice. On Linux, anonymous memory comes in
//! pages of 2 MiB on request. On other systems, nothing in this module has an effect.

use std::io;
use std::ops::{Deref, DerefMut, Range};

use memmap2::MmapMut;

use crate::Bytes;
use crate::map::{anonymous, release};

/// Alignment of every part in bytes: a cache line.
const ALIGNMENT: usize = 64;
/// Bytes that exist twice at most while weights are moved.
const STRIDE: usize = 4 << 20;

/// Address ranges of files that are mapped in small pages; empty if the system has no huge pages.
#[derive(Debug, Default)]
pub struct SmallPages {
    addresses: Vec<Range<usize>>,
}

impl SmallPages {
    /// Asks the kernel.
    pub fn find() -> Self {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let setting = read("/sys/kernel/mm/transparent_hugepage/enabled");
        if !["[always]", "[madvise]"].iter().any(|word| setting.contains(word)) {
            return Self::default();
        }
        Self::of(&read("/proc/self/smaps"))
    }

    /// Parses the text of `smaps` (see `proc_pid_smaps(5)`). Finds the maps of files that have less
    /// than half of their resident memory in huge pages.
    fn of(smaps: &str) -> Self {
        let mut addresses = Vec::new();
        let mut current: Option<Range<usize>> = None;
        let mut resident = 0;
        for line in smaps.lines() {
            let mut fields = line.split_ascii_whitespace();
            let Some(first) = fields.next() else { continue };
            let kilobytes = || line.split_ascii_whitespace().nth(1)?.parse::<u64>().ok();
            match first {
                "Rss:" => resident = kilobytes().unwrap_or(0),
                "FilePmdMapped:" => {
                    let huge = kilobytes().unwrap_or(0);
                    addresses.extend(current.take().filter(|_| 2 * huge < resident));
                }
                first => {
                    let Some((from, to)) = first.split_once('-') else { continue };
                    let hex = |number| usize::from_str_radix(number, 16).ok();
                    let (Some(from), Some(to)) = (hex(from), hex(to)) else { continue };
                    // The inode comes after permissions, offset and device. It is zero if no file
                    // is mapped.
                    current = fields.nth(3).filter(|&inode| inode != "0").map(|_| from..to);
                }
            }
        }
        Self { addresses }
    }

    /// Returns `true` if the bytes are in one of these ranges.
    pub fn hold(&self, bytes: &Bytes) -> bool {
        let address = bytes.as_ptr().addr();
        self.addresses.iter().any(|map| map.contains(&address))
    }
}

/// Writable bytes that start as zeros, in huge pages if the system has them.
#[derive(Debug)]
pub struct HugePages(MmapMut);

impl HugePages {
    /// Allocates `size` bytes; `size` must not be zero. Fails if the system is out of memory.
    pub fn zeros(size: usize) -> io::Result<Self> {
        anonymous(size).map(Self)
    }
}

impl Deref for HugePages {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for HugePages {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

/// Moves the parts to huge pages, all together, and gives the memory of their old maps back. If the
/// system has no memory for them, they stay in place and an error is returned.
pub fn move_to_huge_pages(parts: &mut [&mut Bytes]) -> io::Result<()> {
    let mut size = 0;
    let places: Vec<Range<usize>> = parts
        .iter()
        .map(|part| {
            let start = size;
            size = (start + part.len()).next_multiple_of(ALIGNMENT);
            start..start + part.len()
        })
        .collect();
    if size == 0 {
        return Ok(());
    }
    let mut memory = HugePages::zeros(size)?;
    for (part, place) in parts.iter().zip(&places) {
        for start in (0..part.len()).step_by(STRIDE) {
            let stride = start..(start + STRIDE).min(part.len());
            memory[place.clone()][stride.clone()].copy_from_slice(&part[stride.clone()]);
            release(part, stride);
        }
    }
    let memory = Bytes::from_memory(memory.0.make_read_only()?);
    for (part, place) in parts.iter_mut().zip(places) {
        **part = memory.slice(place).expect("the memory has a place for every part");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_of_files_in_small_pages_are_found() {
        let smaps = "\
            7f0000000000-7f0000400000 r--s 00000000 fe:00 12 /m/model.safetensors\n\
            Size: 4096 kB\nRss: 4096 kB\nFilePmdMapped: 0 kB\nVmFlags: rd mr\n\
            7f0000400000-7f0000800000 r--s 00000000 fe:00 13 /m/huge.safetensors\n\
            Size: 4096 kB\nRss: 4096 kB\nFilePmdMapped: 4096 kB\nVmFlags: rd mr\n\
            7f0000800000-7f0000900000 rw-p 00000000 00:00 0 \n\
            Rss: 1024 kB\nFilePmdMapped: 0 kB\n\
            7f0000900000-7f0000a00000 r--s 00000000 fe:00 14 /m/never read\n\
            Rss: 0 kB\nFilePmdMapped: 0 kB\n";
        let first = 0x7f00_0000_0000..0x7f00_0040_0000;
        assert_eq!(SmallPages::of(smaps).addresses, [first]);
        assert!(SmallPages::of("").addresses.is_empty());
        assert!(SmallPages::of("nonsense - of\nFilePmdMapped: x kB").addresses.is_empty());
    }
}
