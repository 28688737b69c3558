//! Errors of opening a GPU.

/// A GPU could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the fields are named after their content")]
pub enum GpuError {
    /// There is no GPU, or no driver for it.
    #[error("No GPU found; install a Vulkan, Metal or DX12 driver, or use the CPU")]
    NoGpu,
    /// No adapter has this name.
    #[error("No GPU is called `{wanted}`; there {}", list(known))]
    NoSuchGpu { wanted: String, known: Vec<String> },
    /// A kernel needs something that the adapter lacks.
    #[error("The GPU `{name}` lacks {missing}; update its driver, or use the CPU")]
    Lacks { name: String, missing: &'static str },
    /// The driver refused to open the adapter.
    #[error("The GPU `{name}` could not be opened: {problem}")]
    NotOpened { name: String, problem: String },
}

fn list(known: &[String]) -> String {
    match known {
        [] => "is none".to_owned(),
        [one] => format!("is `{one}`"),
        many => format!("are `{}`", many.join("`, `")),
    }
}
