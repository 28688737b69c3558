//! The amount of memory that the system can give.

use std::fs::read_to_string;
use std::path::Path;

/// Returns the number of bytes that this process can allocate without pushing other processes out
/// of memory: the minimum of what the system and the control groups around the process have left.
/// Returns `None` if the system doesn't say.
pub fn available_bytes() -> Option<u64> {
    let system = match read_to_string("/proc/meminfo") {
        Ok(meminfo) => meminfo_available(&meminfo)?,
        Err(_) => said(sysinfo::System::available_memory)?,
    };
    Some(cgroup_available().map_or(system, |group| group.min(system)))
}

/// Returns the size of this machine's memory in bytes, or `None` if the system doesn't say.
pub fn total_bytes() -> Option<u64> {
    said(sysinfo::System::total_memory)
}

fn said(what: fn(&sysinfo::System) -> u64) -> Option<u64> {
    let mut system = sysinfo::System::new().ok()?;
    system.refresh_memory_specifics(sysinfo::MemoryRefreshKind::nothing().with_ram());
    Some(what(&system)).filter(|&bytes| bytes > 0)
}

fn meminfo_available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

/// Returns the bytes left by the tightest control group, version 2 or 1.
fn cgroup_available() -> Option<u64> {
    let groups = read_to_string("/proc/self/cgroup").ok()?;
    let root = Path::new("/sys/fs/cgroup");
    let mut least = None;
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
        let (base, limit, usage, cached) = if controllers.is_empty() {
            (root.to_owned(), "memory.max", "memory.current", "inactive_file")
        } else if controllers.split(',').any(|name| name == "memory") {
            let base = root.join("memory");
            (base, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        } else {
            continue;
        };
        // Parents limit a group too. In a container, the path may lie outside the mount.
        for folder in Path::new(path.trim_start_matches('/')).ancestors() {
            let folder = base.join(folder);
            let read = |name: &str| read_to_string(folder.join(name)).ok();
            let number = |name: &str| read(name)?.trim().parse::<u64>().ok();
            let (Some(limit), Some(usage)) = (number(limit), number(usage)) else { continue };
            let reclaimable =
                read("memory.stat").and_then(|stat| stat_value(&stat, cached)).unwrap_or(0);
            let left = limit.saturating_sub(usage.saturating_sub(reclaimable));
            least = Some(least.map_or(left, |least: u64| least.min(left)));
        }
    }
    least
}

fn stat_value(stat: &str, key: &str) -> Option<u64> {
    stat.lines().find_map(|line| {
        let (name, value) = line.split_once(' ')?;
        (name == key).then(|| value.trim().parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_files_are_read() {
        let meminfo = "MemTotal:       24541172 kB\nMemFree:  1 kB\nMemAvailable:   22541172 kB\n";
        assert_eq!(meminfo_available(meminfo), Some(22_541_172 * 1024));
        assert_eq!(meminfo_available("MemTotal: 3 kB"), None);
        assert_eq!(meminfo_available("MemAvailable: x kB"), None);
        assert_eq!(stat_value("anon 5\ninactive_file 77\n", "inactive_file"), Some(77));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_system_has_memory() {
        assert!(available_bytes().is_some_and(|bytes| bytes > 1 << 20));
    }
}
