//! Tests the kernels for 64-bit ARM under emulation: of a processor with dot products and of one
//! without.

use anyhow::{Context, Result, ensure};

use crate::process::{exists, has_target, run};

const TARGET: &str = "aarch64-unknown-linux-gnu";
const LINKER: &str = "aarch64-linux-gnu-gcc";
const EMULATOR: &str = "qemu-aarch64";
/// Folder of the C library for the emulator.
const LIBRARIES: &str = "/usr/aarch64-linux-gnu";
/// Emulated processors: one with every feature that the emulator supports, and that of a Raspberry
/// Pi 4.
const PROCESSORS: [&str; 2] = ["max", "cortex-a72"];

pub(crate) fn test() -> Result<()> {
    for program in [LINKER, EMULATOR] {
        ensure!(
            exists(program),
            "`{program}` is missing; run `apt install qemu-user gcc-aarch64-linux-gnu`"
        );
    }
    has_target(TARGET)?;
    for processor in PROCESSORS {
        let emulator = format!("{EMULATOR} -cpu {processor} -L {LIBRARIES}");
        let environment = [
            ("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", LINKER),
            ("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER", &emulator),
        ];
        run("cargo", &["test", "--package", "mlxk-cpu", "--target", TARGET], &environment)
            .with_context(|| format!("the tests fail on an emulated `{processor}`"))?;
    }
    Ok(())
}
