//! The figures in README.md and docs: one source, `docs/figures.toml`, with what is counted (`counts`), and marked
//! places that copy it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

/// The one source of every figure.
pub(crate) const SOURCE: &str = "docs/figures.toml";
/// Pages that copy figures.
pub(crate) const PAGES: [&str; 5] = [
    "README.md",
    "CHANGELOG.md",
    "docs/numerics.md",
    "docs/performance.md",
    "docs/guide/how-it-works.md",
];

const TABLE: (&str, &str) = ("<!-- table ", "<!-- /table -->");
const FIGURE: (&str, &str) = ("<!-- figure ", "<!-- /figure -->");
const MARK_END: &str = " -->";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Figures {
    /// Descriptions of the machines by identifier.
    machines: BTreeMap<String, String>,
    tables: Vec<Table>,
    values: BTreeMap<String, Single>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    id: String,
    machine: String,
    method: String,
    columns: Vec<Column>,
    rows: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Column {
    id: String,
    title: String,
    #[serde(default)]
    align: Align,
    /// `true` if the column is only there for others to copy.
    #[serde(default)]
    hidden: bool,
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Align {
    #[default]
    Left,
    Right,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    id: String,
    cells: Vec<String>,
}

/// A figure outside tables. `machine` is missing if the figure is the same on all of them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Single {
    value: String,
    machine: Option<String>,
    method: String,
}

impl Figures {
    /// Parses the source. Returns an error if a machine is unknown, a method is empty, or a row has too few or
    /// too many cells.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let figures: Self =
            toml::from_str(text).with_context(|| format!("{SOURCE} is malformed"))?;
        for table in &figures.tables {
            figures.check(&table.id, Some(&table.machine), &table.method)?;
            for row in &table.rows {
                let (cells, columns) = (row.cells.len(), table.columns.len());
                ensure!(
                    cells == columns,
                    "{SOURCE}: `{}.{}` has {cells} cells in {columns} columns",
                    table.id,
                    row.id
                );
            }
        }
        for (id, value) in &figures.values {
            figures.check(id, value.machine.as_deref(), &value.method)?;
        }
        Ok(figures)
    }

    fn check(&self, id: &str, machine: Option<&str>, method: &str) -> Result<()> {
        if let Some(machine) = machine {
            ensure!(
                self.machines.contains_key(machine),
                "{SOURCE}: `{id}` names the unknown machine `{machine}`"
            );
        }
        ensure!(!method.is_empty(), "{SOURCE}: `{id}` states no method");
        Ok(())
    }

    /// Adds a number that was counted in the sources.
    pub(crate) fn add(&mut self, id: &str, count: usize) {
        let value =
            Single { value: count.to_string(), machine: None, method: "counted".to_owned() };
        self.values.insert(id.to_owned(), value);
    }

    /// Returns the identifiers of the tables and single figures.
    #[cfg(test)]
    pub(crate) fn ids(&self) -> impl Iterator<Item = &str> {
        let tables = self.tables.iter().map(|table| table.id.as_str());
        tables.chain(self.values.keys().map(String::as_str))
    }

    /// Returns the page with every marked place filled in.
    pub(crate) fn fill(&self, page: &str) -> Result<String> {
        let page = replace(page, TABLE, |id| Ok(format!("\n{}", self.table(id)?)))?;
        replace(&page, FIGURE, |id| self.figure(id))
    }

    /// Returns a figure by `VALUE` or `TABLE.ROW.COLUMN`, with a leading `~` the part before its parenthesis.
    fn figure(&self, id: &str) -> Result<String> {
        if let Some(id) = id.strip_prefix('~') {
            let full = self.figure(id)?;
            return Ok(full.split(" (").next().unwrap_or(&full).to_owned());
        }
        if let Some(value) = self.values.get(id) {
            return Ok(value.value.clone());
        }
        let found = self.tables.iter().find_map(|table| {
            let place = id.strip_prefix(&table.id)?.strip_prefix('.')?;
            let (row, column) = place.rsplit_once('.')?;
            let row = table.rows.iter().find(|candidate| candidate.id == row)?;
            let column = table.columns.iter().position(|candidate| candidate.id == column)?;
            row.cells.get(column)
        });
        match found {
            Some(cell) => self.expand(cell),
            None => bail!("{SOURCE} has no figure `{id}`"),
        }
    }

    /// Returns a cell with the figures that it copies.
    fn expand(&self, cell: &str) -> Result<String> {
        let mut text = String::new();
        let mut rest = cell;
        while let Some((before, after)) = rest.split_once('{') {
            let (id, after) =
                after.split_once('}').with_context(|| format!("{SOURCE}: no `}}` in `{cell}`"))?;
            text.push_str(before);
            text.push_str(&self.figure(id)?);
            rest = after;
        }
        Ok(text + rest)
    }

    fn table(&self, id: &str) -> Result<String> {
        let table = self.tables.iter().find(|table| table.id == id);
        let table = table.with_context(|| format!("{SOURCE} has no table `{id}`"))?;
        let shown = |at: &usize| !table.columns[*at].hidden;
        let shown: Vec<usize> = (0..table.columns.len()).filter(shown).collect();
        let mut text = String::new();
        for &at in &shown {
            let _ = write!(text, "| {} ", table.columns[at].title);
        }
        text.push_str("|\n");
        for &at in &shown {
            text.push_str(match table.columns[at].align {
                Align::Left => "|---",
                Align::Right => "|--:",
            });
        }
        text.push_str("|\n");
        for row in &table.rows {
            for &at in &shown {
                let _ = write!(text, "| {} ", self.expand(&row.cells[at])?);
            }
            text.push_str("|\n");
        }
        Ok(text)
    }
}

/// Replaces the text between each pair of marks with what `text` returns for the identifier in the first mark.
fn replace(
    page: &str,
    (begin, end): (&str, &str),
    text: impl Fn(&str) -> Result<String>,
) -> Result<String> {
    let mut filled = String::with_capacity(page.len());
    let mut rest = page;
    while let Some(at) = rest.find(begin) {
        let after = &rest[at + begin.len()..];
        let (id, after) =
            after.split_once(MARK_END).with_context(|| format!("A mark `{begin}` has no end"))?;
        let (_, after) =
            after.split_once(end).with_context(|| format!("`{begin}{id}` has no `{end}`"))?;
        let _ = write!(filled, "{}{begin}{id}{MARK_END}{}{end}", &rest[..at], text(id)?);
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIGURES: &str = r#"
machines = { a = "A machine" }
values = { size = { value = "93 MB", method = "`ls`" } }
[[tables]]
id = "speeds"
machine = "a"
method = "By clock."
columns = [{ id = "task", title = "task" }, { id = "ratio", title = "ratio", align = "right" }, { id = "x", title = "", hidden = true }]
rows = [{ id = "decode-1.5b", cells = ["decode", "1.9 (1.8–2.0)", "{~speeds.decode-1.5b.ratio}"] }]
"#;

    #[test]
    fn marked_places_are_filled_and_everything_else_stays() {
        let figures = Figures::parse(FIGURES).unwrap();
        let page = "Takes <!-- figure size -->1<!-- /figure -->, \
                    <!-- figure speeds.decode-1.5b.x --><!-- /figure -->.\n\
                    <!-- table speeds -->\nold\n<!-- /table -->\nEnd";
        let filled = "Takes <!-- figure size -->93 MB<!-- /figure -->, \
                      <!-- figure speeds.decode-1.5b.x -->1.9<!-- /figure -->.\n\
                      <!-- table speeds -->\n| task | ratio |\n|---|--:|\n| decode | 1.9 (1.8–2.0) |\n\
                      <!-- /table -->\nEnd";
        assert_eq!(figures.fill(page).unwrap(), filled);
        assert_eq!(figures.fill(filled).unwrap(), filled);
    }

    #[test]
    fn unknown_figures_and_machines_are_errors() {
        let figures = Figures::parse(FIGURES).unwrap();
        for page in ["<!-- figure speed -->", "<!-- figure x --><!-- /figure -->"] {
            assert!(figures.fill(page).is_err(), "{page}");
        }
        assert!(Figures::parse(&FIGURES.replace("machine = \"a\"", "machine = \"b\"")).is_err());
        assert!(Figures::parse(&FIGURES.replace("\"decode\", ", "")).is_err());
    }
}
