//! The shapes of all wire forms.

pub(super) mod json;
pub(super) mod named;
pub(super) mod pythonic;
pub(super) mod tagged;
