//! Load of the machine while an engine works, and changes of its clock speed.

use std::hint::black_box;
use std::time::{Duration, Instant};

use sysinfo::{CpuRefreshKind, Pid, ProcessRefreshKind, ProcessesToUpdate, System};

/// Share by which the clock speed of the machine may change before figures suffer.
pub(super) const UNSTEADY: f64 = 0.1;
/// Steps of the fixed workload that shows the clock speed, about ten milliseconds.
const STEPS: u64 = 10_000_000;
/// Number of tries. The best one counts, because an interruption says nothing about the clock.
const TRIES: usize = 3;

/// Watches the processors during a turn.
pub(super) struct Background {
    system: System,
    own: f64,
}

impl Background {
    /// Starts to watch. Returns `None` if the system has no such figures.
    pub(super) fn begin() -> Option<Self> {
        let mut system = System::new().ok()?;
        system.refresh_cpu_list(CpuRefreshKind::nothing().with_usage());
        system.refresh_cpu_usage();
        let own = own_seconds(&mut system)?;
        Some(Self { system, own })
    }

    /// Returns the average number of cores that neither this process nor the serving processes kept
    /// busy. `serving` is the processor time of the latter in seconds.
    pub(super) fn other_cores(mut self, serving: f64, elapsed: Duration) -> Option<f64> {
        self.system.refresh_cpu_usage();
        let busy: f64 = self.system.cpus().iter().map(|cpu| f64::from(cpu.usage()) / 100.0).sum();
        let own = own_seconds(&mut self.system)? - self.own;
        let ours = (serving + own) / elapsed.as_secs_f64().max(1e-3);
        Some((busy - ours).max(0.0))
    }
}

/// Returns the processor time of this process so far.
fn own_seconds(system: &mut System) -> Option<f64> {
    let pid = Pid::from_u32(std::process::id());
    let kind = ProcessRefreshKind::nothing().with_cpu().without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), true, kind);
    Some(system.process(pid)?.accumulated_cpu_time() as f64 / 1e3)
}

/// Returns the seconds that a fixed piece of arithmetic takes on one core. It takes longer if the
/// processor has been slowed down.
pub(crate) fn pace() -> f64 {
    let once = || {
        let begun = Instant::now();
        let mut state = black_box(1_u64);
        for _ in 0..STEPS {
            // Each step depends on the one before, so no instruction set shortens the chain.
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        }
        black_box(state);
        begun.elapsed().as_secs_f64()
    };
    (0..TRIES).map(|_| once()).fold(f64::INFINITY, f64::min)
}
