//! Rows of figures in columns.

use std::fmt::Write as _;

/// Alignment of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Left, for words.
    Left,
    /// Right, for numbers.
    Right,
}

/// A table of texts.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    columns: Vec<(String, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Creates a table without rows.
    pub fn new(columns: &[(&str, Align)]) -> Self {
        let columns = columns.iter().map(|&(title, align)| (title.to_owned(), align)).collect();
        Self { columns, rows: Vec::new() }
    }

    /// Appends a row.
    ///
    /// # Panics
    ///
    /// If the number of cells is not the number of columns.
    pub fn row(&mut self, cells: Vec<String>) {
        assert_eq!(cells.len(), self.columns.len(), "every column has a cell");
        self.rows.push(cells);
    }

    /// Formats the table in columns of equal width, without lines. If it is wider than `most` columns, each row
    /// becomes a line with its other cells below it, each with its title.
    pub fn to_text(&self, most: usize) -> String {
        let width = |column: usize| {
            let cells = self.rows.iter().map(|row| row[column].chars().count());
            cells.fold(self.columns[column].0.chars().count(), usize::max)
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        if widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1) > most {
            return self.to_records();
        }
        let titles: Vec<String> = self.columns.iter().map(|(title, _)| title.clone()).collect();
        let mut text = String::new();
        for row in std::iter::once(&titles).chain(&self.rows) {
            let cells = row.iter().zip(&widths).zip(&self.columns);
            let line: Vec<String> = cells
                .map(|((cell, &width), (_, align))| match align {
                    Align::Left => format!("{cell:width$}"),
                    Align::Right => format!("{cell:>width$}"),
                })
                .collect();
            text.push_str(line.join("  ").trim_end());
            text.push('\n');
        }
        text
    }

    fn to_records(&self) -> String {
        let mut text = String::new();
        for row in &self.rows {
            let mut cells = self.columns.iter().zip(row).filter(|(_, cell)| !cell.is_empty());
            if let Some((_, first)) = cells.next() {
                text.push_str(first);
                text.push('\n');
            }
            for ((title, _), cell) in cells {
                let colon = if title.is_empty() { "" } else { ": " };
                let _ = writeln!(text, "  {title}{colon}{cell}");
            }
        }
        text
    }

    /// Formats the table as GitHub's Markdown.
    pub fn to_markdown(&self) -> String {
        let line = |cells: &mut dyn Iterator<Item = String>| {
            let cells: Vec<String> = cells.map(|cell| cell.replace('|', "\\|")).collect();
            format!("| {} |\n", cells.join(" | "))
        };
        let mut text = line(&mut self.columns.iter().map(|(title, _)| title.clone()));
        let rules = self.columns.iter().map(|(_, align)| match align {
            Align::Left => ":---",
            Align::Right => "---:",
        });
        text.push('|');
        text.push_str(&rules.collect::<Vec<_>>().join("|"));
        text.push_str("|\n");
        for row in &self.rows {
            text.push_str(&line(&mut row.iter().cloned()));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_that_is_too_wide_becomes_a_list() {
        let mut table =
            Table::new(&[("mode", Align::Left), ("time", Align::Right), ("", Align::Left)]);
        table.row(vec!["4:64".into(), "12.3 ms".into(), "slower".into()]);
        assert_eq!(table.to_text(21), "mode     time\n4:64  12.3 ms  slower\n");
        assert_eq!(table.to_text(20), "4:64\n  time: 12.3 ms\n  slower\n");
    }
}
