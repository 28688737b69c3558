//! The lines that differ between two texts, for people.

use std::fmt::Write as _;

/// Lines around a change.
const AROUND: usize = 2;
/// Most lines that are compared with each other; longer changes are shown as one.
const MAX_LINES: usize = 2_000;

/// Returns the changed part of a text: `-` before lines that go, `+` before new ones. Empty if nothing differs.
pub(crate) fn diff(before: &str, after: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let same = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let rest = old.len().min(new.len()) - same;
    let end = old.iter().rev().zip(new.iter().rev()).take(rest).take_while(|(a, b)| a == b).count();
    let (gone, come) = (&old[same..old.len() - end], &new[same..new.len() - end]);
    let mut out = String::new();
    if gone.is_empty() && come.is_empty() {
        return out;
    }
    let mut line = |mark: char, text: &str| {
        // Writing to a text can't fail.
        let _ = writeln!(out, "{mark} {text}");
    };
    for text in &old[same.saturating_sub(AROUND)..same] {
        line(' ', text);
    }
    compare(gone, come, &mut line);
    for text in old[old.len() - end..].iter().take(AROUND) {
        line(' ', text);
    }
    out
}

/// Reports the lines of two texts in order, those that both have once.
fn compare(old: &[&str], new: &[&str], line: &mut impl FnMut(char, &str)) {
    let is_long = old.len().max(new.len()) > MAX_LINES;
    // Length of the longest common sequence of lines from each pair of places on.
    let width = new.len() + 1;
    let mut common = vec![0_u32; if is_long { 0 } else { (old.len() + 1) * width }];
    if !is_long {
        for a in (0..old.len()).rev() {
            for b in (0..new.len()).rev() {
                common[a * width + b] = if old[a] == new[b] {
                    common[(a + 1) * width + b + 1] + 1
                } else {
                    common[(a + 1) * width + b].max(common[a * width + b + 1])
                };
            }
        }
    }
    let (mut a, mut b) = (0, 0);
    while a < old.len() || b < new.len() {
        if !is_long && a < old.len() && b < new.len() && old[a] == new[b] {
            line(' ', old[a]);
            (a, b) = (a + 1, b + 1);
        } else if a < old.len()
            && (is_long
                || b == new.len()
                || common[(a + 1) * width + b] >= common[a * width + b + 1])
        {
            line('-', old[a]);
            a += 1;
        } else {
            line('+', new[b]);
            b += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::diff;

    #[test]
    fn changed_lines_are_marked() {
        let before = "1\n2\n3\nold\nboth\n4\n5\n6\n";
        let after = "1\n2\n3\nnew\nboth\nmore\n4\n5\n6\n";
        assert_eq!(diff(before, after), "  2\n  3\n- old\n+ new\n  both\n+ more\n  4\n  5\n");
        assert_eq!(diff(before, before), "");
        assert_eq!(diff("", "a\n"), "+ a\n");
        assert_eq!(diff("a\n", ""), "- a\n");
        assert_eq!(diff("a\na\n", "a\n"), "  a\n- a\n");
    }
}
