//! The other systems: the workspace must type-check for each, wherever it was written.
//!
//! One dependency (ring) holds C, so the check needs a C compiler for each of them. zig is one for
//! all; `pip install ziglang` brings it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::process::{exists, has_target, run};

/// Our names of the targets, and zig's.
const TARGETS: [(&str, &str); 3] = [
    ("aarch64-apple-darwin", "aarch64-macos"),
    ("x86_64-pc-windows-gnu", "x86_64-windows-gnu"),
    ("aarch64-unknown-linux-gnu", "aarch64-linux-gnu"),
];

pub(crate) fn run_all() -> Result<()> {
    let zig = if exists("zig") { "zig" } else { "python3 -m ziglang" };
    for (target, name) in TARGETS {
        has_target(target)?;
        let compiler = compiler(target, &format!("{zig} cc -target {name}"))?;
        let compiler = compiler.to_str().context("the path of the checkout is no Unicode")?;
        let variable = format!("CC_{}", target.replace('-', "_"));
        let arguments = ["check", "--workspace", "--quiet", "--target", target];
        run("cargo", &arguments, &[(variable.as_str(), compiler)])
            .context("a C compiler for the target is needed; `pip install ziglang` brings one")?;
    }
    Ok(())
}

/// A script that calls zig without the arguments that are another compiler's.
fn compiler(target: &str, zig: &str) -> Result<PathBuf> {
    let folder = std::path::absolute(Path::new("target/xtask"))?;
    std::fs::create_dir_all(&folder)?;
    let path = folder.join(format!("cc-{target}"));
    let script = format!(
        "#!/bin/sh\nfor word; do\n  shift\n  case $word in\n    \
         --target=*|-arch|arm64|-mmacosx-version-min=*|-gdwarf-*) ;;\n    \
         *) set -- \"$@\" \"$word\" ;;\n  esac\ndone\nexec {zig} \"$@\"\n"
    );
    std::fs::write(&path, script)?;
    #[cfg(unix)]
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    Ok(path)
}
