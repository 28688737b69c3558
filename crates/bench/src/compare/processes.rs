//! Memory and processor time of a server process and its descendants.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

/// Time between two looks at the memory: short enough to see a model being loaded, long enough to
/// cost the engine nothing.
const PERIOD: Duration = Duration::from_millis(100);

/// Root of a family of processes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Root {
    /// The process with this number.
    Pid(u32),
    /// All processes with this name, if the number is unknown.
    Named(&'static str),
}

/// Resources of a family of processes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Taken {
    /// Resident bytes of all processes. Shared memory such as mapped files counts once per process.
    pub memory_bytes: u64,
    /// Seconds of processor time since each process started.
    pub cpu_seconds: f64,
}

/// A serving process with its descendants.
pub(super) struct Family {
    root: Root,
    system: System,
    members: Arc<Mutex<Vec<Pid>>>,
}

impl Family {
    /// Returns the family of `root`, or `None` if the system doesn't list processes.
    pub(super) fn of(root: Root) -> Option<Self> {
        Some(Self { root, system: System::new().ok()?, members: Arc::default() })
    }

    /// Returns the resources of the family. They are zero if it has no members.
    pub(super) fn look(&mut self) -> Taken {
        self.system.refresh_processes_specifics(ProcessesToUpdate::All, true, kind());
        let members = members(&self.root, &self.system);
        let taken = taken(&self.system, &members);
        *self.members.lock().unwrap_or_else(PoisonError::into_inner) = members;
        taken
    }

    /// Ends all members that are still running.
    pub(super) fn end(&mut self) {
        let known = self.members.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // A number may belong to another process by now, so the start time is compared, too.
        let began = |system: &System, pid| system.process(pid).map(sysinfo::Process::start_time);
        let before: Vec<_> = known.iter().map(|&pid| (pid, began(&self.system, pid))).collect();
        self.system.refresh_processes_specifics(ProcessesToUpdate::Some(&known), true, kind());
        for (pid, start) in before {
            if start.is_some() && began(&self.system, pid) == start {
                self.system.process(pid).map(sysinfo::Process::kill);
            }
        }
    }

    /// Watches the memory of the last known members until the watch is dropped.
    pub(super) fn watch(&self) -> Watch {
        let over = Arc::new(AtomicBool::new(false));
        let peak = Arc::new(AtomicU64::new(0));
        let (stop, most, members) =
            (Arc::clone(&over), Arc::clone(&peak), Arc::clone(&self.members));
        let thread = std::thread::spawn(move || {
            let Ok(mut system) = System::new() else { return };
            while !stop.load(Ordering::Relaxed) {
                let pids = members.lock().unwrap_or_else(PoisonError::into_inner).clone();
                system.refresh_processes_specifics(ProcessesToUpdate::Some(&pids), true, kind());
                most.fetch_max(taken(&system, &pids).memory_bytes, Ordering::Relaxed);
                std::thread::park_timeout(PERIOD);
            }
        });
        Watch { over, peak, thread: Some(thread) }
    }
}

/// Watches memory on a thread of its own.
pub(super) struct Watch {
    over: Arc<AtomicBool>,
    peak: Arc<AtomicU64>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Watch {
    /// Returns the highest memory seen so far, in bytes.
    pub(super) fn peak_bytes(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // The thread only reads. If it panicked, there is no peak.
            let _ = thread.join();
        }
    }
}

fn kind() -> ProcessRefreshKind {
    ProcessRefreshKind::nothing().with_memory().with_cpu().without_tasks()
}

/// Returns the roots and all their descendants.
fn members(root: &Root, system: &System) -> Vec<Pid> {
    let processes = system.processes();
    let is_root = |pid: &Pid| match root {
        Root::Pid(number) => pid.as_u32() == *number,
        Root::Named(name) => processes[pid].name().to_str().is_some_and(|found| found == *name),
    };
    let mut found: HashSet<Pid> = processes.keys().copied().filter(is_root).collect();
    loop {
        let belongs = |pid: &&Pid| {
            let parent = processes[*pid].parent();
            !found.contains(pid) && parent.is_some_and(|parent| found.contains(&parent))
        };
        let more: Vec<Pid> = processes.keys().filter(belongs).copied().collect();
        if more.is_empty() {
            return found.into_iter().collect();
        }
        found.extend(more);
    }
}

fn taken(system: &System, pids: &[Pid]) -> Taken {
    let mut taken = Taken::default();
    for process in pids.iter().filter_map(|&pid| system.process(pid)) {
        taken.memory_bytes += process.memory();
        taken.cpu_seconds += process.accumulated_cpu_time() as f64 / 1e3;
    }
    taken
}

/// Returns the number of the process that listens on a local port. `None` if it is unknown, for
/// example because the process belongs to another user.
#[cfg(target_os = "linux")]
pub(super) fn listener(port: u16) -> Option<u32> {
    let sockets: HashSet<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| std::fs::read_to_string(table).ok())
        .flat_map(|table| {
            table.lines().filter_map(|line| listening(line, port)).collect::<Vec<_>>()
        })
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    let holds = |pid: &u32| {
        let Ok(files) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
        let links = files.flatten().filter_map(|file| std::fs::read_link(file.path()).ok());
        links.into_iter().any(|link| link.to_str().is_some_and(|link| sockets.contains(link)))
    };
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    let mut pids: Vec<u32> =
        processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    // Children inherit sockets. The parent usually has the smaller number.
    pids.sort_unstable();
    pids.into_iter().find(|pid| holds(pid))
}

/// Returns the inode of the socket in a line of the table if it listens on this port.
#[cfg(target_os = "linux")]
fn listening(line: &str, port: u16) -> Option<String> {
    const LISTEN: &str = "0A";
    let words: Vec<&str> = line.split_whitespace().collect();
    let (local, state, inode) = (words.get(1)?, words.get(3)?, words.get(9)?);
    let (_, found) = local.rsplit_once(':')?;
    let is_it = u16::from_str_radix(found, 16).ok()? == port && *state == LISTEN;
    is_it.then(|| (*inode).to_owned())
}

/// Unknown on this system.
#[cfg(not(target_os = "linux"))]
pub(super) fn listener(_port: u16) -> Option<u32> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_family_has_its_children_and_ends_with_them() {
        use std::process::Command;
        // A shell that waits for a child and holds some memory.
        let script = "x=$(head -c 30000000 /dev/zero | tr '\\0' x); sleep 60 & echo $!; wait";
        let mut child = Command::new("sh")
            .args(["-c", script])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = child.stdout.as_mut().unwrap();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line).unwrap();
        let grandchild: u32 = line.trim().parse().unwrap();
        let mut family = Family::of(Root::Pid(child.id())).unwrap();
        let taken = family.look();
        assert!(taken.memory_bytes > 30_000_000, "{taken:?}");
        let pids = family.members.lock().unwrap().clone();
        assert!(pids.contains(&Pid::from_u32(grandchild)), "{pids:?}");
        let watch = family.watch();
        while watch.peak_bytes() == 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(watch.peak_bytes() > 30_000_000);
        drop(watch);
        child.kill().unwrap();
        child.wait().unwrap();
        family.end();
        let gone = |pid: u32| {
            let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            state.is_empty() || state.contains(") Z ")
        };
        if cfg!(target_os = "linux") {
            for _ in 0..500 {
                if gone(grandchild) {
                    break;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            assert!(gone(grandchild), "the child of a child outlives it");
        }
        assert_eq!(family.look(), Taken::default());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn who_listens_is_found() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        assert_eq!(listener(port), Some(std::process::id()));
        drop(socket);
        assert_eq!(listener(port), None);
    }
}
