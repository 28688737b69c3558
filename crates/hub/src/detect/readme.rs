//! Parses the front matter of a `README.md`: a few YAML keys, which hub and tools write in only two
//! forms.

/// The relevant keys, in lower case.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct FrontMatter {
    pub library_name: Option<String>,
    pub pipeline_tag: Option<String>,
    pub tags: Vec<String>,
    /// Identifier of the license, or the name of one that has no identifier.
    pub license: Option<String>,
}

impl FrontMatter {
    /// Parses the start of the file. The result is empty if there is no front matter.
    pub(crate) fn parse(text: &str) -> Self {
        let mut found = Self::default();
        let mut lines = text.trim_start_matches('\u{feff}').lines();
        if lines.next().map(str::trim_end) != Some("---") {
            return found;
        }
        let mut in_tags = false;
        for line in lines.map(str::trim_end).take_while(|line| *line != "---") {
            if let Some(item) = line.trim_start().strip_prefix("- ") {
                if in_tags {
                    found.tags.push(plain(item));
                }
                continue;
            }
            let Some((key, value)) = line.split_once(':') else { continue };
            in_tags = key == "tags";
            match key {
                "library_name" => found.library_name = Some(plain(value)),
                "license" | "license_name" => {
                    let known = found.license.take().filter(|license| license != "other");
                    let given = Some(plain(value)).filter(|license| !license.is_empty());
                    found.license = known.or(given);
                }
                "pipeline_tag" => found.pipeline_tag = Some(plain(value)),
                "tags" => {
                    let list = value.trim().strip_prefix('[').and_then(|v| v.strip_suffix(']'));
                    let items = list.into_iter().flat_map(|list| list.split(',')).map(plain);
                    found.tags.extend(items.filter(|item| !item.is_empty()));
                }
                _ => {}
            }
        }
        found
    }

    pub(crate) fn has_tag(&self, tag: &str) -> bool {
        self.tags.iter().any(|found| found == tag)
    }

    pub(crate) fn is_mlx(&self) -> bool {
        self.library_name.as_deref() == Some("mlx") || self.has_tag("mlx")
    }
}

/// Returns a scalar without its quotes.
fn plain(value: &str) -> String {
    value.trim().trim_matches(['"', '\'']).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_lists() {
        let block =
            "---\nlicense: mit\ntags:\n- text\n- \"MLX\"\nlanguage:\n- en\n---\ntags: [x]\n";
        let found = FrontMatter::parse(block);
        assert_eq!(
            (found.license.as_deref(), found.tags.as_slice()),
            (Some("mit"), &["text".to_owned(), "mlx".to_owned()][..])
        );
        let other = FrontMatter::parse("---\nlicense: other\nlicense_name: \"Ours\"\n---\n");
        assert_eq!(other.license.as_deref(), Some("ours"));
        let inline =
            "---\r\ntags: [a, 'mlx',]\r\nlibrary_name: mlx\r\npipeline_tag: text-generation\r\n---";
        let found = FrontMatter::parse(inline);
        assert_eq!(found.tags, ["a", "mlx"]);
        assert!(found.is_mlx());
        assert_eq!(found.pipeline_tag.as_deref(), Some("text-generation"));
    }

    #[test]
    fn only_front_matter_counts() {
        for text in
            ["", "# Title\n---\ntags: [mlx]\n---", "----\ntags: [mlx]", "---\nmytags: [mlx]\n"]
        {
            assert_eq!(FrontMatter::parse(text), FrontMatter::default(), "{text}");
        }
    }
}
