//! Tables on standard output, for people.

use unicode_width::UnicodeWidthStr;

use crate::output;
use crate::terminal::{fold, sanitize_line, unbroken, width};

/// Columns between two cells: ` | `.
const GAP: usize = 3;

/// Prints rows of cells, the first of which is the header. Columns are as wide as their longest cell. If a terminal is
/// too narrow, every row becomes a line of its own with the other cells below it.
pub(super) fn print(rows: &[Vec<String>]) -> anyhow::Result<()> {
    let clean = |row: &Vec<String>| row.iter().map(|cell| sanitize_line(cell)).collect();
    let rows: Vec<Vec<String>> = rows.iter().map(clean).collect();
    let columns = rows.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..columns)
        .map(|column| rows.iter().map(|row| row[column].width()).max().unwrap_or(0))
        .collect();
    let total = widths.iter().sum::<usize>() + GAP * columns.saturating_sub(1);
    if output::stdout_is_terminal() && total > width() {
        output::stdout().text(records(&rows, width()))?;
        return Ok(());
    }
    let mut out = output::stdout();
    for (number, row) in rows.iter().enumerate() {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell}{}", " ".repeat(width - cell.width())))
            .collect();
        out.line(cells.join(" | ").trim_end())?;
        if number == 0 {
            let rules: Vec<String> = widths.iter().map(|&width| "-".repeat(width)).collect();
            out.line(rules.join("-+-"))?;
        }
    }
    Ok(())
}

/// Returns the rows as text: the name of each, and the other cells with their headers, indented and wrapped.
fn records(rows: &[Vec<String>], width: usize) -> String {
    let Some((header, rows)) = rows.split_first() else { return String::new() };
    let named = if header.first().is_some_and(|first| first == "#") { 2 } else { 1 };
    let mut text = String::new();
    for row in rows {
        text.push_str(&row[..named.min(row.len())].join("  "));
        text.push('\n');
        let rest = header.iter().zip(row).skip(named);
        let told = rest.filter(|(_, cell)| !cell.is_empty() && *cell != "-");
        let cells: Vec<String> = told
            .map(|(name, cell)| unbroken(&format!("{name}: {cell}"), width.saturating_sub(6)))
            .collect();
        let lines = fold(&format!("  {}", cells.join(" · ")), width);
        text.push_str(&lines.replace("\n      ", "\n  "));
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::records;

    #[test]
    fn rows_fit_into_a_narrow_terminal() {
        let row = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
        let rows = [
            row(&["Name", "Size", "Type"]),
            row(&["org/model", "1.2 GB", "chat"]),
            row(&["b", "-", "base"]),
        ];
        let expected = "org/model\n  Size: 1.2 GB · Type: chat\nb\n  Type: base\n";
        assert_eq!(records(&rows, 40), expected);
        let expected = "org/model\n  Size: 1.2 GB ·\n  Type: chat\nb\n  Type: base\n";
        assert_eq!(records(&rows, 20), expected);
    }
}
