//! The part of a dialect that writes answers.

use mlxk_engine::Event;
use serde::Serialize;

use super::stream::Wire;
use crate::error::ApiError;

/// Writes the events of an engine in the words of a dialect.
///
/// A stream sends the pieces one by one. A whole answer is the same pieces folded into one body, so the two
/// cannot differ.
pub(crate) trait Renderer: Send + 'static {
    /// One event or line of a stream.
    type Piece: Serialize + Send + Sync;
    /// The body of an answer that is sent at once.
    type Whole: Serialize + Send;

    /// Form of the stream.
    const WIRE: Wire;

    /// Returns the pieces that precede all answers.
    fn open(&mut self) -> Vec<Self::Piece> {
        Vec::new()
    }

    /// Returns the pieces for an event of the answer with number `index`.
    fn event(&mut self, index: usize, event: Event) -> Result<Vec<Self::Piece>, ApiError>;

    /// Returns the pieces that follow when all answers have ended.
    fn close(&mut self) -> Vec<Self::Piece> {
        Vec::new()
    }

    /// Returns the body of answers that have not said anything yet.
    fn empty(&self) -> Self::Whole;

    /// Adds a piece to a body.
    fn fold(whole: &mut Self::Whole, piece: Self::Piece);
}
