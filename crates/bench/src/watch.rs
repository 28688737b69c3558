//! Tells if a series of measurements was disturbed.

use crate::Machine;
use crate::compare::{pace, pace_warning};
use crate::statistics::Summary;

/// Load of the machine before a series of measurements, and its clock speed during it.
#[derive(Clone, Debug)]
pub struct Watch {
    machine: Machine,
    paces: Vec<f64>,
}

impl Watch {
    /// Begins to watch. `machine` was looked at just before.
    pub fn begin(machine: Machine) -> Self {
        Self { machine, paces: vec![pace()] }
    }

    /// Measures the clock speed again, between two measurements. Takes some tens of milliseconds.
    pub fn look(&mut self) {
        self.paces.push(pace());
    }

    /// Returns a sentence if other programs or a change of the clock speed disturbed the measurements.
    pub fn warning(&self) -> Option<String> {
        let unsteady = || pace_warning(&Summary::of(self.paces.clone())?);
        self.machine.warning().or_else(unsteady)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_machine_and_a_changing_clock_disturb() {
        let mut watch = Watch::begin(Machine::glance());
        watch.paces = vec![0.010, 0.0105];
        assert_eq!(watch.warning(), None);
        watch.paces.push(0.02);
        assert!(watch.warning().unwrap().starts_with("The speed of the processor changed"));
        watch.paces.truncate(1);
        (watch.machine.logical_cores, watch.machine.busy_cores) = (4, Some(2.0));
        assert!(watch.warning().unwrap().contains("2.0 of 4 cores"));
    }
}
