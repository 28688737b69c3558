//! Packages of a release: archives, and the Homebrew formula that downloads them.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};

use crate::process::run;

const TEMPLATE: &str = include_str!("../../packaging/homebrew/mlxk.rb");
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Homebrew's platforms, by their names in the template.
const HOMEBREW: [(&str, &str); 4] = [
    ("MACOS_ARM", "aarch64-apple-darwin"),
    ("MACOS_INTEL", "x86_64-apple-darwin"),
    ("LINUX_ARM", "aarch64-unknown-linux-gnu"),
    ("LINUX_INTEL", "x86_64-unknown-linux-gnu"),
];

/// Names of MLX-Knife's programs. Archives have links of these names.
#[cfg(unix)]
const ALIASES: [&str; 5] = ["mlx-knife", "mlx_knife", "mlxk2", "mlxk-json", "mlx-run"];

fn archive_name(target: &str) -> String {
    let ending = if target.contains("windows") { "zip" } else { "tar.gz" };
    format!("mlxk-{VERSION}-{target}.{ending}")
}

/// Packs `program`, built for `target`, with the license, the manual and completions into an
/// archive in `folder`.
pub(crate) fn archive(target: &str, program: &str, folder: &str) -> Result<()> {
    let name = format!("mlxk-{VERSION}-{target}");
    let stage = Path::new("target/package");
    let inside = stage.join(&name);
    if inside.exists() {
        std::fs::remove_dir_all(&inside)?;
    }
    std::fs::create_dir_all(inside.join("completions"))?;
    std::fs::create_dir_all(folder)?;
    let suffix = if target.contains("windows") { ".exe" } else { "" };
    for (from, to) in [
        (program, format!("mlxk{suffix}")),
        ("LICENSE", "LICENSE".into()),
        ("README.md", "README.md".into()),
    ] {
        std::fs::copy(from, inside.join(to)).with_context(|| format!("Cannot copy {from}"))?;
    }
    #[cfg(unix)]
    if suffix.is_empty() {
        for alias in ALIASES {
            std::os::unix::fs::symlink("mlxk", inside.join(alias))?;
        }
    }
    // The program for the target may not run on this machine, but a native build prints the same.
    run("cargo", &["build", "--quiet", "--package", "mlxk-cli"], &[])?;
    let man = inside.join("man");
    mlxk(&["man", man.to_str().context("the path is plain")?])?;
    for (shell, file) in [("bash", "mlxk.bash"), ("zsh", "_mlxk"), ("fish", "mlxk.fish")] {
        std::fs::write(inside.join("completions").join(file), mlxk(&["completions", shell])?)?;
    }
    let archive = Path::new(folder).join(archive_name(target));
    let archive = std::path::absolute(archive)?;
    let archive = archive.to_str().context("the path is plain")?;
    let stage = stage.to_str().context("the path is plain")?;
    // On Windows, `tar` writes ZIP if the name asks for it.
    let format = if target.contains("windows") { "-acf" } else { "-czf" };
    run("tar", &[format, archive, "-C", stage, &name], &[])?;
    std::fs::write(format!("{archive}.sha256"), format!("{}\n", sha256(archive)?))?;
    Ok(())
}

/// Returns the output of our own build. It is started by its bare name, because completions contain
/// that name.
fn mlxk(words: &[&str]) -> Result<Vec<u8>> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let built = std::path::absolute("target/debug")?;
    let path = std::env::join_paths([built].into_iter().chain(std::env::split_paths(&path)))?;
    let output = Command::new("mlxk").args(words).env("PATH", path).output()?;
    ensure!(output.status.success(), "`mlxk {}` failed", words.join(" "));
    Ok(output.stdout)
}

/// Prints the formula for archives in `folder` that can be downloaded from `address`.
#[expect(clippy::print_stdout, reason = "the formula is the output")]
pub(crate) fn formula(address: &str, folder: &str) -> Result<()> {
    ensure!(address.starts_with("https://"), "the address must start with https://");
    let mut text = TEMPLATE.replace("VERSION", VERSION);
    for (mark, target) in HOMEBREW {
        let name = archive_name(target);
        let hash = sha256(Path::new(folder).join(&name))?;
        text = text
            .replace(&format!("URL_{mark}"), &format!("{}/{name}", address.trim_end_matches('/')));
        text = text.replace(&format!("SHA256_{mark}"), &hash);
    }
    if text.contains("SHA256_") || text.contains("URL_") {
        bail!("the template has an unknown mark");
    }
    print!("{text}");
    Ok(())
}

/// Fails if `program` needs a newer glibc than `most`, such as `2.28`.
pub(crate) fn check_glibc(program: &str, most: &str) -> Result<()> {
    let bytes = std::fs::read(program).with_context(|| format!("Cannot read {program}"))?;
    let most = version(most).with_context(|| format!("`{most}` is not a version of glibc"))?;
    let needed = needed_glibc(&bytes).with_context(|| format!("{program} doesn't use glibc"))?;
    let [major, minor] = needed;
    ensure!(needed <= most, "{program} needs glibc {major}.{minor}");
    Ok(())
}

/// Returns the newest version of glibc among the names of symbol versions in a program.
fn needed_glibc(program: &[u8]) -> Option<[u32; 2]> {
    const NAME: &[u8] = b"GLIBC_";
    let starts = program.windows(NAME.len()).enumerate().filter(|(_, bytes)| *bytes == NAME);
    let versions = starts.filter_map(|(at, _)| {
        let name = &program[at + NAME.len()..];
        let end = name.iter().position(|byte| *byte == 0)?;
        version(std::str::from_utf8(&name[..end]).ok()?)
    });
    versions.max()
}

/// Parses `2.28`, or `2.2.5` as `2.2`.
fn version(text: &str) -> Option<[u32; 2]> {
    let mut parts = text.split('.');
    Some([parts.next()?.parse().ok()?, parts.next()?.parse().ok()?])
}

fn sha256(path: impl AsRef<Path>) -> Result<String> {
    let path = path.as_ref();
    let bytes = std::fs::read(path).with_context(|| format!("Cannot read {}", path.display()))?;
    let mut text = String::new();
    for byte in Sha256::digest(&bytes) {
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_of_glibc_is_found() {
        let program = b"\x7fELF\0GLIBC_2.2.5\0GLIBC_PRIVATE\0GLIBC_2.28\0GLIBC_2.9\0fmod\0";
        assert_eq!(needed_glibc(program), Some([2, 28]));
        assert_eq!(needed_glibc(b"static"), None);
    }
}
