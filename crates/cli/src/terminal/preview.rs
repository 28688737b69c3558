//! Shows a table while it is still arriving. Its columns can change with every row, so it is drawn again and again at
//! the end of the screen, until the complete table takes its place.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::wrap::Style;

/// Turns line breaks by the terminal off and on (DECAWM), so that every line takes one row of the screen.
const NO_WRAP: &str = "\x1b[?7l";
const WRAP: &str = "\x1b[?7h";
/// Fewest rows of a screen with a preview.
const MIN_HEIGHT: usize = 4;

/// Lines at the end of the screen that can still change. The cursor is below them.
#[derive(Debug)]
pub(crate) struct Preview {
    lines: Vec<String>,
    width: usize,
    /// `true` if the terminal breaks lines again when it becomes narrower.
    reflows: bool,
}

impl Default for Preview {
    fn default() -> Self {
        // xterm and GNU Screen cut lines off instead.
        let cuts = ["XTERM_VERSION", "STY"].iter().any(|name| std::env::var_os(name).is_some());
        Self { lines: Vec::new(), width: 0, reflows: !cuts }
    }
}

impl Preview {
    /// Returns what puts `text` in place of the lines, and the new `lines` below it. Of lines that don't fit on the
    /// screen, only the last ones are shown.
    pub(crate) fn replace(
        &mut self,
        text: &str,
        lines: &str,
        (width, height): (usize, usize),
    ) -> String {
        let drawn = self.rows(width).min(height.saturating_sub(1));
        let is_resized = std::mem::replace(&mut self.width, width) != width;
        let lines = visible(lines, (width, height));
        let same = if text.is_empty() && !is_resized {
            self.lines.iter().zip(&lines).take_while(|(old, new)| old == new).count()
        } else {
            0
        };
        let mut out = String::new();
        let erased = drawn.saturating_sub(same);
        if erased > 0 {
            // Line by line: tmux keeps a copy of a screen that is cleared from its first column to its end.
            let up = format!("\x1b[{erased}A");
            for part in [up.as_str(), &"\x1b[2K\n".repeat(erased), up.as_str()] {
                out.push_str(part);
            }
        }
        out.push_str(text);
        if lines.len() > same {
            out.push_str(NO_WRAP);
            out.push_str(&lines[same..].join("\n"));
            out.push_str(WRAP);
            out.push('\n');
        }
        self.lines = lines;
        out
    }

    /// Returns the number of rows that the lines take in a window that is now this wide.
    fn rows(&self, width: usize) -> usize {
        let rows =
            |line: &String| if self.reflows { columns(line).div_ceil(width.max(1)) } else { 1 };
        self.lines.iter().map(|line| rows(line).max(1)).sum()
    }
}

/// Returns the width of a line without its escape sequences and without spaces at its end.
fn columns(line: &str) -> usize {
    let mut plain = String::new();
    let mut parts = line.split("\x1b[");
    plain.push_str(parts.next().unwrap_or_default());
    for part in parts {
        plain.push_str(part.split_once('m').map_or("", |(_, text)| text));
    }
    plain.trim_end().width()
}

/// Returns the lines that fit on the screen, with the cursor in the row below them.
fn visible(lines: &str, (width, height): (usize, usize)) -> Vec<String> {
    if height < MIN_HEIGHT {
        return Vec::new();
    }
    let lines: Vec<&str> = lines.lines().map(|line| cut(line, width)).collect();
    let hidden = lines.len().saturating_sub(height - 1);
    if hidden == 0 {
        return lines.into_iter().map(str::to_owned).collect();
    }
    // Its own line takes the place of one more.
    let hidden = hidden + 1;
    let mut mark = String::new();
    Style::DIM.paint(&format!("… {hidden} lines above"), &mut mark);
    std::iter::once(mark).chain(lines[hidden..].iter().map(|&line| line.to_owned())).collect()
}

/// Returns the beginning of a row that isn't laid out yet. Other lines fit, and have styles.
fn cut(line: &str, width: usize) -> &str {
    if line.contains('\x1b') {
        return line;
    }
    let mut used = 0;
    let end = line.char_indices().find(|(_, c)| {
        used += c.width().unwrap_or(0);
        used > width
    });
    &line[..end.map_or(line.len(), |(at, _)| at)]
}

#[cfg(test)]
mod tests {
    use std::num::NonZero;

    use super::super::Markdown;
    use super::*;

    fn nonzero(value: u16) -> NonZero<u16> {
        NonZero::new(value).unwrap()
    }

    /// A terminal that an answer arrives on.
    struct World {
        screen: vt100::Parser,
        markdown: Markdown,
        preview: Preview,
        size: (usize, usize),
    }

    impl World {
        fn new(width: u16, height: u16) -> Self {
            Self {
                screen: vt100::Parser::new(nonzero(height), nonzero(width), 1000),
                markdown: Markdown::new(true),
                preview: Preview::default(),
                size: (width.into(), height.into()),
            }
        }

        fn process(&mut self, text: &str) {
            assert!(!text.contains("\x1b[J"), "{text:?}");
            self.screen.process(text.replace('\n', "\r\n").as_bytes());
        }

        fn push(&mut self, piece: &str) {
            let text = self.markdown.push(piece, self.size.0);
            let table = self.markdown.open_table(self.size.0);
            let text = self.preview.replace(&text, &table, self.size);
            self.process(&text);
        }

        fn finish(&mut self) {
            let text = self.markdown.finish(self.size.0);
            let text = self.preview.replace(&text, "", self.size);
            self.process(&text);
        }

        fn shown(&self) -> String {
            self.screen.screen().contents()
        }

        /// Returns everything that was shown and not erased, from the top of the scrollback.
        fn everything(&mut self) -> Vec<String> {
            let mut rows = Vec::new();
            let screen = self.screen.screen_mut();
            screen.set_scrollback(usize::MAX);
            let (height, width) = screen.size();
            let (height, width) = (height.get(), width.get());
            for back in (0..=screen.scrollback()).rev() {
                screen.set_scrollback(back);
                let row = screen.rows(0, width).next().unwrap_or_default();
                rows.push(row.trim_end().to_owned());
            }
            rows.extend(screen.rows(0, width).take(height.into()).skip(1));
            while rows.last().is_some_and(|row| row.trim().is_empty()) {
                rows.pop();
            }
            rows.iter().map(|row| row.trim_end().to_owned()).collect()
        }
    }

    fn answer(rows: usize) -> String {
        let mut text = String::from(
            "Here is a table:\n\n| Number | What it *means* | Link |\n|--:|---|---|\n",
        );
        for row in 0..rows {
            let address = "https://example.org/".repeat(1 + row % 3);
            let meaning = "some words ".repeat(1 + row % 5);
            let line = format!("| {row} | {meaning} | `{address}` 日本 👍 |\n");
            text.push_str(&line);
        }
        text + "\nThat was **all** of it, with a sentence that is longer than the line.\n"
    }

    #[test]
    fn nothing_of_a_preview_is_left() {
        for (width, height) in [(60, 10), (80, 24), (200, 50), (20, 4), (60, 3)] {
            for rows in [0, 1, 3, 40] {
                let text = answer(rows);
                let mut at_once = World::new(width, height);
                let laid_out = at_once.markdown.push(&text, width.into());
                at_once.process(&laid_out);
                let expected = at_once.everything();
                for size in [1, 5, 1000] {
                    let mut world = World::new(width, height);
                    let characters: Vec<char> = text.chars().collect();
                    for piece in characters.chunks(size) {
                        world.push(&piece.iter().collect::<String>());
                    }
                    world.finish();
                    assert_eq!(world.everything(), expected, "{width}x{height}, {rows} by {size}");
                }
            }
        }
    }

    #[test]
    fn a_table_is_shown_while_it_arrives() {
        let mut world = World::new(40, 8);
        world.push("Look:\n| a | b |\n|--");
        assert_eq!(world.shown(), "Look:\na │ b");
        world.push("-|---|\n| longer | ce");
        assert_eq!(world.shown().trim_end(), "Look:\na      │ b\n───────┼───\nlonger │ ce");
        for row in 0..20 {
            world.push(&format!("ll {row} |\n| {row} |"));
        }
        let shown = world.shown();
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!((lines.len(), lines[0]), (7, "… 17 lines above"), "{shown}");
        assert!(lines[6].starts_with("19     │"), "{shown}");
    }

    impl World {
        /// Gives the window another width. The terminal breaks the lines again, or cuts them off.
        fn resize(&mut self, width: u16, reflows: bool) {
            let height = u16::try_from(self.size.1).unwrap();
            let mut lines = self.everything();
            if !reflows {
                let cut = |line: &String| cut(line, width.into()).to_owned();
                lines = lines.iter().map(cut).collect();
            }
            self.size.0 = width.into();
            self.screen = vt100::Parser::new(nonzero(height), nonzero(width), 1000);
            self.screen.process(format!("{}\r\n", lines.join("\r\n")).as_bytes());
            self.preview.reflows = reflows;
        }
    }

    #[test]
    fn a_resized_window_has_one_table() {
        let text =
            "Look:\n| a | b |\n|---|---|\n| some longer words | `c` |\n| x | and more of them |\n";
        for (before, after) in [(40, 30), (40, 20), (20, 40), (40, 39), (40, 11)] {
            for reflows in [true, false] {
                let mut world = World::new(before, 30);
                world.push(&text[..text.len() - 6]);
                world.resize(after, reflows);
                world.push(&text[text.len() - 6..text.len() - 2]);
                world.push(&text[text.len() - 2..]);
                world.finish();
                let mut expected = World::new(after, 30);
                expected.push(text);
                expected.finish();
                let (shown, expected) = (world.everything(), expected.everything());
                assert_eq!(shown, expected, "{before} to {after}, {reflows}");
            }
        }
    }
}
