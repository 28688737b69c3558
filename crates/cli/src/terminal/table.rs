//! Lays out Markdown tables (GitHub's extension) in columns.

use unicode_width::UnicodeWidthStr;

use super::inline;
use super::wrap::{Style, Wrapper};

/// Least width of a column that has to break its words.
const MIN_WIDTH: usize = 4;
/// Width of a word that has to be broken if there is not enough room for other columns.
const LONG_WORD: usize = 16;
/// Columns between two cells: ` │ `.
const GAP: usize = 3;

/// Text of a cell in its styles.
type Pieces = Vec<(Style, String)>;

#[derive(Clone, Copy)]
enum Side {
    Left,
    Center,
    Right,
}

/// Returns the cells of a row. A pipe after a backslash belongs to its cell.
fn cells(row: &str) -> Vec<&str> {
    let row = row.trim();
    let row = row.strip_prefix('|').unwrap_or(row);
    let row = match row.strip_suffix('|') {
        Some(inner) if !inner.ends_with('\\') => inner,
        _ => row,
    };
    let mut cells = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (at, c) in row.char_indices() {
        if c == '|' && !escaped {
            cells.push(row[start..at].trim());
            start = at + 1;
        }
        escaped = c == '\\' && !escaped;
    }
    cells.push(row[start..].trim());
    cells
}

/// Returns `true` for the row between the header and the rest.
fn is_rule(row: &str) -> bool {
    row.contains('-') && row.chars().all(|c| matches!(c, '|' | '-' | ':' | ' '))
}

fn side(rule: &str) -> Side {
    match (rule.starts_with(':'), rule.ends_with(':')) {
        (true, true) => Side::Center,
        (false, true) => Side::Right,
        _ => Side::Left,
    }
}

/// Writes the rows in columns. If they don't fit into `width`, cells are wrapped between words, and in long words. If there are
/// too many columns even for that, each cell gets a line.
pub(super) fn write(rows: &[String], width: usize, out: &mut String) {
    if !rows.get(1).is_some_and(|row| is_rule(row)) {
        for row in rows {
            out.push_str(row);
            out.push('\n');
        }
        return;
    }
    let sides: Vec<Side> = cells(&rows[1]).into_iter().map(side).collect();
    let parse = |(number, row): (usize, &String)| -> Vec<Pieces> {
        let base = Style { bold: number == 0, ..Style::default() };
        cells(row).into_iter().map(|cell| inline::parse(cell, base, true).0).collect()
    };
    let table: Vec<Vec<Pieces>> =
        rows.iter().enumerate().filter(|(number, _)| *number != 1).map(parse).collect();
    let columns = table.iter().map(Vec::len).max().unwrap_or(0);
    let most = |measure: &dyn Fn(&Pieces) -> usize| -> Vec<usize> {
        let of_column =
            |column| table.iter().filter_map(|row| row.get(column)).map(measure).max().unwrap_or(0);
        (0..columns).map(of_column).collect()
    };
    let complete = most(&|cell| cell.iter().map(|(_, text)| text.width()).sum());
    let words = most(&|cell| {
        let text: String = cell.iter().map(|(_, text)| text.as_str()).collect();
        text.split_whitespace().map(UnicodeWidthStr::width).max().unwrap_or(0)
    });
    let room = width.saturating_sub(GAP * columns.saturating_sub(1));
    // An address may not take the room of the other columns.
    let long = (room / columns.max(1)).max(LONG_WORD);
    let unbroken: Vec<usize> = words.iter().map(|&width| width.min(long)).collect();
    let narrow: Vec<usize> = complete.iter().map(|&width| width.min(MIN_WIDTH)).collect();
    let Some(widths) = share(&unbroken, &complete, room).or_else(|| share(&narrow, &words, room))
    else {
        return write_cells(&table, width, out);
    };
    write_columns(&table, &widths, &sides, out);
}

/// Returns widths that add up to `room` at most, each between its bounds: the same one for all columns, if the
/// bounds allow it. Returns `None` if even the low bounds don't fit.
fn share(low: &[usize], high: &[usize], room: usize) -> Option<Vec<usize>> {
    let level = |level: usize| -> Vec<usize> {
        low.iter().zip(high).map(|(&low, &high)| level.min(high).max(low)).collect()
    };
    let fits = |widths: &[usize]| widths.iter().sum::<usize>() <= room;
    let best = (0..=room).rev().map(level).find(|widths| fits(widths));
    let mut widths = best?;
    for column in 0..widths.len() {
        let left = room - widths.iter().sum::<usize>();
        widths[column] += usize::from(left > 0 && widths[column] < high[column]);
    }
    Some(widths)
}

fn write_columns(table: &[Vec<Pieces>], widths: &[usize], sides: &[Side], out: &mut String) {
    let lines: Vec<Vec<Vec<String>>> = table
        .iter()
        .map(|row| {
            let cell = |(column, &width): (usize, &usize)| {
                row.get(column).map(|cell| fold(cell, width)).unwrap_or_default()
            };
            widths.iter().enumerate().map(cell).collect()
        })
        .collect();
    let height = |row: &Vec<Vec<String>>| row.iter().map(Vec::len).max().unwrap_or(0).max(1);
    // Rows of several lines need a mark between them.
    let is_tall = lines.iter().skip(1).any(|row| height(row) > 1);
    for (number, row) in lines.iter().enumerate() {
        if number == 1 || (number > 1 && is_tall) {
            let rules: Vec<String> = widths.iter().map(|&width| "─".repeat(width)).collect();
            Style::DIM.paint(&rules.join("─┼─"), out);
            out.push('\n');
        }
        for line in 0..height(row) {
            for (column, &width) in widths.iter().enumerate() {
                if column > 0 {
                    Style::DIM.paint(" │ ", out);
                }
                let text = row[column].get(line).map_or("", String::as_str);
                let free = width.saturating_sub(shown_width(text));
                let before = match sides.get(column) {
                    // The end of a line needs no spaces.
                    _ if text.is_empty() && column + 1 == widths.len() => 0,
                    Some(Side::Right) => free,
                    Some(Side::Center) => free / 2,
                    _ => 0,
                };
                out.push_str(&" ".repeat(before));
                out.push_str(text);
                if column + 1 < widths.len() {
                    out.push_str(&" ".repeat(free - before));
                }
            }
            out.push('\n');
        }
    }
}

/// Writes each row as a list of its cells, each with the head of its column.
fn write_cells(table: &[Vec<Pieces>], width: usize, out: &mut String) {
    let Some((heads, rows)) = table.split_first() else { return };
    for (number, row) in rows.iter().enumerate() {
        if number > 0 {
            Style::DIM.paint(&"─".repeat(width), out);
            out.push('\n');
        }
        for (column, cell) in row.iter().enumerate() {
            let mut pieces = heads.get(column).cloned().unwrap_or_default();
            pieces.push((Style::default(), ": ".to_owned()));
            pieces.extend(cell.iter().cloned());
            let mut wrapper = Wrapper::default();
            wrapper.begin("", "  ", Style::default(), out);
            push_all(&mut wrapper, &pieces, width, out);
            out.push('\n');
        }
    }
}

/// Returns the lines of a cell.
fn fold(cell: &Pieces, width: usize) -> Vec<String> {
    let (mut wrapper, mut text) = (Wrapper::default(), String::new());
    push_all(&mut wrapper, cell, width, &mut text);
    text.split('\n').map(str::to_owned).collect()
}

fn push_all(wrapper: &mut Wrapper, pieces: &Pieces, width: usize, out: &mut String) {
    for (style, text) in pieces {
        wrapper.push(text, *style, width, out);
    }
    wrapper.flush_word(width, out);
}

/// Returns the columns that a text with our escape sequences takes.
fn shown_width(text: &str) -> usize {
    let mut parts = text.split("\x1b[");
    let first = parts.next().unwrap_or_default();
    let after = |part: &str| part.split_once('m').map_or(0, |(_, text)| text.width());
    first.width() + parts.map(after).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_shared_fairly() {
        assert_eq!(share(&[1, 4], &[5, 8], 20), Some(vec![5, 8]));
        assert_eq!(share(&[1, 4], &[50, 8], 20), Some(vec![12, 8]));
        assert_eq!(share(&[1, 4], &[50, 50], 21), Some(vec![11, 10]));
        assert_eq!(share(&[9, 4], &[50, 50], 12), None);
    }

    #[test]
    fn a_pipe_after_a_backslash_is_text() {
        assert_eq!(cells(r"| a \| b | c |"), [r"a \| b", "c"]);
        assert_eq!(cells(r"a | b \|"), ["a", r"b \|"]);
    }
}
