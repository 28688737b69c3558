//! Models that llama.cpp's converter has written as GGUF, imported, against mlx-lm on the original weights;
//! `tests/gguf/make.py` writes both.

use std::ops::ControlFlow;
use std::path::PathBuf;

use mlxk_format::gguf::Plan;
use mlxk_models::registry;

use crate::compare::{BOUND, agreement_of};
use crate::golden;
use crate::runner::Runner;

#[test]
fn imported_models_agree_with_mlx_lm() {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/gguf/fixtures"));
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "gguf"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    assert!(names.len() >= 23, "fixtures are missing: {names:?}");
    let mut failed = Vec::new();
    for name in &names {
        let result = (|| {
            let golden = golden::read_from(&folder, name);
            let file = folder.join(format!("{name}.gguf"));
            let plan =
                Plan::new(&file, &registry::gguf_architectures()).map_err(|e| e.to_string())?;
            let target = tempfile::tempdir().unwrap();
            plan.write(target.path(), &mut |_, _| ControlFlow::Continue(())).unwrap();
            let mut runner = Runner::load(target.path(), true, 1).map_err(|e| e.to_string())?;
            Ok::<_, String>(agreement_of(&mut runner, &golden))
        })();
        match result {
            Ok(found) => {
                println!("{name:<16} {:.1e}  {}{}", found.error, found.greedy(), found.verdict());
                if !found.passes() {
                    failed.push(name);
                }
            }
            Err(error) => {
                println!("{name:<16} {error}");
                failed.push(name);
            }
        }
    }
    assert!(failed.is_empty(), "beyond {BOUND:e} or refused: {failed:?}");
}
