//! The pages of the documentation that the program writes itself.

use std::fs;
use std::path::Path;

use crate::support::World;

#[test]
fn the_reference_pages_are_up_to_date() {
    let world = World::new();
    let folder = world.home.path().join("reference");
    world.mlxk(&["reference", folder.to_str().unwrap()]).assert().success();
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    for name in ["cli.md", "config.md", "environment.md", "models.md", "names.md"] {
        let text = |path: &Path| fs::read_to_string(path).unwrap().replace('\r', "");
        let committed =
            if name == "models.md" { name.to_owned() } else { format!("reference/{name}") };
        let is_same = text(&folder.join(name)) == text(&docs.join(&committed));
        assert!(is_same, "docs/{committed} is out of date; run `cargo xtask generate`");
    }
}
