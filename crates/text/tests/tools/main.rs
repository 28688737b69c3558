//! Tool calls out of text: every wire form, whole and in pieces.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod choice;
mod forms;
mod oracle;
mod rules;
mod support;
