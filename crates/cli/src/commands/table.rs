//! Tables on standard output, for people.

use unicode_width::UnicodeWidthStr;

use crate::output;
use crate::printer::Printer;
use crate::terminal::{fold, sanitize_line, width};

/// Marks between two cells of a row, and of the line below the header.
type Gap = (&'static str, &'static str);
const USUAL: Gap = (" | ", "-+-");
const NARROW: Gap = ("  ", "  ");

/// Prints a table like [`print`]. If a terminal is too narrow, moves the columns closer together, takes the cells of
/// `shorter`, and leaves out as few as possible of the columns with these titles, the first ones first; a note says
/// which. If it still doesn't fit, prints all of them.
pub(super) fn print_most(
    rows: &[Vec<String>],
    shorter: &[Vec<String>],
    optional: &[&str],
    command: &str,
    printer: &Printer,
) -> anyhow::Result<()> {
    let (rows, shorter) = (sanitized(rows), sanitized(shorter));
    if !output::stdout_is_terminal() || total_width(&rows, USUAL) <= width() {
        return print(&rows);
    }
    let Some((fitting, hidden)) = fitting(&rows, &shorter, optional, width()) else {
        return print(&rows);
    };
    write(&fitting, NARROW)?;
    if !hidden.is_empty() {
        printer.note(format_args!(
            "Not shown in this narrow window: {}. Widen it, or see `{command}`",
            hidden.join(", ")
        ));
    }
    Ok(())
}

/// Returns the rows that fit into `room` and the titles of the columns that are left out of them, or `None` if even
/// without all `optional` ones they don't fit.
fn fitting<'a>(
    rows: &[Vec<String>],
    shorter: &[Vec<String>],
    optional: &[&'a str],
    room: usize,
) -> Option<(Vec<Vec<String>>, Vec<&'a str>)> {
    if total_width(rows, NARROW) <= room {
        return Some((rows.to_vec(), Vec::new()));
    }
    // Each set of columns is a number with a bit for each of them.
    let mut sets: Vec<u32> = (0..1 << optional.len()).collect();
    sets.sort_by_key(|set| (set.count_ones(), *set));
    sets.into_iter().find_map(|set| {
        let is_in = |index: usize| set & (1 << index) != 0;
        let hidden: Vec<&str> = (0..optional.len())
            .filter(|&index| is_in(index))
            .map(|index| optional[index])
            .collect();
        let mut fewer = shorter.to_vec();
        for title in &hidden {
            drop_column(&mut fewer, title);
        }
        (total_width(&fewer, NARROW) <= room).then_some((fewer, hidden))
    })
}

fn drop_column(rows: &mut [Vec<String>], title: &str) {
    let column = rows.first().and_then(|header| header.iter().position(|it| it == title));
    if let Some(column) = column {
        for row in rows {
            row.remove(column);
        }
    }
}

fn widths(rows: &[Vec<String>]) -> Vec<usize> {
    let columns = rows.first().map_or(0, Vec::len);
    let widest = |column: usize| rows.iter().map(|row| row[column].width()).max().unwrap_or(0);
    (0..columns).map(widest).collect()
}

fn total_width(rows: &[Vec<String>], (gap, _): Gap) -> usize {
    let widths = widths(rows);
    widths.iter().sum::<usize>() + gap.len() * widths.len().saturating_sub(1)
}

fn sanitized(rows: &[Vec<String>]) -> Vec<Vec<String>> {
    rows.iter().map(|row| row.iter().map(|cell| sanitize_line(cell)).collect()).collect()
}

/// Prints rows of cells, the first of which is the header. Columns are as wide as their longest cell. If a terminal is
/// too narrow, every row becomes a line of its own with the other cells below it. In a pipe, rows are never broken.
pub(super) fn print(rows: &[Vec<String>]) -> anyhow::Result<()> {
    let rows = sanitized(rows);
    if output::stdout_is_terminal() && total_width(&rows, USUAL) > width() {
        output::stdout().text(records(&rows, width()))?;
        return Ok(());
    }
    write(&rows, USUAL)
}

fn write(rows: &[Vec<String>], (gap, crossing): Gap) -> anyhow::Result<()> {
    let widths = widths(rows);
    let mut out = output::stdout();
    for (number, row) in rows.iter().enumerate() {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell}{}", " ".repeat(width - cell.width())))
            .collect();
        out.text(format_args!("{}\n", cells.join(gap).trim_end()))?;
        if number == 0 {
            let rules: Vec<String> = widths.iter().map(|&width| "-".repeat(width)).collect();
            out.text(format_args!("{}\n", rules.join(crossing)))?;
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
        let cells = told.map(|(name, cell)| format!("{name}: {cell}"));
        text.push_str("  ");
        text.push_str(&joined(cells, width.saturating_sub(2)).replace('\n', "\n  "));
        text.push('\n');
    }
    text
}

/// Joins cells with a dot, in lines of `room` columns. A cell is only broken if it doesn't fit into a line, and a dot
/// never stands alone.
pub(super) fn joined(cells: impl Iterator<Item = String>, room: usize) -> String {
    let (mut lines, mut line) = (Vec::new(), String::new());
    for cell in cells {
        if line.is_empty() {
            line = cell;
        } else if line.width() + 3 + cell.width() <= room {
            line = format!("{line} · {cell}");
        } else {
            let mark = if line.width() + 2 <= room { " ·" } else { "" };
            lines.push(format!("{line}{mark}"));
            line = cell;
        }
        if line.width() > room {
            let folded = fold(&line, room);
            lines.extend(folded.lines().map(str::to_owned));
            line = lines.pop().unwrap_or_default();
        }
    }
    lines.push(line);
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::{NARROW, USUAL, drop_column, fitting, records, total_width};

    #[test]
    fn optional_columns_make_room() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let mut rows = vec![row(["Name", "Hash", "Size"]), row(["org/model", "1234567", "1.2 GB"])];
        assert_eq!(total_width(&rows, USUAL), 9 + 7 + 6 + 6);
        assert_eq!(total_width(&rows, NARROW), 9 + 7 + 6 + 4);
        drop_column(&mut rows, "Hash");
        drop_column(&mut rows, "Other");
        assert_eq!(
            (rows[1].as_slice(), total_width(&rows, USUAL)),
            (&["org/model".to_owned(), "1.2 GB".to_owned()][..], 18)
        );
    }

    #[test]
    fn only_the_columns_that_have_to_go_are_left_out() {
        let row = |cells: [&str; 4]| cells.map(str::to_owned).to_vec();
        let rows =
            [row(["Name", "Hash", "Modified", "Src"]), row(["m", "1", "1 h", "ollama:abcdefgh"])];
        let shorter = [rows[0].clone(), row(["m", "1", "1 h", "ollama"])];
        let optional = ["Hash", "Modified", "Src"];
        let hidden = |shorter, room| fitting(&rows, shorter, &optional, room).map(|it| it.1);
        let (all, short) = (total_width(&rows, NARROW), total_width(&shorter, NARROW));
        assert_eq!((all, short), (4 + 4 + 8 + 15 + 6, 4 + 4 + 8 + 6 + 6));
        let none = Some(vec![]);
        assert_eq!(fitting(&rows, &shorter, &optional, all).unwrap().0[1][3], "ollama:abcdefgh");
        assert_eq!(fitting(&rows, &shorter, &optional, short).unwrap().0[1][3], "ollama");
        assert_eq!((hidden(&shorter, all - 1), hidden(&shorter, short)), (none.clone(), none));
        assert_eq!(hidden(&shorter, short - 1), Some(vec!["Hash"]));
        // One wide column goes instead of two narrow ones.
        assert_eq!(hidden(&rows, 20), Some(vec!["Src"]));
        assert_eq!(hidden(&rows, 14), Some(vec!["Hash", "Src"]));
        assert_eq!(hidden(&rows, 4), Some(optional.to_vec()));
        assert_eq!(hidden(&rows, 3), None);
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
        let expected = "org/model\n  Size: 1.2 GB ·\n  Type: chat\nb\n  Type: base\n";
        assert_eq!(records(&rows, 16), expected);
        let expected = "org/model\n  Size: 1.2 GB\n  Type: chat\nb\n  Type: base\n";
        assert_eq!(records(&rows, 14), expected);
    }
}
