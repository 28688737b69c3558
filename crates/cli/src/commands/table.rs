//! Tables on standard output.

use unicode_width::UnicodeWidthStr;

use crate::output;
use crate::terminal::sanitize_line;

/// Prints rows of cells, the first of which is the header. Columns are as wide as their longest cell.
pub(super) fn print(rows: &[Vec<String>]) -> anyhow::Result<()> {
    let clean = |row: &Vec<String>| row.iter().map(|cell| sanitize_line(cell)).collect();
    let rows: Vec<Vec<String>> = rows.iter().map(clean).collect();
    let columns = rows.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..columns)
        .map(|column| rows.iter().map(|row| row[column].width()).max().unwrap_or(0))
        .collect();
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
