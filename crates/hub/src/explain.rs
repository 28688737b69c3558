//! The form of every error in this crate: a word for programs, a sentence for people, and a hint.
//!
//! Each part of the crate has its errors in its own `error.rs`, with all three in one `match` arm.

/// Everything there is to say about an error.
pub(crate) struct Explained {
    /// The error's `type` in MLX-Knife's JSON API.
    pub kind: &'static str,
    pub message: String,
    pub hint: Option<String>,
}

impl Explained {
    /// An error without a hint.
    pub(crate) fn new(kind: &'static str, message: impl Into<String>) -> Self {
        let message = mlxk_http::without_os_code(&message.into());
        Self { kind, message, hint: None }
    }

    /// Adds advice, if possible a command to paste.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// An error that knows its word, its message and its hint.
pub(crate) trait Explain {
    fn explain(&self) -> Explained;
}

/// Implements `Display` and `Error` for types that implement [`Explain`].
macro_rules! impl_error {
    ($error:ty) => {
        impl std::fmt::Display for $error {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&crate::explain::Explain::explain(self).message)
            }
        }

        impl std::error::Error for $error {}
    };
}
pub(crate) use impl_error;

/// Names in backticks, separated by commas.
pub(crate) fn ticked(names: &[String]) -> String {
    let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

/// A question about similar names; empty if there are none.
pub(crate) fn did_you_mean(names: &[String]) -> Option<String> {
    let (last, others) = names.split_last()?;
    Some(match others {
        [] => format!("Did you mean `{last}`?"),
        others => format!("Did you mean {} or `{last}`?", ticked(others)),
    })
}

/// `, line 3`, or nothing if the line is unknown.
pub(crate) fn in_line(line: Option<usize>) -> String {
    line.map(|line| format!(", line {line}")).unwrap_or_default()
}
