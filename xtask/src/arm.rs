//! The kernels for 64-bit ARM where there is no such processor: their tests under emulation, of a
//! processor with dot products and of one without.

use anyhow::{Context, Result, ensure};

use crate::process::{exists, has_target, run};

const TARGET: &str = "aarch64-unknown-linux-gnu";
const LINKER: &str = "aarch64-linux-gnu-gcc";
const EMULATOR: &str = "qemu-aarch64";
/// Where the C library for the emulator lies.
const LIBRARIES: &str = "/usr/aarch64-linux-gnu";
/// What is emulated: everything that the emulator knows, and the processor of a Raspberry Pi 4.
const PROCESSORS: [&str; 2] = ["max", "cortex-a72"];

pub(crate) fn test() -> Result<()> {
    for program in [LINKER, EMULATOR] {
        ensure!(
            exists(program),
            "`{program}` is missing; `apt install qemu-user gcc-aarch64-linux-gnu` brings it"
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
