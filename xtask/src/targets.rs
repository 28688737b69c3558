//! Type-checks the workspace for other systems.
//!
//! One dependency (ring) contains C, so the check needs a C compiler for each of them. zig can
//! compile for all; install it with `pip install ziglang`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::process::{exists, has_target, run};

/// Targets by our names and by zig's.
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
        let compiler = compiler.to_str().context("the path of the checkout is not Unicode")?;
        let variable = format!("CC_{}", target.replace('-', "_"));
        let arguments = ["check", "--workspace", "--quiet", "--target", target];
        run("cargo", &arguments, &[(variable.as_str(), compiler)]).context(
            "Cannot check for this target; if a C compiler is missing, run `pip install ziglang`",
        )?;
    }
    Ok(())
}

/// Creates a script that calls zig without the arguments that are for other compilers.
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
