//! The pages of `docs/reference` that the program writes itself.

use std::fs;
use std::path::Path;

use crate::support::World;

#[test]
fn the_reference_pages_are_up_to_date() {
    let world = World::new();
    let folder = world.home.path().join("reference");
    world.mlxk(&["reference", folder.to_str().unwrap()]).assert().success();
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference");
    for name in ["cli.md", "config.md", "environment.md"] {
        let text = |folder: &Path| fs::read_to_string(folder.join(name)).unwrap().replace('\r', "");
        let is_same = text(&folder) == text(&committed);
        assert!(is_same, "docs/reference/{name} is out of date; run `cargo xtask generate`");
    }
}
