//! Lays out Markdown tables (GitHub's extension) in columns.

use unicode_width::UnicodeWidthStr;

use super::inline;
use super::wrap::Style;

/// Returns the cells of a row.
fn cells(row: &str) -> Vec<&str> {
    let row = row.trim();
    let row = row.strip_prefix('|').unwrap_or(row);
    let row = row.strip_suffix('|').unwrap_or(row);
    row.split('|').map(str::trim).collect()
}

/// Returns `true` for the row between the header and the rest.
fn is_rule(row: &str) -> bool {
    row.contains('-') && row.chars().all(|c| matches!(c, '|' | '-' | ':' | ' '))
}

/// Writes the rows in columns, or unchanged if they don't fit into `width`.
pub(super) fn write(rows: &[String], width: usize, out: &mut String) {
    let plain = |cell: &str| -> usize {
        inline::parse(cell, Style::default(), true).0.iter().map(|(_, text)| text.width()).sum()
    };
    let table: Vec<Vec<&str>> = rows.iter().map(|row| cells(row)).collect();
    let columns = table.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            let cells = table.iter().zip(rows).filter(|(_, row)| !is_rule(row));
            cells.filter_map(|(cells, _)| cells.get(column)).map(|cell| plain(cell)).max()
        })
        .map(|width| width.unwrap_or(0))
        .collect();
    let total = widths.iter().sum::<usize>() + 3 * columns.saturating_sub(1);
    let has_header = rows.get(1).is_some_and(|row| is_rule(row));
    if !has_header || total > width {
        for row in rows {
            out.push_str(row);
            out.push('\n');
        }
        return;
    }
    for (number, cells) in table.iter().enumerate() {
        if number == 1 {
            let rules: Vec<String> = widths.iter().map(|&width| "─".repeat(width)).collect();
            Style::DIM.paint(&rules.join("─┼─"), out);
            out.push('\n');
            continue;
        }
        let base = Style { bold: number == 0, ..Style::default() };
        for (column, &width) in widths.iter().enumerate() {
            if column > 0 {
                Style::DIM.paint(" │ ", out);
            }
            let cell = cells.get(column).copied().unwrap_or_default();
            for (style, text) in inline::parse(cell, base, true).0 {
                style.paint(&text, out);
            }
            if column + 1 < columns {
                out.push_str(&" ".repeat(width - plain(cell)));
            }
        }
        out.push('\n');
    }
}
