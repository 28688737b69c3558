//! The files of the page, each a part of the binary.

use std::io::Write;
use std::sync::LazyLock;

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

/// A file as clients get it.
pub(super) struct File {
    pub(super) name: &'static str,
    pub(super) content: &'static [u8],
    /// The content in gzip.
    pub(super) packed: Vec<u8>,
    /// Identifies the content. It is weak, because the packed content has the same.
    pub(super) tag: String,
}

macro_rules! embedded {
    ($($name:literal)*) => { &[$(($name, include_bytes!($name).as_slice())),*] };
}

/// Names and contents.
const CONTENTS: &[(&str, &[u8])] = embedded!(
    "index.html" "icon.svg"
    "base.css" "layout.css" "chat.css" "views.css"
    "announce.js" "answer.js" "api.js" "bench-view.js" "chat.js" "code.js"
    "composer.js" "conversation.js" "dialogs.js" "dom.js" "figures.js" "images.js" "local.js" "main.js"
    "markdown-blocks.js" "markdown-inline.js" "markdown.js" "message.js" "models-view.js" "models.js"
    "pull.js" "scroll.js" "settings.js" "sidebar.js" "store.js" "theme.js" "transfer.js"
);

/// All files. They are packed when the first one is asked for.
static FILES: LazyLock<Vec<File>> = LazyLock::new(|| {
    let file = |&(name, content): &(&'static str, &'static [u8])| File {
        name,
        content,
        packed: packed(content),
        tag: tag(content),
    };
    CONTENTS.iter().map(file).collect()
});

/// Returns the file of this name.
pub(super) fn find(name: &str) -> Option<&'static File> {
    FILES.iter().find(|file| file.name == name)
}

impl File {
    /// Returns the media type, by the end of the name.
    pub(super) fn kind(&self) -> &'static str {
        match self.name.rsplit_once('.').map_or("", |(_, end)| end) {
            "html" => "text/html; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            "svg" => "image/svg+xml",
            _ => "application/octet-stream",
        }
    }
}

fn packed(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    // Writing into memory does not fail. If it did, clients would get the plain content.
    encoder.write_all(content).and_then(|()| encoder.finish()).unwrap_or_default()
}

fn tag(content: &[u8]) -> String {
    let digest = Sha256::digest(content);
    let start = digest.iter().take(8).fold(0, |all: u64, &byte| all << 8 | u64::from(byte));
    format!("W/\"{start:016x}\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    /// Bytes of all files together.
    const MOST_BYTES: usize = 150_000;

    fn scripts() -> impl Iterator<Item = &'static File> {
        FILES.iter().filter(|file| file.kind().starts_with("text/javascript"))
    }

    fn text(name: &str) -> &'static str {
        std::str::from_utf8(find(name).unwrap().content).unwrap()
    }

    #[test]
    fn every_file_of_the_folder_is_embedded() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/page");
        let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        let found: BTreeSet<String> = names
            .map(|name| name.into_string().unwrap())
            .filter(|name| Path::new(name).extension().is_none_or(|it| it != "rs"))
            .collect();
        let embedded: BTreeSet<String> = FILES.iter().map(|file| file.name.to_owned()).collect();
        assert_eq!(found, embedded);
        let bytes: usize = FILES.iter().map(|file| file.content.len()).sum();
        assert!(bytes < MOST_BYTES, "the page has {bytes} bytes");
    }

    #[test]
    fn every_reference_leads_to_a_file() {
        let page = text("index.html");
        let mut wanted: BTreeSet<&str> =
            page.split(['"', '\'']).filter_map(|part| part.strip_prefix("page/")).collect();
        for file in scripts() {
            let imports = text(file.name).lines().filter(|line| line.contains(" from './"));
            wanted.extend(imports.filter_map(|line| line.split("'./").nth(1)?.split('\'').next()));
        }
        for name in &wanted {
            assert!(find(name).is_some(), "{name}");
        }
        // And nothing is left over.
        for file in FILES.iter().filter(|file| file.name != "index.html") {
            assert!(wanted.contains(file.name), "nothing refers to {}", file.name);
        }
    }

    #[test]
    fn the_page_fits_its_security_policy() {
        let page = text("index.html");
        for refused in
            ["<style", " style=", " onclick=", " onload=", "<script>", "http://", "https://"]
        {
            assert!(!page.contains(refused), "{refused}");
        }
        for file in scripts() {
            for refused in
                ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("]
            {
                assert!(!text(file.name).contains(refused), "{}: {refused}", file.name);
            }
        }
    }

    #[test]
    fn packed_content_is_the_content() {
        use std::io::Read as _;
        for file in FILES.iter() {
            let mut plain = Vec::new();
            flate2::read::GzDecoder::new(&file.packed[..]).read_to_end(&mut plain).unwrap();
            assert_eq!(plain, file.content, "{}", file.name);
        }
    }
}
