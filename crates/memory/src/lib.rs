//! Memory as the operating system hands it out: files mapped read-only, huge pages, and the amount
//! that is available.

mod available;
mod bytes;
mod huge_pages;
mod map;

pub use available::{available_bytes, total_bytes};
pub use bytes::Bytes;
pub use huge_pages::{HugePages, SmallPages, move_to_huge_pages};
pub use map::{map_file, will_need};
