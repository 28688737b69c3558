//! The names that the program is started by. Packages install links with the names of MLX-Knife's
//! programs.

use std::ffi::{OsStr, OsString};
use std::path::Path;

/// Name under which the program answers a prompt, like `mlxk run`.
const RUN: &str = "mlx-run";

/// Returns the words of the command line. If the program was started as `mlx-run`, the first of them is
/// `run`.
pub(crate) fn arguments() -> impl Iterator<Item = OsString> {
    let mut words = std::env::args_os();
    let program = words.next().unwrap_or_default();
    let command = is_run(&program).then(|| OsString::from("run"));
    std::iter::once(program).chain(command).chain(words)
}

fn is_run(program: &OsStr) -> bool {
    Path::new(program).file_stem().is_some_and(|name| name == RUN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_name_means_a_command() {
        for (program, expected) in [
            ("mlx-run", true),
            ("/usr/local/bin/mlx-run", true),
            ("mlx-run.exe", true),
            ("mlxk", false),
            ("./mlx-knife", false),
            ("", false),
        ] {
            assert_eq!(is_run(OsStr::new(program)), expected, "{program}");
        }
    }
}
