//! Shapes of kernels, which suit one device better than another, and the file that keeps those of a device.

use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};

use crate::adapters::AdapterInfo;

/// Shapes of kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// Threads of a workgroup of a product of a few rows.
    pub threads: usize,
    /// Workgroups of such a product that a device should have to run.
    pub groups: usize,
    /// Least rows of a matrix that a workgroup of such a product computes.
    pub least_rows: usize,
    /// Most rows of a matrix that it computes.
    pub most_rows: usize,
    /// Blocks that a thread reads before it uses them.
    pub ahead: usize,
    /// Least parts of a workgroup with which its threads turn values into whole numbers together. With fewer, each does
    /// so by itself, as all parts do.
    pub shares: usize,
    /// Workgroups that keep matrix units busy.
    pub matrix_groups: usize,
    /// Subgroups that keep them busy with attention.
    pub attention_subgroups: usize,
    /// Positions of a workgroup that attends from one row. A single workgroup takes up to twice as many.
    pub chunk: usize,
    /// Chunks from which on a workgroup attends with all heads that share keys and values.
    pub grouped_from: usize,
}

/// Values of each field that are worth a trial, in the order of the fields.
const CANDIDATES: &[(&str, &[usize])] = &[
    ("threads", &[64, 128, 256]),
    ("groups", &[64, 128, 256, 512]),
    ("least_rows", &[2, 4, 8]),
    ("most_rows", &[8, 16, 32]),
    ("ahead", &[4, 8, 16]),
    ("shares", &[1, 2, 1000]),
    ("matrix_groups", &[120, 250, 400]),
    ("attention_subgroups", &[512, 1024, 2048, 4096]),
    ("chunk", &[128, 256, 512]),
    ("grouped_from", &[4, 8, 16]),
];

impl Default for Tuning {
    /// Returns what was fastest on an NVIDIA H200.
    fn default() -> Self {
        Self {
            threads: 128,
            groups: 256,
            least_rows: 4,
            most_rows: 16,
            ahead: 8,
            shares: 2,
            matrix_groups: 250,
            attention_subgroups: 2048,
            chunk: 256,
            grouped_from: 8,
        }
    }
}

impl Tuning {
    /// Returns the names of the fields, and the values of each that are worth a trial.
    pub const fn candidates() -> &'static [(&'static str, &'static [usize])] {
        CANDIDATES
    }

    /// Returns a field by its name.
    pub fn field(&mut self, name: &str) -> Option<&mut usize> {
        Some(match name {
            "threads" => &mut self.threads,
            "groups" => &mut self.groups,
            "least_rows" => &mut self.least_rows,
            "most_rows" => &mut self.most_rows,
            "ahead" => &mut self.ahead,
            "shares" => &mut self.shares,
            "matrix_groups" => &mut self.matrix_groups,
            "attention_subgroups" => &mut self.attention_subgroups,
            "chunk" => &mut self.chunk,
            "grouped_from" => &mut self.grouped_from,
            _ => return None,
        })
    }

    /// Writes the file of an adapter and its driver in a folder, which `Gpu::open` reads. Returns its path.
    pub fn save(mut self, folder: &Path, info: &AdapterInfo) -> io::Result<PathBuf> {
        let mut text = String::new();
        for (name, _) in CANDIDATES {
            let value = self.field(name).map_or(0, |value| *value);
            writeln!(text, "{name} {value}").expect("a string takes all text");
        }
        std::fs::create_dir_all(folder)?;
        let path = folder.join(info.file_name("tuning"));
        let made = tempfile::NamedTempFile::new_in(folder)?;
        std::fs::write(made.path(), text)?;
        made.persist(&path)?;
        Ok(path)
    }

    /// Reads the file of an adapter, or returns the default if there is none. A line that a newer or older version wrote
    /// is ignored, and so is a value that was never tried.
    pub(crate) fn read(folder: Option<&Path>, info: &AdapterInfo) -> Self {
        let file = folder.map(|folder| folder.join(info.file_name("tuning")));
        let text = file.and_then(|file| std::fs::read_to_string(file).ok()).unwrap_or_default();
        let mut tuning = Self::default();
        for line in text.lines() {
            let Some((name, value)) = line.split_once(' ') else { continue };
            let known = CANDIDATES.iter().find(|candidate| candidate.0 == name);
            let value = value
                .parse()
                .ok()
                .filter(|value| known.is_some_and(|(_, values)| values.contains(value)));
            if let (Some(field), Some(value)) = (tuning.field(name), value) {
                *field = value;
            }
        }
        tuning
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::{AdapterKind, Limits};

    #[test]
    fn a_file_keeps_what_was_tried() {
        let folder = tempfile::tempdir().unwrap();
        let info = AdapterInfo {
            name: "A/B".into(),
            kind: AdapterKind::Other,
            interface: "Vulkan",
            driver: "1.2".into(),
            half_floats: false,
            subgroups: None,
            matrix_tiles: vec![],
            timestamps: false,
            memory_bytes: None,
            limits: Limits { buffer: 0, binding: 0, workgroup: 0, buffers: 0 },
        };
        assert_eq!(Tuning::read(Some(folder.path()), &info), Tuning::default());
        let mut tuning = Tuning::default();
        for (name, values) in Tuning::candidates() {
            let field = tuning.field(name).unwrap();
            assert!(values.contains(field), "the default of `{name}` is a candidate");
            *field = values[0];
        }
        let path = tuning.save(folder.path(), &info).unwrap();
        assert_eq!(Tuning::read(Some(folder.path()), &info), tuning);
        let other = AdapterInfo { driver: "1.3".into(), ..info.clone() };
        assert_eq!(Tuning::read(Some(folder.path()), &other), Tuning::default());
        std::fs::write(path, "threads 100000000\nahead\nmost 7\ngroups 512\n").unwrap();
        assert_eq!(
            Tuning::read(Some(folder.path()), &info),
            Tuning { groups: 512, ..Tuning::default() }
        );
    }
}
