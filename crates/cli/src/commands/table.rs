//! Tables on standard output, for people.

use unicode_width::UnicodeWidthStr;

use crate::output;
use crate::terminal::{fold, sanitize_line, unbroken, width};

/// Columns between two cells: ` | `.
const GAP: usize = 3;

/// Prints a table like [`print`]. If a terminal is too narrow, leaves out columns of these titles, one after another,
/// until it fits. If it still doesn't, prints all of them.
pub(super) fn print_most(rows: &[Vec<String>], optional: &[&str]) -> anyhow::Result<()> {
    if output::stdout_is_terminal() {
        let mut fewer = rows.to_vec();
        for title in std::iter::once(&"").chain(optional) {
            drop_column(&mut fewer, title);
            if total_width(&fewer) <= width() {
                return print(&fewer);
            }
        }
    }
    print(rows)
}

fn drop_column(rows: &mut [Vec<String>], title: &str) {
    let column = rows.first().and_then(|header| header.iter().position(|it| it == title));
    if let Some(column) = column {
        for row in rows {
            row.remove(column);
        }
    }
}

fn total_width(rows: &[Vec<String>]) -> usize {
    let columns = rows.first().map_or(0, Vec::len);
    let widest = |column: usize| rows.iter().map(|row| row[column].width()).max().unwrap_or(0);
    (0..columns).map(widest).sum::<usize>() + GAP * columns.saturating_sub(1)
}

/// Prints rows of cells, the first of which is the header. Columns are as wide as their longest cell. If a terminal is
/// too narrow, every row becomes a line of its own with the other cells below it.
pub(super) fn print(rows: &[Vec<String>]) -> anyhow::Result<()> {
    let clean = |row: &Vec<String>| row.iter().map(|cell| sanitize_line(cell)).collect();
    let rows: Vec<Vec<String>> = rows.iter().map(clean).collect();
    let columns = rows.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..columns)
        .map(|column| rows.iter().map(|row| row[column].width()).max().unwrap_or(0))
        .collect();
    if output::stdout_is_terminal() && total_width(&rows) > width() {
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
    use super::{drop_column, records, total_width};

    #[test]
    fn optional_columns_make_room() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let mut rows = vec![row(["Name", "Hash", "Size"]), row(["org/model", "1234567", "1.2 GB"])];
        assert_eq!(total_width(&rows), 9 + 7 + 6 + 6);
        drop_column(&mut rows, "Hash");
        drop_column(&mut rows, "Other");
        assert_eq!(
            (rows[1].as_slice(), total_width(&rows)),
            (&["org/model".to_owned(), "1.2 GB".to_owned()][..], 18)
        );
    }

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
