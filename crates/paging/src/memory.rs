//! The part of a device that the bookkeeping needs.

use std::io;

use mlxk_ops::Result;

/// Receives pieces of an export.
pub type Write<'a> = dyn FnMut(&[u8]) -> io::Result<()> + 'a;
/// Fills in pieces of an import.
pub type Read<'a> = dyn FnMut(&mut [u8]) -> io::Result<()> + 'a;

/// The memory of a device that pages and states are in. A page belongs to a group of layers and has a
/// number in it.
pub trait CacheMemory {
    /// States of all recurrent layers of one sequence. They are freed when they are dropped.
    type States;

    /// Makes memory for more pages of a group, and returns their number, which is not zero.
    fn add_pages(&mut self, group: usize) -> Result<usize>;

    /// Copies the contents of a page of a group to another one.
    fn copy_page(&mut self, group: usize, from: u32, to: u32);

    /// Returns the size of a page of a group in bytes.
    fn page_bytes(&self, group: usize) -> usize;

    /// Passes the contents of a page to `write`.
    fn read_page(&mut self, group: usize, page: u32, write: &mut Write<'_>) -> io::Result<()>;

    /// Fills a page by `read`.
    fn write_page(&mut self, group: usize, page: u32, read: &mut Read<'_>) -> io::Result<()>;

    /// Returns the states of an empty sequence.
    fn new_states(&mut self) -> Result<Self::States>;

    /// Copies states over others.
    fn copy_states(&mut self, from: &Self::States, to: &mut Self::States);

    /// Sets states to those of an empty sequence.
    fn clear_states(&mut self, states: &mut Self::States);

    /// Returns the size of the states of a sequence in bytes.
    fn states_bytes(&self) -> usize;

    /// Passes states to `write`.
    fn read_states(&mut self, states: &Self::States, write: &mut Write<'_>) -> io::Result<()>;

    /// Fills states by `read`.
    fn write_states(&mut self, states: &mut Self::States, read: &mut Read<'_>) -> io::Result<()>;
}
