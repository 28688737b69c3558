//! The same goldens on MLX, if `MLXK_MLX_LIBRARY` names its C library.

use mlxk_mlx::{Mlx, MlxOptions};
use mlxk_ops::{KvFormat, Ops};

use crate::made::Made;
use crate::runner::Runner;
use crate::{compare, golden};

/// Opens MLX in f32, or says that it isn't here.
#[expect(clippy::print_stdout, reason = "a test says what it skips")]
fn open() -> Option<Box<dyn Ops>> {
    let Some(library) = std::env::var_os("MLXK_MLX_LIBRARY") else {
        println!("skipped: MLXK_MLX_LIBRARY does not name the C library of MLX");
        return None;
    };
    let (library, kv) = (Some(library.into()), Some(KvFormat::F32));
    Some(Box::new(Mlx::open(MlxOptions { library, exact: true, kv }).unwrap()))
}

#[test]
fn mlx_agrees_with_mlx_lm() {
    let mut failed = Vec::new();
    let mut ran = 0;
    for name in golden::names() {
        let Some(ops) = open() else { return };
        let golden = golden::read(&name);
        let made = Made::new(&golden);
        if !compare::known(&made) {
            continue;
        }
        let folder = made.write();
        let mut runner = Runner::on(ops, folder.path()).unwrap();
        let found = compare::agreement_of(&mut runner, &golden);
        let (greedy, verdict) = (found.greedy(), found.verdict());
        println!("{name:<36} {:>8.1e}  {greedy}{verdict}", found.error);
        if !found.passes() {
            failed.push(name);
        }
        ran += 1;
    }
    println!("{ran} cases ran");
    assert!(failed.is_empty(), "beyond the bound: {failed:?}");
}
