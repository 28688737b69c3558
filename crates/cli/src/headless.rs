//! Machines without a desktop: keeps Mesa's layer for the choice of a GPU quiet.
//!
//! That layer of Vulkan looks for a display whenever a program asks for GPUs, and the library for displays then prints
//! "error: XDG_RUNTIME_DIR is invalid or not set in the environment". Only a variable turns the layer off, and it has to
//! be there when the process starts. Setting it later would race with threads that read the environment.

use crate::args::Command;

/// Starts the program again with the layer turned off, in the same process, if a command may ask for GPUs and the layer
/// would complain. Returns if there is no need, or if it fails.
#[cfg(target_os = "linux")]
pub(crate) fn start_without_display(command: &Command) {
    use std::os::unix::process::CommandExt as _;

    if !cfg!(feature = "gpu") || !asks_for_gpus(command) || !complains() {
        return;
    }
    let mut words = std::env::args_os();
    let (Some(name), Ok(program)) = (words.next(), std::env::current_exe()) else { return };
    // Without the program, such as after an update, everything works with a line too many.
    let _ = std::process::Command::new(program)
        .arg0(name)
        .args(words)
        .env(crate::env::NODEVICE_SELECT, "1")
        .exec();
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn start_without_display(_: &Command) {}

#[cfg(target_os = "linux")]
fn asks_for_gpus(command: &Command) -> bool {
    matches!(
        command,
        Command::Run(_)
            | Command::Chat(_)
            | Command::Server(_)
            | Command::Embed(_)
            | Command::EmbedServe(_)
            | Command::Perplexity(_)
            | Command::Eval(_)
            | Command::Bench(_)
            | Command::Doctor(_)
    )
}

/// Returns `true` if the layer is there and finds no display.
#[cfg(target_os = "linux")]
fn complains() -> bool {
    use std::path::Path;

    use crate::env::{self, NODEVICE_SELECT, WAYLAND_DISPLAY, XDG_RUNTIME_DIR};

    const LAYERS: [&str; 3] = ["/usr/share/vulkan", "/usr/local/share/vulkan", "/etc/vulkan"];
    let has_folder = env::read(XDG_RUNTIME_DIR).is_some_and(|folder| folder.starts_with('/'));
    if has_folder
        || [WAYLAND_DISPLAY, NODEVICE_SELECT].into_iter().any(|it| env::read(it).is_some())
    {
        return false;
    }
    let file = "implicit_layer.d/VkLayer_MESA_device_select.json";
    LAYERS.iter().any(|folder| Path::new(folder).join(file).exists())
}
