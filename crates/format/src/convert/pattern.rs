//! Patterns of module paths.

/// Returns `true` if `pattern` matches the path, or a part of it that starts after a dot and
/// extends to the end.
pub(super) fn fits(pattern: &str, path: &str) -> bool {
    let ends = path.char_indices().filter(|&(_, c)| c == '.').map(|(at, _)| &path[at + 1..]);
    std::iter::once(path).chain(ends).any(|end| fits_whole(pattern.as_bytes(), end.as_bytes()))
}

/// Matches a complete text. `*` stands for any characters, including dots.
fn fits_whole(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    // Position of the last star, and the amount of text that it has matched.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p, t));
            p += 1;
        } else if pattern.get(p) == Some(&text[t]) {
            (p, t) = (p + 1, t + 1);
        } else if let Some((at, taken)) = star {
            star = Some((at, taken + 1));
            (p, t) = (at + 1, taken + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_ends() {
        let path = "model.layers.10.self_attn.v_proj";
        for pattern in [
            path,
            "v_proj",
            "self_attn.v_proj",
            "*.v_proj",
            "model.layers.1*.v_proj",
            "*",
            "layers.10.*",
            "**v*proj**",
        ] {
            assert!(fits(pattern, path), "{pattern}");
        }
        for pattern in ["proj", "v_pro", "layers.1.*", "model", "", "q*"] {
            assert!(!fits(pattern, path), "{pattern}");
        }
        assert!(fits("lm_head", "lm_head"));
    }
}
