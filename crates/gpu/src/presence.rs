//! Signs of GPUs. Looking at them costs nothing, while a driver takes a tenth of a second to start.

use std::fmt::Write as _;
use std::path::Path;

/// Returns `false` if this machine certainly has no GPU, so that no driver has to be asked.
pub fn may_have_gpus() -> bool {
    !cfg!(target_os = "linux") || has_nodes(Path::new("/"))
}

/// Describes the GPUs and their drivers without starting one: the text is another one when a card or a driver has
/// changed. `None` if the system shows nothing of them.
pub fn fingerprint() -> Option<String> {
    cfg!(target_os = "linux").then(|| describe(Path::new("/")))
}

/// Returns `true` if the kernel offers a GPU to programs. Software drivers need none.
fn has_nodes(root: &Path) -> bool {
    const NODES: [&str; 4] = ["dev/nvidiactl", "dev/dxg", "dev/kgsl-3d0", "dev/mali0"];
    NODES.iter().any(|node| root.join(node).exists())
        || names(&root.join("dev/dri")).iter().any(|name| name.starts_with("renderD"))
}

fn describe(root: &Path) -> String {
    let mut text = String::new();
    for folder in ["dev/dri", "proc/driver/nvidia/gpus"] {
        let _ = writeln!(text, "{folder}: {}", names(&root.join(folder)).join(" "));
    }
    for file in ["proc/driver/nvidia/version", "sys/module/amdgpu/version", "proc/version"] {
        text += &std::fs::read_to_string(root.join(file)).unwrap_or_default();
    }
    for card in names(&root.join("sys/class/drm")) {
        let device = root.join("sys/class/drm").join(&card).join("device");
        for file in ["vendor", "device"] {
            text += &std::fs::read_to_string(device.join(file)).unwrap_or_default();
        }
    }
    // Vulkan's list of drivers, and its loader.
    for folder in [
        "etc/vulkan/icd.d",
        "usr/share/vulkan/icd.d",
        "usr/local/share/vulkan/icd.d",
        "run/opengl-driver/share/vulkan/icd.d",
    ] {
        for name in names(&root.join(folder)) {
            let changed =
                std::fs::metadata(root.join(folder).join(&name)).and_then(|it| it.modified());
            let _ = writeln!(text, "{folder}/{name} {changed:?}");
        }
    }
    for folder in ["usr/lib", "usr/lib64", "usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu"]
    {
        let loader = root.join(folder).join("libvulkan.so.1");
        if let Ok(path) = loader.canonicalize() {
            let _ = writeln!(text, "{}", path.display());
        }
    }
    text
}

/// Returns the names in a folder, sorted. None if there is no such folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn a_display_without_a_gpu_is_none() {
        let root = tempfile::tempdir().unwrap();
        assert!(!has_nodes(root.path()));
        write(root.path(), "dev/dri/card0", "");
        write(root.path(), "usr/share/vulkan/icd.d/lvp_icd.x86_64.json", "{}");
        assert!(!has_nodes(root.path()));
        write(root.path(), "dev/dri/renderD128", "");
        assert!(has_nodes(root.path()));
    }

    #[test]
    fn a_new_driver_or_card_changes_the_text() {
        let root = tempfile::tempdir().unwrap();
        let mut seen = vec![describe(root.path())];
        for (path, text) in [
            ("dev/dri/renderD128", ""),
            ("sys/class/drm/card0/device/vendor", "0x10de\n"),
            ("proc/driver/nvidia/version", "570\n"),
            ("proc/driver/nvidia/version", "580\n"),
            ("usr/share/vulkan/icd.d/nvidia_icd.json", "{}"),
        ] {
            assert_eq!(&describe(root.path()), seen.last().unwrap());
            write(root.path(), path, text);
            let now = describe(root.path());
            assert!(!seen.contains(&now), "{path}");
            seen.push(now);
        }
    }
}
