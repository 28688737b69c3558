//! Lists the GPUs, and those that this build can use.

use std::collections::BTreeSet;
use std::path::Path;

use mlxk_engine::{Arithmetic, DeviceChoice};
use serde_json::json;

use crate::doctor::{Check, Environment, Line};

pub(super) const CHECK: Check =
    Check { id: "gpu", about: "GPUs, and if this build can use them", slow: false, run };

fn run(environment: &Environment<'_>) -> Vec<Line> {
    let found = if cfg!(all(target_os = "macos", target_arch = "aarch64")) {
        vec!["Apple GPU".to_owned()]
    } else if cfg!(target_os = "linux") {
        linux(Path::new("/"))
    } else {
        vec![]
    };
    let can = cfg!(feature = "gpu");
    let text = match (found.is_empty(), can) {
        (true, _) if cfg!(not(any(target_os = "linux", target_os = "macos"))) => {
            "Not checked on this system; mlxk runs on the CPU".to_owned()
        }
        (true, _) => "No GPU found; mlxk runs on the CPU".to_owned(),
        (false, true) => format!("{}; a model runs on it if that is faster", found.join(", ")),
        (false, false) => {
            format!("{}; this program was built without GPUs", found.join(", "))
        }
    };
    let mut lines = vec![Line::ok(text).data(json!({"found": found, "used": null}))];
    lines.extend(adapters());
    lines.extend(mlx(environment));
    lines
}

/// Describes `--device mlx`, if MLX is installed.
fn mlx(environment: &Environment<'_>) -> Option<Line> {
    let library = environment.settings.found_mlx_library()?;
    let device = DeviceChoice::mlx(Arithmetic::default(), Some(library.clone()));
    Some(match device.open() {
        Ok(device) => {
            Line::ok(format!("`--device mlx` is {} ({})", device.name, library.display()))
        }
        Err(problem) => Line::warning(problem.to_string()).fix(
            "Install it again (`brew reinstall mlx-c`), or set MLXK_MLX_LIBRARY to another one",
        ),
    })
}

/// Describes the adapters that `--device` accepts.
#[cfg(feature = "gpu")]
fn adapters() -> Vec<Line> {
    let all = mlxk_engine::adapters();
    let describe = |(index, info): (usize, mlxk_engine::AdapterInfo)| {
        let mut able = vec![format!("driver {}", info.driver)];
        able.extend(info.memory_bytes.map(|bytes| format!("{} MiB", bytes >> 20)));
        able.extend(info.half_floats.then(|| "f16".to_owned()));
        able.extend(info.subgroups.map(|[least, most]| format!("subgroups of {least} to {most}")));
        able.extend(info.matrix_tiles.iter().map(|edge| format!("tiles of {edge}")));
        let text = format!(
            "`--device gpu:{index}` is {} ({:?}, {}): {}",
            info.name,
            info.kind,
            info.interface,
            able.join(", ")
        );
        Line::ok(text)
    };
    all.into_iter().enumerate().map(describe).collect()
}

#[cfg(not(feature = "gpu"))]
fn adapters() -> Vec<Line> {
    vec![]
}

/// Lists the GPUs in the kernel's folders. `root` is `/` except in tests.
fn linux(root: &Path) -> Vec<String> {
    let folders = |path: &str| {
        let entries = std::fs::read_dir(root.join(path)).into_iter().flatten().flatten();
        let mut folders: Vec<_> = entries.map(|entry| entry.path()).collect();
        folders.sort();
        folders
    };
    let mut found: Vec<String> = folders("proc/driver/nvidia/gpus")
        .into_iter()
        .filter_map(|folder| {
            let text = std::fs::read_to_string(folder.join("information")).ok()?;
            let model = text.lines().find_map(|line| line.strip_prefix("Model:"))?;
            Some(model.trim().to_owned())
        })
        .collect();
    let has_names = !found.is_empty();
    let mut seen = BTreeSet::new();
    for card in folders("sys/class/drm") {
        let device = card.join("device");
        let Ok(vendor) = std::fs::read_to_string(device.join("vendor")) else { continue };
        let name = match vendor.trim() {
            "0x1002" => "AMD GPU",
            "0x8086" => "Intel GPU",
            // Already found by name above.
            "0x10de" if has_names => continue,
            "0x10de" => "NVIDIA GPU without its driver",
            // Virtual machines and server consoles have display adapters, too.
            _ => continue,
        };
        // A card has several nodes for one device.
        if seen.insert(device.canonicalize().unwrap_or(device)) {
            found.push(name.to_owned());
        }
    }
    found
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn cards_are_told_by_their_vendor_and_counted_once() {
        let root = tempfile::tempdir().unwrap();
        assert!(linux(root.path()).is_empty());
        let pci = root.path().join("sys/devices/pci");
        for (card, vendor) in [("a", "0x1002\n"), ("b", "0x1234\n"), ("c", "0x10de\n")] {
            std::fs::create_dir_all(pci.join(card)).unwrap();
            std::fs::write(pci.join(card).join("vendor"), vendor).unwrap();
        }
        let drm = root.path().join("sys/class/drm");
        for (node, card) in [("card0", "a"), ("renderD128", "a"), ("card1", "b"), ("card2", "c")] {
            std::fs::create_dir_all(drm.join(node)).unwrap();
            std::os::unix::fs::symlink(pci.join(card), drm.join(node).join("device")).unwrap();
        }
        assert_eq!(linux(root.path()), ["AMD GPU", "NVIDIA GPU without its driver"]);
        let nvidia = root.path().join("proc/driver/nvidia/gpus/0000:01:00.0");
        std::fs::create_dir_all(&nvidia).unwrap();
        std::fs::write(nvidia.join("information"), "Model: \t\t NVIDIA X1\nIRQ: 1\n").unwrap();
        assert_eq!(linux(root.path()), ["NVIDIA X1", "AMD GPU"]);
    }
}
