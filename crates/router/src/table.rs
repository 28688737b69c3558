//! The table of measurements, kept in a file.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::candidate::Candidate;
use crate::sample::{Sample, Series};

/// Version of the file. A file of another version is ignored, because its figures may mean something else.
const VERSION: u32 = 1;

/// Subject of measurements.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Subject {
    /// The machine that asked.
    pub machine: String,
    /// Name of the model.
    pub model: String,
    /// Name of the candidate.
    pub candidate: String,
    /// Version of the candidate.
    pub version: String,
    /// Settings that change the speed of the candidate.
    #[serde(default)]
    pub settings: String,
}

impl Subject {
    /// Returns the candidate, with a model and the machine that asks, as a subject.
    pub fn new(
        machine: impl Into<String>,
        model: impl Into<String>,
        candidate: &Candidate,
    ) -> Self {
        Self {
            machine: machine.into(),
            model: model.into(),
            candidate: candidate.id.clone(),
            version: candidate.version.clone(),
            settings: candidate.settings.clone(),
        }
    }
}

#[derive(Clone, Debug, Deserialize, Serialize)]
struct Entry {
    #[serde(flatten)]
    subject: Subject,
    #[serde(flatten)]
    series: Series,
}

/// Measurements of all subjects.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Table {
    version: u32,
    entries: Vec<Entry>,
}

impl Default for Table {
    fn default() -> Self {
        Self { version: VERSION, entries: Vec::new() }
    }
}

/// Failure of keeping the table.
#[derive(Debug, thiserror::Error)]
#[error("Cannot write the table of measurements `{}`: {source}", path.display())]
pub struct TableError {
    /// The file.
    pub path: PathBuf,
    /// The reason.
    pub source: std::io::Error,
}

impl Table {
    /// Reads a file. Returns an empty table if it does not exist, or cannot be read: everything in it can be measured
    /// again.
    pub fn open(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let table: Option<Self> = serde_json::from_str(&text).ok();
        table.filter(|table| table.version == VERSION).unwrap_or_default()
    }

    /// Writes the file, completely or not at all.
    pub fn save(&self, path: &Path) -> Result<(), TableError> {
        let failed = |source| TableError { path: path.to_owned(), source };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).map_err(failed)?;
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
        let text = serde_json::to_string_pretty(self).map_err(|error| failed(error.into()))?;
        file.write_all(text.as_bytes()).map_err(failed)?;
        file.persist(path).map_err(|error| failed(error.error))?;
        Ok(())
    }

    /// Returns the measurements of a subject.
    pub fn get(&self, subject: &Subject) -> Option<&Series> {
        self.entries.iter().find(|entry| entry.subject == *subject).map(|entry| &entry.series)
    }

    /// Adds the figures of a request. Figures of other versions of the candidate are dropped, whatever their settings.
    pub fn add(&mut self, subject: &Subject, sample: Sample) {
        let is_other_version = |entry: &Entry| {
            let Subject { machine, model, candidate, version, settings: _ } = &entry.subject;
            *version != subject.version
                && (machine, model, candidate)
                    == (&subject.machine, &subject.model, &subject.candidate)
        };
        self.entries.retain(|entry| !is_other_version(entry));
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.subject == *subject) {
            entry.series.add(sample);
        } else {
            let mut series = Series::default();
            series.add(sample);
            self.entries.push(Entry { subject: subject.clone(), series });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::candidate::Place;

    fn subject(version: &str, settings: &str) -> Subject {
        let candidate = Candidate::new("mlxk", Place::Here, version).with_settings(settings);
        Subject::new("m", "smollm2", &candidate)
    }

    #[test]
    fn figures_are_kept_in_a_file_and_a_new_version_has_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data/choices.json");
        let mut table = Table::open(&path);
        for token in 1..=40 {
            let answer = Some(f64::from(token));
            table.add(&subject("1", ""), Sample { prompt: Some(0.5), answer });
        }
        table.save(&path).unwrap();
        let mut table = Table::open(&path);
        let seconds = table.get(&subject("1", "")).unwrap().seconds();
        assert_eq!((seconds.len(), seconds[0]), (32, 0.5 * 256.0 + 9.0 * 128.0));
        table.add(&subject("2", ""), Sample { prompt: None, answer: Some(1.0) });
        assert!(table.get(&subject("1", "")).is_none());
        assert_eq!(table.get(&subject("2", "")).unwrap().seconds(), [128.0]);
        std::fs::write(&path, "{\"version\": 2, \"entries\": []").unwrap();
        assert!(Table::open(&path).get(&subject("2", "")).is_none());
    }

    #[test]
    fn figures_of_other_settings_stay_until_there_is_a_new_version() {
        let mut table = Table::default();
        let sample = Sample { prompt: None, answer: Some(1.0) };
        for settings in ["2 threads", "1 thread", "2 threads"] {
            table.add(&subject("1", settings), sample);
        }
        let count = |table: &Table, version, settings| {
            table.get(&subject(version, settings)).map_or(0, |series| series.seconds().len())
        };
        assert_eq!((count(&table, "1", "2 threads"), count(&table, "1", "1 thread")), (2, 1));
        table.add(&subject("2", "2 threads"), sample);
        assert_eq!(count(&table, "2", "2 threads"), 1);
        assert_eq!((count(&table, "1", "2 threads"), count(&table, "1", "1 thread")), (0, 0));
    }
}
